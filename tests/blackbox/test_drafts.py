"""A draft is nobody's business but the admins': for users it must not be told from an event that is not there."""

import re

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS, check_problem, create, every_page, unique


def blank(answer, event_id):
    """What is comparable of an answer: all but its id, its date and the event's number."""
    skip = ("x-request-id", "date", "content-length")
    headers = sorted((name.lower(), value) for name, value in answer.headers if name.lower() not in skip)
    body = answer.text.replace(answer.header("X-Request-ID") or "-", "ID")
    body = re.sub(rf"\bevent {event_id}\b", "event N", body)
    assert len(answer.body) == int(answer.header("Content-Length") or 0) or not answer.body
    return answer.status, headers, body


PROBES = ["", "/", "/capacity", "/calendar.ics"]


@pytest.mark.parametrize("rest", PROBES)
@pytest.mark.parametrize(
    "headers", [{}, {"If-None-Match": "*"}, {"Cache-Control": "no-cache"}, {"If-None-Match": "ETAG"}]
)
def test_a_draft_is_exactly_like_an_absent_event(service, rest, headers):
    draft = create(service.admin, status="draft")
    gone = create(service.admin)
    service.admin.delete(f"{ADMIN_EVENTS}{gone['id']}")
    etag = service.admin.get(f"{EVENTS}{draft['id']}{rest}").etag
    headers = {name: etag if value == "ETAG" else value for name, value in headers.items()}
    for method in ("GET", "HEAD", "GET"):
        one = service.user.request(method, f"{EVENTS}{draft['id']}{rest}", headers=headers)
        other = service.user.request(method, f"{EVENTS}{gone['id']}{rest}", headers=headers)
        assert one.status == 404
        if method == "GET":
            check_problem(one, 404)
            assert blank(one, draft["id"]) == blank(other, gone["id"])
        assert service.admin.get(f"{EVENTS}{draft['id']}{rest}").status == 200  # now it is in every cache


def test_the_draft_of_a_published_event_disappears_at_once(service):
    event = create(service.admin)
    path = f"{EVENTS}{event['id']}"
    etag = service.user.get(path).etag
    assert service.user.get(path).status == 200
    service.admin.put(f"{ADMIN_EVENTS}{event['id']}", {"status": "draft"})
    check_problem(service.user.get(path), 404)
    check_problem(service.user.get(path, {"If-None-Match": etag}), 404)
    assert service.admin.get(path).json()["status"] == "draft"
    service.admin.put(f"{ADMIN_EVENTS}{event['id']}", {"status": "published"})
    assert service.user.get(path).status == 200


def test_lists_and_totals_do_not_count_drafts(service):
    venue = unique().replace(" ", "-")
    shown = [
        create(service.admin, venue=venue, status=status)["id"] for status in ("published", "cancelled", "completed")
    ]
    hidden = [create(service.admin, venue=venue, status="draft", title="Secret plan")["id"] for _ in range(3)]
    for _ in range(2):  # the second time from a cache
        assert [e["id"] for e in every_page(service.user, f"{EVENTS}?venue={venue}&size=2")] == shown
        assert sorted(e["id"] for e in every_page(service.admin, f"{EVENTS}?venue={venue}&size=2")) == sorted(
            shown + hidden
        )
        value = service.user.get(f"{EVENTS}?venue={venue}&status=draft").json()
        assert value["events"] == [] and value["total"] == 0
        assert service.admin.get(f"{EVENTS}?venue={venue}&status=draft").json()["total"] == 3
        assert service.user.get(f"{EVENTS}?venue={venue}&q=Secret").json()["total"] == 0
        assert service.admin.get(f"{EVENTS}?venue={venue}&q=Secret").json()["total"] == 3


def test_list_etags_do_not_tell_of_drafts(service):
    venue = unique().replace(" ", "-")
    create(service.admin, venue=venue)
    path = f"{EVENTS}?venue={venue}"
    before = service.user.get(path)
    create(service.admin, venue=venue, status="draft")
    after = service.user.get(path)
    assert after.body == before.body and after.etag == before.etag


