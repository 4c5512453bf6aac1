"""Every secret is rotated under load, through Zero and SIGHUP: no request fails, and new connections use the new values.

PostgreSQL asks the service's role for its password (SCRAM), Redis for its own; each rotation is then proved by taking the
old connections away.
"""

import signal
import threading
import time

import pytest

from harness import postgres, tokens
from harness.catalogue import ADMIN_EVENTS, EVENTS, create, wish
from harness.http import Client
from harness.installation import SECRETS, authority, cache, database, installation  # noqa: F401, fixtures
from harness.service import SANITIZED, Service, wait_until
from harness.zero import Zero

pytestmark = pytest.mark.skipif(not postgres.is_built(), reason="needs PostgreSQL")

RATE = 300 if SANITIZED else 1000  # requests a second, of all clients together
CLIENTS = 4


class Load:
    """Reads (hot, past every cache) and writes at a steady rate; remembers every answer that is not a success."""

    def __init__(self, service, event_id):
        self.service, self.event_id = service, event_id
        self.failures, self.counts, self.secret = [], [0] * CLIENTS, SECRETS[0]
        self.over = False
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(CLIENTS)]

    def __enter__(self):
        self.begun = time.monotonic()
        [thread.start() for thread in self.threads]
        return self

    def __exit__(self, *_):
        self.over = True
        [thread.join(30) for thread in self.threads]
        self.rate = sum(self.counts) / (time.monotonic() - self.begun)

    def _one(self, client, n):
        token = tokens.admin(secret=self.secret) if n % 50 == 0 else client.token
        client.token = token
        if n % 20 == 0:
            return client.put(f"{ADMIN_EVENTS}{self.event_id}", {"capacity": n % 1000})
        if n % 5 == 0:
            return client.get(f"{EVENTS}{self.event_id}", headers={"Cache-Control": "no-cache"})
        return client.get(f"{EVENTS}{self.event_id}" if n % 2 else f"{EVENTS}?size=5&page={n % 7 + 1}")

    def _run(self, number):
        client = Client(self.service.port, tokens.admin(secret=self.secret))
        n, begun = number, time.monotonic()
        while not self.over:
            try:
                answer = self._one(client, n)
                if answer.status != 200:
                    self.failures.append((time.monotonic() - self.begun, answer))
            except Exception as error:
                self.failures.append((time.monotonic() - self.begun, repr(error)))
            self.counts[number] += 1
            n += 1
            pause = begun + self.counts[number] * CLIENTS / RATE - time.monotonic()
            if pause > 0:
                time.sleep(pause)


def reload(service):
    service.log_start = len(service.log)
    service.signal(signal.SIGHUP)
    service.wait_log(lambda line: "reloaded: " in line.get("msg", ""), what="the reload")


def cut_connections(database):
    """Takes every connection of the service away; gives the number."""
    cursor = database.super.cursor()
    cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename LIKE 'app%'")
    return cursor.fetchone()[0]


def users_of(database):
    cursor = database.super.cursor()
    cursor.execute("SELECT DISTINCT usename FROM pg_stat_activity WHERE usename LIKE 'app%'")
    return [row[0] for row in cursor.fetchall()]


def checked(load, at_least=2.0):
    """Lets the load go on a while after what was done."""
    time.sleep(at_least)
    assert not load.failures, (len(load.failures), load.failures[:5])


def report(record_property, load):
    record_property("requests", sum(load.counts))
    record_property("requests_per_s", round(load.rate))
    print(f"{sum(load.counts)} requests, {load.rate:.0f}/s, {len(load.failures)} failed")
    assert not load.failures, (len(load.failures), load.failures[:5])


@pytest.mark.parametrize("order", ["database first", "zero first"])
def test_the_databases_password(installation, database, record_property, order):
    event = create(installation.admin)["id"]
    steps = [lambda: database.sql("ALTER ROLE app PASSWORD 'second-password-of-app'"),
             lambda: (installation.zero.fields.update({"db-password": "second-password-of-app"}), reload(installation))]
    with Load(installation, event) as load:
        checked(load, 0.5)
        for step in steps if order == "database first" else reversed(steps):
            step()
            checked(load)
    report(record_property, load)
    # Proof, without load: what is connected anew gets in.
    assert cut_connections(database) > 0
    wait_until(lambda: installation.admin.post(ADMIN_EVENTS, wish()).status == 201, 10, "a write with the new password")
    database.sql("ALTER ROLE app PASSWORD 'third-password-of-app'")
    cut_connections(database)
    wait_until(lambda: installation.admin.post(ADMIN_EVENTS, wish()).status == 503, 10, "the password to matter")
    installation.wait_log(lambda line: "refuses the password" in line.get("msg", ""))
    assert installation.admin.get(f"{EVENTS}{event}").status == 200, "reads go on from the cache"
    installation.zero.fields["db-password"] = "third-password-of-app"
    reload(installation)
    wait_until(lambda: installation.admin.post(ADMIN_EVENTS, wish()).status == 201, 10, "recovery without a restart")


