"""What every answer has in common: paths, methods, headers, ids; and the pages for people and machines."""

import json
import re

import pytest

from harness.catalogue import EVENTS, check_problem, create
from harness.http import Connection

READS = ["/", "/health", "/health/live", "/health/ready", "/info", "/docs", "/openapi.json", "/metrics"]
USER_READS = [
    EVENTS,
    EVENTS + "upcoming",
    EVENTS + "{id}",
    EVENTS + "{id}/capacity",
    EVENTS + "{id}/calendar.ics",
    EVENTS + "calendar.ics",
    EVENTS + "changes",
]
ADMIN_READS = ["/api/v1/admin/events/{id}/history", "/api/v1/admin/audit", "/api/v1/admin/events/export"]
ALLOWED = {  # method sets of contract §2; HEAD comes with GET
    EVENTS: {"GET"},
    EVENTS + "upcoming": {"GET"},
    EVENTS + "{id}": {"GET"},
    EVENTS + "{id}/capacity": {"GET"},
    EVENTS + "{id}/calendar.ics": {"GET"},
    EVENTS + "calendar.ics": {"GET"},
    EVENTS + "changes": {"GET"},
    EVENTS + "stream": {"GET"},
    "/api/v1/admin/events/": {"POST"},
    "/api/v1/admin/events/{id}": {"PUT", "DELETE"},
    "/api/v1/admin/events/{id}/history": {"GET"},
    "/api/v1/admin/audit": {"GET"},
    "/api/v1/admin/events/import": {"GET", "POST"},
    "/api/v1/admin/events/export": {"GET"},
    "/api/v1/admin/users/{id}": {"GET", "PUT"},
    "/health": {"GET"},
    "/health/live": {"GET"},
    "/health/ready": {"GET"},
    "/info": {"GET"},
    "/": {"GET"},
    "/docs": {"GET"},
    "/openapi.json": {"GET"},
    "/metrics": {"GET"},
}


@pytest.fixture(scope="module")
def event(service):
    return create(service.admin)


@pytest.mark.parametrize("path", READS + USER_READS + ADMIN_READS)
def test_every_path_works_with_and_without_its_trailing_slash(admin, event, path):
    path = path.format(id=event["id"])
    bare = path.rstrip("/")
    for variant in {bare or "/", bare + "/"}:
        answer = admin.get(variant)
        assert answer.status == 200, (variant, answer)


def test_writes_work_with_and_without_the_trailing_slash(admin):
    body = {"title": "a", "venue": "b", "event_date": "2099-01-01T00:00:00Z"}
    for path in ("/api/v1/admin/events", "/api/v1/admin/events/"):
        answer = admin.post(path, body)
        assert answer.status == 201, answer
        one = f"/api/v1/admin/events/{answer.json()['id']}"
        assert admin.put(one + "/", {"capacity": 1}).status == 200
        assert admin.put(one, {"capacity": 2}).status == 200
        assert admin.delete(one + "/" if path.endswith("/") else one).status == 200


@pytest.mark.parametrize("path", READS + USER_READS + ADMIN_READS)
def test_head_says_what_get_says_without_the_body(admin, event, path):
    path = path.format(id=event["id"])
    got, head = admin.get(path), admin.head(path)
    assert head.status == got.status == 200 and head.body == b""
    assert head.header("Content-Type") == got.header("Content-Type")
    assert head.etag == got.etag
    assert head.header("Content-Disposition") == got.header("Content-Disposition")
    length = head.header("Content-Length")
    assert length is None or got.header("Content-Length") is not None, "a length that GET does not say"
    if length is not None and got.header("Content-Length") is not None and path not in ("/metrics", "/health"):
        assert int(length) == len(got.body)


@pytest.mark.parametrize("target", ["http://127.0.0.1{}", "HTTP://anything:80{}", "https://x{}"])
def test_a_target_in_absolute_form_is_its_path(service, event, target):
    for path, status in (("/health", 200), (f"/api/v1/events/{event['id']}", 200), ("/api/v1/events/?size=1", 200), ("/no", 404)):
        with service.connect() as connection:
            assert connection.request("GET", target.format(path), token=service.admin_token).status == status


