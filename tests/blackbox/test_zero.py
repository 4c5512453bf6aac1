"""Settings from the Zero secrets manager (contract §6): fetched, ranked, refused in words, and kept through its outages."""

import json
import os
import signal
import subprocess
import time

import pytest

from harness import tokens
from harness.catalogue import EVENTS
from harness.https import Authority
from harness.service import ROOT, evently
from harness.zero import QUERY, Zero, plain

SECRET = "a-secret-that-zero-holds-0123456789-abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def zero(authority):
    server = Zero(authority)
    server.fields["jwt-secret"] = SECRET
    yield server.start()
    server.stop()


def config(zero, **settings):
    """What `evently config` shows: {name: (value, source)}."""
    done = evently("config", settings={**zero.settings, **settings})
    lines = (line.split() for line in done.stdout.decode().splitlines() if line.startswith("  "))
    return {words[0]: (words[1], words[-1]) for words in lines}


def refusal(zero, **settings):
    """The one line of a start that must not happen."""
    done = evently("serve", settings={"PORT": 0, **zero.settings, **settings}, check=False)
    text = done.stderr.decode()
    assert done.returncode == 1 and not done.stdout and text.count("\n") == 1, (done.returncode, text)
    assert zero.token not in text
    return text


@pytest.mark.skipif(not (ROOT / "node_modules" / "@zerosecrets").exists(), reason="npm packages are not there")
def test_the_stand_in_is_what_zeros_own_client_expects(zero):
    def client(token):
        done = subprocess.run(["node", ROOT / "tests" / "harness" / "zero.mjs", str(zero.port), token], stdout=subprocess.PIPE,
                              check=True, env={**os.environ, "NODE_EXTRA_CA_CERTS": str(zero.authority.ca)})
        return json.loads(done.stdout)

    zero.fields["db-name"] = "shop"
    zero.secrets["other"] = {"x": "y"}
    assert client(zero.token) == {"secrets": {"evently": {"jwt-secret": SECRET, "db-name": "shop"}}}
    assert "is not\nvalid" in client("wrong")["error"]
    config(zero)
    theirs, _, ours = zero.questions()
    assert plain(theirs["query"]) == plain(ours["query"]) == QUERY
    assert theirs["variables"] == ours["variables"] == {"token": zero.token, "pick": ["evently"], "callerName": "evently"}


def test_the_environment_wins_over_zero_and_zero_over_defaults(zero, tmp_path):
    zero.fields.update({"log-level": "debug", "rate-limit": "600/60", "redis-port": "7000", "cors-origins": ""})
    file = tmp_path / "rate"
    file.write_text("100/60\n")
    shown = config(zero, REDIS_PORT=7001, RATE_LIMIT_FILE=file)
    assert shown["LOG_LEVEL"] == ("debug", "Zero")
    assert shown["REDIS_PORT"] == ("7001", "environment")
    assert shown["RATE_LIMIT"] == ("100/60", "RATE_LIMIT_FILE")
    assert shown["CORS_ORIGINS"] == ("-", "default"), "empty is not set"
    assert shown["JWT_SECRET"] == ("********", "Zero") and shown["ZERO_TOKEN"] == ("********", "environment")


def test_a_field_that_is_no_setting_is_warned_of(zero):
    zero.fields["db-hots"] = "x"
    assert b'Zero\'s field "db-hots" is not a setting' in evently("config", settings=zero.settings).stderr


def test_a_bad_value_is_refused_by_name_and_never_shown(zero):
    zero.fields["jwt-secret"] = "too-short-to-be-good"
    text = refusal(zero)
    assert "JWT_SECRET is ********" in text and "too-short" not in text


