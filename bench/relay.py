#!/usr/bin/python3
"""The bars on the relay: how fast it drains a long log into Redis, and how long a message takes after its commit.

usage: bench/relay.py [embedded|postgres]...   (EVENTLY_BINARY says which binary; the release build is the one to measure)
Prints one line a bar and leaves with 1 when one is missed. Redis writes its file with appendfsync everysec here; the
latency is from the acknowledged write's commit (occurred_at is taken before it) to the message at a subscriber.
"""

import json
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

from harness import postgres  # noqa: E402
from harness.catalogue import ADMIN_EVENTS, EVENTS, wish  # noqa: E402
from harness.http import Connection  # noqa: E402
from harness.redis_server import CHANNELS, STREAM, RedisServer  # noqa: E402
from harness.service import Service  # noqa: E402

DRAINED = 200000
DRAIN_BAR = 50000
RATE, RATE_S, LATENCY_BAR_MS = 500, 10, 20


def fill(service, count):
    """A log of that many creations, by import."""
    for begin in range(0, count, 50000):
        lines = "\n".join(json.dumps(wish(title=f"Concert {n}", venue=f"Hall {n % 1000}", description="A fine evening. " * 8))
                          for n in range(begin, min(begin + 50000, count)))
        answer = service.admin.post(ADMIN_EVENTS + "import", lines, content_type="application/x-ndjson")
        assert answer.status in (200, 201), answer


def drain_rate(service, redis):
    service.settings.pop("REDIS_URL", None)
    service.start()
    fill(service, DRAINED)
    service.stop()
    redis.client().flushall()
    service.settings.update(redis.settings)
    client, samples = redis.client(), []
    redis_before_s = client.info("cpu")["used_cpu_user"] + client.info("cpu")["used_cpu_sys"]
    service.start(migrate=False)
    while not samples or samples[-1][1] < DRAINED:
        length = client.xlen(STREAM)
        if length > 0:
            samples.append((time.perf_counter(), length))
        time.sleep(0.02)
    (begun, first), (ended, last) = samples[0], samples[-1]
    with open(f"/proc/{service.process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / 100
    redis_s = client.info("cpu")["used_cpu_user"] + client.info("cpu")["used_cpu_sys"] - redis_before_s
    print(f"  CPU for {DRAINED} changes: service {cpu_s:.2f} s, Redis {redis_s:.2f} s")
    return (last - first) / (ended - begun)


def latencies_ms(service, redis):
    subscription = redis.client().pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(*CHANNELS)
    heard, ended = {}, threading.Event()
    answered = {}

    def listen():
        while not ended.is_set():
            message = subscription.get_message(timeout=0.2)
            if message:
                heard[json.loads(message["data"])["event_data"]["name"]] = time.perf_counter()

    def write(number, count):
        with Connection(service.port) as connection:
            begun = time.perf_counter()
            for turn in range(count):
                pause = begun + turn * (10 / RATE) - time.perf_counter()
                if pause > 0:
                    time.sleep(pause)
                name = f"{number} {turn}"
                answer = connection.request("POST", ADMIN_EVENTS, wish(title=name), token=service.admin_token)
                answered[name] = time.perf_counter()
                assert answer.status == 201, answer

    listener = threading.Thread(target=listen)
    listener.start()
    writers = [threading.Thread(target=write, args=(n, RATE * RATE_S // 10)) for n in range(10)]
    [writer.start() for writer in writers]
    [writer.join() for writer in writers]
    deadline = time.monotonic() + 5
    while len(heard) < len(answered) and time.monotonic() < deadline:
        time.sleep(0.05)
    ended.set()
    listener.join()
    assert set(heard) >= set(answered), "messages are missing"
    return sorted(max(0, heard[name] - at) * 1000 for name, at in answered.items())


def main():
    missed = 0

    def bar(name, value, good, limit, unit):
        nonlocal missed
        missed += not good
        print(f"{name:<52} {value:>10.1f} {unit:<4} (bar {limit:g} {unit})  {'ok' if good else 'MISSED'}", flush=True)

    server = None
    for store in sys.argv[1:] or ["embedded", "postgres"]:
        redis = RedisServer("--appendonly", "yes", "--appendfsync", "everysec").start()
        if store == "postgres":
            server = postgres.Postgres().start()
        service = Service({"STREAM_ENTRIES_MAX": 10**6}, server.new_database() if store == "postgres" else {})
        try:
            rate = drain_rate(service, redis)
            bar(f"{store}: relay drains, changes a second", rate, rate >= DRAIN_BAR, DRAIN_BAR, "/s")
            found = latencies_ms(service, redis)
            p99 = found[len(found) * 99 // 100]
            bar(f"{store}: answer to message at {RATE} writes/s, p99", p99, p99 <= LATENCY_BAR_MS, LATENCY_BAR_MS, "ms")
            print(f"  median {found[len(found) // 2]:.1f} ms, worst {found[-1]:.1f} ms")
            service.stop()
        finally:
            service.remove()
            redis.remove()
    if server:
        server.stop()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
