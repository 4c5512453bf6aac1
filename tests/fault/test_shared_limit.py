"""RATE_LIMIT is one limit for all instances that share a Redis, and each one's own when Redis is away."""

import signal
import time

import pytest

from harness import postgres, tokens
from harness.catalogue import EVENTS, check_problem
from harness.redis_server import RedisServer
from harness.service import Service, wait_until

pytestmark = pytest.mark.skipif(not postgres.is_built(), reason="needs PostgreSQL")

COUNT, SECONDS = 200, 20


@pytest.fixture
def two(postgres_server):
    redis = RedisServer("--appendonly", "no").start()
    database = postgres_server.new_database()
    services = [Service({"RATE_LIMIT": f"{COUNT}/{SECONDS}", **redis.settings}, database) for _ in range(2)]
    [service.start(migrate=n == 0) for n, service in enumerate(services)]
    yield redis, services
    [service.stop() for service in services]
    [service.remove() for service in services]
    redis.remove()


def spend(services, token, seconds, pause_s=0.004):
    """Asks them in turn for so long; gives how many requests were admitted."""
    admitted, clients, end = 0, [service.client(token) for service in services], time.monotonic() + seconds
    while time.monotonic() < end:
        for client in clients:
            answer = client.get(EVENTS)
            assert answer.status in (200, 429)
            if answer.status == 429:
                check_problem(answer, 429)
                assert 1 <= int(answer.header("Retry-After")) <= 2 * SECONDS and "r=0" in answer.header("RateLimit")
            admitted += answer.status == 200
        time.sleep(pause_s)
    return admitted


def test_a_client_that_spreads_over_instances_gets_one_limit(two):
    redis, services = two
    token = tokens.user(77)
    seconds = 8
    admitted = spend(services, token, seconds)
    allowed = COUNT + seconds * COUNT / SECONDS
    print(f"{admitted} admitted by two instances, {allowed:.0f} allowed")
    assert allowed * 0.7 <= admitted <= allowed * 1.25
    assert redis.client().keys("evently:v1:limit:u77")
    assert spend(services, tokens.user(78), 0.2) > 20, "another user is not held up"


def test_without_redis_each_instance_limits_for_itself_and_none_waits(two):
    redis, services = two
    redis.process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    admitted = spend(services, tokens.user(79), 4, pause_s=0)
    assert 2 * COUNT <= admitted <= 2 * (COUNT + 8 * COUNT / SECONDS), admitted
    redis.process.send_signal(signal.SIGCONT)
    assert time.monotonic() - begun < 20
    wait_until(lambda: (spend(services, tokens.user(80), 0.05), redis.client().keys("evently:v1:limit:u80"))[1], 15, "sharing again")
