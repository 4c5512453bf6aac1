"""A synchronous standby: what was acknowledged is there too, whatever happens to the primary while a COMMIT waits for it."""

import os
import signal
import threading
import time

import pytest

from harness import postgres
from harness.catalogue import ADMIN_EVENTS, create, detail, wish
from harness.cluster import Cluster
from harness.service import Service, wait_until

pytestmark = pytest.mark.skipif(not postgres.is_built(), reason="PostgreSQL is not installed")

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'COMMIT%'"


class Pair:
    """A primary whose commits wait for its standby, and two instances of the service on both."""

    def __init__(self):
        self.primary = Cluster().start()
        self.name = self.primary.database()
        self.standby = self.primary.replica("-c", "synchronous_standby_names=", "-c", "wal_retrieve_retry_interval=200ms",
                                            name="standby")
        self.primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        self.primary.sql("SELECT pg_reload_conf()")
        wait_until(lambda: self.primary.sql("SELECT sync_state FROM pg_stat_replication") == "sync", 10, "the standby")
        settings = {"REQUEST_TIMEOUT_MS": "3000"}
        self.services = [Service(settings, {"DATABASE_URL": self.primary.url(self.name, self.standby)}) for _ in range(2)]
        for number, service in enumerate(self.services):
            service.start(migrate=number == 0)
        self.one = self.services[0]
        self.held = None

    def end(self):
        self.let_go()
        for service in self.services:
            service.stop()
            service.remove()
        self.primary.stop()

    def hold(self):
        """Stops the process that sends the log to the standby."""
        self.held = int(self.primary.sql("SELECT pid FROM pg_stat_replication"))
        os.kill(self.held, signal.SIGSTOP)

    def let_go(self, sent=signal.SIGCONT):
        if self.held is not None:
            os.kill(self.held, sent)
        self.held = None

    def waiting(self):
        """The session whose COMMIT waits for the standby, once there is one."""
        wait_until(lambda: self.primary.sql(WAITING).isdigit(), 5, "a COMMIT that waits for the standby")
        return int(self.primary.sql(WAITING))

    def stored(self):
        """(id, title) of all events on the standby, which is the primary by now."""
        return {tuple(line.split("|", 1)) for line in self.standby.sql("SELECT id, title FROM events", self.name).splitlines()}


@pytest.fixture
def pair():
    made = Pair()
    yield made
    made.end()


class Posted(threading.Thread):
    """A write of its own thread; `answer` is None until it has one."""

    def __init__(self, service, method="post", path=ADMIN_EVENTS, body=None, headers=()):
        super().__init__(daemon=True)
        self.answer = None
        self.ask = lambda: getattr(service.admin, method)(path, body or wish(title="Waiting"), headers=headers)
        self.start()

    def run(self):
        self.answer = self.ask()

    def end(self):
        self.join(20)
        return self.answer


def test_a_primary_that_is_killed_while_a_commit_waits_acknowledges_nothing_that_the_standby_lacks(pair):
    for _ in range(20):  # now the session that writes has waited for the other instance, so it listens: what stands in the
        # buffer of such a session is sent when its server's main process has died
        create(pair.one.admin)
    pair.hold()
    posted = Posted(pair.one)
    pair.waiting()
    children = pair.primary.processes()
    os.kill(pair.primary.process.pid, signal.SIGKILL)
    pair.let_go(signal.SIGKILL)
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in children[1:]), 10, "the server's end")
    pair.primary.process.wait()
    pair.standby.promote()
    answer = posted.end()
    assert answer.status in (201, 503, 504), answer
    if answer.status == 201:
        assert (str(answer.json()["id"]), "Waiting") in pair.stored()
    wait_until(lambda: pair.one.admin.post(ADMIN_EVENTS, wish()).status == 201, 10, "a write on the new primary")
    pair.one.audit_verify()


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_commit_that_was_told_not_to_wait_is_not_believed(pair, how):
    pair.hold()
    posted = Posted(pair.one)
    for _ in range(3):
        waiting = pair.waiting()
        assert pair.primary.sql(f"SELECT {how}({waiting})") == "t"
        wait_until(lambda before=waiting: pair.primary.sql(WAITING) != str(before) or how == "pg_cancel_backend", 5, "its end")
        time.sleep(0.1)
        assert posted.answer is None, posted.answer
    pair.let_go()
    answer = posted.end()
    assert answer.status == 201, answer
    stored = [title for _, title in pair.stored()]
    assert stored.count("Waiting") == 1
    pair.one.audit_verify()


def test_a_user_is_not_shut_out_for_sure_when_the_commit_was_told_not_to_wait(pair):
    pair.hold()
    posted = Posted(pair.one, "put", "/api/v1/admin/users/77", {"is_active": False})
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%pg_notify%'"
    wait_until(lambda: pair.primary.sql(waiting).isdigit(), 5, "the COMMIT to wait for the standby")
    pair.primary.sql(f"SELECT pg_cancel_backend({pair.primary.sql(waiting)})")
    answer = posted.end()
    pair.let_go()
    assert answer.status == 503, answer


# What a client does after an answer that did not come: it says the same again.
AGAIN = {
    "a creation with its key": ("post", lambda event: ADMIN_EVENTS, wish(title="Again"), {"Idempotency-Key": "again"}, 201),
    "the same change": ("put", lambda event: f"{ADMIN_EVENTS}{event['id']}", {"capacity": 4711}, (), 200),
}


@pytest.mark.parametrize("method, path, body, headers, good", AGAIN.values(), ids=AGAIN)
def test_what_a_restarted_primary_shows_is_confirmed_before_it_is_acknowledged(pair, method, path, body, headers, good):
    event = create(pair.one.admin)
    pair.standby.freeze()
    try:
        posted = Posted(pair.one, method, path(event), body, headers)
        pair.waiting()
        pair.hold()
        pair.let_go(signal.SIGKILL)  # the server ends all sessions, recovers from its log and goes on
        answer = posted.end()
        assert answer.status in (503, 504), answer
        written = "SELECT count(*) FROM events WHERE title = 'Again' OR capacity = 4711"
        wait_until(lambda: pair.primary.answers(), 10, "the primary's return")
        assert pair.primary.sql(written, pair.name) == "1", "the primary has it, the standby does not"
        until = time.monotonic() + 5
        while time.monotonic() < until:
            answer = getattr(pair.one.admin, method)(path(event), body, headers=headers)
            assert answer.status in (503, 504), answer
    finally:
        pair.standby.thaw()
    # PostgreSQL takes its time, over 15 s at times, to follow a primary that was restarted while it could not look.
    streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
    wait_until(lambda: pair.primary.sql(streaming) == "1", 90, "the standby's return")
    wait_until(lambda: getattr(pair.one.admin, method)(path(event), body, headers=headers).status == good, 15, "the answer")
    assert pair.standby.sql(written, pair.name) == "1"
    if method == "put":
        assert detail(pair.one.admin, event["id"], headers={"Cache-Control": "no-cache"}).json()["version"] == 2
    pair.one.audit_verify()
