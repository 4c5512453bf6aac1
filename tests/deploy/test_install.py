"""`./dev install`: what lies where, and that it is of use there."""

import os
import pathlib
import re
import subprocess

import pytest

from harness.service import ROOT

HELD = {
    "bin/evently", "share/man/man1/evently.1", "share/bash-completion/completions/evently",
    "share/zsh/site-functions/_evently", "share/fish/vendor_completions.d/evently.fish",
}  # fmt: skip


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.xdist_group("install")  # the two share a build folder
@pytest.mark.parametrize(
    "prefix, unit", [("/usr/local", "usr/local/lib/systemd/system"), ("/usr", "lib/systemd/system")], ids=["usual", "/usr"]
)
def test_install_puts_program_page_completion_and_unit_below_the_prefix(tmp_path, prefix, unit):
    done = subprocess.run([ROOT / "dev", "install", *([prefix] if prefix != "/usr/local" else [])], capture_output=True, text=True,
                          env={**os.environ, "DESTDIR": str(tmp_path)}, timeout=600)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    below = prefix.strip("/")
    assert files(tmp_path) == {f"{below}/{name}" for name in HELD} | {f"{unit}/evently.service"}
    program = tmp_path / below / "bin" / "evently"
    assert subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.startswith("evently ")
    assert program.stat().st_size < 5_000_000, "stripped"
    text = pathlib.Path(tmp_path / unit / "evently.service").read_text()
    assert re.search(rf"(?m)^ExecStart={prefix}/bin/evently serve", text), text
