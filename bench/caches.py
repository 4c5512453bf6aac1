#!/usr/bin/python3
"""The bars on consistency's price: what a writer waits for other instances, and what readers notice of a lost Redis.

usage: bench/caches.py   (EVENTLY_BINARY says which binary; the release build is the one to measure)
Prints one line a bar and leaves with 1 when one is missed. Clients are Python threads: their own time is in each figure.
"""

import json
import pathlib
import random
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

from harness import postgres  # noqa: E402
from harness.catalogue import ADMIN_EVENTS, EVENTS, create, wish  # noqa: E402
from harness.http import Connection  # noqa: E402
from harness.redis_server import RedisServer  # noqa: E402
from harness.service import Service  # noqa: E402

WRITES, EVENT_COUNT, READERS = 500, 20000, 4
LEASE_MS = 1000
SMALL_CACHE = 1 << 20  # of 20,000 events some 1,700 fit, the others are in Redis at most


class Bars:
    missed = 0

    def say(self, name, value, limit):
        good = value <= limit
        self.missed += not good
        print(f"{name:<60} {value:>9.2f} ms   (bar {limit:.4g} ms)  {'ok' if good else 'MISSED'}", flush=True)


def write_times_ms(service, event_id, count):
    times = []
    with Connection(service.port) as connection:
        for turn in range(count):
            begun = time.perf_counter()
            answer = connection.request("PUT", f"{ADMIN_EVENTS}{event_id}", {"capacity": turn + 1}, token=service.admin_token)
            times.append((time.perf_counter() - begun) * 1000)
            assert answer.status == 200, answer
    return sorted(times)


def part(times, of):
    return times[min(len(times) - 1, int(len(times) * of))]


class Readers:
    """Reads events at random until stopped; keeps when each was asked and how long it took."""

    def __init__(self, service, ids):
        self.service, self.ids, self.seen, self.failed, self.ended = service, ids, [], [], threading.Event()
        self.threads = [threading.Thread(target=self._read) for _ in range(READERS)]

    def _read(self):
        with Connection(self.service.port) as connection:
            while not self.ended.is_set():
                begun = time.perf_counter()
                answer = connection.request("GET", f"{EVENTS}{random.choice(self.ids)}", token=self.service.user_token)
                self.seen.append((begun, (time.perf_counter() - begun) * 1000))
                if answer.status != 200:
                    self.failed.append(answer)

    def __enter__(self):
        [thread.start() for thread in self.threads]
        return self

    def __exit__(self, *_):
        self.ended.set()
        [thread.join() for thread in self.threads]

    def p99_ms(self, since, until):
        return part(sorted(took for begun, took in list(self.seen) if since <= begun < until), 0.99)


def writers_wait(server, redis, bars):
    store = server.new_database()
    services = [Service({"LEASE_MS": LEASE_MS}, {**store, **redis.settings}) for _ in range(3)]
    try:
        first = services[0].start()
        event_id = create(first.admin)["id"]
        write_times_ms(first, event_id, 50)
        alone = write_times_ms(first, event_id, WRITES)
        print(f"an answered write, alone: median {part(alone, 0.5):.2f} ms, p99 {part(alone, 0.99):.2f} ms")
        [service.start(migrate=False) for service in services[1:]]
        write_times_ms(first, event_id, 50)
        together = write_times_ms(first, event_id, WRITES)
        bars.say("an answered write, three healthy instances, median", part(together, 0.5), 8)
        bars.say("an answered write, three healthy instances, p99", part(together, 0.99), 40)
        services[2].signal(signal.SIGSTOP)
        hung = write_times_ms(first, event_id, 20)
        services[2].signal(signal.SIGCONT)
        bars.say("an answered write, one instance hung, the longest", hung[-1], LEASE_MS + 50)
    finally:
        [service.remove() for service in services]


def readers_notice(server, redis, bars):
    service = Service({"CACHE_MAX_BYTES": SMALL_CACHE}, {**server.new_database(), **redis.settings})
    faults = [("killed", redis.kill, redis.start),
              ("frozen", lambda: redis.process.send_signal(signal.SIGSTOP), lambda: redis.process.send_signal(signal.SIGCONT))]
    try:
        service.start()
        lines = "\n".join(json.dumps(wish(title=f"Concert {n}")) for n in range(EVENT_COUNT))
        answer = service.admin.post(ADMIN_EVENTS + "import", lines, content_type="application/x-ndjson")
        assert answer.status in (200, 201), answer
        ids = range(1, EVENT_COUNT + 1)
        with Readers(service, ids) as readers:
            time.sleep(3)
            for name, hurt, mend in faults:
                now = time.perf_counter()
                normal = readers.p99_ms(now - 2, now)
                for what, do in (("", hurt), (" and back", mend)):
                    do()
                    done = time.perf_counter()
                    time.sleep(3)
                    bars.say(f"reads a second after Redis was {name}{what}, p99 (before: {normal:.2f})",
                             readers.p99_ms(done + 1, done + 3), max(3 * normal, 3))
        hits = [line for line in service.anonymous.get("/metrics").text.splitlines() if line.startswith("evently_cache_requests_total")]
        print(f"{len(readers.seen)} reads, {len(readers.failed)} failed; " + ", ".join(line.split("=")[1] for line in hits))
        bars.missed += len(readers.failed) > 0
        service.stop()
    finally:
        service.remove()


def main():
    bars = Bars()
    server, redis = postgres.Postgres("-c", "fsync=on").start(), RedisServer("--appendonly", "no").start()
    try:
        writers_wait(server, redis, bars)
        readers_notice(server, redis, bars)
    finally:
        redis.remove()
        server.stop()
    return 1 if bars.missed else 0


if __name__ == "__main__":
    sys.exit(main())
