"""Import and export: NDJSON and CSV, all or nothing and partial, exact round trips."""

import csv
import io
import json

import pytest

from harness.catalogue import EVENTS, check_event, check_problem, create, every_page, unique, wish
from harness.http import encode_request

IMPORT = "/api/v1/admin/events/import"
EXPORT = "/api/v1/admin/events/export"
NDJSON, CSV = "application/x-ndjson", "text/csv"


def ndjson(wishes):
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in wishes)


def as_csv(wishes):
    out = io.StringIO()
    writer = csv.DictWriter(
        out, ["title", "venue", "description", "event_date", "capacity", "price", "status"], lineterminator="\r\n"
    )
    writer.writeheader()
    writer.writerows(wishes)
    return out.getvalue()


def wishes(count, venue):
    return [
        wish(
            title=f'Line {n} "quoted", with comma ж🎷',
            venue=venue,
            price=f"{n % 100}.{n % 100:02d}",
            capacity=n,
            description='two\nlines, "and" more' if n % 3 else None,
            status=["draft", "published", "cancelled", "completed"][n % 4],
        )
        for n in range(count)
    ]


def listed(client, venue):
    return every_page(client, f"{EVENTS}?venue={venue.replace(' ', '%20')}&size=100")


@pytest.mark.parametrize(
    "content_type,encode",
    [
        (NDJSON, ndjson),
        (CSV, as_csv),
        (NDJSON + "; charset=utf-8", ndjson),
        (CSV + ";header=present", as_csv),
        ("Text/CSV ; Charset=utf-8", as_csv),  # types are the same in any case (RFC 9110 section 8.3.1)
    ],
)
def test_import_makes_every_line(service, content_type, encode):
    venue = unique()
    wanted = wishes(250, venue)
    answer = service.admin.post(IMPORT, encode(wanted), content_type=content_type)
    assert answer.status in (200, 201), answer
    assert answer.header("Cache-Control") == "no-store"
    made = listed(service.admin, venue)
    assert len(made) == 250
    for event, one in zip(made, wanted):
        check_event(event)
        assert {**event, **one} == event, (event, one)
        assert event["version"] == 1 and event["created_by"] == 1
    assert len(listed(service.user, venue)) == sum(one["status"] != "draft" for one in wanted)


@pytest.mark.parametrize("content_type,encode", [(NDJSON, ndjson), (CSV, as_csv)])
def test_one_bad_line_leaves_nothing(service, content_type, encode):
    venue = unique()
    lines = wishes(50, venue)
    lines[17]["price"], lines[30]["title"] = "1.001", ""
    answer = service.admin.post(IMPORT, encode(lines), content_type=content_type)
    value = check_problem(answer, 422)
    assert listed(service.admin, venue) == []
    (_, first, price), (_, second, title) = [error["loc"] for error in value["errors"]]
    assert (price, title) == ("price", "title") and first < second
    if encode is ndjson:
        assert (first, second) == (18, 31), "each error names its line"


@pytest.mark.parametrize("content_type,encode", [(NDJSON, ndjson), (CSV, as_csv)])
def test_partial_mode_reports_each_line(service, content_type, encode):
    venue = unique()
    lines = wishes(20, venue)
    lines[3]["price"], lines[7]["event_date"] = "-1", "never"
    answer = service.admin.post(IMPORT + "?mode=partial", encode(lines), content_type=content_type)
    assert answer.status in (200, 207), answer
    made = listed(service.admin, venue)
    assert len(made) == 18
    text = answer.text
    assert "price" in text and "event_date" in text
    if encode is ndjson:
        assert "4" in text and "8" in text


