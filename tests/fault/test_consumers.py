"""Consumers that nobody here wrote, and the two of the documentation, through restarts of what they depend on."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading

import icalendar
import pytest
import redis as redis_py

from harness.catalogue import ADMIN_EVENTS, EVENTS, create, time_in
from harness.redis_server import STREAM, RedisServer
from harness.service import ROOT, evently, wait_until

pytestmark = pytest.mark.skipif(not (ROOT / "node_modules" / "ioredis").exists() or not shutil.which("node"),
                                reason="npm packages are not there")


@pytest.fixture
def redis():
    server = RedisServer().start()
    yield server
    server.remove()


@pytest.fixture
def one(fresh, redis):
    """A service that keeps its port when it starts again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return fresh(**redis.settings, PORT=port)


class Program:
    """A program whose lines are collected."""

    def __init__(self, *command, **variables):
        values = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **{k: str(v) for k, v in variables.items()}}
        self.process = subprocess.Popen([str(part) for part in command], env=values, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, cwd=ROOT, text=True)
        self.lines = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(20)
        self.thread.join(5)
        self.process.stdout.close()


def write_some(one, count):
    made = [create(one.admin, title=f"n {n}", capacity=n)["id"] for n in range(count)]
    for event_id in made[::4]:
        assert one.admin.put(f"{ADMIN_EVENTS}{event_id}", {"capacity": 77}).status == 200
    for event_id in made[1::5]:
        assert one.admin.delete(f"{ADMIN_EVENTS}{event_id}").status == 200
    return count + len(made[::4]) + len(made[1::5])


def test_eventsource_resumes_across_restarts(one):
    reader = Program("node", ROOT / "tests/fault/eventsource_reader.mjs", TOKEN=one.user_token,
                     STREAM_URL=f"http://127.0.0.1:{one.port}{EVENTS}stream?since=0")
    try:
        wait_until(lambda: "open" in reader.lines, 10, "the stream")
        last = write_some(one, 20)
        one.restart()
        last += write_some(one, 20)
        one.kill()
        one.start(migrate=False)
        last += write_some(one, 20)

        def seqs():
            return [int(line.split()[0]) for line in list(reader.lines) if line[0].isdigit()]

        wait_until(lambda: last in seqs() or reader.process.poll() is not None, 20, f"change {last}: {reader.lines[-3:]}")
        assert seqs() == list(range(1, last + 1))
    finally:
        reader.end()


def test_ioredis_in_a_consumer_group(one, redis):
    readers = [Program("node", ROOT / "tests/fault/group_reader.mjs", REDIS_URL=redis.settings["REDIS_URL"])]
    last = write_some(one, 50)
    wait_until(lambda: len(readers[0].lines) >= 20, 15, "the first entries")
    readers[0].end(signal.SIGKILL)
    last += write_some(one, 50)
    readers.append(Program("node", ROOT / "tests/fault/group_reader.mjs", REDIS_URL=redis.settings["REDIS_URL"]))
    try:
        wait_until(lambda: str(last) in readers[1].lines, 15, f"change {last}: {readers[1].lines[-3:]}")
    finally:
        readers[1].end()
    seen = [int(line) for reader in readers for line in reader.lines]
    assert sorted(set(seen)) == list(range(1, last + 1)) and len(seen) <= last + 1
    assert redis.client().xpending(STREAM, "analytics")["pending"] == 0


def test_redis_py_in_a_consumer_group_of_two(one, redis):
    client = redis.client()
    client.xgroup_create(STREAM, "bookings", id="0", mkstream=True)
    last, seen = write_some(one, 100), []

    def consume(name):
        mine = redis.client()
        while True:
            found = mine.xreadgroup("bookings", name, {STREAM: ">"}, count=10, block=500)
            if not found:
                return
            for identity, fields in found[0][1]:
                seen.append(json.loads(fields["payload"])["seq"])
                mine.xack(STREAM, "bookings", identity)

    wait_until(lambda: client.xlen(STREAM) == last, 10, "the stream")
    readers = [threading.Thread(target=consume, args=(name,)) for name in "ab"]
    [reader.start() for reader in readers]
    [reader.join() for reader in readers]
    assert sorted(seen) == list(range(1, last + 1))
    with pytest.raises(redis_py.exceptions.ResponseError):  # what the stream refuses a second time
        client.xadd(STREAM, {"payload": "{}"}, id="1-1")


