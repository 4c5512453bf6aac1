"""PostgreSQL hurt in every way, under the running service: what was acknowledged is there once, the rest is said."""

import itertools
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from harness import postgres
from harness.catalogue import ADMIN_EVENTS, EVENTS, create, detail, wish
from harness.cluster import Cluster, Proxy
from harness.service import PATIENCE, Service, evently, wait_until

pytestmark = pytest.mark.skipif(not postgres.is_built(), reason="PostgreSQL is not installed")

SEED = int(os.environ.get("EVENTLY_SEED", random.randrange(10**6)))
BACK_S = 2 * PATIENCE      # from the database's return to the first answered write
AT_ONCE_S = 0.5 * PATIENCE  # an answer that does not wait for anything


@pytest.fixture
def cluster():
    made = Cluster().start()
    yield made
    made.stop()


@pytest.fixture
def serve():
    """Starts a service on a database URL, more than one if asked; all end cleanly."""
    started = []

    def start(url, migrate=True, **settings):
        one = Service({"REQUEST_TIMEOUT_MS": "3000", **settings}, {"DATABASE_URL": url})
        started.append(one)
        return one.start(migrate=migrate)

    yield start
    for one in started:
        one.stop()
        one.remove()


def post(service, **fields):
    return service.admin.post(ADMIN_EVENTS, wish(**fields))


def verify(service):
    """The log has no hole, follows from itself, and is what the rows say."""
    service.audit_verify()


def titled(service, title):
    found = [event for event in service.admin.get(f"{EVENTS}?q={title}&size=100").json()["events"] if event["title"] == title]
    return len(found)


def write_again(service, seconds, title="Back"):
    """Seconds until a write is answered with 201."""
    began = time.monotonic()
    wait_until(lambda: post(service, title=title).status == 201, seconds, "a write to succeed", interval_s=0.02)
    return time.monotonic() - began


