"""The lease protocol as a model (trust.pml), searched by spin; and broken on purpose, which must be found."""

import pathlib
import shutil
import subprocess

import pytest

MODEL = pathlib.Path(__file__).with_name("trust.pml")
pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="spin is not installed")


def search(folder, macros, bits=(), seconds=150):
    """The verifier's words. -E: that time ends while the writer waits is no fault."""
    subprocess.run(["spin", "-a", *macros, MODEL], cwd=folder, check=True, capture_output=True)
    subprocess.run(["gcc", "-O2", "-w", "-DSAFETY", *(bits or ["-DCOLLAPSE"]), "-DMEMLIM=3000", "-o", "pan", "pan.c"], cwd=folder, check=True)
    done = subprocess.run(["timeout", str(seconds), "./pan", "-m1000", "-E", "-w27" if bits else "-w22"], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


def test_every_state_with_one_read_each(tmp_path):
    """The whole space: P1."""
    assert "errors: 0" in search(tmp_path, ["-DREADS=1"])


def test_many_states_with_two_reads_each(tmp_path):
    """P4 needs two reads. Bitstate search within a time bound: a sample of the space, not all of it."""
    found = search(tmp_path, ["-DREADS=2"], ["-DBITSTATE"], seconds=45)
    assert "assertion violated" not in found


@pytest.mark.parametrize("broken", ["NO_WAIT", "SWAPPED", "LATE_CLOCK", "CHECK_AFTER", "AHEAD"])
def test_a_broken_protocol_is_found(tmp_path, broken):
    found = search(tmp_path, [f"-D{broken}", f"-DREADS={2 if broken == 'AHEAD' else 1}"])
    assert "assertion violated" in found