def test_icalendar_reads_the_calendars(one):
    for n in range(5):
        create(one.admin, title=f"Konzert; mit, Komma \\ und Zeile {n} " + "ü" * 60, event_date=time_in(3600 * (n + 1)), description="a\nb")
    events = one.user.get(EVENTS).json()["events"]
    everything = icalendar.Calendar.from_ical(one.user.get(EVENTS + "calendar.ics").body)
    entries = {str(entry["uid"]): entry for entry in everything.walk("VEVENT")}
    assert len(entries) == 5
    for event in events:
        entry = icalendar.Calendar.from_ical(one.user.get(f"{EVENTS}{event['id']}/calendar.ics").body).walk("VEVENT")[0]
        assert str(entry["summary"]) == event["title"] and str(entry["location"]) == event["venue"]
        assert entry["sequence"] == event["version"] and str(entry["description"]) == "a\nb"
        assert entries[str(entry["uid"])]["summary"] == entry["summary"]
        assert entry["dtstart"].dt.strftime("%Y-%m-%dT%H:%M:%SZ") == event["event_date"]


# ---- the consumers of docs/feed.md ----

def catalogue_of(one):
    events, path = {}, EVENTS + "?size=100"
    while path:
        page = one.admin.get(path).json()
        events.update({event["id"]: (event["version"], event["title"], event["capacity"]) for event in page["events"]})
        path = page["has_next"] and f"{EVENTS}?size=100&cursor={page['next_cursor']}"
    return events


def copy_of_python(path):
    if not path.exists():
        return 0, {}
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)) as db:
        db.execute("BEGIN")  # the place and what was copied up to it: from one snapshot
        if db.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0] == 0:
            return 0, {}  # the consumer makes all of it in one step
        return db.execute("SELECT seq FROM place").fetchone()[0], {
            row[0]: tuple(row[1:]) for row in db.execute("SELECT id, version, title, capacity FROM copy")}


def copy_of_node(path):
    if not path.exists():
        return 0, {}
    value = json.loads(path.read_text())
    return value["seq"], {int(key): (event["version"], event["title"], event["capacity"]) for key, event in value["events"].items()}


EXAMPLES = {"python": (["/usr/bin/python3", ROOT / "docs/examples/consumer.py"], copy_of_python),
            "node": (["node", ROOT / "docs/examples/consumer.mjs"], copy_of_node)}


@pytest.mark.parametrize("language", EXAMPLES)
def test_the_documented_consumer_keeps_a_true_copy(one, redis, language):
    command, copy_in = EXAMPLES[language]
    path = one.folder / "copy"

    def run():
        return Program(*command, EVENTLY_URL=f"http://127.0.0.1:{one.port}", EVENTLY_TOKEN=one.admin_token,
                       REDIS_URL=redis.settings["REDIS_URL"], COPY_FILE=path)

    def follows(last):
        wait_until(lambda: copy_in(path)[0] >= last or consumer.process.poll() is not None, 20, f"change {last}")
        assert consumer.process.poll() is None, consumer.lines
        assert copy_in(path) == (last, catalogue_of(one))

    consumer = run()
    last = write_some(one, 30)
    follows(last)
    consumer.end(signal.SIGKILL)  # falls behind
    last += write_some(one, 30)
    consumer = run()
    follows(last)
    redis.kill()                  # Redis away, then emptied
    last += write_some(one, 10)
    redis.start()
    redis.client().flushall()
    last += write_some(one, 10)
    follows(last)
    one.kill()                    # the service away
    one.start(migrate=False)
    last += write_some(one, 10)
    follows(last)
    consumer.end()
    last += write_some(one, 10)
    one.stop()                    # the log pruned beyond its place
    evently("audit", "prune", "--before", time_in(0, True), settings=one.settings)
    redis.client().flushall()
    one.start(migrate=False)
    consumer = run()
    follows(last)
    last += write_some(one, 10)
    follows(last)
    consumer.end()
    assert consumer.process.returncode == 0, consumer.lines