class Writer(threading.Thread):
    """Writes one after the other; remembers what was acknowledged, and when."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self.service, self.going = service, True
        self.acknowledged, self.refused, self.times = [], [], []
        self.start()

    def run(self):
        client = self.service.admin
        for number in itertools.count():
            if not self.going:
                return
            title = f"w{id(self):x}n{number}"
            try:
                answer = client.post(ADMIN_EVENTS, wish(title=title))
            except Exception as problem:  # noqa: BLE001
                self.refused.append((title, repr(problem)))
                continue
            if answer.status == 201:
                self.acknowledged.append(answer.json())
                self.times.append(time.monotonic())
            else:
                self.refused.append((title, answer.status))
                time.sleep(0.01)

    def end(self):
        self.going = False
        self.join(30)


# ---- away and back ----

def test_a_crash_of_the_server_loses_nothing_that_was_acknowledged(cluster, serve):
    one = serve(cluster.url(cluster.database()))
    kept = create(one.admin, title="Kept")
    assert detail(one.user, kept["id"]).status == 200  # in the cache
    writer = Writer(one)
    wait_until(lambda: len(writer.acknowledged) > 20, 20, "some writes")
    cluster.crash()
    wait_until(lambda: post(one).status == 503, 10, "the first refusal")
    began = time.monotonic()
    answer = post(one)
    assert answer.status == 503 and answer.header("Retry-After"), answer
    assert time.monotonic() - began < AT_ONCE_S
    export = one.admin.get("/api/v1/admin/events/export")
    assert export.status == 503 and export.header("Retry-After"), "not a 200 that is cut off"
    stale = detail(one.user, kept["id"])
    assert stale.status == 200 and stale.json()["title"] == "Kept"
    wait_until(lambda: one.anonymous.get("/health").json()["database"] != "connected", 5, "/health to notice")
    cluster.restart()
    assert write_again(one, 10) < BACK_S
    wait_until(lambda: one.anonymous.get("/health").json()["database"] == "connected", 5, "/health to notice")
    writer.end()
    for event in writer.acknowledged:
        assert detail(one.admin, event["id"], headers={"Cache-Control": "no-cache"}).json()["title"] == event["title"]
    verify(one)


def test_a_killed_backend_costs_no_answer(cluster, serve):
    one = serve(cluster.url(cluster.database()))
    event = create(one.admin)
    for _ in range(20):
        cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'evently'")
        answer = one.admin.put(f"{ADMIN_EVENTS}{event['id']}", {"capacity": 1})
        assert answer.status == 200, answer
        answer = detail(one.user, event["id"], headers={"Cache-Control": "no-cache"})
        assert answer.status == 200, answer
    verify(one)


def test_a_frozen_server_is_left_alone_and_found_again(cluster, serve):
    one = serve(cluster.url(cluster.database()))
    kept = create(one.admin, title="Kept")
    assert detail(one.user, kept["id"]).status == 200
    cluster.freeze()
    try:
        wait_until(lambda: post(one).status == 503, 15, "writes to be refused")
        slow = 0
        for _ in range(30):
            began = time.monotonic()
            assert post(one).status in (503, 504)
            slow += time.monotonic() - began > AT_ONCE_S
            assert detail(one.user, kept["id"]).status == 200
        assert slow <= 2, f"{slow} of 30 writes waited for a server that is known to be frozen"
    finally:
        cluster.thaw()
    assert write_again(one, 10) < BACK_S
    verify(one)


def test_the_service_waits_for_a_database_that_is_not_there_yet(cluster, serve):
    name = cluster.database()
    evently("migrate", "upgrade", settings={"DATABASE_URL": cluster.url(name), "JWT_SECRET": "x" * 32})
    cluster.crash()
    one = Service({}, {"DATABASE_URL": cluster.url(name)})
    try:
        one.start(migrate=False, wait=False)
        assert one.anonymous.get("/health/live").status == 200
        assert one.anonymous.get("/health/ready").status == 503
        cluster.restart()
        one.wait_ready()
        create(one.admin)
        one.stop()
    finally:
        one.remove()


# ---- a COMMIT whose answer is lost ----

class LostCommit:
    """Cuts the connection at the next COMMIT of a writer: before it reaches the server, or after, before its answer."""

    def __init__(self, port, deliver):
        self.deliver, self.armed, self.cuts = deliver, False, 0
        self.proxy = Proxy(port, self.decide)

    def decide(self, direction, data):
        # The title is first sent together with the COMMIT, in the only round trip of the batch or the second.
        if direction == "up" and self.armed and b"lost-commit" in data:
            self.armed = False
            self.cuts += 1
            return "pass and cut" if self.deliver else "cut"
        return None


@pytest.mark.parametrize("deliver", [True, False], ids=["after the commit", "before the commit"])
def test_a_write_whose_commit_was_lost_happens_once(cluster, serve, deliver):
    name = cluster.database()
    lost = LostCommit(cluster.port, deliver)
    one = serve(f"postgresql://evently@127.0.0.1:{lost.proxy.port}/{name}")
    event = create(one.admin, title="Before")
    for number in range(10):
        if number % 2:
            create(one.admin)  # on this new connection: what comes next can be sent in one round trip
        lost.armed = True
        answer = post(one, title=f"lost-commit{number}")
        assert answer.status == 201, answer
        assert lost.cuts == 2 * number + 1
        assert titled(one, f"lost-commit{number}") == 1
        lost.armed = True
        answer = one.admin.put(f"{ADMIN_EVENTS}{event['id']}", {"venue": f"lost-commit {number}"})
        assert answer.status == 200 and answer.json()["version"] == number + 2, answer
    assert lost.cuts == 20
    verify(one)
    one.stop()
    lost.proxy.close()


def test_words_found_by_the_service_are_those_that_the_server_finds(cluster, serve):
    name, chance = cluster.database(), random.Random(SEED)
    one = serve(cluster.url(name))
    letters = [chr(code) for code in range(32, 127)] + list("abcABC012  ")
    for number in range(150):
        title = "".join(chance.choices(letters, k=chance.randint(1, 60))).strip() or "-"
        create(one.admin, title=title, venue="Café" if number % 10 == 0 else "Hall_" + title[:9].strip() + "-",
               description="".join(chance.choices([*letters, "\n", "\t"], k=chance.randint(0, 400))))
    assert cluster.sql("SELECT count(*) FROM events", name) == "150"
    differ = cluster.sql("SELECT e.id, words, title, venue, description FROM events e LEFT JOIN event_words w ON w.event_id = e.id "
                         "WHERE words IS DISTINCT FROM "
                         "array_to_tsvector(evently_words(concat_ws(' ', title, venue, description)))", name)
    assert differ == "", f"seed {SEED}: {differ}"
    one.stop()


def test_connections_cut_at_any_moment_lose_and_double_nothing(cluster, serve):
    proxy = Proxy(cluster.port)
    one = serve(f"postgresql://evently@127.0.0.1:{proxy.port}/{cluster.database()}")
    writers = [Writer(one) for _ in range(4)]
    chance, cuts = random.Random(SEED), 0

    def acknowledged_events():
        return [event for writer in writers for event in writer.acknowledged]

    def cut_again():
        nonlocal cuts
        time.sleep(chance.uniform(0.01, 0.15))
        proxy.cut_all()
        cuts += 1
        return cuts > 50 and len(acknowledged_events()) > 20

    wait_until(cut_again, 60, f"writes between the cuts (seed {SEED})")
    for writer in writers:
        writer.end()
    write_again(one, 10)  # after the last cut the database is left alone for a moment
    acknowledged = acknowledged_events()
    for event in acknowledged:
        assert detail(one.admin, event["id"], headers={"Cache-Control": "no-cache"}).status == 200
        assert titled(one, event["title"]) == 1
    verify(one)
    one.stop()
    proxy.close()


# ---- obstacles ----

def test_a_lock_held_by_somebody_else_ends_at_the_deadline(cluster, serve):
    name = cluster.database()
    one = serve(cluster.url(name), REQUEST_TIMEOUT_MS="1000")
    kept = [create(one.admin) for _ in range(3)][-1]  # the next is sent in one round trip, with its COMMIT
    other = cluster.session(name)
    other.stdin.write("BEGIN; SELECT 'locked' FROM catalog FOR UPDATE;\n")
    assert other.stdout.readline().strip() == "locked"
    began = time.monotonic()
    answer = post(one, title="held-up")
    assert answer.status == 504, answer
    assert time.monotonic() - began < 2 * PATIENCE
    assert detail(one.user, kept["id"], headers={"Cache-Control": "no-cache"}).status == 200
    other.stdin.close()
    other.wait(10)
    assert write_again(one, 5) < BACK_S
    assert titled(one, "held-up") == 0
    verify(one)


def test_a_full_connection_table_is_said_and_survived():
    small = Cluster("-c", "max_connections=16", "-c", "superuser_reserved_connections=3").start()
    try:
        name = small.database()
        small.sql("CREATE ROLE guest LOGIN; GRANT ALL ON SCHEMA public TO guest", name)
        small.sql(f"ALTER DATABASE {name} OWNER TO guest")
        small.sql("GRANT CREATE, USAGE ON SCHEMA public TO guest", name)
        guest = f"postgresql://guest@127.0.0.1:{small.port}/{name}"
        one = Service({}, {"DATABASE_URL": guest}).start()
        create(one.admin)
        hogs = []

        def crowded():
            """Takes every place that falls free; the service's own connections are cut to make it want one."""
            small.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'evently'")
            for _ in range(6):
                hogs.append(subprocess.Popen([postgres.PROGRAMS / "psql", guest, "-qXAt"], stdin=subprocess.PIPE,
                                             stderr=subprocess.DEVNULL, cwd="/"))
            return post(one).status == 503

        wait_until(crowded, 20, "a refusal")

        def said():
            if b"max_connections" in evently("check", settings=one.settings, check=False).stdout:
                return True
            crowded()
            return False

        wait_until(said, 20, "a refusal that names max_connections")
        for hog in hogs:
            hog.stdin.close()
            hog.wait(10)
        assert write_again(one, 10) < BACK_S
        verify(one)
        one.stop()
        one.remove()
    finally:
        small.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_a_full_disk_is_503_and_survived(cluster, serve):
    name = cluster.database()
    small = cluster.folder / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0777", "tmpfs", small], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("cannot mount here")
    try:
        space = small / "space"
        space.mkdir(mode=0o700)
        os.chown(space, cluster.folder.stat().st_uid, cluster.folder.stat().st_gid)
        cluster.sql(f"CREATE TABLESPACE small LOCATION '{space}'")
        one = serve(cluster.url(name))
        kept = create(one.admin)
        cluster.sql("ALTER TABLE events SET TABLESPACE small; ALTER TABLE changes SET TABLESPACE small", name)
        with open(small / "filler", "wb") as filler:
            try:
                while True:
                    filler.write(b"x" * (1 << 20))
                    filler.flush()
            except OSError:
                pass
        answers = set()
        for _ in range(40):  # until the pages that are there are full
            answers.add(post(one, description="d" * 60000).status)
        assert 503 in answers and answers <= {201, 503}, answers
        assert detail(one.user, kept["id"], headers={"Cache-Control": "no-cache"}).status == 200
        (small / "filler").unlink()
        assert write_again(one, 10) < BACK_S
        verify(one)
        one.stop()
    finally:
        cluster.crash()
        subprocess.run(["umount", small], check=False)