def test_an_admins_cursor_shows_a_user_no_draft(service):
    venue = unique().replace(" ", "-")
    for status in ("draft", "published", "draft", "published", "draft"):
        create(service.admin, venue=venue, status=status)
    cursor = service.admin.get(f"{EVENTS}?venue={venue}&size=1").json()["next_cursor"]
    answer = service.user.get(f"{EVENTS}?venue={venue}&size=10&cursor={cursor}")
    if answer.status == 422:
        check_problem(answer, 422, ["query", "cursor"])
    else:
        assert all(event["status"] == "published" for event in answer.json()["events"])


def test_upcoming_and_calendar_have_no_drafts(service):
    draft = create(service.admin, status="draft", title=unique("Hidden"))
    for client in (service.user, service.admin):
        assert draft["title"] not in client.get(EVENTS + "calendar.ics").text.replace("\r\n ", "")
        assert draft["id"] not in [event["id"] for event in client.get(EVENTS + "upcoming?size=100").json()["events"]]


def test_changes_tell_users_of_hiding_as_deletion_and_of_drafts_nothing(service):
    admin = service.admin
    start = admin.get(EVENTS + "changes?since=0&limit=1000").json()
    while len(start["changes"]) == 1000:
        start = admin.get(f"{EVENTS}changes?since={start['next']}&limit=1000").json()
    since = start["next"]
    event = create(admin, status="draft", title="one")["id"]  # +1 nothing
    path = f"{ADMIN_EVENTS}{event}"
    admin.put(path, {"title": "two"})  # +2 nothing
    admin.put(path, {"status": "published"})  # +3 seen: appears
    admin.put(path, {"title": "three"})  # +4 updated
    admin.put(path, {"status": "draft"})  # +5 deletion
    admin.put(path, {"title": "four"})  # +6 nothing
    admin.delete(path)  # +7 nothing
    other = create(admin)["id"]  # +8 created
    admin.delete(f"{ADMIN_EVENTS}{other}")  # +9 deleted
    value = service.user.get(f"{EVENTS}changes?since={since}&limit=1000").json()
    mine = [change for change in value["changes"] if change["event_id"] in (event, other)]
    assert [(change["kind"], change["event"] and change["event"]["title"]) for change in mine[1:]] == [
        ("updated", "three"),
        ("deleted", None),
        ("created", "Jazz Night"),
        ("deleted", None),
    ]
    assert mine[0]["kind"] in ("created", "updated") and mine[0]["event"]["title"] == "two"
    assert not any(word in str(value) for word in ("'one'", "'four'"))
    assert value["next"] >= mine[-1]["seq"]
    everything = admin.get(f"{EVENTS}changes?since={since}&limit=1000").json()
    assert len([c for c in everything["changes"] if c["event_id"] in (event, other)]) == 9
    assert value["next"] == everything["next"], "a user who asks again must not be sent through the hidden ones again"


def test_the_stream_tells_users_the_same(service):
    admin = service.admin
    with service.stream() as users, service.stream(token=service.admin_token) as admins:
        event = create(admin, status="draft", title="quiet")["id"]
        admin.put(f"{ADMIN_EVENTS}{event}", {"status": "published"})
        admin.put(f"{ADMIN_EVENTS}{event}", {"status": "draft", "title": "unspeakable"})
        admin.delete(f"{ADMIN_EVENTS}{event}")
        marker = create(admin)["id"]

        def until_marker(stream):
            got = []
            while not got or got[-1]["event_id"] != marker:
                identity, _, data = stream.next()
                assert identity == str(data["seq"])
                got.append(data)
            return [data for data in got if data["event_id"] == event]

        assert [data["kind"] for data in until_marker(admins)] == ["created", "updated", "updated", "deleted"]
        seen = until_marker(users)
        assert [data["event"] is None for data in seen] == [False, True]
        assert seen[1]["kind"] == "deleted" and "unspeakable" not in str(seen)


def test_a_setting_opens_drafts_to_users(fresh):
    one = fresh(DRAFTS_VISIBLE_TO="users")
    draft = create(one.admin, status="draft")
    assert one.user.get(f"{EVENTS}{draft['id']}").status == 200
    assert one.user.get(EVENTS).json()["total"] == 1
    assert one.user.get(f"{EVENTS}{draft['id']}/capacity").json()["is_published"] is False
    assert one.user.get(EVENTS + "changes?since=0").json()["changes"][0]["event"]["id"] == draft["id"]
