"""What one connection may expect of the server: answers in order, problems as problems, patience with a bound."""

import resource
import time

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS, check_problem, create, wish
from harness.http import Closed, encode_request
from harness.service import wait_until


@pytest.mark.parametrize(("head", "status"), [
    (b"GET /health/live HTTP/1.1\r\n\r\n", 400),
    (b"GET /health/live HTTP/2.0\r\nHost: a\r\n\r\n", 400),
    (b"GET /health/live HTTP/1.1\nHost: a\n\n", 400),
    (b"NONSENSE\r\n\r\n", 400),
    (b"GET /health/live HTTP/1.1\r\nHost: a\r\n Folded: b\r\n\r\n", 400),
    (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 4000 + b"\r\n", 431),
], ids=["no Host", "version 2", "bare LF", "no target", "folded", "raw UTF-8", "long target", "long header", "many headers"])
def test_a_head_that_cannot_be_read_gets_a_problem(service, head, status):
    with service.connect() as connection:
        connection.send(head)
        answer = connection.read_answer()
        check_problem(answer, status)
        assert answer.header("X-Content-Type-Options") == "nosniff"
        if status == 400:  # where a request ends is known of the others
            assert connection.closing
        if connection.closing:
            assert connection.is_closed(10)
        else:
            assert connection.request("GET", "/health/live").status == 200


def test_a_broken_chunk_gets_a_problem_and_the_end(service):
    with service.connect() as connection:
        connection.send(encode_request("POST", ADMIN_EVENTS, None, {"Transfer-Encoding": "chunked"}, service.admin_token)
                        .replace(b"Content-Length: 0\r\n", b"") + b"zz\r\n")
        check_problem(connection.read_answer(), 400)
        assert connection.closing and connection.is_closed(10)


def test_http_1_0_may_keep_the_connection(service):
    with service.connect() as connection:
        for _ in range(3):
            connection.send(b"GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = connection.read_answer()
            assert answer.status == 200 and answer.header("Connection").lower() == "keep-alive"


def test_http_1_0_gets_a_stream_without_chunks(service):
    create(service.admin)
    with service.connect() as connection:
        connection.send(f"GET /api/v1/admin/events/export HTTP/1.0\r\nAuthorization: Bearer {service.admin_token}\r\n"
                        "Accept: application/x-ndjson\r\n\r\n".encode())
        text = b""
        while not text.endswith(b"}\n") or not connection.is_closed(0.2):
            text += connection.socket.recv(65536)
        head, body = text.split(b"\r\n\r\n", 1)
        assert b"Transfer-Encoding" not in head and body.startswith(b"{") and body.endswith(b"}\n")


def test_a_request_for_another_protocol_is_an_ordinary_one(service):
    with service.connect() as connection:
        for _ in range(2):
            answer = connection.request("GET", "/health/live", headers={
                "Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"})
            assert answer.status == 200


def test_requests_behind_one_that_waits_are_answered_after_it(service):
    """The first is a lane's for a while; what came with it must not be lost, nor overtake it."""
    events = [create(service.admin) for _ in range(3)]
    one, many = [], []
    for event in events * 10:
        one.append(encode_request("GET", f"{EVENTS}{event['id']}", None, {"Cache-Control": "no-cache"}, service.user_token))
        many.append(event)
    for pieces in (1, 7, 4096):
        data = b"".join(one)
        with service.connect() as connection:
            for start in range(0, len(data), pieces if pieces > 1 else 997):
                connection.send(data[start : start + (pieces if pieces > 1 else 997)])
            for event in many:
                assert connection.read_answer().json() == event


def test_a_half_closed_connection_gets_its_answers(service):
    event = create(service.admin)
    with service.connect() as connection:
        connection.send(encode_request("GET", f"{EVENTS}{event['id']}", None, {"Cache-Control": "no-cache"}, service.user_token) * 3)
        connection.finish_sending()
        for _ in range(3):
            assert connection.read_answer().json() == event
        assert connection.is_closed(10)


def test_a_large_answer_reaches_a_slow_reader(service):
    ids = [create(service.admin, description="z" * 60000)["id"] for _ in range(20)]
    with service.connect(receive_buffer=4096) as connection:
        connection.send(encode_request("GET", EVENTS + "?size=20&sort=-id", None, {}, service.user_token) * 2)
        time.sleep(0.3)  # the socket is full by now
        for _ in range(2):
            value = connection.read_answer().json()
            assert [event["id"] for event in value["events"]] == ids[::-1]
    for one in ids:
        assert service.admin.delete(ADMIN_EVENTS + str(one)).status == 200


def test_who_takes_nothing_is_cut_off_in_the_end(fresh):
    one = fresh(IDLE_TIMEOUT_SECONDS=1)
    for _ in range(40):
        assert one.admin.post(ADMIN_EVENTS, wish(description="z" * 60000)).status == 201
    with one.connect(receive_buffer=4096) as connection:
        connection.send(encode_request("GET", EVENTS + "?size=40", None, {}, one.user_token) * 20)

        def connections():
            text = one.anonymous.get("/metrics").text
            return float(next(line.split()[1] for line in text.splitlines() if line.startswith("evently_http_connections ")))

        wait_until(lambda: connections() == 1, 15, "the end of the connection that takes nothing")


def test_the_connection_over_the_limit_is_told_so(fresh):
    one = fresh(CONNECTIONS_MAX=5)
    held = []

    def hold_another():  # those that asked for readiness may not have been seen to end yet
        connection = one.connect()
        if connection.request("GET", "/health/live").status == 200:
            held.append(connection)
        else:
            connection.close()
        return len(held) == 5

    wait_until(hold_another, 10, "five connections")
    with one.connect() as extra:
        answer = extra.read_answer()
        check_problem_without_id(answer)
    [connection.close() for connection in held]


def check_problem_without_id(answer):
    assert answer.status == 503 and answer.header("Retry-After") == "1"
    assert answer.header("Content-Type") == "application/problem+json"
    assert answer.json()["status"] == 503


def test_without_descriptors_open_connections_are_served_and_accepting_goes_on_later(fresh):
    one = fresh(begin=False)
    one.limits = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    one.start()
    held = [one.connect()]
    assert held[0].request("GET", "/health/live").status == 200
    while len(held) < 80:
        held.append(one.connect())
    one.wait_log(lambda line: "cannot accept connections" in line.get("msg", ""))
    for _ in range(50):
        assert held[0].request("GET", "/health/live").status == 200
    [connection.close() for connection in held[1:]]

    def served_again():
        try:
            with one.connect(timeout_s=5) as connection:
                return connection.request("GET", "/health/live").status == 200
        except (Closed, OSError):
            return False

    wait_until(served_again, 20, "a new connection")
    assert held[0].request("GET", "/health/live").status == 200
    held[0].close()


def test_a_slow_head_and_a_slow_body_are_told_so(fresh):
    one = fresh(BODY_TIMEOUT_MS=700)
    for begun in (b"GET /health/live HTTP/1.1\r\nHos", encode_request("POST", ADMIN_EVENTS, b"{" + b" " * 99, {}, one.admin_token)[:-50]):
        with one.connect() as connection:
            connection.send(begun)
            check_problem(connection.read_answer(), 408)
            assert connection.closing and connection.is_closed(10)