# ---- replicas ----

def reads_on(server):
    """Statements that were run on this server's databases, as it counts them."""
    return int(server.sql("SELECT sum(xact_commit) FROM pg_stat_database WHERE datname LIKE 'evently%'"))


def test_replicas_answer_reads_and_never_go_back(cluster, serve):
    name = cluster.database()
    replica = cluster.replica()
    one = serve(cluster.url(name), DB_REPLICAS=f"127.0.0.1:{replica.port}", CACHE_MAX_BYTES="0")
    events = [create(one.admin) for _ in range(5)]
    wait_until(lambda: replica.sql("SELECT seq FROM catalog", name) == "5", 10, "the replica to follow")
    before = reads_on(replica)
    for _ in range(50):
        for event in events:
            assert detail(one.user, event["id"]).status == 200
    wait_until(lambda: reads_on(replica) > before + 20, 10, "reads on the replica")

    replica.sql("SELECT pg_wal_replay_pause()")  # it lags from here on
    for number in range(2, 12):
        for event in events:
            assert one.admin.put(f"{ADMIN_EVENTS}{event['id']}", {"capacity": number}).status == 200
            assert detail(one.user, event["id"]).json()["capacity"] == number
            listed = one.user.get(f"{EVENTS}?size=100").json()["events"]
            assert [each["capacity"] for each in listed if each["id"] == event["id"]] == [number]
    replica.sql("SELECT pg_wal_replay_resume()")
    wait_until(lambda: replica.sql("SELECT seq FROM catalog", name) == "55", 10, "the replica to catch up")
    before = reads_on(replica)

    def read_there():
        for event in events:
            assert detail(one.user, event["id"]).status == 200
        return reads_on(replica) > before + 20

    wait_until(read_there, 10, "reads on the replica again")

    replica.crash()
    for event in events:
        assert detail(one.user, event["id"]).status == 200
    replica.restart()
    before = 0
    wait_until(read_there, 15, "reads on the replica after its return")
    verify(one)