FAULTS = {
    "token refused": (lambda path: (200, {"errors": [{"message": "Invalid\x1b[31m token"}]}), "Zero refuses ZERO_TOKEN: Invalid?[31m token"),
    "errors beside data": (lambda path: (200, {"data": {"secrets": [{"name": "evently", "fields": [{"name": "port", "value": "1"}]}]},
                                               "errors": [{"message": "partly"}]}), "Zero refuses ZERO_TOKEN: partly"),
    "401 with a reason": (lambda path: (401, {"errors": [{"message": "no"}]}), "Zero refuses ZERO_TOKEN: no"),
    "errors of another shape": (lambda path: (200, {"errors": "x"}), "no reason given"),
    "no such address": (lambda path: (404, {}), "Zero answers with status 404"),
    "no such secret": (lambda path: (200, {"data": {"secrets": [{"name": "other", "fields": []}]}}), 'Zero has no secret "evently"'),
    "no fields": (lambda path: (200, {"data": {"secrets": [{"name": "evently", "fields": []}]}}), "has no fields"),
    "a field without a value": (lambda path: (200, {"data": {"secrets": [{"name": "evently", "fields": [{"name": "port"}]}]}}), "not understood"),
    "a field twice": (lambda path: (200, {"data": {"secrets": [{"name": "evently", "fields": [{"name": "port", "value": "1"}] * 2}]}}),
                      "Zero has the field port twice"),
    "no JSON": (lambda path: (200, b"<html>"), "not understood"),
    "NUL in a value": (lambda path: (200, b'{"data":{"secrets":[{"name":"evently","fields":[{"name":"port","value":"1\\u0000"}]}]}}'), "not understood"),
    "null": (lambda path: (200, {"data": None}), "not understood"),
    "too much": (lambda path: (200, b" " * 3000000), "Zero cannot be reached"),
    "a server in trouble": (lambda path: (503, {}), "Zero is in trouble: it answers with status 503"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_refusal_is_one_clear_line(zero, name):
    zero.fault, expected = FAULTS[name]
    assert expected in refusal(zero)
    assert len(zero.requests) == (5 if "trouble" in name else 1), "only what may pass is tried again"


def test_the_token_is_not_repeated_even_when_zero_does(zero):
    text = refusal(zero, ZERO_TOKEN="wrong-token-77aa")
    assert "Zero refuses ZERO_TOKEN: Token " in text and "wrong-token" not in text


def test_not_reached_and_not_trusted(zero, tmp_path):
    other = Authority(tmp_path)
    text = refusal(zero, ZERO_CA_FILE=other.ca)
    assert "ZERO_CA_FILE" in text and not zero.requests
    zero.stop()
    begun = time.monotonic()
    assert "Zero cannot be reached" in refusal(zero)
    assert time.monotonic() - begun < 30


def test_a_redirect_is_not_followed(zero):
    zero.fault = lambda path: (302, {})
    assert "Zero answers with status 302" in refusal(zero)


def test_half_a_configuration_is_none(zero):
    zero.fields["db-host"] = "127.0.0.1"
    assert "DB_PASSWORD is not set: Zero has the field db-host, but no db-password" in refusal(zero)
    zero.fields["db-password"] = "x"
    del zero.fields["jwt-secret"]
    assert "JWT_SECRET is not set" in refusal(zero) and "Zero has no field jwt-secret" in refusal(zero)


def test_a_short_trouble_at_the_start_is_waited_for(fresh, zero):
    answers = [(503, {}), None, (429, {})]

    def fault(path):
        given = answers.pop(0)
        if not answers:
            zero.fault = None
        return given

    zero.fault = fault
    service = fresh(begin=False, JWT_SECRET=None, **zero.settings)
    service.start(migrate="DATABASE_URL" in service.settings)
    assert service.client(tokens.user(secret=SECRET)).get(EVENTS).status == 200
    assert service.user.get(EVENTS).status == 401, "signed with another secret"


def test_what_zero_said_last_is_kept_through_its_outage(fresh, zero):
    service = fresh(JWT_SECRET=None, **zero.settings)
    client = service.client(tokens.user(secret=SECRET))
    assert client.get(EVENTS).status == 200

    def reload(*expected):
        service.log_start = len(service.log)
        service.signal(signal.SIGHUP)
        for text in expected:
            service.wait_log(lambda line: text in line.get("msg", ""), what=text)
        assert client.get(EVENTS).status == 200

    zero.stop()
    reload("Zero cannot be reached", "what it said before is used", "reloaded: ")
    zero.start()
    zero.fault = lambda path: (200, {"errors": [{"message": "revoked"}]})
    reload("Zero refuses ZERO_TOKEN: revoked: what it said before is used")
    zero.fault = None
    kept = zero.fields.pop("jwt-secret")
    zero.fields["log-level"] = "info"
    reload("Zero no longer has the field jwt-secret: what it said before is used")
    zero.fields["jwt-secret"] = "short"
    reload("JWT_SECRET is ********")
    zero.fields["jwt-secret"] = kept
    reload("reloaded: ")
    assert kept not in service.log_text() and zero.token not in service.log_text()


def test_secrets_are_fetched_again_by_the_clock(fresh, zero):
    service = fresh(JWT_SECRET=None, SECRETS_REFRESH_SECONDS=1, JWT_GRACE_SECONDS=3, **zero.settings)
    old, new = tokens.user(secret=SECRET), tokens.user(secret="b" * 40)
    assert service.client(old).get(EVENTS).status == 200 and service.client(new).get(EVENTS).status == 401
    zero.fields["jwt-secret"] = "b" * 40
    service.wait_log(lambda line: "new keys" in line.get("msg", ""))
    assert service.client(new).get(EVENTS).status == 200
    assert service.client(old).get(EVENTS).status == 200, "in its time of grace"
    service.wait_log(lambda line: "accepted no longer" in line.get("msg", ""))
    assert service.client(old).get(EVENTS).status == 401, "remembered tokens too are forgotten"
    assert service.client(new).get(EVENTS).status == 200
    assert "reloaded" not in service.log_text(), "a refresh that changes nothing is silent"
