"""CORS as browsers ask for it: only configured origins, preflights answered, nothing leaked to others."""

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS

KNOWN = ["https://shop.example.org", "https://admin.example.org:8443"]
UNKNOWN = [
    "https://evil.example.org",
    "http://shop.example.org",
    "https://shop.example.org:444",
    "https://shop.example.org.evil.org",
    "https://evilshop.example.org",
    "null",
    "https://shop.example.or",
    "https://shop.example.org/",
    "https://SHOP.example.org@evil.org",
    "*",
]


def vary(answer):
    return {item.strip().lower() for value in answer.all("Vary") for item in value.split(",")}


@pytest.mark.parametrize("origin", KNOWN)
@pytest.mark.parametrize("path", [EVENTS, "/health", "/nothing"])
def test_a_known_origin_is_echoed(service, origin, path):
    for client in (service.user, service.anonymous):  # problems too, or the page cannot read them
        answer = client.get(path, {"Origin": origin})
        assert answer.header("Access-Control-Allow-Origin") == origin
        assert "origin" in vary(answer)
        exposed = (answer.header("Access-Control-Expose-Headers") or "").lower()
        for name in ("etag", "x-request-id"):
            assert name in exposed, exposed


@pytest.mark.parametrize("origin", UNKNOWN)
def test_an_unknown_origin_gets_no_permission(service, origin):
    answer = service.user.get(EVENTS, {"Origin": origin})
    assert answer.status == 200
    assert answer.header("Access-Control-Allow-Origin") is None
    assert answer.header("Access-Control-Allow-Credentials") is None
    assert "origin" in vary(answer)


def test_without_origin_the_answer_still_varies(service):
    answer = service.user.get(EVENTS)
    assert answer.header("Access-Control-Allow-Origin") is None and "origin" in vary(answer)


@pytest.mark.parametrize(
    "path,method",
    [(EVENTS, "GET"), (ADMIN_EVENTS, "POST"), (ADMIN_EVENTS + "7", "PUT"), (ADMIN_EVENTS + "7", "DELETE")],
)
def test_a_preflight_needs_no_token(anonymous, path, method):
    answer = anonymous.request(
        "OPTIONS",
        path,
        headers={
            "Origin": KNOWN[0],
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type,if-match,idempotency-key",
        },
    )
    assert answer.status in (200, 204) and answer.body == b""
    assert answer.header("Access-Control-Allow-Origin") == KNOWN[0]
    assert method in answer.header("Access-Control-Allow-Methods")
    allowed = {name.strip().lower() for name in answer.header("Access-Control-Allow-Headers").split(",")}
    assert {"authorization", "content-type", "if-match", "idempotency-key"} <= allowed
    assert int(answer.header("Access-Control-Max-Age")) > 0
    assert "origin" in vary(answer)


def test_a_preflight_of_an_unknown_origin_gets_nothing(anonymous):
    answer = anonymous.request(
        "OPTIONS", EVENTS, headers={"Origin": UNKNOWN[0], "Access-Control-Request-Method": "GET"}
    )
    assert answer.header("Access-Control-Allow-Origin") is None
    assert answer.header("Access-Control-Allow-Methods") is None


def test_a_star_never_comes_with_credentials(fresh):
    one = fresh(CORS_ORIGINS="*")
    answer = one.user.get(EVENTS, {"Origin": "https://anybody.example"})
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("Access-Control-Allow-Credentials") is None
    preflight = one.anonymous.request(
        "OPTIONS", EVENTS, headers={"Origin": "https://anybody.example", "Access-Control-Request-Method": "GET"}
    )
    assert preflight.header("Access-Control-Allow-Origin") == "*"
    assert preflight.header("Access-Control-Allow-Credentials") is None


def test_without_a_setting_nobody_is_allowed(fresh):
    one = fresh()
    for origin in KNOWN + ["null"]:
        assert one.user.get(EVENTS, {"Origin": origin}).header("Access-Control-Allow-Origin") is None