def test_a_frozen_replica_delays_few_reads(cluster, serve):
    name = cluster.database()
    replica = cluster.replica()
    one = serve(cluster.url(name), DB_REPLICAS=f"127.0.0.1:{replica.port}", CACHE_MAX_BYTES="0")
    event = create(one.admin)
    replica.freeze()
    try:
        slow = 0
        for _ in range(100):
            began = time.monotonic()
            assert detail(one.user, event["id"]).status == 200
            slow += time.monotonic() - began > 0.3 * PATIENCE
        assert slow <= 6, f"{slow} of 100 reads waited for the frozen replica"
    finally:
        replica.thaw()
    verify(one)


def test_a_commit_that_only_the_replica_shows_is_not_shown(cluster, serve):
    """A commit that waits for a standby is on the replica, and the primary does not show it yet: an instance that did would
    go back with its next read from the primary."""
    name = cluster.database()
    replica = cluster.replica()
    one = serve(cluster.url(name), DB_REPLICAS=f"127.0.0.1:{replica.port}", CACHE_MAX_BYTES="0", LEASE_MS="10000")
    other = serve(cluster.url(name), migrate=False)
    event = create(other.admin)

    def seqs():
        return [int(server.sql("SELECT seq FROM catalog", name)) for server in (replica, cluster)]

    def change():
        while not changed.is_set():
            other.admin.put(f"{ADMIN_EVENTS}{event['id']}", {"capacity": next(numbers)})

    numbers, changed = itertools.count(1), threading.Event()
    cluster.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'; SELECT pg_reload_conf()")
    writer = threading.Thread(target=change)
    writer.start()
    try:
        wait_until(lambda: len(set(seqs())) == 2 and cluster.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"),
                   10, "a commit that waits for a standby")
        changed.set()
        before, seen = reads_on(replica), 0
        for headers in ({}, {"Cache-Control": "no-cache"}) * 5:
            listed = one.user.get(f"{EVENTS}?size=100", headers).json()["events"]
            for shown in (detail(one.user, event["id"], headers=headers).json(), listed[0]):
                assert shown["version"] >= seen, f"went back from {seen} with {headers}"
                seen = shown["version"]
        replica_seq, primary_seq = seqs()
        assert seen == primary_seq == replica_seq - 1
        wait_until(lambda: reads_on(replica) > before, 5, "the replica to have been asked")
    finally:
        changed.set()
        cluster.sql("ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()")
        writer.join(30)
    wait_until(lambda: detail(one.user, event["id"]).json()["version"] > seen, 10, "the commit to be shown")
    verify(one)


