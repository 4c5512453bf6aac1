"""The relay through crashes, freezes and losses: the stream gets each change once, the channels at least once (P3)."""

import json
import signal
import threading
import time

import pytest

from harness.catalogue import ADMIN_EVENTS, create, time_in, wish
from harness.http import Closed
from harness.redis_server import CHANNELS, STREAM, RedisServer, check_stream, entries
from harness.service import Service, evently, wait_until

GONE = (Closed, ConnectionResetError, BrokenPipeError, ConnectionRefusedError, TimeoutError)


@pytest.fixture
def redis():
    server = RedisServer().start()
    yield server
    server.remove()


@pytest.fixture
def one(fresh, redis):
    return fresh(**redis.settings)


@pytest.fixture
def pair(postgres_server, redis):
    """Two instances on one database and one Redis; the first relays."""
    store = postgres_server.new_database()
    services = [Service(redis.settings, store) for _ in range(2)]
    services[0].start()
    wait_until(lambda: relay_of(services[0])["holder"], 5, "the first to relay")
    services[1].start(migrate=False)
    yield services
    for service in services:
        if service.process is not None:
            service.signal(signal.SIGCONT)
            service.stop()
        service.remove()


def relay_of(service):
    return service.anonymous.get("/health").json()["relay"]


def wait_stream(redis, last, timeout_s=15):
    client = redis.client()
    wait_until(lambda: client.xlen(STREAM) >= last, timeout_s, f"{last} entries in the stream")
    check_stream(client, last)


class Listener:
    """What the channels say, for as long as Redis lives."""

    def __init__(self, redis):
        self.seqs, self.ended = [], False
        self.subscription = redis.client().pubsub(ignore_subscribe_messages=True)
        self.subscription.subscribe(*CHANNELS)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended:
            message = self.subscription.get_message(timeout=0.1)
            if message:
                self.seqs.append(json.loads(message["data"])["seq"])

    def wait(self, last, timeout_s=15):
        wait_until(lambda: last in self.seqs, timeout_s, f"message {last}")

    def stop(self):
        self.ended = True
        self.thread.join(5)


def check_heard(seqs, last):
    """At least once, and in order: without what was heard before, the rest ascends by one."""
    highest = 0
    for seq in seqs:
        assert seq <= highest + 1, f"{seq} after {highest}"
        highest = max(highest, seq)
    assert highest == last


class Writer(threading.Thread):
    """Writes until told to end; counts what was acknowledged. Goes from one service to the next when one is gone."""

    def __init__(self, *services):
        super().__init__()
        self.services, self.ended, self.acknowledged, self.problems = services, False, 0, []
        self.start()

    def run(self):
        turn = 0
        while not self.ended:
            try:
                answer = self.services[turn % len(self.services)].admin.post(ADMIN_EVENTS, wish())
                if answer.status == 201:
                    self.acknowledged += 1
                elif answer.status not in (503, 504):
                    self.problems.append(answer)
                    return
            except GONE:
                turn += 1
                time.sleep(0.01)

    def wait(self, more, timeout_s=30):
        goal = self.acknowledged + more
        wait_until(lambda: self.acknowledged >= goal or self.problems, timeout_s, f"{more} writes")

    def stop(self):
        self.ended = True
        self.join(60)
        assert not self.problems, self.problems


def head_of(service):
    found = json.loads(service.admin.get("/api/v1/events/changes?since=0&limit=1000").body)
    while found["changes"]:
        found = service.admin.get(f"/api/v1/events/changes?since={found['next']}&limit=1000").json()
    return found["next"]


def test_kill_9_of_the_service(one, redis):
    listener = Listener(redis)
    for _ in range(4):
        writer = Writer(one)
        writer.wait(150)
        one.kill()
        writer.stop()
        one.start(migrate=False)
    last = head_of(one)
    wait_stream(redis, last)
    listener.wait(last)
    listener.stop()
    check_heard(listener.seqs, last)


def test_kill_9_of_redis(one, redis):
    writer = Writer(one)
    for _ in range(3):
        writer.wait(100)
        redis.kill()
        wait_until(lambda: one.anonymous.get("/health").json()["redis"] == "disconnected", 5, "health to tell")
        writer.wait(20)
        redis.start()
    writer.stop()
    wait_stream(redis, head_of(one))
    wait_until(lambda: one.anonymous.get("/health").json()["redis"] == "connected", 5, "health to tell")


