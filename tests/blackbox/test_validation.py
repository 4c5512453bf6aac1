"""What a body may say: the table of contract §1, each rule at its edges, and all problems at once."""

import json

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS, check_event, check_problem, create, wish

ACCEPTED = [  # field, given, answered
    ("title", "a", "a"),
    ("title", "x" * 255, "x" * 255),
    ("title", "ж" * 255, "ж" * 255),
    ("title", "🎷" * 255, "🎷" * 255),
    ("title", " inner and outer ", None),
    ("title", 'quote " and \\ and </script>', 'quote " and \\ and </script>'),
    ("title", "e\u0301", "e\u0301"),
    ("venue", "'; DROP TABLE events; --", "'; DROP TABLE events; --"),
    ("venue", "%s%n%x {} ${x} \u202e", "%s%n%x {} ${x} \u202e"),
    ("description", None, None),
    ("description", "", ""),
    ("description", "tab\tand\nnewline", "tab\tand\nnewline"),
    ("description", "d" * 65536, "d" * 65536),
    ("description", "ж" * 32768, "ж" * 32768),
    ("event_date", "2027-03-01T19:30:00Z", "2027-03-01T19:30:00Z"),
    ("event_date", "2027-03-01T19:30:00+02:00", "2027-03-01T17:30:00Z"),
    ("event_date", "2027-03-01T19:30:00-11:30", "2027-03-02T07:00:00Z"),
    ("event_date", "2027-03-01T19:30:00", "2027-03-01T19:30:00Z"),
    ("event_date", "2027-03-01t19:30:00z", "2027-03-01T19:30:00Z"),
    ("event_date", "2027-03-01 19:30:00Z", "2027-03-01T19:30:00Z"),
    ("event_date", "2027-03-01T19:30:00.5Z", "2027-03-01T19:30:00.500000Z"),
    ("event_date", "2027-03-01T19:30:00.123456Z", "2027-03-01T19:30:00.123456Z"),
    ("event_date", "2027-03-01T19:30:00.000Z", "2027-03-01T19:30:00Z"),
    ("event_date", "2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
    ("event_date", "2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
    ("event_date", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    ("event_date", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ("capacity", 0, 0),
    ("capacity", 2147483647, 2147483647),
    ("price", 0, "0.00"),
    ("price", "0", "0.00"),
    ("price", 25, "25.00"),
    ("price", 25.5, "25.50"),
    ("price", "25.5", "25.50"),
    ("price", "25.50", "25.50"),
    ("price", 99999999.99, "99999999.99"),
    ("price", "99999999.99", "99999999.99"),
    ("price", "0.01", "0.01"),
    ("price", 0.1, "0.10"),
    ("price", 1.1, "1.10"),
    ("status", "draft", "draft"),
    ("status", "published", "published"),
    ("status", "cancelled", "cancelled"),
    ("status", "completed", "completed"),
]

REFUSED = [  # field, given
    ("title", ""),
    ("title", "   "),
    ("title", "\u2003\u00a0 "),
    ("title", "x" * 256),
    ("title", "🎷" * 256),
    ("title", None),
    ("title", 5),
    ("title", ["a"]),
    ("title", {"a": 1}),
    ("title", True),
    ("title", "a\nb"),
    ("title", "a\tb"),
    ("title", "a\x7fb"),
    ("title", "a\u0085b"),
    ("title", "a\x1bb"),
    ("venue", ""),
    ("venue", " "),
    ("venue", "x" * 256),
    ("venue", None),
    ("venue", 1),
    ("venue", "a\rb"),
    ("description", "d" * 65537),
    ("description", "ж" * 32769),
    ("description", 5),
    ("description", "a\x01b"),
    ("description", "a\x7fb"),
    ("description", []),
    ("event_date", None),
    ("event_date", ""),
    ("event_date", "tomorrow"),
    ("event_date", 1772393400),
    ("event_date", "2027-02-29T00:00:00Z"),
    ("event_date", "2027-13-01T00:00:00Z"),
    ("event_date", "2027-00-01T00:00:00Z"),
    ("event_date", "2027-03-32T00:00:00Z"),
    ("event_date", "2027-03-01T24:00:00Z"),
    ("event_date", "2027-03-01T19:60:00Z"),
    ("event_date", "2027-03-01T19:30:61Z"),
    ("event_date", "2027-03-01T19:30:60Z"),
    ("event_date", "2027-03-30T23:59:60Z"),
    ("event_date", "2027-03-01T19:30:00+24:00"),
    ("event_date", "1969-12-31T23:59:59Z"),
    ("event_date", "10000-01-01T00:00:00Z"),
    ("event_date", "9999-12-31T23:59:59-01:00"),
    ("event_date", "2027-03-01T19:30:00Zx"),
    ("event_date", "2027-03-01T19:30:00.Z"),
    ("event_date", "2027-3-1T19:30:00Z"),
    ("event_date", "0000-01-01T00:00:00Z"),
    ("event_date", "1970-01-01T00:00:00+00:01"),
    ("event_date", "2027-03-01T19:30:00 Z"),
    ("event_date", " 2027-03-01T19:30:00Z"),
    ("event_date", "２０２７-03-01T19:30:00Z"),
    ("event_date", "2027-03-01T19:30:00+0200x"),
    ("capacity", -1),
    ("capacity", 2147483648),
    ("capacity", 1.5),
    ("capacity", "5"),
    ("capacity", None),
    ("capacity", True),
    ("capacity", 1e300),
    ("capacity", 18446744073709551616),
    ("capacity", []),
    ("price", -1),
    ("price", "-0.01"),
    ("price", "1.001"),
    ("price", 0.001),
    ("price", 100000000),
    ("price", "100000000.00"),
    ("price", "abc"),
    ("price", ""),
    ("price", " 1"),
    ("price", "1 "),
    ("price", "1,50"),
    ("price", "0x10"),
    ("price", "NaN"),
    ("price", "Infinity"),
    ("price", True),
    ("price", None),
    ("price", []),
    ("price", "1e400"),
    ("price", 1e308),
    ("price", "+1"),
    ("price", "١"),
    ("price", "99999999.995"),
    ("status", "Published"),
    ("status", "deleted"),
    ("status", ""),
    ("status", None),
    ("status", 1),
    ("status", "draft "),
]


def label(value):
    return repr(value)[:40]


@pytest.mark.parametrize("field,given,answered", ACCEPTED, ids=lambda value: label(value))
def test_accepted(admin, field, given, answered):
    answer = admin.post(ADMIN_EVENTS, wish(**{field: given}))
    assert answer.status == 201, answer
    event = answer.json()
    check_event(event)
    if answered is not None or field == "description":
        assert event[field] == answered
    assert admin.get(f"{EVENTS}{event['id']}").json() == event
    changed = admin.put(f"{ADMIN_EVENTS}{create(admin)['id']}", {field: given})
    assert changed.status == 200 and changed.json()[field] == event[field]


@pytest.mark.parametrize("field,given", REFUSED, ids=lambda value: label(value))
def test_refused(admin, field, given):
    before = admin.get(EVENTS + "changes?since=0&limit=1").status
    check_problem(admin.post(ADMIN_EVENTS, wish(**{field: given})), 422, ["body", field])
    event = create(admin)
    check_problem(admin.put(f"{ADMIN_EVENTS}{event['id']}", {field: given}), 422, ["body", field])
    assert admin.get(f"{EVENTS}{event['id']}").json() == event, "a refused change must change nothing"
    assert before == 200


@pytest.mark.parametrize(
    "text,cents",
    [
        ("1e2", "100.00"),
        ("1.5e1", "15.00"),
        ("1E+0", "1.00"),
        ("250e-1", "25.00"),
        ("0.10000", "0.10"),
        ("123.450000000000000000000000000000", "123.45"),
        ("0e99999", "0.00"),
        ("-0", None),
        ("0.004999999999999999999999", "refused"),
        ("99999999.990000000000000000001", "refused"),
        ("1e-3", "refused"),
        ("1e8", "refused"),
        ("1e99999999999", "refused"),
        ("9007199254740993e-9", "refused"),
        ("90071992.54", "90071992.54"),
    ],
)
def test_a_price_as_json_number_is_exact(admin, text, cents):
    body = json.dumps(wish(price=0)).replace('"price": 0', f'"price": {text}')
    answer = admin.post(ADMIN_EVENTS, body, content_type="application/json")
    if cents == "refused":
        check_problem(answer, 422, ["body", "price"])
    elif cents is None:
        assert answer.status in (201, 422), answer
    elif text in ("0.10000", "123.450000000000000000000000000000"):
        # more than two decimals are refused; trailing zeros change no value, so either reading is exact
        assert answer.status in (201, 422), answer
        assert answer.status == 422 or answer.json()["price"] == cents
    else:
        assert answer.status == 201 and answer.json()["price"] == cents, answer


def test_all_problems_of_a_body_come_at_once(admin):
    body = {
        "title": "",
        "venue": "x" * 256,
        "description": 5,
        "event_date": "never",
        "capacity": -1,
        "price": "1.001",
        "status": "gone",
        "colour": "red",
        "titel": "typo",
    }
    value = check_problem(admin.post(ADMIN_EVENTS, body), 422, *(["body", name] for name in body))
    assert all("colour" not in error["msg"] or error["loc"][1] == "colour" for error in value["errors"])


def test_missing_fields_come_at_once(admin):
    check_problem(admin.post(ADMIN_EVENTS, {}), 422, ["body", "title"], ["body", "venue"], ["body", "event_date"])
    check_problem(
        admin.post(ADMIN_EVENTS, {"capacity": -5}),
        422,
        ["body", "title"],
        ["body", "venue"],
        ["body", "event_date"],
        ["body", "capacity"],
    )


def test_path_and_body_problems_of_a_change(admin):
    for part in ("0", "abc", "9223372036854775808"):
        answer = admin.put(ADMIN_EVENTS + part, {"price": "x", "titel": 1})
        check_problem(answer, 422, ["path", "event_id"], ["body", "price"], ["body", "titel"])
        check_problem(admin.put(ADMIN_EVENTS + part, {"capacity": 1}), 422, ["path", "event_id"])
        check_problem(admin.put(ADMIN_EVENTS + part, "{", content_type="application/json"), 400)
    check_problem(admin.put(ADMIN_EVENTS + "9223372036854775807", {"price": "x"}), 422, ["body", "price"])
    check_problem(admin.put(ADMIN_EVENTS + "9223372036854775807", {"price": "1"}), 404)


def test_header_and_body_problems_of_a_creation(admin):
    answer = admin.post(ADMIN_EVENTS, wish(price="x"), headers={"Idempotency-Key": "k" * 256})
    check_problem(answer, 422, ["header", "Idempotency-Key"], ["body", "price"])


def test_path_and_query_problems(admin):
    answer = admin.get(f"{ADMIN_EVENTS}0/history?limit=0&who=1")
    check_problem(answer, 422, ["path", "event_id"], ["query", "limit"], ["query", "who"])
    check_problem(admin.get(f"{EVENTS}x/calendar.ics?who=1"), 422, ["path", "event_id"], ["query", "who"])
    for rest in ("", "/capacity", "/calendar.ics"):
        check_problem(admin.get(f"{EVENTS}0{rest}"), 422, ["path", "event_id"])
    check_problem(admin.get(f"{ADMIN_EVENTS}0/history"), 422, ["path", "event_id"])
    check_problem(admin.delete(ADMIN_EVENTS + "0"), 422, ["path", "event_id"])


@pytest.mark.parametrize("name", ["titel", "Title", "tags", "version_", "", "title ", "ä"])
def test_an_unknown_field_is_refused_by_name(admin, name):
    event = create(admin)
    check_problem(admin.put(f"{ADMIN_EVENTS}{event['id']}", {"capacity": 3, name: 1}), 422, ["body", name])
    assert admin.get(f"{EVENTS}{event['id']}").json() == event


def test_get_edit_put_works(admin):
    event = create(admin)
    event["capacity"] += 1
    event["is_upcoming"], event["version"], event["id"], event["created_by"] = "nonsense", -3, [], {"x": None}
    answer = admin.put(f"{ADMIN_EVENTS}{create(admin)['id']}", event)
    assert answer.status == 200 and answer.json()["capacity"] == event["capacity"]


def test_read_only_fields_are_ignored_at_creation(admin):
    event = create(admin, id=7777777, version=9, created_by=55, created_at="x", updated_at=None, is_upcoming=False)
    assert event["id"] != 7777777 and event["version"] == 1 and event["created_by"] == 1 and event["is_upcoming"]


def test_defaults(admin):
    event = admin.post(ADMIN_EVENTS, {"title": "t", "venue": "v", "event_date": "2099-01-01"}).json()
    check_event(event)
    assert (event["description"], event["capacity"], event["price"], event["status"], event["is_upcoming"]) == (
        None,
        0,
        "0.00",
        "draft",
        False,
    )


MALFORMED = {
    "empty": b"",
    "space": b"  ",
    "cut": b'{"title":"a"',
    "cut string": b'{"title":"a',
    "rest": b'{"title":"a"} x',
    "two values": b'{"title":"a"}{"title":"b"}',
    "single quotes": b"{'title':'a'}",
    "trailing comma": b'{"title":"a",}',
    "comment": b'{"title":"a"/*x*/}',
    "NaN": b'{"price":NaN}',
    "Infinity": b'{"price":Infinity}',
    "leading zero": b'{"capacity":01}',
    "plus": b'{"capacity":+1}',
    "hex": b'{"capacity":0x1}',
    "bare point": b'{"price":1.}',
    "duplicate": b'{"title":"a","title":"b"}',
    "duplicate escaped": b'{"title":"a","\\u0074itle":"b"}',
    "duplicate nested": b'{"description":{"a":1,"a":2}}',
    "duplicate ignored": b'{"id":1,"id":1}',
    "NUL byte": b'{"title":"a\x00b"}',
    "NUL escape": b'{"title":"a\\u0000b"}',
    "NUL in a name": b'{"ti\\u0000tle":"a"}',
    "NUL after": b'{"title":"a"}\x00',
    "invalid UTF-8": b'{"title":"\xff"}',
    "overlong": b'{"title":"\xc0\xaf"}',
    "surrogate bytes": b'{"title":"\xed\xa0\x80"}',
    "beyond Unicode": b'{"title":"\xf4\x90\x80\x80"}',
    "cut UTF-8": b'{"title":"\xe2\x82"}',
    "lone surrogate": b'{"title":"\\ud800"}',
    "lone low surrogate": b'{"title":"\\udc00"}',
    "bad escape": b'{"title":"\\x41"}',
    "raw newline in string": b'{"title":"a\nb"}',
    "deep lists": b'{"title":' + b"[" * 17 + b"]" * 17 + b"}",
    "deep objects": b'{"a":' * 17 + b"1" + b"}" * 17,
    "very deep": b"[" * 100000,
    "UTF-16": '{"title":"a"}'.encode("utf-16"),
    "no quotes": b"{title:1}",
    "word": b"hello",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_json_is_400_and_the_connection_goes_on(service, name):
    admin = service.admin
    event = create(admin)
    with service.connect() as connection:
        for method, path in (("POST", ADMIN_EVENTS), ("PUT", f"{ADMIN_EVENTS}{event['id']}")):
            answer = connection.request(
                method, path, MALFORMED[name], token=service.admin_token, content_type="application/json"
            )
            check_problem(answer, 400)
        answer = connection.request("GET", f"{EVENTS}{event['id']}", token=service.admin_token)
        assert answer.status == 200 and answer.json() == event


@pytest.mark.parametrize("body", ["[]", "null", "5", '"text"', "true"])
def test_json_that_is_no_object_is_refused(admin, body):
    answer = admin.post(ADMIN_EVENTS, body, content_type="application/json")
    assert answer.status in (400, 422), answer
    check_problem(answer, answer.status)


def test_a_byte_order_mark_is_refused_or_skipped(admin):
    answer = admin.post(ADMIN_EVENTS, b"\xef\xbb\xbf" + json.dumps(wish()).encode(), content_type="application/json")
    assert answer.status in (201, 400), answer


def test_nesting_to_the_limit_is_read(admin):
    body = '{"description":' + "[" * 15 + "]" * 15 + "}"
    answer = admin.put(f"{ADMIN_EVENTS}{create(admin)['id']}", body, content_type="application/json")
    check_problem(answer, 422, ["body", "description"])


def test_escapes_mean_what_they_say(admin):
    body = json.dumps(wish(title="?")).replace('"?"', '"\\u0041\\ud83c\\udfb7\\/\\u00e9"')
    event = admin.post(ADMIN_EVENTS, body, content_type="application/json").json()
    assert event["title"] == "A🎷/é"


@pytest.mark.parametrize(
    "content_type,status",
    [
        (None, 201),
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/json;charset=UTF-8", 201),
        ("APPLICATION/JSON", 201),
        ("application/problem+json", None),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/json", 415),
        ("application/jsonx", 415),
        ("application/xml", 415),
        ("nonsense", 415),
        ("application/json, text/plain", 415),
    ],
)
def test_content_type(service, content_type, status):
    with service.connect() as connection:
        answer = connection.request(
            "POST", ADMIN_EVENTS, json.dumps(wish()), token=service.admin_token, content_type=content_type
        )
        if status is None:
            assert answer.status in (201, 415)
        elif status == 201:
            assert answer.status == 201, answer
        else:
            check_problem(answer, status)
        assert connection.request("GET", "/health/live").status == 200
