"""The process: start, readiness, graceful stop under load, reload, settings that are wrong."""

import os
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import tokens
from harness.catalogue import ADMIN_EVENTS, EVENTS, check_problem, create, wish
from harness.http import Closed, Connection
from harness.service import BINARY, PATIENCE, environment, evently, wait_until

SEED = int(os.environ.get("EVENTLY_SEED", random.SystemRandom().randrange(10**6)))


def test_serve_prints_where_it_listens(fresh):
    one = fresh()
    line = next(line for line in one.log_lines() if line.get("msg") == "listening")
    assert line["module"] == "http" and line["port"] == one.port
    for line in one.log_lines():
        assert {"ts", "level", "module", "msg"} <= set(line), line


def test_a_new_folder_gets_a_secret_and_a_token(fresh):
    one = fresh(begin=False, JWT_SECRET=None)
    if "DATABASE_URL" in one.settings:
        pytest.skip("with PostgreSQL the secret must be given")
    one.start()
    secrets = [path for path in (one.folder / "data").iterdir() if "secret" in path.name]
    assert secrets and all(path.stat().st_mode & 0o777 == 0o600 for path in secrets)
    printed = (one.folder / "stdout").read_text() + one.log_text()
    token = next(word for word in printed.replace('"', " ").split() if word.count(".") == 2 and word.startswith("eyJ"))
    assert one.anonymous.get("/api/v1/admin/audit", token=token).status == 200
    check_problem(one.anonymous.get(EVENTS, token=tokens.user()), 401)
    one.restart()
    assert one.anonymous.get(EVENTS, token=token).status == 200


def test_the_folder_belongs_to_one_process(fresh):
    one = fresh()
    if "DATABASE_URL" in one.settings:
        pytest.skip("several processes may share a PostgreSQL")
    done = evently("serve", settings=one.settings, check=False)
    assert done.returncode == 1
    assert one.user.get(EVENTS).status == 200


def test_a_taken_port_is_said(fresh):
    one = fresh()
    other = fresh(begin=False, PORT=one.port)
    other.migrate()
    done = evently("serve", settings=other.settings, check=False)
    assert done.returncode == 1 and str(one.port).encode() in done.stderr


@pytest.mark.parametrize(
    "name,value",
    [
        ("PORT", "x"),
        ("PORT", "70000"),
        ("JWT_SECRET", "short"),
        ("JWT_ALGORITHM", "none"),
        ("LOG_LEVEL", "loud"),
        ("CACHE_TTL_EVENTS", "-1"),
        ("DRAFTS_VISIBLE_TO", "all"),
        ("BODY_BYTES_MAX", "1GB"),
        ("RATE_LIMIT", "many"),
        ("REDIS_USE_TLS", "maybe"),
    ],
)
def test_a_bad_value_stops_the_start_in_one_line(fresh, name, value):
    one = fresh(begin=False, **{name: value})
    done = evently("serve", settings=one.settings, check=False, timeout_s=10)
    assert done.returncode in (1, 2)
    lines = [line for line in done.stderr.decode().splitlines() if name in line]
    assert len(lines) == 1, done.stderr
    if name != "JWT_SECRET":
        assert value in lines[0]
    else:
        assert value not in lines[0]


def test_a_setting_can_come_from_a_file(fresh, tmp_path):
    path = tmp_path / "secret"
    path.write_text("f" * 48 + "\n")
    one = fresh(JWT_SECRET=None, JWT_SECRET_FILE=str(path))
    assert one.anonymous.get(EVENTS, token=tokens.user(secret="f" * 48)).status == 200
    assert one.anonymous.get(EVENTS, token=tokens.user()).status == 401


