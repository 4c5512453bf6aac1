"""iCalendar answers, read by a parser that nobody here wrote (icalendar) and by the letter of RFC 5545."""

import datetime
import json

import icalendar

from harness.catalogue import ADMIN_EVENTS, EVENTS, create, parse_time, wish

HARD = 'Comma, semicolon; backslash \\ and "quotes" ' + "ж" * 60 + "🎷" * 30


def parse(answer):
    assert answer.status == 200, answer
    assert answer.header("Content-Type").split(";")[0] == "text/calendar"
    assert answer.body.endswith(b"\r\n")
    for line in answer.body.split(b"\r\n"):
        assert len(line) <= 75 and b"\n" not in line and b"\r" not in line, line
        line.decode("utf-8")  # folding must not cut a character in two
    calendar = icalendar.Calendar.from_ical(answer.body)
    assert calendar["VERSION"] == "2.0" and calendar["PRODID"]
    return [part for part in calendar.walk("VEVENT")]


def test_one_event(admin, user):
    event = create(
        admin,
        title=HARD,
        venue="Hall; 5, Main \\ Street",
        description="first line\nsecond, line",
        event_date="2099-03-01T19:30:00+02:00",
    )
    (entry,) = parse(user.get(f"{EVENTS}{event['id']}/calendar.ics"))
    assert str(entry["SUMMARY"]) == HARD and str(entry["LOCATION"]) == event["venue"]
    assert str(entry["DESCRIPTION"]) == event["description"]
    assert entry["DTSTART"].dt == parse_time(event["event_date"])
    assert entry["DTSTAMP"].dt.tzinfo is not None and entry["SEQUENCE"] == 1 and entry["STATUS"] == "CONFIRMED"
    uid = str(entry["UID"])
    admin.put(f"{ADMIN_EVENTS}{event['id']}", {"status": "cancelled", "title": "x"})
    (entry,) = parse(user.get(f"{EVENTS}{event['id']}/calendar.ics"))
    assert str(entry["UID"]) == uid and entry["SEQUENCE"] == 2 and entry["STATUS"] == "CANCELLED"


def test_a_feed_of_what_is_coming(fresh):
    one = fresh()
    assert parse(one.user.get(EVENTS + "calendar.ics")) == []
    coming = [create(one.admin, event_date=f"20{90 - n}-01-01T00:00:00Z") for n in range(30)]
    create(one.admin, status="draft")
    create(one.admin, event_date="2001-01-01T00:00:00Z")
    create(one.admin, status="cancelled")
    entries = parse(one.user.get(EVENTS + "calendar.ics"))
    assert len(entries) == 30 and len({str(entry["UID"]) for entry in entries}) == 30
    assert sorted(entry["DTSTART"].dt for entry in entries) == sorted(
        parse_time(event["event_date"]) for event in coming
    )
    assert all(entry["DTSTAMP"].dt <= datetime.datetime.now(datetime.timezone.utc) for entry in entries)


def test_a_feed_leaves_nobody_out(fresh):
    one = fresh()
    lines = [json.dumps(wish(title=f"Night {n}", event_date=f"2099-01-01T00:{n // 60:02}:{n % 60:02}Z")) for n in range(1234)]
    assert one.admin.post(ADMIN_EVENTS + "import", "\n".join(lines), content_type="application/x-ndjson").status == 200
    entries = parse(one.user.get(EVENTS + "calendar.ics"))
    assert [str(entry["SUMMARY"]) for entry in entries] == [f"Night {n}" for n in range(1234)]


def test_line_breaks_cannot_be_smuggled_in(admin, user):
    event = create(admin, description="x\nEND:VEVENT\nBEGIN:VEVENT\nUID:evil")
    (entry,) = parse(user.get(f"{EVENTS}{event['id']}/calendar.ics"))
    assert str(entry["DESCRIPTION"]) == event["description"]
