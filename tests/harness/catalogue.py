"""What the contract says of an event, as a model in Python: for building requests and judging answers."""

import datetime
import itertools
import re
import time

ADMIN_EVENTS = "/api/v1/admin/events/"
EVENTS = "/api/v1/events/"
STATUSES = ("draft", "published", "cancelled", "completed")
FIELDS = [
    "id",
    "title",
    "description",
    "venue",
    "event_date",
    "capacity",
    "price",
    "status",
    "is_upcoming",
    "created_at",
    "updated_at",
    "created_by",
    "version",
]
TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")

numbers = itertools.count(1)


def unique(prefix="Hall"):
    """A name that no other test uses, so that tests may share a catalogue."""
    return f"{prefix} {next(numbers)} {time.monotonic_ns():x}"


def wish(**fields):
    """A valid creation body."""
    value = {
        "title": "Jazz Night",
        "venue": "Blue Hall",
        "event_date": "2099-03-01T19:30:00Z",
        "status": "published",
        "price": "25.00",
        "capacity": 250,
    }
    value.update(fields)
    return {name: item for name, item in value.items() if item is not ...}


def create(client, **fields):
    answer = client.post(ADMIN_EVENTS, wish(**fields))
    assert answer.status == 201, answer
    event = answer.json()
    check_event(event)
    return event


def detail(client, event_id, **options):
    return client.get(f"{EVENTS}{event_id}", **options)


def check_event(event):
    assert list(event) == FIELDS, list(event)
    assert isinstance(event["id"], int) and event["id"] > 0
    assert isinstance(event["version"], int) and event["version"] >= 1
    assert re.fullmatch(r"\d{1,8}\.\d\d", event["price"]), event["price"]
    assert type(event["capacity"]) is int and event["status"] in STATUSES
    assert type(event["is_upcoming"]) is bool
    for name in ("event_date", "created_at", "updated_at"):
        assert TIMESTAMP.match(event[name]), (name, event[name])
    assert event["created_by"] is None or isinstance(event["created_by"], int)


def check_list(value, size=None):
    assert list(value) == ["events", "total", "page", "size", "has_next", "has_prev", "next_cursor"], list(value)
    for event in value["events"]:
        check_event(event)
    assert type(value["total"]) is int and type(value["has_next"]) is bool and type(value["has_prev"]) is bool
    assert (value["next_cursor"] is not None) == value["has_next"], value
    if size is not None:
        assert value["size"] == size
    return value


PROBLEM_TITLES = {}


def check_problem(answer, status, *locations):
    """An RFC 9457 answer; `locations` are the locs that a 422 must name, all and only these."""
    assert answer.status == status, answer
    content_type = answer.header("Content-Type") or ""
    assert content_type.split(";")[0].strip() == "application/problem+json", answer
    assert answer.header("Cache-Control") == "no-store", answer
    value = answer.json()
    for name in ("type", "title", "detail", "request_id"):
        assert isinstance(value[name], str) and value[name], (name, value)
    assert value["status"] == status
    assert value["request_id"] == answer.header("X-Request-ID")
    kind = (value["type"], status)
    assert PROBLEM_TITLES.setdefault(kind, value["title"]) == value["title"]
    check_harmless(answer)
    if status == 422 and "errors" in value:
        for error in value["errors"]:
            assert set(error) == {"loc", "msg", "type"}, error
            assert error["msg"] and error["type"] and error["loc"][0] in ("body", "query", "path", "header"), error
    if locations:
        got = {tuple(error["loc"]) for error in value["errors"]}
        assert got == {tuple(location) for location in locations}, value
    if status == 401:
        assert (answer.header("WWW-Authenticate") or "").startswith("Bearer"), answer
    if status in (429, 503):
        assert answer.header("Retry-After"), answer
    return value


LEAKS = re.compile(
    r"(?i)(sqlite|select .+ from|insert into|psql|libpq|postgres|/tmp/|/src/|\.c:\d+|0x[0-9a-f]{6,}|secret)"
)


def check_harmless(answer):
    """No SQL, path, address or secret in an error."""
    found = LEAKS.search(answer.text)
    assert not found, (found.group(0), answer)


def parse_time(text):
    """RFC 3339 in UTC with Z, to an aware datetime."""
    text = text.removesuffix("Z")
    form = "%Y-%m-%dT%H:%M:%S.%f" if "." in text else "%Y-%m-%dT%H:%M:%S"
    return datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc)


def time_in(seconds, microseconds=False):
    """The time that many seconds from now, as the contract writes it."""
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    if not microseconds:
        moment = moment.replace(microsecond=0)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{moment.microsecond:06d}" if moment.microsecond else "") + "Z"


def every_page(client, path, by="cursor"):
    """All events of a list, page after page; checks that has_next and total hold on the way."""
    separator = "&" if "?" in path else "?"
    events, url, page = [], path, 1
    while True:
        answer = client.get(url)
        assert answer.status == 200, answer
        value = check_list(answer.json())
        assert value["page"] == page, value
        assert value["has_prev"] == (page > 1), value
        events += value["events"]
        if not value["has_next"]:
            assert len(events) == value["total"], (len(events), value["total"])
            return events
        assert len(value["events"]) == value["size"]
        page += 1
        url = f"{path}{separator}cursor={value['next_cursor']}" if by == "cursor" else f"{path}{separator}page={page}"
