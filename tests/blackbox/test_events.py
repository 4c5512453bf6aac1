"""The life of an event, as its clients see it: created, read, changed, deleted; ETags, preconditions, repeats."""

import threading
import time

import pytest

from harness import tokens
from harness.catalogue import (
    ADMIN_EVENTS,
    EVENTS,
    check_event,
    check_problem,
    create,
    detail,
    parse_time,
    time_in,
    unique,
    wish,
)
from harness.service import wait_until


def test_a_life(admin, user):
    answer = admin.post(
        ADMIN_EVENTS, wish(title="Jazz Night", description="With brass."), {"X-Request-ID": "made-by-me"}
    )
    assert answer.status == 201
    event = answer.json()
    check_event(event)
    assert answer.header("Location") == f"{EVENTS}{event['id']}"
    assert answer.header("Cache-Control") == "no-store"
    assert (
        event["version"] == 1 and event["created_by"] == tokens.ADMIN_ID and event["created_at"] == event["updated_at"]
    )
    assert abs(parse_time(event["created_at"]).timestamp() - time.time()) < 30
    assert user.get(answer.header("Location")).json() == event

    changed = admin.put(f"{ADMIN_EVENTS}{event['id']}", {"price": "30", "description": None})
    assert changed.status == 200
    after = changed.json()
    check_event(after)
    assert after == {**event, "price": "30.00", "description": None, "version": 2, "updated_at": after["updated_at"]}
    assert parse_time(after["updated_at"]) > parse_time(event["updated_at"])
    assert detail(user, event["id"]).json() == after

    deleted = admin.delete(f"{ADMIN_EVENTS}{event['id']}")
    assert deleted.status == 200
    assert deleted.json() == {"message": "Event deleted successfully", "success": True}
    for path in ("", "/capacity", "/calendar.ics"):
        check_problem(user.get(f"{EVENTS}{event['id']}{path}"), 404)
    check_problem(admin.put(f"{ADMIN_EVENTS}{event['id']}", {"price": 1}), 404)
    check_problem(admin.delete(f"{ADMIN_EVENTS}{event['id']}"), 404)


def test_ids_are_not_used_again(admin):
    first = create(admin)
    admin.delete(f"{ADMIN_EVENTS}{first['id']}")
    assert create(admin)["id"] > first["id"]


def test_created_by_is_the_writer_and_stays(service):
    one = create(service.client(tokens.admin(user_id=4242)))
    assert one["created_by"] == 4242
    assert service.admin.put(f"{ADMIN_EVENTS}{one['id']}", {"capacity": 1}).json()["created_by"] == 4242


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": 5, "version": 7},
        {"title": "Jazz Night"},
        {"price": "25"},
        {"event_date": "2099-03-01T21:30:00+02:00"},
    ],
)
def test_a_change_that_changes_nothing_is_no_version(admin, body):
    event = create(admin)
    answer = admin.put(f"{ADMIN_EVENTS}{event['id']}", body)
    assert answer.status == 200 and answer.json() == event
    history = admin.get(f"{ADMIN_EVENTS}{event['id']}/history").json()
    assert len(history["changes"]) == 1


def test_times_of_creation_are_taken_at_the_request(admin):
    one = create(admin)
    wait_until(lambda: time.time() > parse_time(one["created_at"]).timestamp() + 0.05)
    assert parse_time(create(admin)["created_at"]) > parse_time(one["created_at"])


def test_etag_names_the_bytes(admin, user):
    event = create(admin)
    path = f"{EVENTS}{event['id']}"
    first = user.get(path)
    assert first.etag.startswith('"') and first.etag.endswith('"') and not first.etag.startswith("W/")
    assert user.get(path).etag == first.etag
    assert admin.get(path).etag == first.etag
    changed = admin.put(f"{ADMIN_EVENTS}{event['id']}", {"capacity": 9})
    second = user.get(path)
    assert second.etag != first.etag
    if changed.etag:
        assert changed.etag == second.etag
    assert create(admin)["id"] != event["id"]


@pytest.mark.parametrize(
    "path",
    [
        EVENTS + "{id}",
        EVENTS + "{id}/capacity",
        EVENTS + "{id}/calendar.ics",
        EVENTS + "?venue={venue}",
        EVENTS + "upcoming?size=100",
    ],
)
def test_if_none_match_saves_the_body(admin, user, path):
    event = create(admin, venue=unique().replace(" ", "-"), event_date=time_in(600))  # on the first page of what is upcoming
    path = path.format(id=event["id"], venue=event["venue"])
    first = user.get(path)
    etag = first.etag
    assert etag
    for value in (etag, f'"other", {etag}', "W/" + etag, f"  {etag} ", "*", f'"a,b",{etag},"c"'):
        for method in ("GET", "HEAD"):
            answer = user.request(method, path, headers={"If-None-Match": value})
            assert answer.status == 304, (value, answer)
            assert answer.body == b"" and answer.etag == etag
            assert answer.header("Cache-Control") == "private, no-cache"
    for value in ('"other"', etag[:-2] + '"', etag.strip('"'), '""', "garbage"):
        answer = user.get(path, {"If-None-Match": value})
        assert answer.status == 200 and answer.body == first.body, value
    admin.put(f"{ADMIN_EVENTS}{event['id']}", {"price": "77.00"})
    answer = user.get(path, {"If-None-Match": etag})
    assert answer.status == 200 and answer.etag != etag


