#!/usr/bin/python3
"""The bars on Server-Sent Events: 5,000 subscribers of one instance, a change to all of them, memory of each.

usage: bench/sse.py [SUBSCRIBERS]   (EVENTLY_BINARY says which binary; build/bench/sse_clients reads the streams)
Time is from the write's answer to the last subscriber's bytes. Prints one line a bar, leaves with 1 when one is missed.
"""

import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

from harness.catalogue import create  # noqa: E402
from harness.service import BINARY, Service  # noqa: E402

CHANGES, PAUSE_S = 100, 0.2


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    missed = 0

    def bar(name, value, limit, unit):
        nonlocal missed
        missed += value > limit
        print(f"{name:<52} {value:>9.1f} {unit:<4} (bar {limit:g} {unit})  {'ok' if value <= limit else 'MISSED'}", flush=True)

    service = Service()
    try:
        service.start()
        create(service.admin)
        before = service.resident_bytes()
        clients = subprocess.Popen([BINARY.parent / "bench" / "sse_clients", str(service.port), service.user_token, str(count),
                                    str(CHANGES)], stdout=subprocess.PIPE, text=True)
        assert clients.stdout.readline() == "open\n"
        opened = service.resident_bytes()
        answered, begun_s = {}, cpu_s(service.process.pid)
        for n in range(CHANGES):
            create(service.admin, title=f"Concert {n}")
            answered[n + 2] = time.monotonic_ns()
            time.sleep(PAUSE_S)
        took, first = [], []
        for line in clients.stdout:
            seq, first_ns, last_ns = map(int, line.split())
            took.append(max(0, last_ns - answered[seq]) / 1e6)
            first.append((last_ns - first_ns) / 1e6)
        assert clients.wait() == 0 and len(took) == CHANGES
        busy_s = cpu_s(service.process.pid) - begun_s
        after = service.resident_bytes()
        took.sort()
        print(f"load average {os.getloadavg()[0]:.1f}; service CPU {busy_s * 1e6 / CHANGES / count:.1f} µs a message; "
              f"median {took[len(took) // 2]:.1f} ms, worst {took[-1]:.1f} ms, first to last {sorted(first)[len(first) // 2]:.1f} ms")
        bar(f"a change to {count} subscribers, p99 of changes", took[len(took) * 99 // 100 - 1], 100, "ms")
        bar("memory of each, streams just open", (opened - before) / count / 1024, 24, "KiB")
        bar("memory of each, after the changes", (after - before) / count / 1024, 24, "KiB")
        service.stop()
    finally:
        service.remove()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