def test_broken_lines(service):
    venue = unique()
    good = ndjson(wishes(2, venue))
    for bad in ("{", "[]", '{"title":"a","title":"b"}', "\x00", '{"title":"a\\u0000"}', "[" * 50):
        answer = service.admin.post(IMPORT, good + bad + "\n" + good, content_type=NDJSON)
        assert answer.status in (400, 422), (bad, answer)
        check_problem(answer, answer.status)
        partial = service.admin.post(
            IMPORT + "?mode=partial", ndjson(wishes(1, venue)) + bad + "\n", content_type=NDJSON
        )
        assert partial.status in (200, 207), (bad, partial)
    assert len(listed(service.admin, venue)) == 6
    for bad in (
        'title,venue\n"unclosed',
        "title,venue,event_date\na,b\n",
        "nonsense\n1\n",
        "title,title\na,b\n",
        'title,venue,event_date\n"a"b,c,2099-01-01\n',
    ):
        answer = service.admin.post(IMPORT, bad, content_type=CSV)
        assert answer.status in (400, 422), (bad, answer)
        check_problem(answer, answer.status)


def test_a_bad_header_line_is_called_so(service):
    value = check_problem(
        service.admin.post(IMPORT, "title,venue,colour\nA,B,red\n", content_type=CSV),
        422,
        ["body", 1, "event_date"],
        ["body", 1, "colour"],
    )
    assert value["detail"] == "The header line is bad; nothing was written."


@pytest.mark.parametrize("body", ["", "\n\n\n"])
def test_an_empty_import_makes_nothing(service, body):
    answer = service.admin.post(IMPORT, body, content_type=NDJSON)
    assert answer.status in (200, 201, 400, 422), answer


def test_lines_end_in_any_way(service):
    venue = unique()
    lines = [json.dumps(one) for one in wishes(4, venue)]
    body = f"{lines[0]}\r\n\n{lines[1]}\n{lines[2]}\r\n\r\n{lines[3]}"
    assert service.admin.post(IMPORT, body, content_type=NDJSON).status in (200, 201)
    assert len(listed(service.admin, venue)) == 4
    body = "\ufefftitle,venue,event_date\n" + "".join(f"t{n},{venue},2099-01-01\n" for n in range(3))
    assert service.admin.post(IMPORT, body, content_type=CSV).status in (200, 201)
    assert len(listed(service.admin, venue)) == 7


def test_other_content_types_are_415(service):
    for content_type in ("text/plain", "application/octet-stream", "application/xml", "multipart/form-data"):
        check_problem(service.admin.post(IMPORT, ndjson(wishes(1, "x")), content_type=content_type), 415)
    check_problem(
        service.admin.post(IMPORT + "?mode=some", ndjson(wishes(1, "x")), content_type=NDJSON), 422, ["query", "mode"]
    )