def test_if_match_is_compared(admin):
    event = create(admin)
    path, shown = f"{ADMIN_EVENTS}{event['id']}", f"{EVENTS}{event['id']}"
    etag = admin.get(shown).etag
    for value in ('"0"', "W/" + etag, etag.strip('"'), '"a", "b"'):
        check_problem(admin.put(path, {"capacity": 1}, {"If-Match": value}), 412)
        check_problem(admin.delete(path, {"If-Match": value}), 412)
    assert admin.get(shown).json() == event
    assert admin.put(path, {"capacity": 1}, {"If-Match": etag}).status == 200
    check_problem(admin.put(path, {"capacity": 2}, {"If-Match": etag}), 412)
    etag = admin.get(shown).etag
    assert admin.put(path, {"capacity": 3}, {"If-Match": f'"x", {etag}'}).status == 200
    assert admin.put(path, {"capacity": 4}, {"If-Match": "*"}).status == 200
    assert admin.delete(path, {"If-Match": admin.get(shown).etag}).status == 200
    gone = admin.put(path, {"capacity": 4}, {"If-Match": "*"})
    assert gone.status in (404, 412)
    check_problem(gone, gone.status)


@pytest.mark.concurrent
def test_if_match_lets_one_of_many_win(service):
    event = create(service.admin)
    for _ in range(5):
        etag = service.admin.get(f"{EVENTS}{event['id']}").etag
        outcomes, barrier = [], threading.Barrier(8)

        def write(n):
            client = service.admin
            barrier.wait()
            answer = client.put(
                f"{ADMIN_EVENTS}{event['id']}", {"title": f"by {n} {time.monotonic_ns()}"}, {"If-Match": etag}
            )
            outcomes.append(answer.status)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert sorted(outcomes) == [200] + [412] * 7


def test_is_upcoming_flips_at_the_moment_of_the_answer(admin, user):
    event = create(admin, event_date=time_in(2.5, microseconds=True))
    starts = parse_time(event["event_date"]).timestamp()
    path = f"{EVENTS}{event['id']}"
    before = user.get(path)
    assert event["is_upcoming"] and before.json()["is_upcoming"] and user.get(path + "/capacity").json()["is_upcoming"]
    listed = user.get(EVENTS + "upcoming?size=1")
    while True:  # every answer must fit the time at which it was made, cached or not
        asked = time.time()
        answer = user.get(path)
        answered = time.time()
        shown = answer.json()["is_upcoming"]
        if shown:
            assert asked < starts, "still upcoming after it began"
            assert answer.etag == before.etag
        else:
            assert answered >= starts, "not upcoming before it began"
            break
        time.sleep(0.01)
    assert answer.etag != before.etag, "other bytes, other ETag"
    assert user.get(path, {"If-None-Match": before.etag}).status == 200
    assert user.get(path + "/capacity").json()["is_upcoming"] is False
    after = user.get(EVENTS + "upcoming?size=100")
    assert event["id"] not in [one["id"] for one in after.json()["events"]]
    assert after.etag != listed.etag
    shown = user.get(f"{EVENTS}?sort=-id&size=100").json()["events"]
    assert [one["is_upcoming"] for one in shown if one["id"] == event["id"]] == [False]
    assert answer.json() == {**event, "is_upcoming": False}


def test_capacity(admin, user):
    event = create(admin, price="12.50", capacity=80)
    path = f"{EVENTS}{event['id']}/capacity"
    answer = user.get(path)
    assert answer.json() == {
        "event_id": event["id"],
        "total_capacity": 80,
        "is_published": True,
        "is_upcoming": True,
        "price": 12.5,
    }
    assert b'"12.5' not in answer.body
    for price in ("99999999.99", "0.01", "0.00", "1.10"):
        admin.put(f"{ADMIN_EVENTS}{event['id']}", {"price": price, "capacity": 81})
        value = user.get(path).json()
        assert f"{value['price']:.2f}" == price and value["total_capacity"] == 81
    admin.put(f"{ADMIN_EVENTS}{event['id']}", {"status": "cancelled"})
    value = user.get(path).json()
    assert value["is_published"] is False and value["is_upcoming"] is False


