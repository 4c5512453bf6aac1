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