def test_a_commit_that_its_standby_does_not_have_is_not_acknowledged(cluster, serve):
    """With the session that waits for the standby its wait ends too, and the commit stays on the primary alone: a failover
    would lose it. It is found there when the service looks for it, and when a client asks again with its key."""
    name = cluster.database()
    standby = cluster.replica(name="standby")
    cluster.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'; SELECT pg_reload_conf()")
    wait_until(lambda: cluster.sql("SELECT sync_state FROM pg_stat_replication") == "sync", 10, "synchronous replication")
    one = serve(cluster.url(name))
    event, answers = create(one.admin), []
    key = {"Idempotency-Key": "cut-off"}
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query ILIKE 'COMMIT%'"

    def write():
        answers.append(one.admin.request("POST", ADMIN_EVENTS, wish(title="cut-off"), key))

    standby.freeze()
    try:
        writer = threading.Thread(target=write)
        writer.start()
        wait_until(lambda: cluster.sql(waiting), 10, "a commit that waits for the standby")
        cluster.sql(f"SELECT pg_terminate_backend(pid) FROM ({waiting}) w")
        writer.join(30)
        write()
        assert [answer.status for answer in answers if answer.status not in (503, 504)] == [], answers
        for method, path, body in (("PUT", f"{ADMIN_EVENTS}{event['id']}", {"title": event["title"]}),
                                   ("DELETE", f"{ADMIN_EVENTS}999999", None)):
            assert one.admin.request(method, path, body).status in (503, 504)
    finally:
        standby.thaw()
    wait_until(lambda: write() or answers[-1].status == 201, 10, "the standby's return")
    assert titled(one, "cut-off") == 1
    verify(one)


