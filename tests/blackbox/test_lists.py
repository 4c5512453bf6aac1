"""Lists against a model in Python: filters, orders, pages, cursors, exact totals."""

import random
import threading
from decimal import Decimal
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.catalogue import (
    ADMIN_EVENTS,
    EVENTS,
    check_list,
    check_problem,
    create,
    every_page,
    parse_time,
    time_in,
    unique,
)

SORTS = ["id", "event_date", "created_at", "updated_at", "price", "title"]


@pytest.fixture(scope="module")
def hall(service):
    """A venue with events that differ in everything, with many equal sort keys."""
    admin, chance = service.admin, random.Random(7)
    venue = unique("Model").replace(" ", "-")
    events = []
    for n in range(47):
        events.append(
            create(
                admin,
                venue=venue,
                title=chance.choice(
                    ["Ada", "ada", "Zoë", "zebra", "Ämter", "B", "b", "10", "9", "jazz night", "Jazz at noon"]
                ),
                description=chance.choice([None, "With brass and strings", "Solo piano"]),
                price=chance.choice(["0", "5.00", "5.01", "100", "9.99"]),
                status=chance.choice(["draft", "published", "cancelled", "completed"]),
                event_date=chance.choice(
                    [
                        "1999-01-01T00:00:00Z",
                        "2098-06-01T10:00:00Z",
                        "2098-06-01T10:00:00.000001Z",
                        "2099-12-31T23:59:59Z",
                    ]
                ),
            )
        )
    for event in chance.sample(events, 10):
        event.update(admin.put(f"{ADMIN_EVENTS}{event['id']}", {"capacity": 1}).json())
    return venue, events


def sort_key(name):
    def key(event):
        value = event[name]
        if name == "price":
            value = Decimal(value)
        elif name in ("event_date", "created_at", "updated_at"):
            value = parse_time(value)
        elif name == "title":
            value = value.encode("utf-8")
        return value, event["id"]

    return key


def model(events, sort="id", visible=("published", "cancelled", "completed"), where=lambda event: True):
    shown = [event for event in events if event["status"] in visible and where(event)]
    return sorted(shown, key=sort_key(sort.lstrip("-")), reverse=sort.startswith("-"))


def ids(events):
    return [event["id"] for event in events]


@pytest.mark.parametrize("by", ["cursor", "page"])
@pytest.mark.parametrize("sort", SORTS + ["-" + name for name in SORTS])
def test_every_order_is_total_by_page_and_by_cursor(service, hall, sort, by):
    venue, events = hall
    wanted = model(events, sort)
    for size in (1, 7, 100):
        got = every_page(service.user, f"{EVENTS}?venue={venue}&sort={sort}&size={size}", by)
        if sort.endswith("title") and ids(got) != ids(wanted):
            folded = sorted((event["title"].casefold(), event["id"]) for event in got)  # a collation may fold case
            assert sorted(ids(got)) == sorted(ids(wanted)) and folded
            assert ids(got) == ids(every_page(service.user, f"{EVENTS}?venue={venue}&sort={sort}&size=100", by))
        else:
            assert ids(got) == ids(wanted)
        assert got == [event for one in got for event in events if event["id"] == one["id"]]


FILTERS = {
    "status=published": lambda e: e["status"] == "published",
    "status=completed": lambda e: e["status"] == "completed",
    "price_min=5.01": lambda e: Decimal(e["price"]) >= Decimal("5.01"),
    "price_max=5": lambda e: Decimal(e["price"]) <= 5,
    "price_min=5.00&price_max=9.99": lambda e: 5 <= Decimal(e["price"]) <= Decimal("9.99"),
    "date_from=2098-06-01T10:00:00Z": lambda e: e["event_date"] >= "2098-06-01T10:00:00Z"
    or e["event_date"] == "2098-06-01T10:00:00.000001Z",
    "date_from=2098-06-01T12:00:00%2B02:00&date_to=2098-06-01T10:00:00Z": lambda e: e["event_date"]
    == "2098-06-01T10:00:00Z",
    "date_to=2000-01-01": lambda e: e["event_date"].startswith("1999"),
    "date_from=2099-01-01T00:00:00": lambda e: e["event_date"].startswith("2099"),
    "q=jazz": lambda e: "jazz" in e["title"].lower(),
    "q=PIANO": lambda e: e["description"] == "Solo piano",
    "q=brass+strings": lambda e: e["description"] == "With brass and strings",
    "q=nothingsuch": lambda e: False,
    "price_min=9999999": lambda e: False,
}


