"""Many clients at once: readers, writers, lists and streams together. ThreadSanitizer watches these tests too."""

import random
import threading
import time

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS, check_event, check_list, create, unique
from harness.http import Closed
from harness.service import PATIENCE, wait_until

pytestmark = pytest.mark.concurrent
SECONDS = 4


def together(*functions):
    """Runs all at once; the first failure of any is the test's."""
    failures = []

    def guard(function):
        try:
            function()
        except BaseException as problem:  # noqa: BLE001
            failures.append(problem)

    threads = [threading.Thread(target=guard, args=(function,)) for function in functions]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if failures:
        raise failures[0]


def test_versions_never_go_back(service):
    """P1 and P4: what was answered to a write is seen by every read that starts later, and no reader goes back."""
    events = [create(service.admin) for _ in range(4)]
    known = {event["id"]: 1 for event in events}  # versions whose write was answered
    lock, ends = threading.Lock(), time.monotonic() + SECONDS

    def write(seed):
        client, chance = service.admin, random.Random(seed)
        while time.monotonic() < ends:
            event_id = chance.choice(list(known))
            answer = client.put(f"{ADMIN_EVENTS}{event_id}", {"capacity": chance.randrange(10**9)})
            assert answer.status == 200, answer
            with lock:
                known[event_id] = max(known[event_id], answer.json()["version"])

    def read(seed):
        client, chance, seen = service.user, random.Random(seed), {}
        while time.monotonic() < ends:
            event_id = chance.choice(list(known))
            with lock:
                least = known[event_id]
            headers = {"Cache-Control": "no-cache"} if chance.random() < 0.1 else {}
            event = client.get(f"{EVENTS}{event_id}", headers).json()
            check_event(event)
            assert event["version"] >= max(least, seen.get(event_id, 0)), (event, least, seen)
            seen[event_id] = event["version"]

    together(*[lambda n=n: write(n) for n in range(3)], *[lambda n=n: read(100 + n) for n in range(5)])


def test_concurrent_writers_lose_no_update(service):
    event = create(service.admin)
    answers, lock = [], threading.Lock()

    def write(number):
        client = service.admin
        for turn in range(60):
            answer = client.put(f"{ADMIN_EVENTS}{event['id']}", {"title": f"{number}/{turn}"})
            assert answer.status == 200
            with lock:
                answers.append(answer.json())

    together(*[lambda n=n: write(n) for n in range(8)])
    assert sorted(one["version"] for one in answers) == list(range(2, 8 * 60 + 2))
    changes, cursor = [], ""
    while cursor is not None:
        value = service.admin.get(
            f"{ADMIN_EVENTS}{event['id']}/history" + (f"?cursor={cursor}" if cursor else "")
        ).json()
        changes, cursor = changes + value["changes"], value["next_cursor"]
    by_version = {one["version"]: one["title"] for one in answers}
    assert [change["after"]["title"] for change in changes[1:]] == [by_version[n] for n in sorted(by_version)]