@pytest.mark.parametrize("path", ALLOWED)
def test_a_wrong_method_is_405_and_allow_names_the_right_ones(admin, event, path):
    allowed = ALLOWED[path]
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - allowed:
        answer = admin.request(method, path.format(id=event["id"]))
        check_problem(answer, 405)
        named = {item.strip() for item in answer.header("Allow").split(",")} - {"OPTIONS"}
        assert named == allowed | ({"HEAD"} if "GET" in allowed else set()), answer.header("Allow")


def test_an_unknown_method_is_refused_and_the_connection_goes_on(service, event):
    with service.connect() as connection:
        for method in ("BREW", "PROPFIND", "TRACE"):
            answer = connection.request(method, f"{EVENTS}{event['id']}", token=service.user_token)
            assert answer.status in (405, 501), answer
            check_problem(answer, answer.status)
        if not connection.closing:
            assert connection.request("GET", "/health/live").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api",
        "/api/v1",
        "/api/v2/events/",
        "/api/v1/event",
        "//api/v1/events/",
        "/api/v1/events//",
        "/api/v1/events/1/nothing",
        "/api/v1/admin",
        "/health/nothing",
        "/api/v1/events/../events/",
        "/docs/../../etc/passwd",
        "/docs/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/events/1/capacity/x",
        "/api/v1/admin/events/1/histor",
        "/API/V1/EVENTS/",
    ],
)
def test_an_unknown_path_is_404_for_everybody(service, path):
    for client in (service.anonymous, service.user, service.admin):
        check_problem(client.get(path), 404)


@pytest.mark.parametrize(
    "part",
    [
        "abc",
        "0",
        "-1",
        "1.0",
        "1e3",
        "99999999999999999999",
        "9223372036854775808",
        "+1",
        "%31%00",
        "0x1",
        "1%20",
        "%E2%91%A0",
        "1;x",
        "NaN",
    ],
)
def test_an_id_that_is_none_is_422_in_the_path_or_404(service, part):
    for path in (EVENTS + part, EVENTS + part + "/capacity"):
        answer = service.user.get(path)
        assert answer.status in (400, 404, 422), answer  # 400: malformed percent-encoding
        value = check_problem(answer, answer.status)
        if answer.status == 422:
            assert value["errors"][0]["loc"][0] == "path"


def test_the_largest_id_is_404(user):
    check_problem(user.get(f"{EVENTS}9223372036854775807"), 404)


SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": None,
    "Content-Security-Policy": None,
    "Referrer-Policy": None,
}


def test_every_answer_has_security_headers_and_a_request_id(service, event):
    answers = [service.anonymous.get(path) for path in READS + ["/nothing", EVENTS]]
    answers += [service.admin.get(path.format(id=event["id"])) for path in USER_READS + ADMIN_READS]
    answers += [
        service.user.post("/api/v1/admin/events/", {}),
        service.admin.post("/api/v1/admin/events/", "{"),
        service.admin.request("PATCH", EVENTS),
        service.admin.post("/api/v1/admin/events/", "x", content_type="a/b"),
    ]
    one = service.user.get(f"{EVENTS}{event['id']}")
    answers.append(service.user.get(f"{EVENTS}{event['id']}", {"If-None-Match": one.etag}))
    assert answers[-1].status == 304
    for answer in answers:
        for name, wanted in SECURITY.items():
            value = answer.header(name)
            assert value and (wanted is None or value == wanted), (name, answer)
        assert answer.header("Strict-Transport-Security") is None  # only over TLS
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.header("X-Request-ID") or ""), answer
        assert answer.header("Date")
        assert "unsafe-eval" not in answer.header("Content-Security-Policy")


@pytest.mark.parametrize("given", ["a", "A-z.0_9", "x" * 128, "0af7651916cd43dd8448eb211c80319c"])
def test_a_good_request_id_is_kept(anonymous, given):
    for path in ("/health", "/nothing", EVENTS):
        assert anonymous.get(path, {"X-Request-ID": given}).header("X-Request-ID") == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a/b", "ä", "a\tb", "<script>", "a,b", "a:b", '"a"'])
def test_a_bad_request_id_is_replaced(anonymous, given):
    one = anonymous.get("/health", {"X-Request-ID": given}).header("X-Request-ID")
    two = anonymous.get("/health", {"X-Request-ID": given}).header("X-Request-ID")
    assert one != given and two != given and one != two
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", one)