@pytest.mark.parametrize("query", FILTERS)
def test_filters(service, hall, query):
    venue, events = hall
    for visible, client in (
        (("published", "cancelled", "completed"), service.user),
        (("draft", "published", "cancelled", "completed"), service.admin),
    ):
        for sort in ("id", "-event_date", "price"):
            wanted = model(events, sort, visible, FILTERS[query])
            for _ in range(2):
                assert ids(every_page(client, f"{EVENTS}?venue={venue}&{query}&sort={sort}&size=5")) == ids(wanted)


def test_updated_since(service, hall):
    venue, events = hall
    moments = sorted(event["updated_at"] for event in events)
    for since in (moments[0], moments[20], moments[-1]):
        wanted = model(events, "updated_at", where=lambda e: parse_time(e["updated_at"]) >= parse_time(since))
        got = every_page(service.user, f"{EVENTS}?venue={venue}&updated_since={since}&sort=updated_at&size=9")
        assert ids(got) == ids(wanted)
    assert service.user.get(f"{EVENTS}?venue={venue}&updated_since={time_in(3600)}").json()["total"] == 0


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(data=st.data())
def test_any_combination(service, hall, data):
    venue, events = hall
    parts, tests = [f"venue={venue}"], []
    for query in data.draw(st.lists(st.sampled_from(sorted(FILTERS)), max_size=3)):
        if {part.split("=")[0] for part in query.split("&")} & {
            part.split("=")[0] for one in parts for part in one.split("&")
        }:
            continue
        parts.append(query)
        tests.append(FILTERS[query])
    sort = data.draw(st.sampled_from([prefix + name for name in SORTS[:-1] for prefix in ("", "-")]))
    size = data.draw(st.integers(1, 100))
    data.draw(st.randoms()).shuffle(parts)
    wanted = model(events, sort, where=lambda e: all(test(e) for test in tests))
    path = f"{EVENTS}?{'&'.join(parts)}&sort={sort}&size={size}"
    assert ids(every_page(service.user, path, data.draw(st.sampled_from(["cursor", "page"])))) == ids(wanted)


def test_defaults_and_shape(fresh):
    one = fresh()
    value = check_list(one.user.get(EVENTS).json(), 10)
    assert value == {
        "events": [],
        "total": 0,
        "page": 1,
        "size": 10,
        "has_next": False,
        "has_prev": False,
        "next_cursor": None,
    }
    made = [create(one.admin, status="published" if n % 3 else "draft") for n in range(24)]
    for client, count in ((one.user, 16), (one.admin, 24)):
        value = check_list(client.get(EVENTS).json(), 10)
        assert value["total"] == count and len(value["events"]) == 10 and value["has_next"] and not value["has_prev"]
        last = check_list(client.get(f"{EVENTS}?page={(count + 9) // 10}").json(), 10)
        assert not last["has_next"] and last["has_prev"] and len(last["events"]) == count % 10
        beyond = check_list(client.get(f"{EVENTS}?page=1000").json(), 10)
        assert beyond["events"] == [] and beyond["total"] == count and beyond["has_prev"] and not beyond["has_next"]
    for status in ("draft", "published"):
        assert one.admin.get(f"{EVENTS}?status={status}").json()["total"] == sum(e["status"] == status for e in made)
    assert one.user.get(EVENTS).etag != one.admin.get(EVENTS).etag


def test_totals_are_exact_after_every_write(fresh):
    one, chance, statuses = fresh(), random.Random(3), ["draft", "published", "cancelled", "completed"]
    live = {}
    for _ in range(120):
        action = chance.choice(["create", "create", "status", "delete"])
        if action == "create" or not live:
            event = create(one.admin, status=chance.choice(statuses))
            live[event["id"]] = event["status"]
        elif action == "status":
            target, status = chance.choice(sorted(live)), chance.choice(statuses)
            assert one.admin.put(f"{ADMIN_EVENTS}{target}", {"status": status}).status == 200
            live[target] = status
        else:
            target = chance.choice(sorted(live))
            assert one.admin.delete(f"{ADMIN_EVENTS}{target}").status == 200
            del live[target]
        status = chance.choice(statuses)
        shown = list(live.values())
        assert one.admin.get(f"{EVENTS}?status={status}&size=1").json()["total"] == shown.count(status)
        assert one.user.get(f"{EVENTS}?size=1").json()["total"] == len(shown) - shown.count("draft")
        assert one.user.get(f"{EVENTS}upcoming?size=1").json()["total"] == shown.count("published")
    one.audit_verify()


