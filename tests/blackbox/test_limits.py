"""Bounds: bodies, headers, connections, time; and what a client hears when it crosses one."""

import json
import time

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS, check_problem, create, wish
from harness.http import Closed, Connection, encode_request
from harness.service import wait_until

MIB = 2**20


def padded(length):
    """A valid creation of exactly that many bytes."""
    body = json.dumps(wish())
    return (body[:-1] + " " * (length - len(body)) + "}").encode()


def test_a_body_of_exactly_the_limit_is_read(admin):
    assert admin.post(ADMIN_EVENTS, padded(MIB), content_type="application/json").status == 201


def still_fine(service):
    assert service.user.get("/health/live").status == 200


@pytest.mark.parametrize("length", [MIB + 1, 3 * MIB])
def test_a_larger_body_is_413_with_content_length(service, length):
    with service.connect() as connection:
        try:
            connection.send(
                encode_request("POST", ADMIN_EVENTS, padded(length), {}, service.admin_token, "application/json")
            )
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server need not read it all
        check_problem(connection.read_answer(), 413)
        if not connection.closing:
            assert connection.request("GET", EVENTS, token=service.user_token).status == 200
    still_fine(service)


def test_a_larger_body_is_413_from_its_headers_alone(service):
    with service.connect(timeout_s=10) as connection:
        connection.send(
            f"POST {ADMIN_EVENTS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {service.admin_token}\r\n"
            f"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        check_problem(connection.read_answer(), 413)


def test_a_larger_chunked_body_is_413(service):
    with service.connect() as connection:
        head = encode_request("POST", ADMIN_EVENTS, None, {"Transfer-Encoding": "chunked"}, service.admin_token)
        connection.send(head.replace(b"Content-Length: 0\r\n", b""))
        part = b"%x\r\n" % 65536 + b" " * 65536 + b"\r\n"
        try:
            for _ in range(20):
                connection.send(part)
            connection.send(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        check_problem(connection.read_answer(), 413)
    still_fine(service)


def test_a_chunked_body_works(service):
    body = json.dumps(wish()).encode()
    for size in (1, 7, 1000):
        with service.connect() as connection:
            head = encode_request("POST", ADMIN_EVENTS, None, {"Transfer-Encoding": "chunked"}, service.admin_token)
            connection.send(head.replace(b"Content-Length: 0\r\n", b""))
            for start in range(0, len(body), size):
                part = body[start : start + size]
                connection.send(b"%x\r\n" % len(part) + part + b"\r\n")
            connection.send(b"0\r\n\r\n")
            assert connection.read_answer().status == 201


def test_expect_100_continue(service):
    with service.connect() as connection:
        body = json.dumps(wish()).encode()
        connection.send(
            encode_request("POST", ADMIN_EVENTS, body, {"Expect": "100-continue"}, service.admin_token)[: -len(body)]
        )
        assert connection.read_line().startswith(b"HTTP/1.1 100")
        assert connection.read_line() == b""
        connection.send(body)
        assert connection.read_answer().status == 201


def test_a_body_for_a_refused_request_does_not_break_the_connection(service):
    """401, 403, 404, 405 and 415 with a body: the next request on the connection is understood, or it was closed."""
    body = padded(200000)
    for method, path, token, status in (
        ("POST", ADMIN_EVENTS, None, 401),
        ("POST", ADMIN_EVENTS, service.user_token, 403),
        ("POST", "/nothing", None, 404),
        ("POST", EVENTS, service.admin_token, 405),
    ):
        with service.connect() as connection:
            try:
                connection.send(encode_request(method, path, body, {}, token, "application/json"))
            except (BrokenPipeError, ConnectionResetError):
                pass
            check_problem(connection.read_answer(), status)
            if not connection.closing:
                assert connection.request("GET", "/health/live").status == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_body_where_none_belongs(service, method):
    event = create(service.admin)
    path = (EVENTS if method == "GET" else ADMIN_EVENTS) + str(event["id"])
    with service.connect() as connection:
        answer = connection.request(
            method, path, b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", token=service.admin_token
        )
        assert answer.status in (200, 400, 413, 415, 422), answer
        if not connection.closing:
            assert connection.request("GET", "/health/live").status == 200
        assert not connection.is_readable(0.2)


@pytest.mark.parametrize("bytes_sent,statuses", [(3500, (200, 422)), (40000, (414, 431)), (200000, (414, 431))])
def test_a_long_target(service, bytes_sent, statuses):
    with service.connect() as connection:
        try:
            connection.send(f"GET /health?{'x' * bytes_sent} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            answer = connection.read_answer()
        except (Closed, BrokenPipeError, ConnectionResetError):
            assert bytes_sent > 100000
        else:
            assert answer.status in statuses, answer
    still_fine(service)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Long": "x" * 40000},
        {f"X-{n}": "y" * 20 for n in range(3000)},
        {"X" * 30000: "1"},
        {"Authorization": "Bearer " + "a" * 30000},
        {"Cookie": "c" * 60000},
    ],
)
def test_headers_too_large_are_431_or_closed(service, headers):
    with service.connect() as connection:
        try:
            answer = connection.request(
                "GET", EVENTS, headers=headers, token=service.user_token if "Authorization" not in headers else None
            )
        except (Closed, BrokenPipeError, ConnectionResetError):
            pytest.fail("closed without a word")
        assert answer.status == 431, answer
    still_fine(service)


def test_a_slow_head_is_cut_off_and_others_are_served(fresh):
    one = fresh(BODY_TIMEOUT_MS=1500)
    slow = [one.connect() for _ in range(50)]
    for connection in slow:
        connection.send(b"GET /health HTTP/1.1\r\nHost: a\r\n")
    begun = time.monotonic()
    done = set()
    while len(done) < len(slow):
        assert time.monotonic() - begun < 30, f"{len(slow) - len(done)} slow clients are still connected"
        for n, connection in enumerate(slow):  # a byte now and then must not buy time
            if n in done:
                continue
            try:
                connection.send(b"X")
                if connection.is_readable():
                    try:
                        assert connection.read_answer().status == 408
                    except Closed:
                        pass
                    done.add(n)
            except (BrokenPipeError, ConnectionResetError):
                done.add(n)
        assert one.user.get(EVENTS).status == 200
        time.sleep(0.1)
    [connection.close() for connection in slow]


def test_a_slow_body_is_cut_off(fresh):
    one = fresh(BODY_TIMEOUT_MS=1500)
    with one.connect() as connection:
        connection.send(
            encode_request("POST", ADMIN_EVENTS, b"x" * 1000, {}, one.admin_token, "application/json")[:-900]
        )
        begun = time.monotonic()
        while True:
            assert time.monotonic() - begun < 30, "a slow body was waited for for ever"
            try:
                connection.send(b"y")
                if connection.is_readable(0.1):
                    assert connection.read_answer().status == 408
                    break
            except (Closed, BrokenPipeError, ConnectionResetError):
                break
    assert one.admin.get(EVENTS).json()["total"] == 0


def test_an_idle_connection_is_closed(fresh):
    one = fresh(IDLE_TIMEOUT_SECONDS=1)
    with one.connect() as connection:
        assert connection.request("GET", "/health/live").status == 200
        assert connection.is_closed(20)


def test_a_stream_outlives_the_idle_timeout(fresh):
    one = fresh(IDLE_TIMEOUT_SECONDS=1)
    with one.stream() as stream:
        begun = time.monotonic()
        while time.monotonic() - begun < 3:
            assert not stream.connection.is_closed(0.2)
        marker = create(one.admin)["id"]
        assert stream.next()[2]["event_id"] == marker


def test_connections_over_the_limit_are_closed_and_room_is_found_again(fresh):
    one = fresh(CONNECTIONS_MAX=20)
    held = []
    try:
        for _ in range(20):
            connection = one.connect(timeout_s=5)
            assert connection.request("GET", "/health/live").status == 200
            held.append(connection)
        refused = 0
        for _ in range(10):
            with one.connect(timeout_s=5) as extra:
                try:
                    answer = extra.request("GET", "/health/live")
                    assert answer.status == 503
                except (Closed, BrokenPipeError, ConnectionResetError):
                    pass
                refused += 1
        assert refused == 10
        assert held[0].request("GET", "/health/live").status == 200
    finally:
        [connection.close() for connection in held]

    def room():
        try:
            with one.connect(timeout_s=5) as connection:
                return connection.request("GET", "/health/live").status == 200
        except (Closed, BrokenPipeError, ConnectionResetError):
            return False

    wait_until(room, 10, "room for a connection")


def test_pipelined_requests_are_answered_in_order(service):
    events = [create(service.admin) for _ in range(5)]
    with service.connect() as connection:
        connection.send(
            b"".join(
                encode_request("GET", f"{EVENTS}{event['id']}", None, {}, service.user_token) for event in events * 20
            )
        )
        for event in events * 20:
            assert connection.read_answer().json() == event


def test_pipelined_writes_happen_in_order(service):
    event = create(service.admin)
    with service.connect() as connection:
        connection.send(
            b"".join(
                encode_request("PUT", f"{ADMIN_EVENTS}{event['id']}", {"capacity": n}, {}, service.admin_token)
                for n in range(1, 40)
            )
        )
        for n in range(1, 40):
            value = connection.read_answer().json()
            assert (value["capacity"], value["version"]) == (n, n + 1)


def test_a_client_that_leaves_in_the_middle_harms_nobody(service):
    for cut in (1, 20, 100, 300):
        for _ in range(20):
            with service.connect() as connection:
                request = encode_request("POST", ADMIN_EVENTS, wish(), {}, service.admin_token)
                connection.send(request[:-cut])
    for _ in range(50):
        with service.connect() as connection:  # leaves before the answer
            connection.send(
                encode_request(
                    "GET", EVENTS + "?size=100&sort=-id", None, {"Cache-Control": "no-cache"}, service.user_token
                )
            )
    still_fine(service)


def test_http_1_0_and_connection_close(service):
    with service.connect() as connection:
        connection.send(b"GET /health/live HTTP/1.0\r\n\r\n")
        assert connection.read_answer().status == 200
        assert connection.is_closed(10)
    with service.connect() as connection:
        assert connection.request("GET", "/health/live", headers={"Connection": "close"}).status == 200
        assert connection.closing and connection.is_closed(10)


def test_one_byte_at_a_time(service):
    with service.connect() as connection:
        for byte in encode_request("GET", "/health/live"):
            connection.send(bytes([byte]))
        assert connection.read_answer().status == 200


def test_rate_limit_is_429_with_retry_after(fresh):
    one = fresh(RATE_LIMIT="20/60")
    answers = [one.user.get(EVENTS) for _ in range(40)]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) >= 15
    check_problem(refused[0], 429)
    other = one.client(one.admin_token).get(EVENTS)
    assert other.status in (200, 429)