def test_two_requests_have_two_ids(anonymous):
    ids = {anonymous.get("/health").header("X-Request-ID") for _ in range(50)}
    assert len(ids) == 50


def test_request_and_trace_id_are_in_the_log_line_of_the_request(service):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    service.user.get(EVENTS, {"X-Request-ID": "log-me-1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    line = service.wait_log(lambda line: line if "log-me-1" in json.dumps(line) else None)
    assert trace in json.dumps(line), line
    assert service.user_token not in service.log_text()


@pytest.mark.parametrize(
    "given",
    [
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4737-0000000000000000-01",
        "garbage",
        "ff-4bf92f3577b34da6a3ce929d0e0e4738-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4739-00f067aa0ba902b7-01",
        "zz-4bf92f3577b34da6a3ce929d0e0e473a-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473b-00f067aa0ba902b7-zz",
        "00-4bf92f3577b34da6a3ce929d0e0e473c-00f067aa0ba902b7-01-more",
        "01-4bf92f3577b34da6a3ce929d0e0e473d-00f067aa0ba902b7-01more",
    ],
)
def test_a_bad_traceparent_is_not_believed(service, given):
    name = f"trace-{abs(hash(given))}"
    service.user.get(EVENTS, {"X-Request-ID": name, "traceparent": given})
    line = service.wait_log(lambda line: line if name in json.dumps(line) else None)
    assert given not in json.dumps(line)
    if len(given) > 40:
        assert given.split("-")[1] not in json.dumps(line)


def test_a_later_traceparent_may_say_more(service):
    trace = "4bf92f3577b34da6a3ce929d0e0e47ff"
    service.user.get(EVENTS, {"X-Request-ID": "later-1", "traceparent": f"01-{trace}-00f067aa0ba902b7-01-more"})
    assert trace in json.dumps(service.wait_log(lambda line: line if "later-1" in json.dumps(line) else None))


def test_options_of_the_server_as_a_whole(service):
    with service.connect() as connection:
        answer = connection.request("OPTIONS", "*")
        assert answer.status == 204 and {"GET", "POST", "PUT", "DELETE"} <= set(answer.header("Allow").split(", "))
        check_problem(connection.request("GET", "*"), 404)


def test_health(anonymous):
    answer = anonymous.get("/health")
    assert answer.status == 200
    value = answer.json()
    assert value["status"] == "healthy" and value["service"] == "events-service"
    assert value["database"] == "connected" and value["redis"] == "disabled" and value["version"]
    assert "no-store" in answer.header("Cache-Control") or "no-cache" in answer.header("Cache-Control")
    for path in ("/health/live", "/health/ready"):
        assert anonymous.get(path).status == 200


def test_info_and_root(anonymous):
    info = anonymous.get("/info").json()
    assert {"service", "version", "description", "endpoints", "features"} <= set(info)
    root = anonymous.get("/").json()
    assert {"service", "version"} <= set(root)
    text = json.dumps(root)
    assert "/docs" in text and "/health" in text
    for path in re.findall(r'"(/[^"{]*)"', text):
        assert anonymous.get(path).status in (200, 401), path


def test_openapi_names_every_route(anonymous):
    value = anonymous.get("/openapi.json").json()
    assert value["openapi"].startswith("3.1")

    def bare(path):
        return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/") or "/"

    paths = {bare(path): item for path, item in value["paths"].items()}
    for path, methods in ALLOWED.items():
        if path in ("/", "/docs", "/openapi.json") and bare(path) not in paths:
            continue
        named = {name.upper() for name in paths[bare(path)]} & {"GET", "POST", "PUT", "DELETE", "PATCH"}
        assert named == methods, (path, named)


def test_docs_load_nothing_from_elsewhere(anonymous):
    answer = anonymous.get("/docs")
    assert answer.header("Content-Type").startswith("text/html")
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", answer.text)
    base = "/docs/" if anonymous.get("/docs/").status == 200 else "/"
    for link in re.findall(r"""(?:src|href)=["']([^"'#]+)["']""", answer.text):
        if link.startswith("data:"):
            continue
        path = (
            link
            if link.startswith("/")
            else "/" + link.removeprefix("./")
            if not link.startswith("docs")
            else "/" + link
        )
        loaded = anonymous.get(path)
        if loaded.status != 200 and not link.startswith("/"):
            loaded = anonymous.get(base + link.removeprefix("./"))
        assert loaded.status == 200, (link, loaded.status)


METRIC = re.compile(
    r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*",?)*\})? '
    r"([-+0-9.eE]+|NaN|[+-]Inf)$"
)


def metrics(client):
    """Prometheus text as {(name, labels): value}; checks the format (0.0.4) on the way."""
    answer = client.get("/metrics")
    assert answer.header("Content-Type").startswith("text/plain")
    values, types = {}, {}
    assert answer.text.endswith("\n")
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:4]
            assert name not in types, f"TYPE of {name} twice"
            types[name] = kind
        elif line and not line.startswith("#"):
            found = METRIC.match(line)
            assert found, line
            key = (found.group(1), found.group(2) or "")
            assert key not in values, f"series twice: {key}"
            values[key] = float(found.group(3))
            family = re.sub(r"_(bucket|sum|count)$", "", key[0])
            assert key[0] in types or types.get(family) == "histogram", line
    return values, types


def test_metrics_are_prometheus_text_and_count(service, event):
    client = service.user
    before, types = metrics(client)
    for _ in range(20):
        assert client.get(f"{EVENTS}{event['id']}").status == 200
    client.get("/nothing")
    after, _ = metrics(client)
    assert types["evently_http_request_duration_seconds"] == "histogram"
    assert types["evently_http_responses_total"] == "counter"

    def total(values, name, label=""):
        return sum(value for key, value in values.items() if key[0] == name and label in key[1])

    def grown(name, label=""):
        return total(after, name, label) - total(before, name, label)

    assert grown("evently_http_request_duration_seconds_count") >= 21
    assert grown("evently_http_responses_total", '"200"') >= 20
    assert grown("evently_http_responses_total", '"404"') >= 1
    assert grown("evently_cache_requests_total", "hit") >= 15
    for (name, labels), value in after.items():  # buckets grow and end in +Inf = count
        if name.endswith("_bucket") and 'le="+Inf"' in labels:
            rest = labels.replace('le="+Inf"', "").replace(",}", "}").replace("{,", "{").replace("{}", "")
            assert after[(name.removesuffix("_bucket") + "_count", rest)] == value, labels


def test_metrics_can_have_their_own_port(fresh):
    from harness.postgres import free_port

    port = free_port()
    one = fresh(METRICS_PORT=port)
    assert one.anonymous.get("/metrics").status == 404
    with Connection(port) as connection:
        assert b"evently_http" in connection.request("GET", "/metrics").body
        assert connection.request("GET", EVENTS).status == 404


def test_cache_control_by_kind_of_answer(service, event):
    for path in USER_READS:
        assert service.user.get(path.format(id=event["id"])).header("Cache-Control") == "private, no-cache", path
    for path in ADMIN_READS:
        assert service.admin.get(path.format(id=event["id"])).header("Cache-Control") == "no-store", path
    assert service.admin.put(f"/api/v1/admin/events/{event['id']}", {}).header("Cache-Control") == "no-store"
    check_problem(service.anonymous.get(EVENTS), 401)
    check_problem(service.user.get(EVENTS + "999999999"), 404)


def test_cache_status_says_where_an_answer_came_from(admin, user):
    event = create(admin)
    path = f"{EVENTS}{event['id']}"
    answers = [user.get(path) for _ in range(3)]
    values = [answer.header("Cache-Status") for answer in answers]
    for value in values:
        assert re.fullmatch(r"[A-Za-z0-9._-]+; ?(hit|fwd=miss|fwd=stale|hit; ?.*|fwd=miss; ?.*)", value), value
    assert "hit" in values[-1]
    assert answers[0].body == answers[-1].body
    fresh = user.get(path, {"Cache-Control": "no-cache"})
    assert "; hit" not in fresh.header("Cache-Status").replace(";hit", "; hit"), fresh
    assert fresh.body == answers[0].body
    listed = [user.get(EVENTS + "?size=3") for _ in range(3)]
    assert "hit" in listed[-1].header("Cache-Status")
    assert listed[0].body == listed[-1].body
