"""One running service: a private data folder or database, a free port, its log, and a clean end.

Every service that a test starts is stopped by SIGTERM, must leave with 0 and must not have printed a sanitizer report.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from . import tokens
from .http import Client, Closed, Connection, Stream

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("EVENTLY_BINARY", ROOT / "build" / "evently")).resolve()
SANITIZED = "san" in BINARY.parent.name
PATIENCE = 5 if SANITIZED else 1  # sanitizers slow everything down

SANITIZER_REPORT = re.compile(r"(AddressSanitizer|LeakSanitizer|ThreadSanitizer|MemorySanitizer|runtime error:)")


def wait_until(condition, timeout_s=10, what="the condition", interval_s=0.01):
    """Polls a condition at a bound; gives its first true value."""
    deadline = time.monotonic() + timeout_s * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {timeout_s * PATIENCE} s in vain for {what}"
        time.sleep(interval_s)


def environment(settings):
    """A clean environment: nothing of the caller's settings may reach the service."""
    keep = ("PATH", "HOME", "TMPDIR", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
    value = {name: os.environ[name] for name in keep if name in os.environ}
    value.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    suppressions = ROOT / "tests" / "tsan.supp"
    if suppressions.exists():
        value.setdefault("TSAN_OPTIONS", f"suppressions={suppressions}:history_size=4")
    value.update({name: str(setting) for name, setting in settings.items() if setting is not None})
    return value


def evently(*arguments, settings=None, input=None, timeout_s=60, check=True):
    """Runs a command of the binary to its end."""
    done = subprocess.run(
        [BINARY, *map(str, arguments)],
        env=environment(settings or {}),
        input=input,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=timeout_s * PATIENCE,
        check=False,
    )
    assert not SANITIZER_REPORT.search(done.stderr.decode("utf-8", "replace")), done.stderr.decode("utf-8", "replace")
    if check:
        assert done.returncode == 0, f"evently {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


class Service:
    def __init__(self, settings=None, store_settings=None, preload=None, limits=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="evently-test-"))
        self.settings = {
            "PORT": 0,
            "HOST": "127.0.0.1",
            "JWT_SECRET": tokens.SECRET,
            "LOG_FORMAT": "json",
            "DATA_DIR": self.folder / "data",
        }
        self.settings.update(store_settings or {})
        self.settings.update(settings or {})
        self.preload = preload
        self.limits = limits
        self.command = ["serve"]
        self.process = None
        self.port = None
        self.log = []  # lines of standard error, of all runs
        self.log_start = 0  # where the present run's lines begin
        self.log_changed = threading.Condition()
        self.admin_token = tokens.admin()
        self.user_token = tokens.user()

    # ---- life ----

    def migrate(self):
        evently("migrate", "upgrade", settings=self.settings)

    def start(self, migrate=True, wait=True):
        assert self.process is None
        if migrate:
            self.migrate()
        self.log_start = len(self.log)
        self.port = None
        values = environment(self.settings)
        values.update(self.preload or {})
        self.process = subprocess.Popen(
            [BINARY, *self.command],
            env=values,
            stdin=subprocess.DEVNULL,
            stdout=open(self.folder / "stdout", "wb"),
            stderr=subprocess.PIPE,
            preexec_fn=self.limits,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read_log, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        self.port = self.wait_log(
            lambda line: line.get("port") if line.get("msg") == "listening" else None, what="the log line 'listening'"
        )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, f"the service ended with {self.process.returncode}\n{self.log_text()}"
            try:
                with Connection(self.port, timeout_s=5) as connection:
                    return connection.request("GET", "/health/ready").status == 200
            except (ConnectionRefusedError, ConnectionResetError, Closed):
                return False

        wait_until(ready, 15, "/health/ready", interval_s=0.005)

    def _read_log(self, pipe):
        for line in pipe:
            with self.log_changed:
                self.log.append(line.decode("utf-8", "replace").rstrip("\n"))
                self.log_changed.notify_all()
        with self.log_changed:
            self.log_changed.notify_all()

    def log_lines(self):
        """The present run's log lines as objects; lines that are no JSON (a sanitizer's) are left out."""
        lines = []
        for line in self.log[self.log_start :]:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                lines.append(value)
        return lines

    def log_text(self):
        return "\n".join(self.log[self.log_start :])

    def wait_log(self, wanted, timeout_s=15, what="a log line"):
        """The first true wanted(line) over the present run's lines, old and coming."""
        deadline = time.monotonic() + timeout_s * PATIENCE
        with self.log_changed:
            while True:
                for line in self.log_lines():
                    value = wanted(line)
                    if value:
                        return value
                left = deadline - time.monotonic()
                ended = self.process is None or self.process.poll() is not None and not self.reader.is_alive()
                assert left > 0 and not ended, f"waited in vain for {what}:\n{self.log_text()}"
                self.log_changed.wait(min(left, 0.2))

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, timeout_s=30):
        try:
            code = self.process.wait(timeout_s * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the service did not end within {timeout_s * PATIENCE} s\n{self.log_text()}")
        self.reader.join(10)
        self.process.stderr.close()
        self.process = None
        return code

    def stop(self):
        """SIGTERM; the end must be clean."""
        if self.process is None:
            return
        self.signal(signal.SIGTERM)
        code = self.wait_exit()
        self.check_log()
        assert code == 0, f"exit code {code} after SIGTERM\n{self.log_text()[-20000:]}"

    def check_log(self):
        report = SANITIZER_REPORT.search(self.log_text())
        assert not report, f"sanitizer report:\n{self.log_text()[-20000:]}"

    def kill(self):
        """SIGKILL: what a power cut does to the process."""
        self.process.kill()
        self.wait_exit()

    def restart(self):
        self.stop()
        return self.start(migrate=False)

    def remove(self):
        if self.process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- talking to it ----

    def connect(self, **options):
        return Connection(self.port, **options)

    def client(self, token=None):
        return Client(self.port, token)

    @property
    def admin(self):
        return self.client(self.admin_token)

    @property
    def user(self):
        return self.client(self.user_token)

    @property
    def anonymous(self):
        return self.client()

    def stream(self, path="/api/v1/events/stream", token=None, headers=(), **options):
        return Stream(self.port, path, token or self.user_token, headers, **options)

    def audit_verify(self):
        """`evently audit verify` on the stopped or running service's store: must find nothing."""
        return evently("audit", "verify", settings=self.settings)

    def resident_bytes(self):
        for line in open(f"/proc/{self.process.pid}/status", encoding="ascii"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")