class Load:
    """Clients on keep-alive connections. Every request either gets its whole answer, or was never begun by the server:
    the connection ended before a byte of its answer, and nothing of it was done."""

    def __init__(self, service, writers, readers):
        self.service, self.faults, self.acknowledged, self.unanswered = service, [], {}, {}
        self.answered, self.stopped, self.lock = 0, threading.Event(), threading.Lock()
        self.event = create(service.admin)
        self.threads = [threading.Thread(target=self.run, args=(n, n < writers)) for n in range(writers + readers)]
        [thread.start() for thread in self.threads]

    def run(self, number, writes):
        try:
            connection = Connection(self.service.port)
            for turn in range(10**9):
                title = f"load {number} {turn}"
                if connection.closing or connection.is_closed():
                    return
                try:
                    if writes:
                        answer = connection.request(
                            "POST", ADMIN_EVENTS, wish(title=title), token=self.service.admin_token
                        )
                    else:
                        headers = {"Cache-Control": "no-cache"} if turn % 3 == 0 else {}
                        answer = connection.request(
                            "GET", f"{EVENTS}{self.event['id']}", headers=headers, token=self.service.user_token
                        )
                except (Closed, BrokenPipeError, ConnectionResetError) as problem:
                    with self.lock:
                        if getattr(problem, "received", b""):
                            self.faults.append(f"an answer was cut: {problem.received!r}")
                        elif not connection.closing:
                            self.unanswered[number] = title if writes else None
                    return
                if answer.status in (503,):
                    continue
                with self.lock:
                    self.answered += 1
                    if answer.status not in (200, 201):
                        self.faults.append(repr(answer))
                    elif writes:
                        self.acknowledged[answer.json()["id"]] = title
        except Exception as problem:  # noqa: BLE001  a thread's failure must reach the test
            self.faults.append(repr(problem))

    def wait_answered(self, count):
        goal = self.answered + count
        wait_until(lambda: self.answered >= goal or self.faults, 30, f"{count} answers under load")

    def join(self):
        for thread in self.threads:
            thread.join(60 * PATIENCE)
            assert not thread.is_alive()