def test_everything_at_once(fresh):
    one = fresh(CACHE_MAX_BYTES=200000)
    venue = unique().replace(" ", "-")
    stop = threading.Event()
    counts = {"created": 0, "deleted": 0}
    lock = threading.Lock()

    def write(seed):
        client, chance, mine = one.admin, random.Random(seed), []
        for _ in range(150):
            if mine and chance.random() < 0.3:
                assert client.delete(f"{ADMIN_EVENTS}{mine.pop(chance.randrange(len(mine)))}").status == 200
                with lock:
                    counts["deleted"] += 1
            elif mine and chance.random() < 0.6:
                body = {
                    "capacity": chance.randrange(1000),
                    "status": chance.choice(["draft", "published", "cancelled"]),
                }
                assert client.put(f"{ADMIN_EVENTS}{chance.choice(mine)}", body).status == 200
            else:
                mine.append(create(client, venue=venue, description="x" * chance.randrange(3000))["id"])
                with lock:
                    counts["created"] += 1

    def browse(seed):
        client, chance = (one.user if seed % 2 else one.admin), random.Random(seed)
        while not stop.is_set():
            path = chance.choice(
                [
                    f"?venue={venue}&size=7",
                    "?sort=-price",
                    "upcoming",
                    "?q=jazz",
                    "?status=published&size=50",
                    "calendar.ics",
                    "changes?since=0&limit=20",
                    f"{chance.randrange(1, 200)}",
                    f"{chance.randrange(1, 200)}/capacity",
                ]
            )
            answer = client.get(EVENTS + path)
            assert answer.status in (200, 404), answer
            if path.startswith(("?", "upcoming")):
                value = check_list(answer.json())
                if seed % 2:
                    assert all(event["status"] != "draft" for event in value["events"])

    def watch(seed):
        token = one.user_token if seed % 2 else one.admin_token
        while not stop.is_set():
            with one.stream(token=token, headers={"Last-Event-ID": "0"}) as stream:
                last = 0
                for _ in range(50):
                    try:
                        seq = int(stream.next(5)[0])
                    except (TimeoutError, Closed):
                        break
                    assert seq > last
                    last = seq

    def scrape():
        client = one.anonymous
        while not stop.is_set():
            for path in ("/metrics", "/health", "/info", "/docs", "/openapi.json"):
                assert client.get(path).status == 200
            assert one.admin.get("/api/v1/admin/audit?kind=deleted").status == 200
            assert one.admin.get("/api/v1/admin/events/export").status == 200

    def writers():
        try:
            together(*[lambda n=n: write(n) for n in range(4)])
        finally:
            stop.set()

    together(writers, *[lambda n=n: browse(n) for n in range(4)], *[lambda n=n: watch(n) for n in range(3)], scrape)
    left = counts["created"] - counts["deleted"]
    assert one.admin.get(f"{EVENTS}?venue={venue}&size=1").json()["total"] == left
    assert one.admin.get(f"{EVENTS}?size=1").json()["total"] == left
    one.audit_verify()


def test_users_are_shut_out_while_they_read(fresh):
    """Every instance knows within the lease (1 s); the one that was told usually at once."""
    from harness import tokens

    one = fresh()
    ends = time.monotonic() + SECONDS / 2

    def read(user_id):
        client = one.client(tokens.user(user_id=user_id))
        while time.monotonic() < ends:
            assert client.get(EVENTS).status in (200, 401)

    def toggle():
        client, active = one.admin, True
        while time.monotonic() < ends:
            active = not active
            for user_id in (801, 802):
                assert client.put(f"/api/v1/admin/users/{user_id}", {"is_active": active}).status == 200
                wanted = 200 if active else 401
                wait_until(
                    lambda: client.get(EVENTS, token=tokens.user(user_id=user_id)).status == wanted,
                    1,
                    "the lease's end",
                )

    together(toggle, *[lambda n=n: read(n) for n in (801, 802, 803)])


def test_connections_come_and_go(service):
    ends = time.monotonic() + SECONDS / 2

    def visit():
        while time.monotonic() < ends:
            with service.connect() as connection:
                assert connection.request("GET", EVENTS, token=service.user_token).status == 200

    def leave():
        while time.monotonic() < ends:
            with service.connect() as connection:
                connection.send(
                    b"GET /api/v1/events/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
                    + service.user_token.encode()
                    + b"\r\n\r\n"
                )
            service.stream().close()

    together(visit, visit, leave, leave)

    def settled():
        text = service.anonymous.get("/metrics").text
        return any(
            line.startswith("evently_sse_clients ") and float(line.split()[1]) == 0 for line in text.splitlines()
        )

    service.admin.get("/health")
    create(service.admin)  # a write to a stream is how its client's absence is noticed
    wait_until(settled, 30 * PATIENCE, "streams of clients that left to be freed", interval_s=0.1)