def test_failover_to_a_synchronous_replica_loses_nothing(cluster, serve):
    name = cluster.database()
    standby = cluster.replica(name="standby")
    cluster.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'; SELECT pg_reload_conf()")
    wait_until(lambda: cluster.sql("SELECT sync_state FROM pg_stat_replication") == "sync", 10, "synchronous replication")
    one = serve(cluster.url(name, standby))
    other = serve(cluster.url(name, standby), migrate=False)
    writers = [Writer(one), Writer(other)]
    wait_until(lambda: all(len(writer.acknowledged) > 20 for writer in writers), 20, "some writes")
    cluster.crash()
    wait_until(lambda: any(writer.refused for writer in writers), 10, "writes to be refused")
    standby.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
    standby.promote()
    accepts = time.monotonic()
    for writer in writers:
        wait_until(lambda: writer.times and writer.times[-1] > accepts, 10, "writes on the new primary")
        first = next(moment for moment in writer.times if moment > accepts)
        assert first - accepts < BACK_S, f"{first - accepts:.2f} s until a write was answered"
    for writer in writers:
        writer.end()
    for writer in writers:
        for event in writer.acknowledged:
            assert detail(one.admin, event["id"], headers={"Cache-Control": "no-cache"}).status == 200
            assert detail(other.admin, event["id"]).status == 200
    verify(one)


def test_an_answer_that_repeats_a_write_waits_like_the_write(cluster, serve):
    """A write is committed and its answer waits for a frozen instance: who asks for the same again must not be told before
    that instance can no longer answer with less."""
    name = cluster.database()
    frozen = serve(cluster.url(name), LEASE_MS="4000")
    lease = cluster.sql("SELECT id FROM instances", name)
    first, second = (serve(cluster.url(name), migrate=False, LEASE_MS="4000", REQUEST_TIMEOUT_MS="20000") for _ in range(2))
    event, key = create(first.admin), {"Idempotency-Key": "again"}
    holds = f"SELECT count(*) FROM instances WHERE id = '{lease}' AND lease_until > clock_timestamp() AND seen_seq < "

    def created(service):
        answer = service.admin.request("POST", ADMIN_EVENTS, wish(title="again"), key)
        return answer.status, cluster.sql(holds + "3", name)

    def changed(service):
        answer = service.admin.put(f"{ADMIN_EVENTS}{event['id']}", {"capacity": 4321})
        return answer.status, cluster.sql(holds + "2", name)

    for write, status, seq in ((changed, 200, "2"), (created, 201, "3")):
        wait_until(lambda: cluster.sql(f"SELECT lease_until > clock_timestamp() + interval '2 s' FROM instances WHERE id = '{lease}'",
                                       name) == "t", 10, "a lease to be held")
        frozen.signal(signal.SIGSTOP)
        try:
            answers = []
            writer = threading.Thread(target=lambda: answers.append(write(first)))
            writer.start()
            wait_until(lambda: cluster.sql("SELECT seq FROM catalog", name) == seq, 10, "the commit")
            assert write(second) == (status, "0"), "told while an instance could still answer from before"
            writer.join(30)
            assert answers == [(status, "0")]
        finally:
            frozen.signal(signal.SIGCONT)
    verify(first)


# ---- evently check ----

def check(url=None, **settings):
    done = evently("check", settings={"DATABASE_URL": url, "JWT_SECRET": "x" * 32, **settings}, check=False)
    line = [line for line in done.stdout.decode().splitlines() if " database " in f" {line} "]
    assert len(line) == 1, done.stdout
    return done.returncode, line[0]


