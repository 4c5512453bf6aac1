"""Redis Cluster and Sentinel with real servers: masters die and slots move under load, and no request notices."""

import re
import threading
import time

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS, create
from harness.http import Client
from harness.redis_cluster import Cluster, Watched
from harness.redis_server import STREAM
from harness import postgres
from harness.service import PATIENCE, Service, wait_until

pytestmark = pytest.mark.skipif(not postgres.is_built(), reason="needs PostgreSQL")

EVENTS_READ = 120
BACK_S = 5 * PATIENCE


class Load:
    """Reads of all events, one after another, and a write now and then, on three connections."""

    def __init__(self, service, ids):
        self.service, self.ids = service, ids
        self.failures, self.count, self.over = [], 0, False
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(3)]

    def __enter__(self):
        self.begun = time.monotonic()
        [thread.start() for thread in self.threads]
        return self

    def __exit__(self, *_):
        self.over = True
        [thread.join(30) for thread in self.threads]
        print(f"{self.count} requests, {self.count / (time.monotonic() - self.begun):.0f}/s, {len(self.failures)} failed")

    def _run(self, number):
        client = Client(self.service.port, self.service.admin_token)
        n = number
        while not self.over:
            event = self.ids[n % len(self.ids)]
            try:
                answer = client.put(f"{ADMIN_EVENTS}{event}", {"capacity": n}) if n % 200 == 7 else client.get(f"{EVENTS}{event}")
                if answer.status != 200:
                    self.failures.append((round(time.monotonic() - self.begun, 2), answer))
            except Exception as error:
                self.failures.append((round(time.monotonic() - self.begun, 2), repr(error)))
            self.count += 1
            n += 3
            time.sleep(0.002)


def hits(service):
    """(hits, misses) of the tier in Redis."""
    text = service.anonymous.get("/metrics").text
    found = {name: float(value) for name, value in re.findall(r'evently_cache_requests_total\{result="([^"]+)"\} ([\d.e+]+)', text)}
    shared = {name: value for name, value in found.items() if "redis" in name or "shared" in name}
    assert shared, found
    return sum(v for n, v in shared.items() if "hit" in n), sum(v for n, v in shared.items() if "hit" not in n)


def all_hits(service, ids):
    """Every event is found in Redis (the process keeps nothing itself)."""
    before = hits(service)
    for event in ids:
        assert service.user.get(f"{EVENTS}{event}").status == 200
    after = hits(service)
    return after[1] == before[1] and after[0] - before[0] >= len(ids)


@pytest.fixture
def serve(postgres_server):
    """Redis is shared by instances, so it is used before PostgreSQL only. All services are removed after the test."""
    services = []

    def start(settings):
        services.append(begin(settings, postgres_server.new_database()))
        return services[-1]

    yield start
    for service in services:
        service.remove()


def begin(settings, database):
    service = Service({"CACHE_MAX_BYTES": 0, "REDIS_TIMEOUT_MS": 200, **settings}, database).start()
    service.ids = [create(service.admin)["id"] for _ in range(EVENTS_READ)]
    wait_until(lambda: all_hits(service, service.ids), 10, "hits in Redis")
    return service


@pytest.fixture
def cluster():
    group = Cluster()
    yield group
    group.remove()


@pytest.fixture
def watched():
    group = Watched()
    yield group
    group.remove()


def last_of_stream(client):
    return int(client.xinfo_stream(STREAM)["last-generated-id"].split("-")[0])


def finish(service, load):
    assert not load.failures, (len(load.failures), load.failures[:5])
    service.stop()


def test_a_cluster_is_used_in_all_its_parts(serve, cluster):
    service = serve(cluster.settings)
    keys = [node.client().dbsize() for node in cluster.masters()]
    assert len(keys) == 3 and min(keys) > 10, keys
    assert service.anonymous.get("/health").json()["redis"] == "connected"
    wait_until(lambda: cluster.owner(STREAM).client().xlen(STREAM) == EVENTS_READ, 10, "the stream")
    service.stop()