@pytest.mark.concurrent
def test_sigterm_under_load_loses_no_request(fresh):
    one = fresh()
    load = Load(one, writers=8, readers=8)
    load.wait_answered(2000 // PATIENCE)
    one.stop()  # asserts exit code 0
    load.join()
    assert not load.faults, load.faults[:5]
    one.start(migrate=False)
    for event_id, title in load.acknowledged.items():
        assert one.admin.get(f"{EVENTS}{event_id}").json()["title"] == title
    # A request without an answer: the server closed an idle connection while the bytes were on their way. RFC 9112
    # section 9.5 allows that, but then nothing of it may have been done.
    stored = one.admin.get(EVENTS + "?size=1").json()["total"]
    assert stored == len(load.acknowledged) + 1, (stored, len(load.acknowledged), load.unanswered)
    assert len(load.unanswered) <= 2, f"connections were closed without an announcement: {load.unanswered}"
    one.audit_verify()


def refuses_connections(one):
    try:
        socket.create_connection(("127.0.0.1", one.port), 2).close()
        return False
    except (ConnectionRefusedError, ConnectionResetError):
        return True


def test_connections_are_told_to_close_while_draining(fresh):
    """A request in flight at SIGTERM is answered, with Connection: close; new connections are refused."""
    one = fresh(DRAIN_TIMEOUT_SECONDS=20)
    body = b'{"title":"t","venue":"v","event_date":"2099-01-01"}'
    with one.connect() as connection:
        head = (
            f"POST {ADMIN_EVENTS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {one.admin_token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        assert connection.request("GET", "/health/live").status == 200
        connection.send(head + body[:10])
        one.user.get(EVENTS)  # the bytes above have been on the server's side for a whole round trip
        one.signal(signal.SIGTERM)

        wait_until(lambda: refuses_connections(one), 10, "the listening socket to close")
        assert one.process.poll() is None
        connection.send(body[10:])
        answer = connection.read_answer()
        assert answer.status == 201 and connection.closing
        assert connection.is_closed(10)
    assert one.wait_exit() == 0
    one.start(migrate=False)
    assert one.admin.get(EVENTS).json()["total"] == 1


def test_an_idle_connection_does_not_delay_the_stop(fresh):
    one = fresh()
    with one.connect() as connection:
        assert connection.request("GET", "/health/live").status == 200
        begun = time.monotonic()
        one.stop()
        assert time.monotonic() - begun < 10 * PATIENCE
        assert connection.is_closed(1)


def test_a_client_that_never_finishes_does_not_delay_the_stop_for_ever(fresh):
    one = fresh(DRAIN_TIMEOUT_SECONDS=1)
    with one.connect() as connection, one.stream() as stream:
        connection.send(b"GET /health HTTP/1.1\r\nHos")
        assert stream.status == 200
        begun = time.monotonic()
        one.stop()
        assert time.monotonic() - begun < 10 * PATIENCE


def test_a_request_that_is_complete_after_the_time_to_drain_is_refused(fresh):
    """Its connection is still open while the parts behind the HTTP threads have stopped already."""
    one = fresh(DRAIN_TIMEOUT_SECONDS=0)
    event = create(one.admin)
    body = b'{"title":"t","venue":"v","event_date":"2099-01-01"}'
    lines = [f"GET {EVENTS}{event['id']}", f"GET {EVENTS}?size=7", f"GET {EVENTS}changes", f"POST {ADMIN_EVENTS}", "GET /health"]
    connections = [one.connect() for _ in range(60)]
    for number, connection in enumerate(connections):
        line = lines[number % len(lines)]
        length = f"Content-Length: {len(body)}\r\n" if line.startswith("POST") else ""
        connection.send(f"{line} HTTP/1.1\r\nHost: a\r\nCache-Control: no-cache\r\n{length}"
                        f"Authorization: Bearer {one.admin_token}\r\n".encode())
    one.user.get(EVENTS)  # the bytes above have been on the server's side for a whole round trip
    one.signal(signal.SIGTERM)
    statuses = []
    for number, connection in enumerate(connections):
        try:
            connection.send(b"\r\n" + (body if lines[number % len(lines)].startswith("POST") else b""))
            statuses.append(connection.read_answer().status)
        except (Closed, BrokenPipeError, ConnectionResetError):
            statuses.append(None)
        connection.close()
    assert one.wait_exit() == 0, f"{statuses}\n{one.log_text()}"
    one.check_log()
    assert set(statuses) <= {None, 200, 201, 503}, statuses
    one.start(migrate=False)
    assert one.admin.get(EVENTS + "?size=1").json()["total"] == 1 + statuses.count(201)


def test_ctrl_c_stops_as_well(fresh):
    one = fresh()
    one.signal(signal.SIGINT)
    assert one.wait_exit() == 0


def test_a_stop_at_any_early_moment_is_clean(fresh):
    """The signal comes while the parts are put together, while the caches are warmed, or right after."""
    one = fresh()
    for _ in range(20):
        create(one.admin)
    one.stop()
    chance, ends = random.Random(SEED), []
    for number in range(60 // PATIENCE):
        one.start(migrate=False, wait=False)
        if number % 2:
            one.wait_ready()
        time.sleep(chance.choice((0, 0.001, 0.003, 0.01, 0.03)))
        one.signal(chance.choice((signal.SIGINT, signal.SIGTERM)))
        ends.append(one.wait_exit())
        assert ends[-1] == 0, f"{ends} (seed {SEED})\n{one.log_text()}"
        one.check_log()


def test_a_stop_before_the_service_listens_is_clean(fresh):
    """Before it has begun the signal simply ends the process; afterwards what was begun is taken apart."""
    one = fresh(begin=False)
    one.migrate()
    chance = random.Random(SEED)
    for _ in range(60 // PATIENCE):
        process = subprocess.Popen([BINARY, "serve"], env=environment(one.settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(chance.uniform(0, 0.03 * PATIENCE))
        number = chance.choice((signal.SIGINT, signal.SIGTERM))
        process.send_signal(number)
        printed, told = process.communicate(timeout=30 * PATIENCE)
        allowed = (0, -number) if b"listening" not in told else (0,)
        assert process.returncode in allowed, f"{process.returncode} (seed {SEED})\n{told.decode()}"
        assert process.returncode == 0 or not printed + told, told


def test_a_stop_ends_streams_that_still_read_the_past(fresh):
    """New subscribers are told what the log holds, piece by piece: the stop comes in between, and is no reason to wait."""
    one = fresh(DRAIN_TIMEOUT_SECONDS=300)
    lines = "".join('{"title":"line","venue":"v","event_date":"2099-01-01","status":"published"}\n' for _ in range(6000))
    assert one.admin.request("POST", ADMIN_EVENTS + "import", lines, content_type="application/x-ndjson").status in (200, 201)
    ends = []

    def follow(stream, last):
        try:
            while True:
                fields = stream.next(60 * PATIENCE)
                if fields[1] == "closed":
                    ends.append(fields[2]["reason"])
                    return
                last[0] = int(fields[0])
        except Closed:
            ends.append("cut")

    for turn in range(4):
        one.restart()  # what was changed before is in the store alone
        streams = [one.stream(EVENTS + "stream?since=0") for _ in range(8)]
        lasts = [[0] for _ in streams]
        threads = [threading.Thread(target=follow, args=pair) for pair in zip(streams, lasts)]
        [thread.start() for thread in threads]
        wait_until(lambda: any(last[0] > 300 * turn for last in lasts), 20, "the first changes")
        one.signal(signal.SIGTERM)
        assert one.wait_exit(60) == 0, one.log_text()[-3000:]
        [thread.join(30) for thread in threads]
        [stream.close() for stream in streams]
        assert ends == ["the service is stopping"] * 8 * (turn + 1), ends
        one.check_log()
        one.start(migrate=False)


def test_ready_says_no_while_stopping(fresh):
    one = fresh(DRAIN_TIMEOUT_SECONDS=10)
    with one.connect() as connection:
        connection.send(b"GET /health/ready HTTP/1.1\r\nHost: a\r\n")
        one.user.get("/health/live")
        one.signal(signal.SIGTERM)
        wait_until(lambda: refuses_connections(one), 10, "the listening socket to close")
        connection.send(b"\r\n")
        answer = connection.read_answer()
        assert answer.status == 503 or answer.status == 200 and connection.closing
    assert one.wait_exit() == 0


@pytest.mark.concurrent
def test_sighup_reloads_and_keeps_serving(fresh):
    one = fresh(ACCESS_LOG="off")
    load = Load(one, writers=1, readers=4)
    for _ in range(5):
        seen = len(one.log)
        one.signal(signal.SIGHUP)
        wait_until(lambda: any("reload" in line.lower() for line in one.log[seen:]), 10, "the reload in the log")
        load.wait_answered(50)
    one.stop()
    load.join()
    assert not load.faults, load.faults[:5]
    assert len(load.unanswered) <= 1


def test_sighup_takes_a_new_value_from_a_file(fresh, tmp_path):
    path = tmp_path / "origins"
    path.write_text("https://one.example\n")
    one = fresh(CORS_ORIGINS_FILE=str(path))

    def allowed(origin):
        return one.user.get(EVENTS, {"Origin": origin}).header("Access-Control-Allow-Origin") == origin

    assert allowed("https://one.example") and not allowed("https://two.example")
    path.write_text("https://two.example\n")
    one.signal(signal.SIGHUP)
    wait_until(lambda: allowed("https://two.example"), 10, "the new origin")
    assert not allowed("https://one.example")
    path.write_text("\x01 nonsense")
    one.signal(signal.SIGHUP)
    assert one.user.get(EVENTS).status == 200


def test_secrets_are_nowhere_to_be_seen(fresh):
    one = fresh(ACCESS_LOG="on", LOG_LEVEL="debug")
    create(one.admin)
    one.anonymous.get(EVENTS, token=tokens.user(secret="z" * 40))
    outputs = [one.log_text(), (one.folder / "stdout").read_text()]
    outputs += [one.admin.get(path).text for path in ("/health", "/info", "/metrics", "/", "/api/v1/admin/audit")]
    outputs.append(evently("config", settings=one.settings).stdout.decode())
    with open(f"/proc/{one.process.pid}/environ", "rb") as file:
        outputs.append(file.read().decode("latin-1"))
    with open(f"/proc/{one.process.pid}/cmdline", "rb") as file:
        outputs.append(file.read().decode("latin-1"))
    for output in outputs:
        assert tokens.SECRET not in output and one.admin_token not in output


def test_exit_codes_of_the_command_line(fresh):
    one = fresh(begin=False)
    for arguments, code in (
        (["version"], 0),
        (["--help"], 0),
        (["serve", "--help"], 0),
        ([], 2),
        (["nonsense"], 2),
        (["serve", "--nonsense"], 2),
        (["migrate"], 2),
        (["token", "--role", "king"], 2),
    ):
        done = evently(*arguments, settings=one.settings, check=False, timeout_s=10)
        assert done.returncode == code, (arguments, done)


def test_output_that_cannot_be_written_does_not_stop_the_service(fresh):
    """Standard error is a full pipe that nobody reads: logging must not block requests."""
    one = fresh(begin=False, ACCESS_LOG="on")
    one.migrate()
    left, right = os.pipe()
    port_file = one.folder / "stdout"
    process = subprocess.Popen(
        [BINARY, "serve"], env=environment(one.settings), stdout=open(port_file, "wb"), stderr=right
    )
    os.close(right)
    try:
        import re

        text = wait_until(lambda: re.search(r":(\d{4,5})", port_file.read_text()), 10, "the port on standard output")
        with Connection(int(text.group(1))) as connection:
            for _ in range(3000):  # far more lines than a pipe holds
                assert connection.request("GET", "/health/live").status == 200
    finally:
        process.kill()
        process.wait()
        os.close(left)