def test_redis_emptied_while_idle_is_filled_again_and_published_once(one, redis):
    listener = Listener(redis)
    for _ in range(20):
        create(one.admin)
    listener.wait(20)
    wait_until(lambda: relay_of(one)["lag"] == 0, 5, "the record")
    redis.client().flushall()
    wait_stream(redis, 20)
    create(one.admin)
    listener.wait(21)
    listener.stop()
    check_stream(redis.client(), 21)
    assert listener.seqs == list(range(1, 22))
    one.wait_log(lambda line: "filled again" in line["msg"])


def test_redis_emptied_again_and_again_under_load(one, redis):
    writer = Writer(one)
    for _ in range(5):
        writer.wait(60)
        redis.client().flushall()
    writer.stop()
    wait_stream(redis, head_of(one))


def test_redis_that_starts_empty_after_an_outage(one, redis):
    for _ in range(10):
        create(one.admin)
    wait_stream(redis, 10)
    redis.kill()
    for path in (redis.folder / "appendonlydir").glob("*"):
        path.unlink()
    for _ in range(10):
        create(one.admin)
    redis.start()
    wait_stream(redis, 20)


def test_a_frozen_redis_holds_nobody_up(one, redis):
    create(one.admin)
    wait_stream(redis, 1)
    redis.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: one.anonymous.get("/health").json()["redis"] == "disconnected", 5, "health to tell")
    begun = time.monotonic()
    for _ in range(20):
        create(one.admin)
    assert time.monotonic() - begun < 5
    assert relay_of(one)["lag"] == 20
    redis.process.send_signal(signal.SIGCONT)
    wait_stream(redis, 21)


def test_a_redis_that_is_full_is_told_and_waited_for(one, redis):
    create(one.admin)
    wait_stream(redis, 1)
    client = redis.client()
    client.config_set("maxmemory", "1mb")
    create(one.admin)
    health = wait_until(lambda: (v := one.anonymous.get("/health").json())["redis"] == "refusing" and v, 5, "health to tell")
    assert health["status"] == "degraded" and health["relay"]["lag"] == 1
    one.wait_log(lambda line: "OOM" in line["msg"])
    client.config_set("maxmemory", "0")
    wait_stream(redis, 2)
    wait_until(lambda: one.anonymous.get("/health").json()["redis"] == "connected", 5, "health to tell")


def test_a_service_without_its_redis_starts_and_catches_up(fresh, redis):
    redis.stop()
    one = fresh(**redis.settings)
    for _ in range(5):
        create(one.admin)
    redis.start()
    wait_stream(redis, 5)


def test_a_service_stops_quickly_while_redis_is_frozen(fresh, redis):
    one = fresh(**redis.settings)
    create(one.admin)
    redis.process.send_signal(signal.SIGSTOP)
    create(one.admin)
    begun = time.monotonic()
    one.stop()
    assert time.monotonic() - begun < 6


def test_what_is_committed_at_the_stop_is_relayed(one, redis):
    writer = Writer(one)
    writer.wait(100)
    one.signal(signal.SIGTERM)
    writer.stop()
    assert one.wait_exit() == 0
    check_stream(redis.client(), redis.client().xlen(STREAM))
    assert redis.client().xlen(STREAM) >= writer.acknowledged


# ---- what cannot be told any more ----

def test_pruned_changes_are_marked_in_a_stream_that_is_filled_again(fresh, redis):
    one = fresh(**redis.settings)
    for _ in range(30):
        create(one.admin)
    wait_stream(redis, 30)
    one.stop()
    evently("audit", "prune", "--before", time_in(0, True), settings=one.settings)
    redis.client().flushall()
    one.start(migrate=False)
    wait_until(lambda: redis.client().xlen(STREAM) == 2, 10, "the marker and the newest change")
    (marker, fields), (newest, _) = entries(redis.client())
    assert (marker, newest, fields["type"]) == ("29-0", "30-1", "ChangesMissing")
    assert json.loads(fields["payload"]) == {"type": "ChangesMissing", "from_seq": 1, "to_seq": 29}
    one.wait_log(lambda line: line["level"] == "warning" and "pruned" in line["msg"])
    create(one.admin)
    wait_until(lambda: [i for i, _ in entries(redis.client())] == ["29-0", "30-1", "31-1"], 10, "the next change")