def test_a_chunked_import(service):
    venue = unique()
    body = ndjson(wishes(30, venue)).encode()
    with service.connect() as connection:
        head = encode_request(
            "POST", IMPORT, None, {"Content-Type": NDJSON, "Transfer-Encoding": "chunked"}, service.admin_token
        )
        connection.send(head.replace(b"Content-Length: 0\r\n", b""))
        for start in range(0, len(body), 777):
            part = body[start : start + 777]
            connection.send(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        connection.send(b"0\r\n\r\n")
        assert connection.read_answer().status in (200, 201)
    assert len(listed(service.admin, venue)) == 30


def test_an_import_cut_off_makes_nothing(service):
    venue = unique()
    body = ndjson(wishes(100, venue)).encode()
    with service.connect() as connection:
        connection.send(encode_request("POST", IMPORT, body, {"Content-Type": NDJSON}, service.admin_token)[:-200])
    assert service.admin.get("/health/live").status == 200
    assert listed(service.admin, venue) == []


def test_import_has_its_own_limit(fresh):
    one = fresh(IMPORT_BYTES_MAX=100000)
    body = ndjson(wishes(1000, "hall"))
    assert len(body.encode()) > 150000
    check_problem(one.admin.post(IMPORT, body, content_type=NDJSON), 413)
    assert one.admin.get(EVENTS).json()["total"] == 0
    assert one.admin.post(IMPORT, ndjson(wishes(200, "hall")), content_type=NDJSON).status in (200, 201)


def test_more_than_the_body_limit_may_be_imported(fresh):
    one = fresh()
    lines = wishes(8000, "hall")
    body = ndjson(lines)
    assert len(body.encode()) > 2**20
    assert one.admin.post(IMPORT, body, content_type=NDJSON).status in (200, 201)
    assert one.admin.get(EVENTS).json()["total"] == 8000
    exported = one.admin.get(EXPORT, {"Accept": NDJSON})
    assert len(exported.text.splitlines()) == 8000
    one.audit_verify()


@pytest.mark.slow
def test_too_many_lines_are_refused(fresh):
    one = fresh()
    line = json.dumps({"title": "t", "venue": "v", "event_date": "2099-01-01"}) + "\n"
    answer = one.admin.post(IMPORT, line * 100001, content_type=NDJSON)
    assert answer.status in (413, 422), answer
    check_problem(answer, answer.status)
    assert one.admin.get(EVENTS).json()["total"] == 0
    assert one.admin.post(IMPORT, line * 100000, content_type=NDJSON).status in (200, 201)
    assert one.admin.get(EVENTS).json()["total"] == 100000
    value = one.user.get("/health").json()
    assert value["status"] == "healthy"


@pytest.mark.parametrize(
    "accept,content_type",
    [
        (NDJSON, NDJSON),
        (CSV, CSV),
        ("*/*", NDJSON),
        (None, NDJSON),
        ("", NDJSON),
        ("text/csv;q=0.5, application/x-ndjson;q=0.4", CSV),
        ("text/csv;q=0.1, application/x-ndjson", NDJSON),
        ("text/*", CSV),
        ("application/ndjson", NDJSON),
        ("application/jsonl", NDJSON),
        ("application/json", NDJSON),
        ("application/x-ndjson;q=0, */*", CSV),
    ],
)
def test_export_by_accept(service, accept, content_type):
    create(service.admin)
    answer = service.admin.get(EXPORT, {"Accept": accept} if accept is not None else {})
    assert answer.status == 200 and answer.header("Content-Type").split(";")[0] == content_type, answer.headers


def test_every_line_of_an_export_is_an_event_for_any_reader_of_lines(service):
    title = unique("line\u2028 and paragraph\u2029 separators \u20a8 ")
    create(service.admin, title=title)
    lines = service.admin.get(EXPORT, {"Accept": NDJSON}).body.decode().splitlines()
    assert title in [json.loads(line)["title"] for line in lines]


def test_export_of_another_kind_is_406(service):
    answer = service.admin.get(EXPORT, {"Accept": "application/pdf"})
    check_problem(answer, 406)


def test_export_and_import_are_exact_inverses(fresh):
    one, other = fresh(), fresh()
    lines = wishes(120, 'Hall, "the" first')
    lines += [
        wish(title="=1+1", venue="@SUM(A1)", description="-2"),
        wish(title=" spaced ", venue="tab-less", description="\ttab"),
        wish(event_date="2099-01-01T00:00:00.000001Z", price="99999999.99", capacity=2147483647),
    ]
    one.admin.post(IMPORT, ndjson(lines), content_type=NDJSON)
    shown = every_page(one.admin, EVENTS + "?size=100")
    nd = one.admin.get(EXPORT, {"Accept": NDJSON})
    events = [json.loads(line) for line in nd.text.splitlines()]
    assert [event["id"] for event in events] == [event["id"] for event in shown]
    for event, wanted in zip(events, shown):
        assert {**wanted, **event} == wanted
    table = one.admin.get(EXPORT, {"Accept": CSV})
    assert table.text.endswith("\r\n")
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert len(rows) == len(shown)
    for row, event in zip(rows, shown):
        assert row["title"] == event["title"] and row["price"] == event["price"] and row["status"] == event["status"]
        assert row["description"] == (event["description"] or "")
    plain = ("title", "venue", "description", "event_date", "capacity", "price", "status")
    for text, kind in ((nd.text, NDJSON), (table.text, CSV)):
        before = other.admin.get(EVENTS).json()["total"]
        answer = other.admin.post(IMPORT, text.encode(), content_type=kind)
        assert answer.status in (200, 201), answer
        back = every_page(other.admin, EVENTS + "?size=100")[before:]
        assert [[e[name] or None for name in plain] for e in back] == [
            [e[name] or None for name in plain] for e in shown
        ]


def test_progress_is_visible(admin):
    answer = admin.get(IMPORT)
    assert answer.status == 200 and isinstance(answer.json(), dict)
