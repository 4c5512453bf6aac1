#!/usr/bin/python3
"""The bars on start and memory: time to the first healthy answer, idle memory, 10,000 idle connections.

usage: bench/limits.py   (EVENTLY_BINARY says which binary; the release build is the one to measure)
Prints one line a bar and leaves with 1 when one is missed.
"""

import pathlib
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

from harness import catalogue  # noqa: E402
from harness.http import Connection  # noqa: E402
from harness.service import BINARY, Service, environment  # noqa: E402

STARTS = 15
IDLE_CONNECTIONS = 10000
MIB = 2**20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def time_to_healthy_ms(service):
    """From exec to the first 200 of /health, on an empty, migrated store; the client tries again without a pause."""
    port = free_port()
    begun = time.perf_counter()
    process = subprocess.Popen(
        [BINARY, "serve"],
        env=environment({**service.settings, "PORT": port}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                with Connection(port, timeout_s=5) as connection:
                    if connection.request("GET", "/health").status == 200:
                        return (time.perf_counter() - begun) * 1000
            except OSError:
                assert process.poll() is None and time.perf_counter() - begun < 20, "the service did not start"
                time.sleep(0.0005)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def hold_connections(service, count):
    """Idle, kept-alive connections, each of which has been answered once."""
    held = []
    request = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
    for _ in range(count):
        connection = Connection(service.port)
        connection.send(request)
        assert connection.read_answer().status == 200
        held.append(connection)
    return held


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    missed = 0

    def bar(name, value, limit, unit):
        nonlocal missed
        verdict = "ok" if value <= limit else "MISSED"
        missed += value > limit
        print(f"{name:<48} {value:>9.1f} {unit:<4} (bar {limit:g} {unit})  {verdict}", flush=True)

    service = Service({"IDLE_TIMEOUT_SECONDS": 600})
    try:
        service.migrate()
        starts = sorted(time_to_healthy_ms(service) for _ in range(STARTS))
        bar("start to first healthy answer, median", statistics.median(starts), 100, "ms")
        service.start(migrate=False)
        bar("idle memory after start", service.resident_bytes() / MIB, 20, "MiB")
        for n in range(20):
            catalogue.create(service.admin, capacity=n)
        held = hold_connections(service, IDLE_CONNECTIONS)
        memory = service.resident_bytes()
        bar(f"memory with {len(held):,} idle connections", memory / MIB, 200, "MiB")
        begun = time.perf_counter()
        for connection in held[::100]:
            assert connection.request("GET", catalogue.EVENTS, token=service.user_token).status == 200
        print(
            f"{'  one in 100 of them asks for a list, each':<48} {(time.perf_counter() - begun) * 1e6 / len(held[::100]):>9.1f} µs"
        )
        begun = time.perf_counter()
        service.stop()
        print(f"{'  SIGTERM to exit with all of them open':<48} {(time.perf_counter() - begun) * 1000:>9.1f} ms")
        [connection.close() for connection in held]
    finally:
        service.remove()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