def test_changes_pruned_before_they_were_relayed_are_marked(fresh, redis):
    redis.stop()
    one = fresh(**redis.settings)
    for _ in range(10):
        create(one.admin)
    one.stop()
    evently("audit", "prune", "--before", time_in(0, True), settings=one.settings)
    redis.start()
    one.start(migrate=False)
    wait_until(lambda: [i for i, _ in entries(redis.client())] == ["9-0", "10-1"], 10, "the marker")
    one.wait_log(lambda line: line["level"] == "error" and "pruned before they were published" in line["msg"])


def test_a_stream_of_another_history_is_set_aside(fresh, redis):
    first = fresh(**redis.settings)
    for _ in range(10):
        create(first.admin)
    wait_stream(redis, 10)
    first.stop()
    second = fresh(begin=False, **redis.settings)  # another database, shorter log
    second.start()
    wait_until(lambda: redis.client().xlen(STREAM + ":forked") == 10, 10, "the old stream")
    for _ in range(3):
        create(second.admin)
    wait_stream(redis, 3)
    second.stop()
    third = fresh(begin=False, **redis.settings)
    third.settings.pop("REDIS_URL")
    third.start()
    for _ in range(7):
        create(third.admin)
    third.stop()
    third.settings.update(redis.settings)
    third.start(migrate=False)  # a longer log than the stream, but another one
    wait_stream(redis, 7)
    assert redis.client().xlen(STREAM + ":forked") == 3


# ---- several instances ----

def test_one_relays_and_the_other_stands_by(pair, redis):
    listener = Listener(redis)
    for n in range(60):
        create(pair[n % 2].admin)
    listener.wait(60)
    wait_stream(redis, 60)
    listener.stop()
    assert listener.seqs == list(range(1, 61))
    assert [relay_of(one)["holder"] for one in pair] == [True, False]
    wait_until(lambda: relay_of(pair[1])["position"] == 60 and relay_of(pair[1])["lag"] == 0, 5, "the position from outside")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_takeover_within_two_seconds(pair, redis, how):
    listener = Listener(redis)
    writer = Writer(pair[0], pair[1])
    writer.wait(50)
    writer.stop()
    listener.wait(head_of(pair[1]))
    pair[0].signal(how)
    begun = time.monotonic()
    wait_until(lambda: relay_of(pair[1])["holder"], 10, "the takeover")
    taken_s = time.monotonic() - begun
    assert pair[1].admin.post(ADMIN_EVENTS, wish()).status == 201
    last = head_of(pair[1])
    listener.wait(last)
    print(f"takeover after {taken_s:.2f} s")
    assert taken_s <= 2
    if how == signal.SIGKILL:
        pair[0].wait_exit()
    wait_stream(redis, last)
    listener.stop()
    check_heard(listener.seqs, last)


def test_a_holder_that_wakes_late_does_no_harm(pair, redis):
    listener = Listener(redis)
    writer = Writer(pair[1])
    for n in range(3):
        holder = wait_until(lambda: next((one for one in pair if relay_of(one)["holder"]), None), 10, "a holder")
        other = pair[1 - pair.index(holder)]
        writer.ended = True
        writer.join(30)
        writer = Writer(other)
        writer.wait(50)
        holder.signal(signal.SIGSTOP)
        wait_until(lambda: relay_of(other)["holder"], 10, "the takeover")
        writer.wait(50, 60)
        holder.signal(signal.SIGCONT)
        writer.wait(100, 60)
        wait_until(lambda: not relay_of(holder)["holder"], 5, "the late one to notice")
        assert relay_of(other)["holder"]
    writer.stop()
    last = head_of(pair[0])
    wait_stream(redis, last)
    listener.wait(last)
    listener.stop()
    check_heard(listener.seqs, last)


def test_the_lock_follows_redis(pair, redis, postgres_server):
    """The session that holds the lock is ended on the server: whoever relays then, every change comes once."""
    writer = Writer(pair[0])
    for _ in range(3):
        writer.wait(50)
        postgres_server.query(pair[0].settings["DATABASE_URL"],
                              "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    writer.wait(50)
    writer.stop()
    wait_stream(redis, head_of(pair[0]))
