"""Who did what: history of an event, the whole log, and users who are shut out."""

import pytest

from harness import tokens
from harness.catalogue import ADMIN_EVENTS, EVENTS, TIMESTAMP, check_problem, create, time_in
from harness.service import evently

AUDIT = "/api/v1/admin/audit"
USERS = "/api/v1/admin/users/"
FIELDS = {"seq", "kind", "event_id", "version", "occurred_at", "actor_id", "request_id", "before", "after"}
STORED = {
    "id",
    "title",
    "venue",
    "description",
    "event_date",
    "capacity",
    "price",
    "status",
    "created_at",
    "updated_at",
    "created_by",
    "version",
}


def history(client, event_id, query=""):
    answer = client.get(f"{ADMIN_EVENTS}{event_id}/history{query}")
    assert answer.status == 200, answer
    return answer.json()


def without_moment(event):
    return event and {name: value for name, value in event.items() if name in STORED}


def test_history_tells_before_and_after(service):
    other = service.client(tokens.admin(user_id=31))
    first = service.admin.post(
        ADMIN_EVENTS, {"title": "a", "venue": "v", "event_date": "2099-01-01"}, {"X-Request-ID": "h-1"}
    ).json()
    path = f"{ADMIN_EVENTS}{first['id']}"
    second = other.put(path, {"title": "b"}, {"X-Request-ID": "h-2"}).json()
    service.admin.put(path, {"title": "b"}, {"X-Request-ID": "h-none"})
    service.admin.request("DELETE", path, headers={"X-Request-ID": "h-3"})
    value = history(service.admin, first["id"])
    assert set(value) >= {"changes", "next_cursor"} and value["next_cursor"] is None
    changes = value["changes"]
    for change in changes:
        assert FIELDS <= set(change), change
        assert TIMESTAMP.match(change["occurred_at"]) and change["event_id"] == first["id"]
    assert [(c["kind"], c["version"], c["actor_id"], c["request_id"]) for c in changes] == [
        ("created", 1, 1, "h-1"),
        ("updated", 2, 31, "h-2"),
        ("deleted", 3, 1, "h-3"),
    ]
    shown = [(without_moment(c["before"]), without_moment(c["after"])) for c in changes]
    assert shown == [
        (None, without_moment(first)),
        (without_moment(first), without_moment(second)),
        (without_moment(second), None),
    ]
    assert [c["seq"] for c in changes] == sorted(c["seq"] for c in changes)


def test_history_of_nothing_is_404(admin):
    check_problem(admin.get(f"{ADMIN_EVENTS}999999999/history"), 404)


def walk(client, path):
    """All changes of a keyset-paged log."""
    separator, changes, url = "&" if "?" in path else "?", [], path
    while True:
        answer = client.get(url)
        assert answer.status == 200, answer
        value = answer.json()
        changes += value["changes"]
        if value["next_cursor"] is None:
            return changes
        assert value["changes"], "a page that is not the last is not empty"
        url = f"{path}{separator}cursor={value['next_cursor']}"


def test_audit_filters(fresh):
    one = fresh()
    others = {n: one.client(tokens.admin(user_id=n)) for n in (11, 12)}
    events = [create(others[11 + n % 2]) for n in range(10)]
    for n, event in enumerate(events):
        others[12 - n % 2].put(f"{ADMIN_EVENTS}{event['id']}", {"capacity": n + 1})
    others[11].delete(f"{ADMIN_EVENTS}{events[0]['id']}")
    everything = walk(one.admin, AUDIT)
    assert [change["seq"] for change in everything] == list(range(1, 22))
    middle = everything[10]["occurred_at"]
    checks = {
        "actor=11": lambda c: c["actor_id"] == 11,
        "actor=99": lambda c: False,
        "kind=deleted": lambda c: c["kind"] == "deleted",
        f"event_id={events[0]['id']}": lambda c: c["event_id"] == events[0]["id"],
        "kind=updated&actor=12": lambda c: c["kind"] == "updated" and c["actor_id"] == 12,
        f"from={middle}": lambda c: c["occurred_at"] >= middle,
        f"to={middle}": lambda c: c["occurred_at"] <= middle,
        f"from={time_in(600)}": lambda c: False,
    }
    for query, check in checks.items():
        assert walk(one.admin, f"{AUDIT}?{query}") == [change for change in everything if check(change)], query
    one.audit_verify()


def test_times_of_the_audit_are_read_as_those_of_lists(service):
    event = create(service.admin)
    (change,) = service.admin.get(f"{AUDIT}?event_id={event['id']}").json()["changes"]
    day = change["occurred_at"][:10]
    moment = change["occurred_at"].replace("Z", "+00:00")  # a client that does not percent-encode the plus
    for query, found in (
        (f"from={day}&to={day}", 1),  # a date alone is its whole day
        (f"from={moment}&to={moment}", 1),
        ("to=1970-01-01", 0),
        ("from=9999-12-31", 0),
    ):
        answer = service.admin.get(f"{AUDIT}?event_id={event['id']}&{query}")
        assert answer.status == 200 and len(answer.json()["changes"]) == found, (query, answer)
    check_problem(service.admin.get(f"{AUDIT}?from=1969-12-31"), 422, ["query", "from"])