def test_check_says_what_is_wrong_and_what_to_do(cluster):
    name = cluster.database()
    port = cluster.port
    good = cluster.url(name)
    code, line = check(good)
    assert code == 1 and "evently migrate upgrade" in line
    evently("migrate", "upgrade", settings={"DATABASE_URL": good, "JWT_SECRET": "x" * 32})
    code, line = check(good)
    assert code == 0 and "schema up to date" in line

    cluster.sql("CREATE ROLE guest LOGIN; CREATE ROLE locked LOGIN PASSWORD 'right'")
    hba = cluster.folder / "data" / "pg_hba.conf"
    hba.write_text("host all locked 127.0.0.1/32 scram-sha-256\nhostssl all secure 127.0.0.1/32 trust\n" + hba.read_text())
    cluster.sql("SELECT pg_reload_conf()")
    cases = [
        ({"url": f"postgresql://evently@127.0.0.1:{postgres.free_port()}/{name}"}, "Nothing listens", "DATABASE_URL"),
        ({"DB_HOST": "127.0.0.1", "DB_PORT": str(postgres.free_port())}, "Nothing listens", "DB_PORT"),
        ({"DB_HOST": "no-such-host.invalid"}, "not known", "DB_HOST"),
        ({"DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_USER": "locked", "DB_PASSWORD": "wrong", "DB_NAME": name},
         "refuses the password", "DB_PASSWORD"),
        ({"DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_USER": "locked", "DB_NAME": name}, "wants a password",
         "DB_PASSWORD"),
        ({"DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_USER": "nobody", "DB_NAME": name}, "does not let", "DB_USER"),
        ({"DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_NAME": "elsewhere"}, "no database", "DB_NAME"),
        ({"DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_NAME": name, "DB_SSLMODE": "require"}, "does not offer TLS",
         "DB_SSLMODE"),
        ({"DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_NAME": name, "DB_USER": "guest"}, "permission denied", "GRANT"),
    ]
    for settings, what, remedy in cases:
        code, line = check(**settings)
        assert code == 1 and what in line and remedy in line, line
        assert "right" not in line.replace("the right to", "") and "wrong" not in line, "a password is never shown"
    evently("migrate", "downgrade", "3", "--yes", settings={"DATABASE_URL": good, "JWT_SECRET": "x" * 32})
    code, line = check(good)
    assert code == 1 and "schema is at 3" in line and "evently migrate upgrade" in line
    replica = cluster.replica()
    code, line = check(replica.url(name))
    assert code == 1 and "standby" in line, line


# ---- TLS ----

@pytest.fixture
def certificates(tmp_path):
    """A CA, and a certificate for `localhost` that it signed."""
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=tmp_path)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "2")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem", "-days", "2")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key", "-out", "other.pem", "-subj", "/CN=Other CA", "-days", "2")
    return tmp_path


def test_tls_up_to_verify_full(certificates):
    server = Cluster()
    for file in ("server.key", "server.pem"):
        copy = server.folder / file
        copy.write_bytes((certificates / file).read_bytes())
        copy.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(copy, server.folder.stat().st_uid, server.folder.stat().st_gid)
    server.options = (*server.options, "-c", "ssl=on", "-c", f"ssl_cert_file={server.folder}/server.pem", "-c",
                      f"ssl_key_file={server.folder}/server.key")
    server.start()
    try:
        name = server.database()
        evently("migrate", "upgrade", settings={"DATABASE_URL": server.url(name), "JWT_SECRET": "x" * 32})
        hba = server.folder / "data" / "pg_hba.conf"
        hba.write_text("hostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust\n")
        server.sql("SELECT pg_reload_conf()")
        base = {"DB_HOST": "localhost", "DB_PORT": str(server.port), "DB_NAME": name, "JWT_SECRET": "x" * 32}
        ca = str(certificates / "ca.pem")
        good = {**base, "DB_SSLMODE": "verify-full", "DB_CA_FILE": ca}
        assert check(**good)[0] == 0
        assert check(**{**base, "DB_SSLMODE": "require"})[0] == 0
        code, line = check(**{**base, "DB_SSLMODE": "disable"})
        assert code == 1 and "without TLS" in line and "DB_SSLMODE" in line, line
        code, line = check(**{**good, "DB_CA_FILE": str(certificates / "other.pem")})
        assert code == 1 and "cannot be verified" in line and "DB_CA_FILE" in line, line
        code, line = check(**{**good, "DB_HOST": "127.0.0.1"})
        assert code == 1 and "another name" in line, line
        assert check(**{**good, "DB_HOST": "127.0.0.1", "DB_SSLMODE": "verify-ca"})[0] == 0
        one = Service({name: value for name, value in good.items() if name != "JWT_SECRET"}).start(migrate=False)
        create(one.admin)
        assert server.sql("SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) "
                          "WHERE a.application_name = 'evently'") == "t"
        one.stop()
        one.remove()
    finally:
        server.stop()


