"""The nth allocation fails, the nth write or sync of a file fails, once or for a while: the service lives through it.

While a fault is armed each answer is either right or an honest problem; no write that was answered is lost; and as soon
as the fault is over all works as before. The positions are drawn from a printed seed (EVENTLY_SEED repeats a run).
"""

import errno
import os
import random
import subprocess

import pytest

from harness import failnth
from harness.catalogue import ADMIN_EVENTS, EVENTS, check_problem, wish
from harness.failnth import MEMORY, SYNC, WRITE
from harness.http import Client, Closed
from harness.service import BINARY, SANITIZED, Service, environment, wait_until

pytestmark = pytest.mark.skipif(SANITIZED, reason="sanitizers bring an allocator of their own")
DENSITY = int(os.environ.get("EVENTLY_DENSITY", "1"))  # times as many positions as in a short run
SEED = int(os.environ.get("EVENTLY_SEED", random.randrange(10**6)))
HONEST = (500, 503, 504)


class Scenario:
    """One fixed story over most endpoints. Keeps what was answered, so that it can be checked afterwards."""

    def __init__(self, service, may_close):
        self.service, self.may_close, self.turn = service, may_close, 0
        self.alive, self.dead, self.unsure = {}, set(), set()
        self.closed = self.honest = 0

    def ask(self, client, method, path, wanted, body=None, content_type=None, headers=()):
        try:
            answer = client.request(method, path, body, headers, content_type=content_type)
        except (Closed, ConnectionResetError, BrokenPipeError):
            assert self.may_close, f"{method} {path}: the connection was closed without an answer"
            self.closed += 1
            return None
        if answer.status in HONEST:
            if path != "/health" and answer.json()["request_id"] is not None:  # null: no memory even for the problem
                check_problem(answer, answer.status)
            assert answer.status != 503 or len(answer.all("Retry-After")) == 1, (method, path, answer)
            self.honest += 1
            return None
        assert answer.status in wanted, (method, path, answer)
        return answer

    def run(self):
        self.turn += 1
        admin, user = Client(self.service.port, self.service.admin_token), Client(
            self.service.port, self.service.user_token
        )
        title = f"turn {self.turn}"
        made = self.ask(admin, "POST", ADMIN_EVENTS, (201,), wish(title=title))
        event_id = made.json()["id"] if made else None
        if event_id:
            self.alive[event_id] = title
            path = f"{ADMIN_EVENTS}{event_id}"
            for fresh in ({}, {"Cache-Control": "no-cache"}):
                shown = self.ask(user, "GET", f"{EVENTS}{event_id}", (200,), headers=fresh)
                assert shown is None or shown.json()["title"] == title
            changed = self.ask(admin, "PUT", path, (200,), {"title": title + " changed"})
            if changed:
                assert changed.json()["title"] == title + " changed", changed
                self.alive[event_id] = title + " changed"
            else:
                self.unsure.add(event_id)  # an honest 5xx leaves open whether it happened
            for rest in ("/capacity", "/calendar.ics"):
                self.ask(user, "GET", f"{EVENTS}{event_id}{rest}", (200,))
            self.ask(admin, "GET", path + "/history", (200,))
            if self.turn % 2:
                if self.ask(admin, "DELETE", path, (200,)):
                    del self.alive[event_id]
                    self.dead.add(event_id)
                else:
                    del self.alive[event_id]
        for path in (
            EVENTS + "?size=5&sort=-id",
            EVENTS + "upcoming?size=5",
            EVENTS + f"?q=turn&size={1 + self.turn % 100}",
            EVENTS + "changes?limit=10",
            "/metrics",
            "/info",
            "/openapi.json",
            "/docs",
        ):
            self.ask(user, "GET", path, (200,))
        self.ask(user, "GET", "/health", (200,))
        self.ask(admin, "GET", "/api/v1/admin/audit?kind=deleted", (200,))
        lines = "".join('{"title":"line","venue":"v","event_date":"2099-01-01"}\n' for _ in range(3))
        self.ask(admin, "POST", ADMIN_EVENTS + "import", (200, 201), lines, "application/x-ndjson")
        self.ask(admin, "POST", ADMIN_EVENTS, (422,), {"title": ""})
        self.ask(admin, "PUT", "/api/v1/admin/users/9", (200,), {"is_active": self.turn % 2 == 0})
        admin.forget()
        user.forget()

    def check(self):
        """Faults are over: what was answered is there."""
        for event_id, title in self.alive.items():
            answer = self.service.admin.get(f"{EVENTS}{event_id}", {"Cache-Control": "no-cache"})
            assert answer.status == 200, (event_id, answer)
            if event_id not in self.unsure:
                assert answer.json()["title"] == title
        for event_id in self.dead:
            assert self.service.admin.get(f"{EVENTS}{event_id}").status == 404
        self.alive.clear()
        self.dead.clear()