def test_audit_is_paged(fresh):
    one = fresh()
    event = create(one.admin)
    for n in range(260):
        one.admin.put(f"{ADMIN_EVENTS}{event['id']}", {"capacity": n + 1})
    assert [c["seq"] for c in walk(one.admin, AUDIT)] == list(range(1, 261 + 1))
    assert [c["version"] for c in walk(one.admin, f"{ADMIN_EVENTS}{event['id']}/history")] == list(range(1, 261 + 1))


def test_a_page_of_large_changes_ends_early_and_nothing_is_missed(fresh):
    one = fresh()
    event = create(one.admin, description="d" * 65536)
    for n in range(345):  # 65 MiB of audit
        assert one.admin.put(f"{ADMIN_EVENTS}{event['id']}", {"capacity": n}).status == 200
    for path in (AUDIT, f"{ADMIN_EVENTS}{event['id']}/history"):
        first = one.admin.get(f"{path}?limit=1000")
        assert first.status == 200 and len(first.body) < 16 << 20, first.status
        assert first.json()["next_cursor"] is not None
    assert [c["seq"] for c in walk(one.admin, f"{AUDIT}?limit=1000")] == list(range(1, 347))
    seqs, since = [], 0
    while True:
        answer = one.user.get(f"/api/v1/events/changes?since={since}&limit=1000")
        assert answer.status == 200 and len(answer.body) < 16 << 20
        value = answer.json()
        seqs += [change["seq"] for change in value["changes"]]
        if value["next"] == since:
            break
        since = value["next"]
    assert seqs == list(range(1, 347))


@pytest.mark.parametrize(
    "query,name",
    [
        ("actor=x", "actor"),
        ("event_id=0", "event_id"),
        ("kind=renamed", "kind"),
        ("from=x", "from"),
        ("to=2027-13-01", "to"),
        ("cursor=!", "cursor"),
        ("who=1", "who"),
    ],
)
def test_audit_refuses_wrong_parameters(admin, query, name):
    check_problem(admin.get(f"{AUDIT}?{query}"), 422, ["query", name])


def test_a_user_is_shut_out_and_let_in(service):
    for role, user_id in (("user", 501), ("admin", 502)):
        client = service.client(tokens.token(role, user_id))
        assert client.get(EVENTS).status == 200 and client.get(EVENTS).status == 200
        answer = service.admin.put(f"{USERS}{user_id}", {"is_active": False})
        assert answer.status == 200 and answer.json()["is_active"] is False and answer.json()["id"] == user_id
        for _ in range(2):
            check_problem(client.get(EVENTS), 401)
        other = service.client(tokens.token(role, user_id, minutes=5))  # a new token does not help
        check_problem(other.get(EVENTS), 401)
        assert service.admin.get(f"{USERS}{user_id}").json()["is_active"] is False
        assert service.admin.put(f"{USERS}{user_id}", {"is_active": True}).json()["is_active"] is True
        assert client.get(EVENTS).status == 200


def test_shut_out_holds_after_a_restart(fresh):
    one = fresh()
    one.admin.put(f"{USERS}2", {"is_active": False})
    one.restart()
    check_problem(one.user.get(EVENTS), 401)


def test_a_stream_of_a_user_who_is_shut_out_ends(fresh):
    one = fresh()
    with one.stream() as stream:
        one.admin.put(f"{USERS}{tokens.USER_ID}", {"is_active": False})
        create(one.admin)
        from harness.http import Closed

        with pytest.raises(Closed):
            while True:
                block = stream.next_block(25)
                assert "event_id" not in block, "nothing may be shown to a user who is shut out"


def test_user_answers(service):
    create(service.client(tokens.admin(user_id=600)))
    value = service.admin.get(f"{USERS}600").json()
    assert (
        value["id"] == 600
        and value["email"] == "user600@example.org"
        and value["role"] == "admin"
        and value["is_active"] is True
    )
    check_problem(service.admin.get(f"{USERS}999999"), 404)
    for body in (
        {},
        {"is_active": "no"},
        {"is_active": None},
        {"is_active": False, "role": "admin"},
        {"is_actve": False},
    ):
        answer = service.admin.put(f"{USERS}600", body)
        check_problem(answer, 422)
    deep = '{"is_active":' + "[" * 16 + "]" * 16 + "}"
    for body in ("", "{", '{"is_active":false,"is_active":false}', '{"is_active":false}x', '{"\\u0000":1}', deep):
        value = check_problem(service.admin.put(f"{USERS}600", body, content_type="application/json"), 400)
        assert "4096" not in value["detail"]
    assert service.admin.get(f"{USERS}600").json()["is_active"] is True
    padded = '{"is_active":true}' + " " * 10000
    assert service.admin.put(f"{USERS}600", padded, content_type="application/json").status == 200
    check_problem(service.admin.put(f"{USERS}600", " " * (2**20 + 1), content_type="application/json"), 413)
    for bad in ("0", "x", "-1"):
        answer = service.admin.put(f"{USERS}{bad}", {"is_active": "no", "role": 1})
        check_problem(answer, 422, ["path", "user_id"], ["body", "is_active"], ["body", "role"])
        check_problem(service.admin.put(f"{USERS}{bad}", {"is_active": False}), 422, ["path", "user_id"])
        check_problem(service.admin.get(f"{USERS}{bad}"), 422, ["path", "user_id"])


def test_audit_verify_finds_nothing_wrong(fresh):
    one = fresh()
    for n in range(20):
        create(one.admin, capacity=n)
    one.audit_verify()
    one.stop()
    one.audit_verify()
    assert evently("audit", "verify", "--nonsense", settings=one.settings, check=False).returncode == 2