# ---- what the Python service left ----

PYTHON = """
CREATE TYPE eventstatus AS ENUM ('DRAFT', 'PUBLISHED', 'CANCELLED', 'COMPLETED');
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('4f2a');
CREATE TABLE users (id serial PRIMARY KEY, email varchar(255) NOT NULL UNIQUE, hashed_password varchar NOT NULL, is_active boolean);
INSERT INTO users (email, hashed_password) VALUES ('a@example.org', 'x');
CREATE TABLE events (
    id serial PRIMARY KEY, title varchar(255) NOT NULL, description text, venue varchar(255) NOT NULL,
    event_date timestamp NOT NULL, capacity integer DEFAULT 0, price numeric(10, 2) DEFAULT 0.00,
    status %s DEFAULT 'DRAFT', created_at timestamp DEFAULT now(), updated_at timestamp DEFAULT now(), created_by integer);
CREATE INDEX ix_events_title ON events (title);
CREATE INDEX ix_events_status ON events (status);
INSERT INTO events (title, venue, event_date, price, status, capacity, created_at, updated_at, created_by) VALUES
    ('Jazz', 'Hall', '2030-01-02 03:04:05.678901', 12.34, 'PUBLISHED', 7, '2020-01-01 00:00:00', '2021-01-01 00:00:00.5', 1),
    ('Nulls', 'Hall', '1990-01-01 00:00:00', NULL, NULL, NULL, NULL, NULL, NULL),
    ('Big', 'Hall', '2031-05-06 07:08:09', 99999999.99, 'CANCELLED', 2147483647, '2020-01-01', '2020-01-01', 42);
"""


@pytest.mark.parametrize("status", ["eventstatus", "varchar(20)"])
def test_a_database_of_the_python_service_is_adopted(cluster, serve, status):
    name = cluster.database()
    cluster.sql(PYTHON % status, name)
    one = serve(cluster.url(name))
    jazz = detail(one.admin, 1).json()
    assert jazz == {"id": 1, "title": "Jazz", "description": None, "venue": "Hall", "event_date": "2030-01-02T03:04:05.678901Z",
                    "capacity": 7, "price": "12.34", "status": "published", "is_upcoming": True,
                    "created_at": "2020-01-01T00:00:00Z", "updated_at": "2021-01-01T00:00:00.500000Z", "created_by": 1,
                    "version": 1}
    nulls = detail(one.admin, 2).json()
    assert (nulls["price"], nulls["status"], nulls["capacity"], nulls["created_by"]) == ("0.00", "draft", 0, None)
    big = detail(one.admin, 3).json()
    assert (big["price"], big["capacity"], big["created_by"]) == ("99999999.99", 2147483647, 42)
    listed = one.admin.get(f"{EVENTS}?size=100").json()
    assert listed["total"] == 3 and len(listed["events"]) == 3
    changes = one.admin.get(f"{EVENTS}changes?since=0").json()
    assert [change["kind"] for change in changes["changes"]] == ["created"] * 3
    assert create(one.admin)["id"] == 4
    verify(one)
    one.stop()
    evently("migrate", "downgrade", "0", "--yes", settings=one.settings)
    assert cluster.sql("SELECT count(*) FROM events", name) == "4"
    one.start()
    verify(one)
    assert detail(one.admin, 1).json() == jazz
