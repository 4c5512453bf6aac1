"""What a service manager and a balancer see: readiness, watchdog, and the way out."""

import ctypes
import os
import pathlib
import signal
import socket
import time

import pytest

from harness.http import Connection
from harness.service import PATIENCE, Service, wait_until

PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))

    def hear(self, timeout_s=10):
        self.socket.settimeout(timeout_s * PATIENCE)
        return self.socket.recv(4096).decode()

    def hear_ready(self):
        """READY=1; the main thread may beat before the follower's thread has heard of the database."""
        while (said := self.hear()) == "WATCHDOG=1":
            pass
        assert said == "READY=1"

    def hears_nothing_for(self, seconds):
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(4096).decode() == ""
        except TimeoutError:
            return True

    def drop_what_was_said(self):
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(4096)
        except BlockingIOError:
            pass


@pytest.fixture
def manager(tmp_path):
    one = Manager(tmp_path)
    yield one
    one.socket.close()


@pytest.fixture
def supervised(manager):
    """Starts a service under the manager: supervised(environment, SETTING=value, …)."""
    started = []

    def start(environment=None, **settings):
        one = Service(settings, preload={"NOTIFY_SOCKET": str(manager.path), **(environment or {})})
        started.append(one)
        return one.start()

    yield start
    for one in started:
        one.stop()
        one.remove()


def test_the_manager_hears_ready_once_and_stopping(supervised, manager):
    one = supervised()
    manager.hear_ready()
    one.signal(signal.SIGTERM)
    assert manager.hear() == "STOPPING=1"
    assert one.wait_exit() == 0


def test_not_ready_before_the_database_was_heard_of(manager):
    settings = {"DATABASE_URL": "postgresql://evently:none@127.0.0.1:1/evently"}
    one = Service(settings, preload={"NOTIFY_SOCKET": str(manager.path)})
    try:
        one.start(migrate=False, wait=False)
        assert manager.hears_nothing_for(0.5)
        one.signal(signal.SIGTERM)
        assert manager.hear() == "STOPPING=1"
        assert one.wait_exit() == 0
    finally:
        one.remove()


class Frozen:
    """Every thread but the main one is held still, as if it hung."""

    def __init__(self, pid):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.threads = [int(entry.name) for entry in pathlib.Path(f"/proc/{pid}/task").iterdir() if int(entry.name) != pid]

    def __enter__(self):
        held = []
        for thread in self.threads:
            if self.libc.ptrace(PTRACE_ATTACH, thread, None, None) != 0:
                break
            os.waitpid(thread, WALL)
            held.append(thread)
        whole = held == self.threads
        self.threads = held
        if not whole:
            self.__exit__()
            pytest.skip("this machine does not let a test hold threads")
        return self

    def __exit__(self, *_):
        for thread in self.threads:
            self.libc.ptrace(PTRACE_DETACH, thread, None, None)


def test_the_watchdog_hears_of_it_only_while_the_http_threads_answer(supervised, manager):
    one = supervised({"WATCHDOG_USEC": "600000"}, HTTP_THREADS=2)
    manager.hear_ready()
    for _ in range(3):
        assert manager.hear() == "WATCHDOG=1"
    with Frozen(one.process.pid):
        time.sleep(0.3)  # what was under way when they were held
        manager.drop_what_was_said()
        assert manager.hears_nothing_for(1.5), "the HTTP threads hang, and the manager hears that all is well"
    assert manager.hear() == "WATCHDOG=1"


def test_the_watchdog_is_not_meant_for_another_process(supervised, manager):
    supervised({"WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1"})
    manager.hear_ready()
    assert manager.hears_nothing_for(0.5)


def test_a_balancer_gets_time_to_notice(fresh):
    """DRAIN_DELAY_SECONDS: not ready, but nothing is refused yet; answers end their connection."""
    one = fresh(DRAIN_DELAY_SECONDS=2)
    with one.connect() as before:
        assert before.request("GET", "/health/ready").status == 200 and not before.closing
        one.signal(signal.SIGTERM)

        def not_ready():
            with Connection(one.port, timeout_s=5) as connection:
                return connection.request("GET", "/health/ready").status == 503

        begun = time.monotonic()
        wait_until(not_ready, 1, "/health/ready to say no")
        with Connection(one.port, timeout_s=5) as connection:
            assert connection.request("GET", "/health/live").status == 200 and connection.closing
        assert before.request("GET", "/health/live").status == 200 and before.closing
        assert one.wait_exit() == 0
        assert 1.5 < time.monotonic() - begun < 10 * PATIENCE


def test_a_second_signal_cuts_the_delay_short(fresh):
    one = fresh(DRAIN_DELAY_SECONDS=60)
    one.signal(signal.SIGTERM)
    one.wait_log(lambda line: "not ready any more" in line.get("msg", ""))
    one.signal(signal.SIGTERM)
    assert one.wait_exit() == 0