def test_upcoming_is_published_future_and_soonest_first(fresh):
    one = fresh()
    dates = [
        "2090-01-01T00:00:00Z",
        "2089-01-01T00:00:00Z",
        "2001-01-01T00:00:00Z",
        "2091-05-05T05:05:05.5Z",
        "2089-01-01T00:00:00Z",
    ]
    made = [create(one.admin, event_date=date) for date in dates * 3]
    create(one.admin, event_date=dates[0], status="cancelled")
    wanted = sorted((e for e in made if e["is_upcoming"]), key=sort_key("event_date"))
    for by in ("cursor", "page"):
        for size in (1, 5, 100):
            assert every_page(one.user, f"{EVENTS}upcoming?size={size}", by) == wanted
    value = one.user.get(f"{EVENTS}upcoming?size=2").json()
    assert value["total"] == len(wanted), "total counts all, not the page"


def test_upcoming_forgets_an_event_when_it_begins(fresh):
    one = fresh()
    soon = create(one.admin, event_date=time_in(1.5, microseconds=True))
    create(one.admin, event_date="2090-01-01T00:00:00Z")
    import time

    starts = parse_time(soon["event_date"]).timestamp()
    while True:
        asked = time.time()
        value = one.user.get(f"{EVENTS}upcoming").json()
        answered = time.time()
        assert value["total"] == len(value["events"])
        if value["total"] == 2:
            assert asked < starts, "still in the list after it began"
        else:
            assert answered >= starts and soon["id"] not in ids(value["events"])
            break
        time.sleep(0.01)


def test_cursors_stay_right_while_the_list_changes(service):
    admin, venue = service.admin, unique().replace(" ", "-")
    made = [create(admin, venue=venue)["id"] for _ in range(20)]
    path = f"{EVENTS}?venue={venue}&size=5"
    first = service.user.get(path).json()
    for gone in made[0:3] + made[4:5]:
        admin.delete(f"{ADMIN_EVENTS}{gone}")
    second = service.user.get(f"{path}&cursor={first['next_cursor']}").json()
    assert ids(second["events"]) == made[5:10], "nothing skipped, nothing twice"
    late = create(admin, venue=venue)["id"]
    rest = []
    while second["has_next"]:
        second = service.user.get(f"{path}&cursor={second['next_cursor']}").json()
        rest += ids(second["events"])
    assert rest == made[10:] + [late]


def test_has_next_at_the_exact_end(service):
    venue = unique().replace(" ", "-")
    for _ in range(10):
        create(service.admin, venue=venue)
    value = service.user.get(f"{EVENTS}?venue={venue}&size=5").json()
    value = service.user.get(f"{EVENTS}?venue={venue}&size=5&cursor={value['next_cursor']}").json()
    assert len(value["events"]) == 5 and not value["has_next"] and value["next_cursor"] is None


@pytest.mark.parametrize(
    "query,parameters",
    [
        ("page=0", ["page"]),
        ("page=-1", ["page"]),
        ("page=x", ["page"]),
        ("page=", ["page"]),
        ("page=1.5", ["page"]),
        ("page=99999999999999999999", ["page"]),
        ("size=0", ["size"]),
        ("size=101", ["size"]),
        ("size=ten", ["size"]),
        ("size=-5", ["size"]),
        ("status=gone", ["status"]),
        ("status=", ["status"]),
        ("status=PUBLISHED", ["status"]),
        ("sort=colour", ["sort"]),
        ("sort=--id", ["sort"]),
        ("sort=", ["sort"]),
        ("date_from=yesterday", ["date_from"]),
        ("date_to=2027-02-30", ["date_to"]),
        ("updated_since=0", ["updated_since"]),
        ("price_min=cheap", ["price_min"]),
        ("price_max=-1", ["price_max"]),
        ("price_min=1.005", ["price_min"]),
        ("cursor=abc", ["cursor"]),
        ("cursor=", ["cursor"]),
        ("pag=1", ["pag"]),
        ("size=1&size=2", ["size"]),
        ("q=" + "x" * 600, ["q"]),
        (
            "page=0&size=0&status=x&sort=x&date_from=x&price_min=x&nonsense=1",
            ["page", "size", "status", "sort", "date_from", "price_min", "nonsense"],
        ),
    ],
)
def test_wrong_parameters_are_422_all_at_once(user, query, parameters):
    check_problem(user.get(EVENTS + "?" + query), 422, *(["query", name] for name in parameters))


