"""kill -9 under write load, again and again: what was acknowledged is there, and nothing is there twice (P2)."""

import os
import random
import threading
import time

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS, create, wish
from harness.http import Closed, Connection, Stream

SEED = int(os.environ.get("EVENTLY_SEED", random.randrange(10**6)))
ROUNDS = int(os.environ.get("EVENTLY_KILLS", "8"))
GONE = (Closed, ConnectionResetError, BrokenPipeError, ConnectionRefusedError, TimeoutError)


class Writers:
    """Clients that write until the service is gone. Creations carry an Idempotency-Key, so that one whose answer was lost
    can be asked for again."""

    def __init__(self, service, run, count=6):
        self.service, self.lock = service, threading.Lock()
        self.created, self.unanswered = {}, []  # key → answer; (key, body)
        self.versions, self.deleted, self.attempted = {}, set(), {}
        self.answers, self.problems = 0, []
        self.threads = [threading.Thread(target=self.run, args=(run, number)) for number in range(count)]
        [thread.start() for thread in self.threads]

    def run(self, run, number):
        try:
            self.write(run, number)
        except GONE:
            pass
        except Exception as problem:  # noqa: BLE001
            self.problems.append(repr(problem))

    def write(self, run, number):
        chance, token = random.Random(SEED * 1000 + run * 10 + number), self.service.admin_token
        connection, mine = Connection(self.service.port), []
        for turn in range(10**9):
            if mine and chance.random() < 0.5:
                event_id = chance.choice(mine)
                self.attempted[event_id] = self.attempted.get(event_id, 1) + 1
                if chance.random() < 0.2:
                    mine.remove(event_id)
                    answer = connection.request("DELETE", f"{ADMIN_EVENTS}{event_id}", token=token)
                    assert answer.status == 200, answer
                    self.deleted.add(event_id)
                else:
                    answer = connection.request(
                        "PUT", f"{ADMIN_EVENTS}{event_id}", {"title": f"{run} {number} {turn}"}, token=token
                    )
                    assert answer.status == 200, answer
                    self.versions[event_id] = answer.json()
            else:
                key, body = f"{SEED}-{run}-{number}-{turn}", wish(title=f"{run} {number} {turn}", venue=f"run {run}")
                try:
                    answer = connection.request("POST", ADMIN_EVENTS, body, {"Idempotency-Key": key}, token)
                except GONE:
                    self.unanswered.append((key, body))
                    raise
                assert answer.status == 201, answer
                self.created[key] = answer.body
                event = answer.json()
                self.versions[event["id"]] = event
                mine.append(event["id"])
            with self.lock:
                self.answers += 1


class Follower:
    """One SSE consumer that resumes after every crash: must end with every seq, once each, in order."""

    def __init__(self, service):
        self.service, self.seen, self.problems, self.reasons = service, [], [], []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            if self.service.port is None:  # just starting
                time.sleep(0.005)
                continue
            try:
                last = str(self.seen[-1]) if self.seen else "0"
                with Stream(
                    self.service.port, EVENTS + "stream", self.service.admin_token, {"Last-Event-ID": last}
                ) as stream:
                    while not self.ended.is_set():
                        identity, name, data = stream.next(1)
                        if name == "closed":
                            self.reasons.append(data["reason"])
                            break
                        self.seen.append(int(identity))
            except GONE:
                time.sleep(0.02)
            except Exception as problem:  # noqa: BLE001
                self.problems.append(repr(problem))
                return


@pytest.mark.concurrent
def test_acknowledged_writes_survive_kill_9(fresh):
    print(f"seed: EVENTLY_SEED={SEED}")
    chance = random.Random(SEED)
    one = fresh()
    follower = Follower(one)
    answered = kills = 0
    try:
        for run in range(ROUNDS):
            writers = Writers(one, run)
            goal, ends = chance.randrange(1, 400), time.monotonic() + 20
            while writers.answers < goal and time.monotonic() < ends and not writers.problems:
                time.sleep(0.001)
            one.kill()
            kills += 1
            [thread.join(60) for thread in writers.threads]
            assert not writers.problems, writers.problems[:3]
            answered += writers.answers
            one.start(migrate=False)
            check(one, run, writers)
        total = one.admin.get(EVENTS + "changes?since=0&limit=1").json()
        assert total["changes"][0]["seq"] == 1
        log = whole_log(one)
        ends = time.monotonic() + 30
        while len(follower.seen) < len(log) and time.monotonic() < ends and not follower.problems:
            time.sleep(0.01)
    finally:
        follower.ended.set()
        follower.thread.join(60)
    assert not follower.problems, follower.problems
    assert follower.seen == log == list(range(1, len(log) + 1)), "a subscriber that resumes ends with every seq once"
    print(f"streams were closed because: {sorted(set(follower.reasons))}")
    print(f"{kills} kills, {answered} acknowledged writes, {len(log)} changes")
    one.audit_verify()


def whole_log(one):
    seqs, since = [], 0
    while True:
        value = one.admin.get(f"{EVENTS}changes?since={since}&limit=1000").json()
        if not value["changes"]:
            return seqs
        seqs += [change["seq"] for change in value["changes"]]
        since = value["next"]


def check(one, run, writers):
    admin = one.admin
    for event_id, event in writers.versions.items():
        answer = admin.get(f"{EVENTS}{event_id}")
        if event_id in writers.deleted:
            assert answer.status == 404, f"the deletion of {event_id} was acknowledged and is lost"
            continue
        if answer.status == 404:  # its deletion was under way, unanswered
            assert writers.attempted.get(event_id, 1) > event["version"], f"{event_id} was acknowledged and is lost"
            continue
        shown = answer.json()
        assert shown == event or shown["version"] == event["version"] + 1 <= writers.attempted.get(event_id, 1), (
            shown,
            event,
        )
    for key, body in writers.unanswered:
        first = admin.post(ADMIN_EVENTS, body, {"Idempotency-Key": key})
        again = admin.post(ADMIN_EVENTS, body, {"Idempotency-Key": key})
        assert first.status == again.status == 201 and first.body == again.body
        writers.created[key] = first.body
    created = [entry for entry in log_of(admin, run) if entry["kind"] == "created"]
    assert len(created) == len(writers.created), "every creation is there once"


def log_of(admin, run):
    since, mine = 0, []
    while True:
        value = admin.get(f"{EVENTS}changes?since={since}&limit=1000").json()
        if not value["changes"]:
            return mine
        mine += [change for change in value["changes"] if change["event"] and change["event"]["venue"] == f"run {run}"]
        since = value["next"]


def test_a_start_after_kill_9_is_quick(fresh):
    one = fresh()
    for n in range(50):
        create(one.admin, capacity=n)
    one.kill()
    begun = time.monotonic()
    one.start(migrate=False)
    assert time.monotonic() - begun < 5
    assert one.user.get(EVENTS).json()["total"] == 50
