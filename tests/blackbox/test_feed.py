"""The change feed as consumers read it: the log in pages, and live as Server-Sent Events."""

import threading
import time

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS, TIMESTAMP, check_event, check_problem, create
from harness.http import Closed

CHANGES = EVENTS + "changes"
STREAM = EVENTS + "stream"


def head(client):
    """The seq of the last change."""
    since = 0
    while True:
        value = client.get(f"{CHANGES}?since={since}&limit=1000").json()
        if not value["changes"]:
            return value["next"]
        since = value["next"]


def check_change(change):
    assert list(change) == ["seq", "kind", "event_id", "version", "occurred_at", "event"], change
    assert change["kind"] in ("created", "updated", "deleted") and TIMESTAMP.match(change["occurred_at"])
    assert (change["event"] is None) == (change["kind"] == "deleted")
    if change["event"]:
        check_event(change["event"])
        assert (change["event"]["id"], change["event"]["version"]) == (change["event_id"], change["version"])


def test_the_log_tells_every_write_in_order(fresh):
    one = fresh()
    value = one.admin.get(CHANGES).json()
    assert value == {"changes": [], "next": 0}
    first = create(one.admin)
    second = create(one.admin)
    changed = one.admin.put(f"{ADMIN_EVENTS}{first['id']}", {"price": "1"}).json()
    one.admin.put(f"{ADMIN_EVENTS}{first['id']}", {"price": "1.00"})  # changes nothing
    one.admin.delete(f"{ADMIN_EVENTS}{second['id']}")
    value = one.user.get(CHANGES).json()
    for change in value["changes"]:
        check_change(change)
    assert [(c["seq"], c["kind"], c["event_id"], c["version"], c["event"]) for c in value["changes"]] == [
        (1, "created", first["id"], 1, first),
        (2, "created", second["id"], 1, second),
        (3, "updated", first["id"], 2, changed),
        (4, "deleted", second["id"], 2, None),
    ]
    assert value["next"] == 4
    assert one.user.get(f"{CHANGES}?since=4").json() == {"changes": [], "next": 4}
    assert [c["seq"] for c in one.user.get(f"{CHANGES}?since=1&limit=2").json()["changes"]] == [2, 3]
    assert one.user.get(f"{CHANGES}?since=1&limit=2").json()["next"] == 3
    assert one.user.get(f"{CHANGES}?since=1000000").status in (200, 410, 422)