def test_a_read_after_an_answered_write_shows_it(admin, user):
    event = create(admin)
    for capacity in range(300):
        admin.put(f"{ADMIN_EVENTS}{event['id']}", {"capacity": capacity})
        assert detail(user, event["id"]).json()["capacity"] == capacity
        if capacity % 10 == 0:
            assert user.get(f"{EVENTS}{event['id']}/capacity").json()["total_capacity"] == capacity


# ---- Idempotency-Key ----


def key(value=None):
    return {"Idempotency-Key": value or unique("key").replace(" ", "-")}


def test_a_repeated_creation_gets_the_first_answer(admin, user):
    headers, body = key(), wish(title=unique("Once"))
    first = admin.post(ADMIN_EVENTS, body, headers)
    assert first.status == 201
    admin.put(f"{ADMIN_EVENTS}{first.json()['id']}", {"capacity": 1})
    again = admin.post(ADMIN_EVENTS, body, headers)
    assert again.status == 201 and again.body == first.body and again.header("Location") == first.header("Location")
    admin.delete(f"{ADMIN_EVENTS}{first.json()['id']}")
    again = admin.post(ADMIN_EVENTS, body, headers)
    assert again.status == 201 and again.body == first.body


def test_the_same_key_with_another_body_is_422(admin):
    headers = key()
    assert admin.post(ADMIN_EVENTS, wish(capacity=1), headers).status == 201
    check_problem(admin.post(ADMIN_EVENTS, wish(capacity=2), headers), 422)


def test_keys_are_a_users_own(service):
    headers, body = key(), wish()
    one = service.admin.post(ADMIN_EVENTS, body, headers).json()
    two = service.client(tokens.admin(user_id=77)).post(ADMIN_EVENTS, body, headers).json()
    assert one["id"] != two["id"]


def test_a_refused_creation_does_not_use_the_key_up(admin):
    headers = key()
    check_problem(admin.post(ADMIN_EVENTS, wish(capacity=-1), headers), 422, ["body", "capacity"])
    assert admin.post(ADMIN_EVENTS, wish(capacity=1), headers).status == 201


@pytest.mark.parametrize("value", ["", "x" * 256, "a" * 5000])
def test_an_impossible_key_is_refused(admin, value):
    answer = admin.post(ADMIN_EVENTS, wish(), {"Idempotency-Key": value})
    assert answer.status in (400, 422) or value == "" and answer.status == 201, answer


def test_the_answer_is_repeated_after_a_restart(fresh):
    one = fresh()
    headers, body = key(), wish()
    first = one.admin.post(ADMIN_EVENTS, body, headers)
    one.restart()
    assert one.admin.post(ADMIN_EVENTS, body, headers).body == first.body
    assert one.user.get(EVENTS).json()["total"] == 1


@pytest.mark.concurrent
def test_the_same_key_at_the_same_time_makes_one_event(service):
    venue = unique()
    for _ in range(5):
        headers, body, answers = key(), wish(venue=venue), []
        barrier = threading.Barrier(8)

        def post():
            client = service.admin
            client.get("/health/live")
            barrier.wait()
            answers.append(client.post(ADMIN_EVENTS, body, headers))

        threads = [threading.Thread(target=post) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        made = [answer for answer in answers if answer.status == 201]
        assert made and len({answer.body for answer in made}) == 1
        for answer in answers:
            if answer.status != 201:
                check_problem(answer, 409)
        assert service.admin.post(ADMIN_EVENTS, body, headers).body == made[0].body
    assert service.user.get(f"{EVENTS}?venue={venue.replace(' ', '%20')}").json()["total"] == 5


def test_conditions_in_several_lines_are_one_list(service):
    event = create(service.admin)
    path = f"{EVENTS}{event['id']}"
    etag = service.user.get(path).etag
    with service.connect() as connection:
        for lines, status in (([etag], 304), (['"x"', etag], 304), (['"x"', '"y"', f'W/{etag}'], 304), (['"x"', '"y"'], 200)):
            answer = connection.request("GET", path, headers=[("If-None-Match", line) for line in lines], token=service.user_token)
            assert answer.status == status, lines
        answer = connection.request("PUT", f"{ADMIN_EVENTS}{event['id']}", {"capacity": 9}, token=service.admin_token,
                                    headers=[("If-Match", '"x"'), ("If-Match", etag)])
        assert answer.status == 200
        assert connection.request("PUT", f"{ADMIN_EVENTS}{event['id']}", {"capacity": 8}, token=service.admin_token,
                                  headers=[("If-Match", '"x"'), ("If-Match", etag)]).status == 412
