"""The systemd unit, as the build makes it."""

import re
import shutil
import subprocess

import pytest

from harness.service import BINARY

UNIT = BINARY.parent / "deploy" / "evently.service"
pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def analyze(*words):
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60)


def test_its_sandbox_is_tight():
    done = analyze("security", "--offline=true", "--no-pager", UNIT)
    exposure = float(re.search(r"Overall exposure level.*?: ([0-9.]+)", done.stdout)[1])
    assert exposure <= 2.0, done.stdout


def test_systemd_understands_every_line(tmp_path):
    # The program's path is where it will be installed: here stands the one that was built.
    text = re.sub(r"(?m)^(Exec\w+=)\S+/evently ", rf"\1{BINARY} ", UNIT.read_text())
    unit = tmp_path / "evently.service"
    unit.write_text(text)
    done = analyze("verify", "--man=no", "--recursive-errors=no", unit)
    complaints = [line for line in done.stderr.splitlines() if "evently.service" in line]
    assert not complaints, done.stderr


def test_it_waits_for_the_service_and_watches_it():
    text = UNIT.read_text()
    assert re.search(r"(?m)^Type=notify$", text) and re.search(r"(?m)^WatchdogSec=\d+$", text)