@pytest.mark.parametrize(
    "query,name",
    [
        ("since=-1", "since"),
        ("since=x", "since"),
        ("since=", "since"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("since=99999999999999999999", "since"),
        ("sinc=1", "sinc"),
        ("since=1&since=2", "since"),
    ],
)
def test_wrong_parameters_of_changes(user, query, name):
    check_problem(user.get(f"{CHANGES}?{query}"), 422, ["query", name])


def test_the_stream_is_an_event_stream(service):
    with service.stream() as stream:
        assert stream.status == 200
        headers = {name.lower(): value for name, value in stream.headers}
        assert headers["content-type"].split(";")[0] == "text/event-stream"
        assert headers["cache-control"] == "private, no-cache"
        assert headers["x-content-type-options"] == "nosniff" and "x-request-id" in headers
        event = create(service.admin)
        while True:
            identity, _, change = stream.next()
            check_change(change)
            assert identity == str(change["seq"])
            if change["event_id"] == event["id"]:
                assert change["event"] == event
                break


def test_a_new_stream_starts_at_the_present(service):
    create(service.admin)
    with service.stream(token=service.admin_token) as stream:
        marker = create(service.admin)["id"]
        assert stream.next()[2]["event_id"] == marker


def test_last_event_id_resumes_without_loss(service):
    start = head(service.admin)
    with service.stream(token=service.admin_token, headers={"Last-Event-ID": str(start)}) as stream:
        made = [create(service.admin)["id"] for _ in range(5)]
        seen = [stream.next() for _ in range(3)]
    made += [create(service.admin)["id"] for _ in range(40)]
    with service.stream(token=service.admin_token, headers={"Last-Event-ID": seen[-1][0]}) as stream:
        late = create(service.admin)["id"]
        while seen[-1][2]["event_id"] != late:
            seen.append(stream.next())
    assert [change["event_id"] for _, _, change in seen] == made + [late]
    assert [int(identity) for identity, _, _ in seen] == list(range(start + 1, start + 1 + len(seen)))


@pytest.mark.parametrize("value", ["x", "-1", "99999999999999999999", "1.5"])
def test_a_wrong_last_event_id(service, value):
    answer = service.user.connection().request("GET", EVENTS, token=service.user_token)
    assert answer.status == 200
    with service.stream(headers={"Last-Event-ID": value}) as stream:
        assert stream.status in (200, 400, 422)


def test_streams_survive_a_restart_by_resuming(fresh):
    one = fresh()
    made = [create(one.admin)["id"]]
    with one.stream(headers={"Last-Event-ID": "0"}) as stream:
        identity = stream.next()[0]
    made += [create(one.admin)["id"] for _ in range(3)]
    one.restart()
    made += [create(one.admin)["id"] for _ in range(3)]
    with one.stream(headers={"Last-Event-ID": identity}) as stream:
        assert [stream.next()[2]["event_id"] for _ in range(6)] == made[1:]


def test_a_stream_ends_when_the_service_stops(fresh):
    one = fresh()
    with one.stream() as stream:
        one.stop()
        with pytest.raises(Closed):
            while True:
                stream.next_block(20)


def test_head_of_the_stream_has_no_body(service):
    with service.connect(timeout_s=5) as connection:
        answer = connection.request("HEAD", STREAM, token=service.user_token)
        assert answer.status == 200 and answer.body == b""
        assert answer.header("Content-Length") is None, "GET has no length"
        assert not connection.is_readable(0.5), "nothing follows the head"
        assert connection.request("GET", "/health/live").status == 200


@pytest.mark.slow
def test_a_comment_keeps_a_silent_stream_alive(fresh):
    one = fresh()
    with one.stream() as stream:
        begun = time.monotonic()
        stream.wait_comment(40)
        if time.monotonic() - begun < 5:  # a greeting
            begun = time.monotonic()
            stream.wait_comment(40)
        assert 10 < time.monotonic() - begun < 20


@pytest.mark.concurrent
def test_many_streams_see_every_change_in_order(service):
    start = head(service.admin)
    streams = [service.stream(token=service.admin_token, headers={"Last-Event-ID": str(start)}) for _ in range(20)]
    writers = [threading.Thread(target=lambda: [create(service.admin) for _ in range(25)]) for _ in range(4)]
    [writer.start() for writer in writers]
    seen = [[] for _ in streams]

    def follow(stream, into):
        while len(into) < 100:
            into.append(int(stream.next(60)[0]))

    readers = [threading.Thread(target=follow, args=pair) for pair in zip(streams, seen)]
    [reader.start() for reader in readers]
    [thread.join() for thread in writers + readers]
    for stream, one in zip(streams, seen):
        assert one == list(range(start + 1, start + 101))
        stream.close()


@pytest.mark.slow
def test_a_slow_subscriber_is_cut_and_slows_nobody(fresh):
    one = fresh()
    with one.stream(receive_buffer=4096) as slow, one.stream() as quick:
        text = "x" * 60000
        done, got = threading.Event(), []

        def follow():
            while not done.is_set() or len(got) < 400:
                got.append(quick.next(60)[2]["seq"])
                if len(got) == 400:
                    return

        reader = threading.Thread(target=follow)
        reader.start()
        for _ in range(400):
            create(one.admin, description=text)
        done.set()
        reader.join(60)
        assert got == list(range(1, 401))
        slow_seen = []
        with pytest.raises(Closed):
            while len(slow_seen) < 400:
                _, name, data = slow.next(30)
                if name == "closed":
                    assert data["reason"]
                    raise Closed(b"")
                slow_seen.append(data["seq"])
            raise AssertionError("24 MB were kept for a client that does not read")
        assert slow_seen == list(range(1, len(slow_seen) + 1)), "what it got before the cut is without gaps"
    assert one.resident_bytes() < 200 * 2**20 or "san" in str(one.settings)
