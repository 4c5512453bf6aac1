"""Certificates of the HTTP port: every answer over TLS, ciphers, files that are no pair, and what the command line checks."""

import shutil
import signal
import ssl

import pytest

from harness.catalogue import EVENTS
from harness.http import Connection
from harness.https import Authority
from harness.service import evently, wait_until


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def successor(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("two"))


def connect(service, authority, version=None, timeout_s=30):
    """A connection whose certificate was verified."""
    context = ssl.create_default_context(cafile=authority.ca)
    if version:
        context.minimum_version = context.maximum_version = version
    connection = Connection(service.port, timeout_s=timeout_s)
    connection.socket = context.wrap_socket(connection.socket, server_hostname="localhost")
    return connection


def ready(service, authority):
    with connect(service, authority) as connection:
        return connection.request("GET", "/health/ready").status == 200


@pytest.fixture
def serve(fresh, authority, tmp_path):
    """A service with its own copies of the certificate, which a test may replace."""
    certificate, key = shutil.copy(authority.certificate, tmp_path), shutil.copy(authority.key, tmp_path)

    def start(**settings):
        one = fresh(begin=False, TLS_CERTIFICATE_FILE=certificate, TLS_KEY_FILE=key, **settings)
        one.start(wait=False)
        wait_until(lambda: ready(one, authority), 15, "/health/ready over TLS")
        return one

    start.certificate, start.key = certificate, key
    return start


def test_every_answer_asks_for_tls_from_now_on(serve, authority):
    one = serve()
    with connect(one, authority) as connection:
        for method, path, token, status in (
            ("GET", EVENTS, one.user_token, 200),
            ("GET", EVENTS, None, 401),
            ("POST", EVENTS, one.user_token, 405),
            ("OPTIONS", EVENTS, None, 204),
            ("GET", "/nothing", None, 404),
            ("GET", "/docs", None, 200),
        ):
            answer = connection.request(method, path, token=token)
            assert answer.status == status
            assert answer.header("Strict-Transport-Security") == "max-age=31536000", (path, answer)
        created = connection.request("POST", "/api/v1/admin/events/", {"title": "t", "venue": "v", "event_date": "2099-01-01"},
                                     token=one.admin_token)
        assert created.status == 201


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_modern_versions_are_spoken(serve, authority, version):
    one = serve()
    with connect(one, authority, version) as connection:
        assert connection.request("GET", "/health/live").status == 200
        name, _, bits = connection.socket.cipher()
        assert bits >= 128 and ("GCM" in name or "POLY1305" in name or "CCM" in name), "only authenticated encryption"


def shown(service, *authorities):
    """Which of the authorities signed the certificate that a new connection is shown."""
    for authority in authorities:
        try:
            connect(service, authority).close()
            return authority
        except ssl.SSLCertVerificationError:
            continue
    return None


def test_a_broken_certificate_is_not_taken_over(serve, authority, successor):
    one = serve()
    shutil.copy(successor.certificate, serve.certificate)  # its key is not there yet
    one.signal(signal.SIGHUP)
    one.wait_log(lambda line: "what was set before stays" in line["msg"], what="the refusal")
    assert shown(one, authority, successor) is authority
    open(serve.certificate, "w", encoding="ascii").write("nonsense")
    seen = len(one.log)
    one.signal(signal.SIGHUP)
    wait_until(lambda: any("what was set before stays" in line for line in one.log[seen:]), 10, "the refusal")
    assert shown(one, authority, successor) is authority


def test_files_that_are_no_pair_stop_the_start(authority, successor, tmp_path):
    for certificate, key, part in (
        (tmp_path / "absent.pem", authority.key, "TLS_CERTIFICATE_FILE"),
        (authority.certificate, tmp_path / "absent.key", "TLS_KEY_FILE"),
        (authority.certificate, successor.key, "TLS_KEY_FILE"),
        (authority.key, authority.key, "TLS_CERTIFICATE_FILE"),
    ):
        done = evently("serve", check=False, settings={"PORT": 0, "DATA_DIR": tmp_path / "data", "LOG_FORMAT": "json",
                                                       "TLS_CERTIFICATE_FILE": certificate, "TLS_KEY_FILE": key})
        lines = [line for line in done.stderr.decode().splitlines() if not line.startswith("{")]
        assert done.returncode == 1 and len(lines) == 1 and part in lines[0], done.stderr


def test_the_check_of_a_container_speaks_tls(serve, authority):
    one = serve()
    settings = {**one.settings, "PORT": one.port}
    assert evently("check", "--live", settings=settings).returncode == 0
    assert evently("check", "--ready", settings=settings).returncode == 0
    with connect(one, authority) as connection:
        assert connection.request("GET", "/health").json()["status"] == "healthy"
