"""A user is shut out on every instance: by an admin at one of them, and by a message on the Redis channel of the users."""

import json
import time

import pytest

from harness import postgres, tokens
from harness.catalogue import EVENTS, create
from harness.http import Closed
from harness.redis_server import RedisServer
from harness.service import PATIENCE, Service, wait_until

pytestmark = pytest.mark.skipif(not postgres.is_built(), reason="needs PostgreSQL")

USERS = "/api/v1/admin/users/"
CHANNEL = "evently:users:status"
LEASE_S = 1


@pytest.fixture(scope="module")
def redis():
    server = RedisServer("--appendonly", "no").start()
    yield server
    server.remove()


@pytest.fixture
def two(postgres_server, redis):
    database = postgres_server.new_database()
    services = [Service(redis.settings, database) for _ in range(2)]
    [service.start(migrate=n == 0) for n, service in enumerate(services)]
    yield services
    [service.stop() for service in services]
    [service.remove() for service in services]


def wait_closed(stream):
    """The stream says why it ends, and ends."""
    try:
        while True:
            block = stream.next_block(10 * PATIENCE)
            if "closed" in block:
                assert "shut out" in block
    except Closed:
        pass


def test_open_streams_of_all_instances_end(two):
    token = tokens.user(user_id=810)
    streams = [service.stream(token=token) for service in two]
    bystander = two[1].stream(token=tokens.user(user_id=811))
    begun = time.monotonic()
    assert two[0].admin.put(f"{USERS}810", {"is_active": False}).status == 200
    for stream in streams:
        wait_closed(stream)
        stream.close()
    assert time.monotonic() - begun < (LEASE_S + 1) * PATIENCE
    event = create(two[0].admin)
    assert bystander.next()[2]["event_id"] == event["id"], "streams of others go on"
    bystander.close()


def say(redis, text):
    return redis.client().publish(CHANNEL, text if isinstance(text, str) else json.dumps(text))


def status_of(service, user_id):
    return service.client(tokens.user(user_id=user_id)).get(EVENTS).status


def wait_listening(redis, count):
    wait_until(lambda: redis.client().pubsub_numsub(CHANNEL)[0][1] == count, 10, f"{count} subscribers")


def test_a_message_shuts_a_user_out_everywhere_and_lets_him_in(two, redis):
    wait_listening(redis, 2)
    stream = two[1].stream(token=tokens.user(user_id=820))
    assert [status_of(service, 820) for service in two] == [200, 200]
    begun = time.monotonic()
    assert say(redis, {"type": "UserDeactivated", "user_id": 820, "reason": {"of": ["no", "interest"]}}) == 2
    for service in two:
        wait_until(lambda: status_of(service, 820) == 401, LEASE_S, "the user to be shut out")
    wait_closed(stream)
    stream.close()
    assert time.monotonic() - begun < (LEASE_S + 1) * PATIENCE
    assert two[0].admin.get(f"{USERS}820").json()["is_active"] is False
    say(redis, {"user_id": 820, "type": "UserActivated"})
    for service in two:
        wait_until(lambda: status_of(service, 820) == 200, LEASE_S, "the user to be let in")


FOREIGN = [
    "",
    "hello",
    "[]",
    '{"type":"UserDeactivated"}',
    '{"user_id":830}',
    '{"type":"UserDeleted","user_id":830}',
    '{"type":"UserDeactivated","user_id":"830"}',
    '{"type":"UserDeactivated","user_id":830.5}',
    '{"type":"UserDeactivated","user_id":0}',
    '{"type":"UserDeactivated","user_id":830,"user_id":830}',
    '{"type":"UserDeactivated","user_id":92233720368547758080}',
    '{"type":"UserDeactivated","user_id":830}' + " " * 5000,
    "[" * 5000,
    "x" * 2_000_000,
]


def test_what_is_no_message_changes_nothing(two, redis):
    wait_listening(redis, 2)
    for text in FOREIGN:
        say(redis, text)
        wait_listening(redis, 2)  # beyond its bounds a message costs the connection, which comes again

    def is_heard(service):
        say(redis, {"type": "UserDeactivated", "user_id": 831})
        return status_of(service, 831) == 401

    for service in two:
        wait_until(lambda: is_heard(service), 10, "the message behind them", interval_s=0.1)
        assert status_of(service, 830) == 200


def test_many_messages_at_once_are_all_heard(two, redis):
    wait_listening(redis, 2)
    pipeline = redis.client().pipeline(transaction=False)
    for user_id in range(10_000, 10_200):
        pipeline.publish(CHANNEL, json.dumps({"type": "UserDeactivated", "user_id": user_id}))
    pipeline.execute()
    for service in two:
        wait_until(lambda: status_of(service, 10_199) == 401, 30, "the last message")
        assert all(status_of(service, user_id) == 401 for user_id in range(10_000, 10_200))


def test_redis_comes_back_and_is_listened_to_again(two, redis):
    wait_listening(redis, 2)
    redis.kill()
    assert status_of(two[0], 840) == 200
    redis.start()
    wait_listening(redis, 2)
    say(redis, {"type": "UserDeactivated", "user_id": 840})
    wait_until(lambda: status_of(two[0], 840) == 401, 10, "the user to be shut out")


def test_a_redis_user_without_the_right_to_subscribe_is_said_once(fresh, redis):
    client = redis.client()
    client.execute_command(
        "ACL", "SETUSER", "narrow", "on", ">word", "~*", "resetchannels", "&evently:events:*", "+@all")
    one = fresh(REDIS_HOST="127.0.0.1", REDIS_PORT=redis.port, REDIS_USER="narrow", REDIS_PASSWORD="word")
    try:
        one.wait_log(lambda line: CHANNEL in line["msg"] and "NOPERM" in line["msg"], what="the refusal")
        create(one.admin)
        wait_until(lambda: one.anonymous.get("/health").json()["redis"] == "connected", 5, "the relay all the same")
        time.sleep(1)
        assert sum(CHANNEL in line["msg"] for line in one.log_lines()) == 1
    finally:
        one.stop()
        client.execute_command("ACL", "DELUSER", "narrow")
