"""P1 and P4 on three instances under faults: a short run of the checker (`./dev bench faults` runs it for long)."""

import json
import os
import pathlib
import random
import subprocess
import sys

import pytest

from harness import postgres
from harness.service import BINARY, SANITIZED

TESTS = pathlib.Path(__file__).resolve().parents[1]
SEED = int(os.environ.get("EVENTLY_SEED", random.SystemRandom().randrange(10**6)))

pytestmark = [pytest.mark.xdist_group("checker"), pytest.mark.skipif(not postgres.is_built(), reason="needs PostgreSQL's server"),
              pytest.mark.skipif(SANITIZED, reason="the machine is too slow for the checker's pace")]


def check(tmp_path, *options, binary=BINARY, broken=None):
    """The checker's report and its exit code."""
    values = {**os.environ, "PYTHONPATH": str(TESTS), "EVENTLY_BINARY": str(binary)}
    if broken:
        values["EVENTLY_BREAK"] = broken
    report = tmp_path / "report.json"
    done = subprocess.run([sys.executable, "-m", "fault.checker", "--seed", str(SEED), "--report", report, *map(str, options)],
                          env=values, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=280, check=False)
    print(done.stdout[-6000:])
    assert report.exists(), f"the checker itself failed ({done.returncode})"
    return json.loads(report.read_text()), done.returncode


def test_no_read_breaks_a_promise_under_faults(tmp_path):
    """Instances, Redis, the network and PostgreSQL are hurt, the latter up to failovers to its synchronous replica."""
    report, code = check(tmp_path, "--seconds", 40)
    assert code == 0 and report["violations"] == 0, report["kinds"]
    assert report["reads"] > 1000 and report["writes"] > 100 and sum(report["faults"].values()) > 5, report


BROKEN = BINARY.parent / "tests" / "fault" / "evently-broken"
FINDS = {
    # what is broken: (what finds it, which of the promises falls; with a bad lease it is whichever a read meets first:
    # an instance that answers from before a write breaks P1, and P4 too where it has shown the write itself)
    "no_wait": (["--no-replica", "--faults", "none"], "P1"),
    "lease_swapped": (["--no-replica", "--faults", "stop"], "P"),
    "lease_forever": (["--no-replica", "--faults", "stop"], "P"),
    "as_of_ignored": (["--no-replica", "--faults", "redis-old,kill"], "P"),
    "ahead": (["--no-replica", "--faults", "none"], "P4"),
    "replica_ahead": (["--faults", "late"], "P4"),
}


@pytest.mark.parametrize("broken", FINDS)
def test_a_broken_protocol_is_found(tmp_path, broken):
    """A checker that cannot fail proves nothing. The program is built with switches for this; see src/base/broken.h."""
    options, promise = FINDS[broken]
    report, code = check(tmp_path, "--seconds", 60, "--until-violation", *options, binary=BROKEN, broken=broken)
    assert code == 1 and any(kind.startswith(promise) for kind in report["kinds"]), report


def test_the_switches_are_in_no_other_build():
    names = subprocess.run(["strings", "-n", "8", BINARY], stdout=subprocess.PIPE, check=True).stdout
    assert b"EVENTLY_BREAK" not in names and b"lease_swapped" not in names
    assert b"EVENTLY_BREAK" in subprocess.run(["strings", "-n", "8", BROKEN], stdout=subprocess.PIPE, check=True).stdout