@pytest.fixture
def faulty(tmp_path):
    faults = failnth.Faults(tmp_path / "control")
    one = Service({"REQUEST_TIMEOUT_MS": 5000, "CACHE_MAX_BYTES": 4 << 20}, preload=faults.environment)
    one.start()
    yield one, faults
    faults.disarm()
    try:
        one.stop()
    finally:
        one.remove()


def alive(one):
    return one.process.poll() is None


def recovered(one):
    def works():
        assert alive(one), one.log_text()[-5000:]
        try:
            with one.connect(timeout_s=5) as connection:
                return connection.request("POST", ADMIN_EVENTS, wish(), token=one.admin_token).status == 201
        except (Closed, ConnectionResetError, BrokenPipeError, TimeoutError):
            return False

    wait_until(works, 10, "a write after the fault is over")


@pytest.mark.parametrize(
    "kinds,sticky,error,rounds",
    [
        (MEMORY, False, errno.ENOMEM, 90),
        (MEMORY, True, errno.ENOMEM, 12),
        (WRITE, False, errno.EIO, 25),
        (WRITE, True, errno.ENOSPC, 6),
        (SYNC, False, errno.EIO, 12),
        (SYNC, True, errno.EIO, 4),
        (WRITE | SYNC, False, errno.ENOSPC, 12),
    ],
    ids=["memory", "no memory", "write", "disk full", "sync", "no sync", "any"],
)
def test_the_nth_call_fails(faulty, kinds, sticky, error, rounds):
    print(f"seed: EVENTLY_SEED={SEED}")
    one, faults = faulty
    chance = random.Random(SEED)
    scenario = Scenario(one, may_close=bool(kinds & MEMORY))
    scenario.run()
    scenario.check()
    calls = max(faults.count(kinds, scenario.run), 1)
    assert calls > (50 if kinds & MEMORY else 1), "the library is not preloaded"
    stride = max(1, calls // (rounds * DENSITY))
    for nth in range(1 + chance.randrange(stride), calls + 1, stride):
        faults.arm(kinds, nth, sticky, error)
        try:
            scenario.run()
        except AssertionError as problem:
            raise AssertionError(f"with call {nth} of {calls} failing (EVENTLY_SEED={SEED}): {problem}") from problem
        finally:
            faults.disarm()
        assert alive(one), f"the service died of call {nth} of {calls} (EVENTLY_SEED={SEED})\n{one.log_text()[-5000:]}"
        recovered(one)
        scenario.check()
    print(f"{calls} calls a story; {scenario.honest} honest refusals, {scenario.closed} connections closed")
    one.audit_verify()
    one.restart()
    one.audit_verify()


@pytest.mark.parametrize(
    "arguments",
    [
        ["migrate", "upgrade"],
        ["config"],
        ["check"],
        ["token", "--user-id", "1", "--email", "a@b", "--role", "user"],
        ["serve"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_without_memory_ends_with_a_word(tmp_path, arguments):
    """Each command says what is wrong and leaves with 1, or succeeds; it never dies of a signal."""
    faults = failnth.Faults(tmp_path / "control")
    one = Service()
    try:
        if arguments[0] != "migrate":
            one.migrate()
        values = {**environment(one.settings), **faults.environment}

        def run():
            process = subprocess.Popen(
                [BINARY, *arguments],
                env=values,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            try:
                if arguments[0] == "serve":
                    line = process.stderr.readline()
                    while line and b'"listening"' not in line:
                        line = process.stderr.readline()
                    if line:
                        process.terminate()
                out, err = process.communicate(timeout=30)
            finally:
                process.kill()
                process.wait()
            return process.returncode, out, err

        calls = faults.count(MEMORY, run)
        chance = random.Random(SEED)
        for nth in sorted(chance.sample(range(1, calls + 1), min(calls, 40))):
            faults.arm(MEMORY, nth)
            code, out, err = run()
            faults.disarm()
            assert code in (0, 1), f"allocation {nth} of {calls} (EVENTLY_SEED={SEED}): exit {code}\n{err.decode()}"
            assert (
                code == 0 or out.strip() or err.strip() or arguments[0] == "serve"
            ), f"allocation {nth}: left without a word"
    finally:
        one.remove()
