"""The feed in Redis as sibling services read it: exact messages, the stream's entries, the channels' order, health."""

import datetime
import json
import time

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS, create, parse_time
from harness.redis_server import CHANNELS, STREAM, RedisServer, check_stream, entries
from harness.service import wait_until


@pytest.fixture(scope="module")
def redis():
    server = RedisServer("--appendonly", "no").start()
    yield server
    server.remove()


@pytest.fixture
def one(fresh, redis):
    redis.client().flushall()
    return fresh(**redis.settings)


def wait_stream(redis, last, timeout_s=10):
    client = redis.client()
    wait_until(lambda: client.xlen(STREAM) >= last, timeout_s, f"{last} entries in the stream")


class Channels:
    """A subscriber to the three channels."""

    def __init__(self, redis):
        self.subscription = redis.client().pubsub(ignore_subscribe_messages=True)
        self.subscription.subscribe(*CHANNELS)
        for _ in CHANNELS:  # the confirmations: from here on nothing is missed
            wait_until(lambda: self.subscription.get_message(timeout=1) is None, 5, "the subscription")

    def take(self, count, timeout_s=10):
        found, ends = [], time.monotonic() + timeout_s
        while len(found) < count and time.monotonic() < ends:
            message = self.subscription.get_message(timeout=0.5)
            if message:
                found.append((message["channel"], json.loads(message["data"])))
        return found


def offset_time(text):
    """The contract's times with Z, as messages write them."""
    moment = parse_time(text)
    return moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds")


def event_data(event):
    return {"id": event["id"], "name": event["title"], "title": event["title"], "category": None, "venue": event["venue"],
            "capacity": event["capacity"], "price": float(event["price"]), "status": event["status"],
            "event_date": offset_time(event["event_date"]), "created_at": offset_time(event["created_at"]),
            "updated_at": offset_time(event["updated_at"]), "version": event["version"]}


def test_messages_are_what_the_contract_says(one, redis):
    channels = Channels(redis)
    first = one.admin.post(ADMIN_EVENTS, {"title": "Jazz \"Night\" \U0001f3b7", "venue": "Blue Hall", "event_date": "2027-03-01T20:30:00.25+01:00",
                                          "capacity": 250, "price": "25.10"}, {"X-Request-ID": "req-1"}).json()
    second = one.admin.put(f"{ADMIN_EVENTS}{first['id']}", {"status": "published"}, {"X-Request-ID": "req-2"}).json()
    one.admin.request("DELETE", f"{ADMIN_EVENTS}{first['id']}", headers={"X-Request-ID": "req-3"})
    changes = one.admin.get(f"{EVENTS}changes").json()["changes"]
    wanted = [
        {"type": "EventCreated", "event_id": first["id"], "event_data": event_data(first), "seq": 1, "actor_id": 1, "request_id": "req-1"},
        {"type": "EventUpdated", "event_id": first["id"], "event_data": event_data(second), "seq": 2, "actor_id": 1, "request_id": "req-2"},
        {"type": "EventDeleted", "event_id": first["id"], "seq": 3, "actor_id": 1, "request_id": "req-3"}]
    for message, change in zip(wanted, changes):
        message["occurred_at"] = offset_time(change["occurred_at"])
    assert channels.take(3) == list(zip(CHANNELS, wanted))
    assert first["event_date"] == "2027-03-01T19:30:00.250000Z" and wanted[0]["event_data"]["event_date"].endswith("+00:00")
    found = entries(redis.client())
    assert [identity for identity, _ in found] == ["1-1", "2-1", "3-1"]
    for (_, fields), message in zip(found, wanted):
        assert set(fields) == {"payload", "seq", "type"}
        assert json.loads(fields["payload"]) == message and fields["seq"] == str(message["seq"]) and fields["type"] == message["type"]
    assert list(json.loads(found[0][1]["payload"])) == ["type", "event_id", "event_data", "seq", "occurred_at", "actor_id", "request_id"]
    assert datetime.datetime.fromisoformat(wanted[1]["event_data"]["event_date"]).utcoffset() == datetime.timedelta(0)


def test_every_change_comes_in_order(one, redis):
    channels = Channels(redis)
    made = [create(one.admin, title=f"n {n}")["id"] for n in range(200)]
    for event_id in made[::3]:
        assert one.admin.put(f"{ADMIN_EVENTS}{event_id}", {"capacity": 7}).status == 200
    total = len(made) + len(made[::3])
    assert [message["seq"] for _, message in channels.take(total)] == list(range(1, total + 1))
    wait_stream(redis, total)
    check_stream(redis.client(), total)


def test_health_shows_redis_and_the_relay(one, redis):
    create(one.admin)
    wait_stream(redis, 1)
    value = wait_until(lambda: (v := one.anonymous.get("/health").json())["relay"]["position"] == 1 and v, 5, "the position")
    assert value["redis"] == "connected" and value["status"] == "healthy"
    assert value["relay"] == {"position": 1, "lag": 0, "holder": True}
    metrics = one.anonymous.get("/metrics").text
    assert "evently_relay_position_seq 1\n" in metrics and "evently_relay_lag_changes 0\n" in metrics


def test_without_redis_there_is_no_relay(fresh):
    value = fresh().anonymous.get("/health").json()
    assert value["redis"] == "disabled" and "relay" not in value


def test_an_import_is_relayed_whole(one, redis):
    channels = Channels(redis)
    lines = "\n".join(json.dumps({"title": f"i {n}", "venue": "v", "event_date": "2099-01-01"}) for n in range(3000))
    answer = one.admin.post(ADMIN_EVENTS + "import", lines, content_type="application/x-ndjson")
    assert answer.status in (200, 201), answer
    assert [message["seq"] for _, message in channels.take(3000, 20)] == list(range(1, 3001))
    check_stream(redis.client(), 3000)
