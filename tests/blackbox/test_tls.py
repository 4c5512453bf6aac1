"""TLS on the service's own port: what is served in the clear is served over it, with a certificate that can be exchanged."""

import signal
import socket
import ssl
import threading
import time
import warnings

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS, create, wish
from harness.http import Closed, Connection, Malformed, encode_request
from harness.https import Authority
from harness.service import wait_until


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def trusting(authority, lowest=ssl.TLSVersion.TLSv1_2, highest=ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(cafile=authority.ca)
    context.minimum_version, context.maximum_version = lowest, highest
    return context


class TlsConnection(Connection):
    def __init__(self, port, context, timeout_s=30, receive_buffer=None):
        super().__init__(port, timeout_s=timeout_s, receive_buffer=receive_buffer)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")


@pytest.fixture
def served(fresh, authority):
    """A service over TLS; `wait` asks for readiness in the clear, so it is waited for here."""

    def start(**settings):
        one = fresh(begin=False, **{"TLS_CERTIFICATE_FILE": authority.certificate, "TLS_KEY_FILE": authority.key, **settings})
        one.start(wait=False)
        one.wait_log(lambda line: "ready:" in line.get("msg", ""))
        return one

    return start


def test_requests_share_a_connection_and_say_hsts(served, authority):
    one = served()
    for highest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with TlsConnection(one.port, trusting(authority, highest=highest)) as connection:
            assert connection.socket.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[highest.name]
            made = connection.request("POST", ADMIN_EVENTS, wish(), token=one.admin_token)
            assert made.status == 201 and "max-age" in made.header("Strict-Transport-Security")
            for _ in range(20):
                got = connection.request("GET", f"{EVENTS}{made.json()['id']}", token=one.user_token)
                assert got.json() == made.json()


def test_pipelined_requests_and_large_bodies(served, authority):
    one = served()
    with TlsConnection(one.port, trusting(authority)) as connection:
        big = wish(description="x" * 60000)
        ids = [connection.request("POST", ADMIN_EVENTS, big, token=one.admin_token).json()["id"] for _ in range(40)]
        connection.send(b"".join(encode_request("GET", f"{EVENTS}{n}", None, {}, one.user_token) for n in ids))
        for n in ids:
            value = connection.read_answer().json()
            assert value["id"] == n and len(value["description"]) == 60000


def test_a_slow_reader_gets_all_of_a_stream(served, authority):
    one = served()
    with TlsConnection(one.port, trusting(authority)) as connection:
        for _ in range(60):
            assert connection.request("POST", ADMIN_EVENTS, wish(description="y" * 60000), token=one.admin_token).status == 201
    with TlsConnection(one.port, trusting(authority), receive_buffer=4096) as connection:
        connection.send(encode_request("GET", "/api/v1/admin/events/export", None, {"Accept": "application/x-ndjson"}, one.admin_token))
        time.sleep(0.5)  # the socket is full by now
        answer = connection.read_answer()
        assert answer.status == 200 and len(answer.body.splitlines()) == 60


def test_old_versions_plain_http_and_silence_get_nowhere(served, authority):
    one = served(BODY_TIMEOUT_MS=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that they are old is what this is about
        context = trusting(authority, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        TlsConnection(one.port, context)
    with Connection(one.port, timeout_s=5) as connection:
        connection.send(encode_request("GET", "/health/live"))
        with pytest.raises((Closed, Malformed)):  # nothing, or an alert of TLS
            connection.read_answer()
    with socket.create_connection(("127.0.0.1", one.port)) as silent:
        silent.settimeout(20)
        assert silent.recv(1) == b"", "a handshake that does not come is given up"
    with TlsConnection(one.port, trusting(authority)) as connection:
        assert connection.request("GET", "/health/live").status == 200


def test_a_new_certificate_is_served_after_sighup_and_open_connections_stay(served, authority, tmp_path):
    certificate, key = tmp_path / "now.pem", tmp_path / "now.key"
    certificate.write_bytes(authority.certificate.read_bytes())
    key.write_bytes(authority.key.read_bytes())
    other = Authority(tmp_path)
    one = served(TLS_CERTIFICATE_FILE=certificate, TLS_KEY_FILE=key)
    kept = TlsConnection(one.port, trusting(authority))
    certificate.write_bytes(other.certificate.read_bytes())
    key.write_bytes(other.key.read_bytes())
    one.signal(signal.SIGHUP)
    one.wait_log(lambda line: line.get("msg", "").startswith("reloaded"))
    with TlsConnection(one.port, trusting(other)) as connection:
        assert connection.request("GET", "/health/live").status == 200
    assert kept.request("GET", "/health/live").status == 200
    kept.close()
    with pytest.raises(ssl.SSLError):
        TlsConnection(one.port, trusting(authority))
    certificate.write_text("nonsense")
    one.signal(signal.SIGHUP)
    one.wait_log(lambda line: "TLS_CERTIFICATE_FILE" in line.get("msg", ""))
    with TlsConnection(one.port, trusting(other)) as connection:
        assert connection.request("GET", "/health/live").status == 200


def test_events_are_streamed_and_all_ends_in_order(served, authority):
    one = served()
    with TlsConnection(one.port, trusting(authority)) as connection, TlsConnection(one.port, trusting(authority)) as writer:
        connection.send(encode_request("GET", "/api/v1/events/stream?since=0", None, {}, one.user_token))
        made = writer.request("POST", ADMIN_EVENTS, wish(status="published"), token=one.admin_token).json()
        text = b""

        def seen():
            nonlocal text
            text += connection.socket.recv(65536)
            return f'"event_id":{made["id"]}'.encode() in text

        wait_until(seen, 10, "the change")
        stopper = threading.Thread(target=one.stop)
        stopper.start()
        while True:
            more = connection.socket.recv(65536)
            if not more:
                break
            text += more
        stopper.join()
    assert b"event: closed" in text and text.endswith(b"0\r\n\r\n")
