"""JWT_JWKS_URL: keys of an issuer that is reached over HTTPS, through its rotations and its outages."""

import json
import signal
import subprocess

import jwt
import pytest

from harness import tokens
from harness.catalogue import EVENTS
from harness.https import Authority, HttpsServer
from harness.service import ROOT, wait_until

pytestmark = pytest.mark.skipif(not (ROOT / "node_modules" / "jose").exists(), reason="npm packages are not there")


class Pair:
    """A key pair by npm's jose, a token that jose signed with it, and more by PyJWT."""

    def __init__(self, algorithm, kid):
        made = subprocess.run(["node", ROOT / "tests" / "harness" / "jose.mjs", algorithm, kid, json.dumps(tokens.claims("admin", 1))],
                              stdout=subprocess.PIPE, check=True, cwd=ROOT)
        value = json.loads(made.stdout)
        self.algorithm, self.kid = algorithm, kid
        self.public, self.pem, self.token = value["public"], value["pem"], value["token"]

    def sign(self, role="user", user_id=2, **claims):
        return tokens.token(role, user_id, secret=self.pem, algorithm=self.algorithm, headers={"kid": self.kid}, **claims)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def issuer(authority):
    server = HttpsServer(authority, lambda method, path, body: (200, {"keys": server.keys}))
    server.keys = []
    yield server.start()
    server.stop()


def status(service, token):
    return service.anonymous.get(EVENTS, token=token).status


def settings(issuer, algorithm, **more):
    return {"JWT_ALGORITHM": algorithm, "JWT_JWKS_URL": issuer.url + "/jwks", "JWT_JWKS_CA_FILE": issuer.authority.ca, **more}


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_tokens_of_jose_and_pyjwt(fresh, issuer, algorithm):
    pair, stranger = Pair(algorithm, "one"), Pair(algorithm, "one")
    issuer.keys = [pair.public]
    service = fresh(**settings(issuer, algorithm, JWT_ISSUER="https://issuer.example"))
    assert status(service, pair.sign(iss="https://issuer.example")) == 200
    assert status(service, pair.sign("admin", 1, iss="https://issuer.example")) == 200
    assert status(service, pair.token) == 401, "without the issuer that is asked for"
    assert status(service, stranger.sign(iss="https://issuer.example")) == 401, "another key under the same kid"
    assert status(service, tokens.token(secret=json.dumps(pair.public), iss="https://issuer.example")) == 401, "key confusion"
    assert status(service, jwt.encode(tokens.claims(), "", algorithm="none")) == 401


def test_rotation_without_a_restart(fresh, issuer):
    old, new = Pair("ES256", "old"), Pair("ES256", "new")
    issuer.keys = [old.public]
    service = fresh(**settings(issuer, "ES256"))
    assert status(service, old.token) == 200
    issuer.keys = [new.public, old.public]
    wait_until(lambda: status(service, new.token) == 200, 20, "the new key", interval_s=0.2)
    assert status(service, old.token) == 200, "the issuer still publishes it"
    asked = len(issuer.requests)
    for _ in range(200):  # unknown keys must not turn us against the issuer
        assert status(service, Pair.sign(old, user_id=3) + "x") == 401
    assert len(issuer.requests) - asked <= 2
    issuer.keys = [new.public]
    service.signal(signal.SIGHUP)
    wait_until(lambda: status(service, old.token) == 401, 20, "the end of the old key", interval_s=0.05)
    assert status(service, new.token) == 200


def test_an_outage_of_the_issuer_is_survived(fresh, issuer):
    pair = Pair("EdDSA", "one")
    issuer.keys = [pair.public]
    service = fresh(**settings(issuer, "EdDSA"))
    assert status(service, pair.token) == 200
    issuer.stop()
    service.signal(signal.SIGHUP)
    service.wait_log(lambda line: "reloaded" in line.get("msg", ""))
    service.wait_log(lambda line: "JWT_JWKS_URL cannot be fetched" in line.get("msg", ""))
    assert status(service, pair.sign(user_id=9)) == 200


def test_the_service_starts_before_its_issuer(fresh, issuer):
    pair = Pair("ES256", "one")
    issuer.keys = [pair.public]
    issuer.stop()
    service = fresh(**settings(issuer, "ES256"))
    assert status(service, pair.token) == 401
    issuer.start()
    wait_until(lambda: status(service, pair.token) == 200, 20, "the issuer's keys", interval_s=0.1)


def test_an_issuer_of_another_ca_is_not_believed(fresh, issuer, tmp_path):
    pair = Pair("ES256", "one")
    issuer.keys = [pair.public]
    other = Authority(tmp_path)
    service = fresh(**settings(issuer, "ES256", JWT_JWKS_CA_FILE=other.ca))
    service.wait_log(lambda line: "JWT_JWKS_URL cannot be fetched" in line.get("msg", ""))
    assert status(service, pair.token) == 401 and not issuer.requests