@pytest.mark.parametrize(
    "query",
    [
        "%",
        "q=%zz",
        "q=%ff",
        "q=%00",
        "q=a%00b",
        "venue=%c0%af",
        "&".join(f"x{n}=1" for n in range(100)),
        "venue=" + "v" * 3000,
    ],
)
def test_broken_queries_are_refused(user, query):
    answer = user.get(EVENTS + "?" + query)
    assert answer.status in (400, 422), answer
    check_problem(answer, answer.status)


def test_cursor_excludes_page_and_belongs_to_its_query(service, hall):
    venue, _ = hall
    cursor = service.user.get(f"{EVENTS}?venue={venue}&size=5").json()["next_cursor"]
    answer = service.user.get(f"{EVENTS}?venue={venue}&size=5&page=2&cursor={cursor}")
    assert answer.status == 422 and answer.json()["errors"][0]["loc"][0] == "query"
    for other in ("sort=-id", "status=published", "price_min=1", "q=jazz"):
        check_problem(service.user.get(f"{EVENTS}?venue={venue}&{other}&cursor={cursor}"), 422, ["query", "cursor"])
    check_problem(service.user.get(f"{EVENTS}upcoming?cursor={cursor}"), 422, ["query", "cursor"])
    for broken in (
        cursor[:-1],
        cursor + "A",
        "A" + cursor[1:],
        cursor[: len(cursor) // 2] + "_" + cursor[len(cursor) // 2 + 1 :],
    ):
        answer = service.user.get(f"{EVENTS}?venue={venue}&size=5&cursor={broken}")
        if answer.status != 200:
            check_problem(answer, 422, ["query", "cursor"])


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "'",
        "*",
        "a*",
        "OR",
        "AND",
        "NOT x",
        "NEAR(a b)",
        "title:jazz",
        "(",
        ")",
        "-x",
        "^",
        "a OR b",
        "%",
        "_",
        "\\",
        ";--",
        'a"b',
        "🎷",
        "<>",
        "a & b",
        "!x",
        ":*",
        "x | y",
        "  ",
        "{a}",
        "+",
        "jazz\tnight",
        "'' ; DROP TABLE events",
    ],
)
def test_full_text_search_takes_any_text(service, text):
    title = f"marker{abs(hash(text)) % 10**9} {text}".rstrip()
    if "\t" in title:
        title = title.replace("\t", " ")
    create(service.admin, title=title)
    answer = service.user.get(f"{EVENTS}?q={quote(text)}")
    assert answer.status in (200, 422), answer
    if answer.status == 422:
        assert not text.strip() or "\t" in text, "only an empty search and control characters may be refused"
        return
    check_list(answer.json())
    found = service.user.get(f"{EVENTS}?q={quote(title)}").json()
    assert title in [event["title"] for event in found["events"]], found


def test_venue_is_an_exact_match(service):
    name = unique("Ünïcode Hall & Co. +")
    create(service.admin, venue=name)
    assert service.user.get(f"{EVENTS}?venue={quote(name)}").json()["total"] == 1
    assert service.user.get(f"{EVENTS}?venue={quote(name[:-1])}").json()["total"] == 0
    assert service.user.get(f"{EVENTS}?venue={quote(name.lower())}").json()["total"] == 0


def test_the_cached_list_equals_the_uncached(service, hall):
    venue, _ = hall
    for query in ("", "&sort=-price", "&status=published", "&size=100", "&q=jazz"):
        path = f"{EVENTS}?venue={venue}{query}"
        bodies = {service.user.get(path, headers).body for headers in ({}, {}, {"Cache-Control": "no-cache"}, {})}
        assert len(bodies) == 1
        assert service.admin.get(path).body != b""


def test_a_list_shows_a_change_at_once(service):
    venue = unique().replace(" ", "-")
    path = f"{EVENTS}?venue={venue}&sort=-price"
    made = [create(service.admin, venue=venue, price=n) for n in range(5)]
    for n in range(60):
        target = made[n % 5]["id"]
        changed = service.admin.put(f"{ADMIN_EVENTS}{target}", {"price": 100 + n}).json()
        value = service.user.get(path).json()
        assert value["events"][0] == changed, "a list after a write must show it"
        assert value["total"] == 5


@pytest.mark.concurrent
def test_one_cold_list_asked_by_many_is_the_same_for_all(service, hall):
    venue, _ = hall
    path = f"{EVENTS}?venue={venue}&size=37&sort=-updated_at"
    bodies, barrier = [], threading.Barrier(16)

    def ask():
        client = service.user
        client.get("/health/live")
        barrier.wait()
        bodies.append(client.get(path).body)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(set(bodies)) == 1