def test_a_deadline_is_504(fresh):
    """A request that cannot be answered in time: the store is held by somebody else (a lock on the database file)."""
    import sqlite3

    one = fresh(REQUEST_TIMEOUT_MS=700)
    create(one.admin)
    files = list((one.folder / "data").glob("*.db")) + list((one.folder / "data").glob("*.sqlite*"))
    if not files or "DATABASE_URL" in one.settings:
        pytest.skip("not the embedded store")
    holder = sqlite3.connect(files[0], isolation_level=None, timeout=5)
    try:
        holder.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        answer = one.admin.post(ADMIN_EVENTS, wish())
        assert answer.status in (503, 504), answer
        check_problem(answer, answer.status)
        assert time.monotonic() - begun < 5
        assert one.user.get(EVENTS).status == 200, "reads go on"
        holder.execute("ROLLBACK")
    finally:
        holder.close()
    assert one.admin.post(ADMIN_EVENTS, wish()).status == 201
    assert one.user.get(EVENTS).json()["total"] in (2, 3)


def test_connection_class_is_honest():
    """The tests' own reader refuses what is not HTTP."""
    import socket
    from harness.http import Malformed

    for text in (
        b"HTTP/1.1 200 OK\nX: y\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"nonsense\r\n\r\n",
    ):
        left, right = socket.socketpair()
        connection = Connection.__new__(Connection)
        connection.socket, connection.buffer, connection.closing = left, b"", False
        right.sendall(text)
        right.close()
        with pytest.raises(Malformed):
            connection.read_answer()
        left.close()