def test_new_password_before_the_server_knows_it(installation, database):
    """Zero is ahead of the server, and connections are made meanwhile: the password before is tried too."""
    installation.zero.fields["db-password"] = "second-password-of-app"
    reload(installation)
    assert cut_connections(database) > 0
    wait_until(lambda: installation.admin.post(ADMIN_EVENTS, wish()).status == 201, 10, "a write")
    database.sql("ALTER ROLE app PASSWORD 'second-password-of-app'")
    assert cut_connections(database) > 0
    wait_until(lambda: installation.admin.post(ADMIN_EVENTS, wish()).status == 201, 10, "a write")


def test_the_databases_user(installation, database, record_property):
    """Two roles in turn: connections move over, and the first role can then be shut out."""
    event = create(installation.admin)["id"]
    database.sql("ALTER ROLE app2 SET role app")
    with Load(installation, event) as load:
        checked(load, 0.5)
        installation.zero.fields.update({"db-user": "app2", "db-password": "password-of-app2"})
        reload(installation)
        checked(load)
        wait_until(lambda: users_of(database) == ["app2"], 10, "the end of the first role's connections")
        database.sql("ALTER ROLE app NOLOGIN")
        checked(load)
    report(record_property, load)


def test_the_password_of_redis(installation, cache, record_property):
    event = create(installation.admin)["id"]
    with Load(installation, event) as load:
        checked(load, 0.5)
        cache.super.config_set("requirepass", "second-password-of-redis")
        checked(load, 1)
        installation.zero.fields["redis-password"] = "second-password-of-redis"
        reload(installation)
        checked(load, 1)
        fresh = cache.client(password="second-password-of-redis")
        fresh.client_kill_filter(_type="normal", skipme=True)
        checked(load)
        hits = lambda: int(fresh.info("stats")["keyspace_hits"])
        before = hits()
        wait_until(lambda: hits() > before or installation.anonymous.get("/health").json()["redis"] == "connected", 10,
                   "Redis to be used again")
    report(record_property, load)
    assert fresh.acl_log() == [] or all("second" not in str(entry) for entry in fresh.acl_log())


def test_the_secret_of_tokens(installation, record_property):
    event = create(installation.admin)["id"]
    with Load(installation, event) as load:
        checked(load, 0.5)
        installation.zero.fields["jwt-secret"] = SECRETS[1]
        reload(installation)
        checked(load, 1)       # with the old tokens, in their time of grace
        load.secret = SECRETS[1]
        checked(load)
    report(record_property, load)


def test_everything_at_once_by_the_clock(authority, database, cache, record_property):
    zero = Zero(authority).start()
    zero.fields.update({"database-url": f"postgresql://app:first-password-of-app@127.0.0.1:{database.port}/evently1",
                        "redis-url": f"redis://:first-password-of-redis@127.0.0.1:{cache.port}/0", "jwt-secret": SECRETS[0]})
    service = Service({"JWT_SECRET": None, "SECRETS_REFRESH_SECONDS": 1, "REDIS_TIMEOUT_MS": 500, **zero.settings})
    service.admin_token = tokens.admin(secret=SECRETS[0])
    try:
        service.start()
        event = create(service.admin)["id"]
        with Load(service, event) as load:
            checked(load, 0.5)
            database.sql("ALTER ROLE app PASSWORD 'second-password-of-app'")
            cache.super.config_set("requirepass", "second-password-of-redis")
            zero.fields.update({"database-url": f"postgresql://app:second-password-of-app@127.0.0.1:{database.port}/evently1",
                                "redis-url": f"redis://:second-password-of-redis@127.0.0.1:{cache.port}/0", "jwt-secret": SECRETS[1]})
            service.wait_log(lambda line: "new keys" in line.get("msg", ""))
            service.wait_log(lambda line: "new connections to PostgreSQL" in line.get("msg", ""))
            service.wait_log(lambda line: "new connections to Redis" in line.get("msg", ""))
            load.secret = SECRETS[1]
            checked(load)
        report(record_property, load)
        assert cut_connections(database) > 0
        service.admin_token = tokens.admin(secret=SECRETS[1])
        wait_until(lambda: service.admin.post(ADMIN_EVENTS, wish()).status == 201, 10, "a write with the new password")
        service.stop()
        text = service.log_text()
        for secret in ("first-password", "second-password", *SECRETS, zero.token):
            assert secret not in text
    finally:
        zero.stop()
        service.remove()