@pytest.mark.parametrize("whose", ["an event", "the stream"])
def test_a_master_of_the_cluster_dies(serve, cluster, whose):
    service = serve(cluster.settings)
    victim = cluster.owner("evently:v1:event:1" if whose == "an event" else STREAM)
    with Load(service, service.ids) as load:
        time.sleep(0.5)
        killed = time.monotonic()
        victim.kill()
        wait_until(lambda: all_hits(service, service.ids), 30, "hits of every event", interval_s=0.05)
        back_s = time.monotonic() - killed
        time.sleep(1)
    print(f"hits again after {back_s:.1f} s")
    assert back_s <= BACK_S, back_s
    marker = create(service.admin)["id"]
    assert marker

    def relayed():
        client = cluster.owner(STREAM).client()
        entries = client.xrevrange(STREAM, count=1)
        return entries and f'"event_id":{marker},' in str(entries[0][1])

    wait_until(relayed, 15, "the relay to go on", interval_s=0.1)
    finish(service, load)


def test_slots_move_under_load(serve, cluster):
    service = serve(cluster.settings)
    source, target = cluster.owner("evently:v1:event:1"), None
    target = next(node for node in cluster.masters() if node is not source)
    with Load(service, service.ids) as load:
        time.sleep(0.5)
        count = cluster.slots_of(source)
        cluster.cli("--cluster", "reshard", f"127.0.0.1:{source.port}", "--cluster-from", cluster.identity(source), "--cluster-to",
                    cluster.identity(target), "--cluster-slots", str(count - 1), "--cluster-yes")
        moved = time.monotonic()
        assert cluster.slots_of(source) <= 1
        wait_until(lambda: all_hits(service, service.ids), 30, "hits of every event", interval_s=0.05)
        back_s = time.monotonic() - moved
        time.sleep(0.5)
    print(f"{count - 1} slots moved; hits of every event {back_s:.1f} s after")
    assert back_s <= BACK_S
    finish(service, load)


def test_a_frozen_node_costs_its_own_keys_only(serve, cluster):
    import signal
    service = serve(cluster.settings)
    victim = cluster.owner("evently:v1:event:1")
    with Load(service, service.ids) as load:
        victim.process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(3)
            before = hits(service)
            time.sleep(0.5)
            assert hits(service)[0] > before[0], "the other nodes go on"
        finally:
            victim.process.send_signal(signal.SIGCONT)
        wait_until(lambda: all_hits(service, service.ids), 30, "hits of every event", interval_s=0.05)
    finish(service, load)


def test_sentinels_lead_to_the_new_master(serve, watched):
    service = serve(watched.settings)
    old = watched.master()
    with Load(service, service.ids) as load:
        time.sleep(0.5)
        killed = time.monotonic()
        old.kill()
        wait_until(lambda: all_hits(service, service.ids), 30, "hits of every event", interval_s=0.05)
        back_s = time.monotonic() - killed
        time.sleep(0.5)
    print(f"hits again after {back_s:.1f} s")
    assert back_s <= BACK_S
    assert watched.master() is not old
    create(service.admin)
    total = service.admin.get("/api/v1/admin/audit?limit=1").status
    assert total == 200
    wait_until(lambda: watched.master().client().xlen(STREAM) > EVENTS_READ, 15, "the relay to go on", interval_s=0.1)
    finish(service, load)


def test_a_planned_failover_and_a_dead_sentinel(serve, watched):
    service = serve(watched.settings)
    watched.sentinels[0].kill()
    old = watched.nodes[0]
    with Load(service, service.ids) as load:
        watched.sentinels[1].client().execute_command("SENTINEL FAILOVER", watched.NAME)
        wait_until(lambda: watched.nodes[1].client().execute_command("ROLE")[0] == "master", 20, "the failover")
        wait_until(lambda: old.client().execute_command("ROLE")[0] == "slave", 20, "the old master to follow")
        wait_until(lambda: all_hits(service, service.ids), 30, "hits of every event", interval_s=0.05)
        assert watched.nodes[1].client().info("stats")["keyspace_hits"] > 0
    finish(service, load)


def test_an_unknown_master_name_is_said(fresh, watched):
    service = fresh(**{**watched.settings, "REDIS_MASTER_NAME": "shoe"})
    service.wait_log(lambda line: "check REDIS_MASTER_NAME" in line.get("msg", ""))
    assert service.user.get(EVENTS).status == 200
