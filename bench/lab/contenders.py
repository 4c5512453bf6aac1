"""The servers that the bench compares: each starts on a free loopback port, knows its process, and stops by it."""

import ctypes
import http.client
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from harness import postgres, tokens  # noqa: E402
from harness.redis_server import RedisServer  # noqa: E402
from harness.service import Service, environment, evently  # noqa: E402

from . import process  # noqa: E402

PEERS = ROOT / "bench" / "peers"
PIECE_BYTES = 3000  # nginx takes no parameter of over 4 KiB


def die_with_parent():
    """In a child between fork and exec: an end of the bench, however sudden, ends what it started."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Contender:
    """A running server: port, token, the pid of its process tree, the pids of what it needs besides."""

    alive = set()

    def __init__(self, name, popen=None, port=0, helpers=(), token=None):
        self.name, self.popen, self.port = name, popen, port
        self.alive.add(self)
        self.helpers = list(helpers)
        self.token = token or tokens.user(minutes=600)

    @property
    def pid(self):
        return self.popen.pid

    def get(self, path):
        """(status, headers, body) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path, headers={"Authorization": "Bearer " + self.token})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), body

    def wait(self, path="/", timeout_s=60):
        """Until it answers anything."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self.get(path)
            except OSError:
                if self.popen.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise AssertionError(f"{self.name} did not start") from None
                time.sleep(0.02)

    def pin(self, cores):
        for root in [self.pid, *self.helpers]:
            process.pin(root, cores)

    def stop(self):
        self.alive.discard(self)
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(20)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


class Evently(Contender):
    """The service itself; on `database` (a URL) or, without, on the embedded store."""

    def __init__(self, name, database=None, redis=None, helpers=(), **settings):
        store = {"DATABASE_URL": database} if database else {}
        store.update(redis.settings if redis else {})
        self.service = Service(settings, store).start()
        super().__init__(name, self.service.process, self.service.port, helpers, tokens.user(minutes=600))
        self.admin_token = tokens.admin(minutes=600)

    def stop(self):
        self.alive.discard(self)
        self.service.stop()
        self.service.remove()


class Nginx(Contender):
    """`return 200` of the same bytes with the same headers as another contender's answers to these paths."""

    def __init__(self, name, model, paths):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="evently-nginx-"))
        port = postgres.free_port()
        locations = "".join(self.location(model, path) for path in paths)
        (self.folder / "nginx.conf").write_text(
            f"daemon off; pid {self.folder}/pid; error_log {self.folder}/error; worker_processes 1; "
            f"events {{ worker_connections 12000; }}\n"
            f"http {{ access_log off; server_tokens off; keepalive_timeout 600; keepalive_requests 1000000000; "
            f"client_body_temp_path {self.folder}/a; proxy_temp_path {self.folder}/b; fastcgi_temp_path {self.folder}/c; "
            f"uwsgi_temp_path {self.folder}/d; scgi_temp_path {self.folder}/e;\n"
            f"server {{ listen 127.0.0.1:{port} backlog=4096;\n{locations}}} }}\n", encoding="utf-8")
        popen = subprocess.Popen(["nginx", "-p", self.folder, "-c", self.folder / "nginx.conf"], stderr=subprocess.DEVNULL,
                                 preexec_fn=die_with_parent)
        super().__init__(name, popen, port)
        self.wait(paths[0])
        for path in paths:
            assert self.get(path)[2] == model.get(path)[2], "nginx does not answer the same bytes"

    @staticmethod
    def location(model, path):
        status, headers, body = model.get(path)
        assert status == 200, (path, status)
        text = body.decode("utf-8").replace("\\", "\\\\").replace("'", "\\'")
        assert "$" not in text, "nginx would take a $ for a variable"
        pieces = [text[i:i + PIECE_BYTES] for i in range(0, len(text), PIECE_BYTES)]
        lines = [f"location = {path.partition('?')[0]} {{"]
        for name, value in headers:
            if name.lower() in ("date", "content-length", "connection", "server"):
                continue
            if name.lower() == "content-type":
                lines.append(f"types {{}} default_type {value};")
                continue
            value = "$request_id" if name.lower() == "x-request-id" else value.replace("'", "\\'")
            lines.append(f"add_header {name} '{value}';")
        if len(pieces) > 1:
            lines += [f"set $p{i} '{piece}';" for i, piece in enumerate(pieces)]
            text = "".join(f"$p{i}" for i in range(len(pieces)))
        lines.append(f"return 200 '{text}'; }}\n")
        return "\n".join(lines)

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def peer_environment(database, redis, port, settings):
    values = {"DATABASE_URL": database, "REDIS_URL": redis.settings["REDIS_URL"], "JWT_SECRET": tokens.SECRET,
              "PORT": port, "NODE_ENV": "production"}
    return environment({**values, **settings})


class Fastify(Contender):
    def __init__(self, name, database, redis, helpers=(), **settings):
        port = postgres.free_port()
        popen = subprocess.Popen(["node", PEERS / "fastify.js"], env=peer_environment(database, redis, port, settings),
                                 preexec_fn=die_with_parent)
        super().__init__(name, popen, port, helpers)
        self.admin_token = tokens.admin(minutes=600)
        self.wait()


class FastApi(Contender):
    def __init__(self, name, database, redis, helpers=(), workers=2, **settings):
        port = postgres.free_port()
        popen = subprocess.Popen(
            ["/usr/bin/python3", "-m", "uvicorn", "fastapi_peer:app", "--host", "127.0.0.1", "--port", str(port), "--workers",
             str(workers), "--no-access-log", "--log-level", "warning", "--backlog", "4096"],
            cwd=PEERS, env={**peer_environment(database, redis, port, settings), "PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=die_with_parent)
        super().__init__(name, popen, port, helpers)
        self.admin_token = tokens.admin(minutes=600)
        self.wait()


class Database:
    """PostgreSQL with fsync, a catalogue of `events` rows that evently has adopted, and a copy of it for the peers."""

    FILL = """
        CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
        CREATE TABLE events (id serial PRIMARY KEY, title varchar(255) NOT NULL, description text,
            venue varchar(255) NOT NULL, event_date timestamp NOT NULL, capacity integer, price numeric(10, 2),
            status varchar(20), created_at timestamp DEFAULT now(), updated_at timestamp DEFAULT now(), created_by integer);
        INSERT INTO events (title, description, venue, event_date, capacity, price, status, created_by)
        SELECT 'Concert ' || n || ' of the season', 'An evening with number ' || n % 1000 || ', doors open at seven.',
            'Hall ' || n % 5000, now() + (random() * 700 + 1) * interval '1 day', n % 1000, (n % 10000) * 0.01,
            CASE WHEN n % 10 = 9 THEN 'CANCELLED' ELSE 'PUBLISHED' END, 1
        FROM generate_series(1, {events}) n;"""

    # The rows that a write of ours changes, without its order, its totals or its answer to who asks twice.
    CHANGES = """CREATE TABLE bench_changes (LIKE changes INCLUDING ALL); CREATE SEQUENCE bench_seq;
        ALTER TABLE bench_changes ALTER seq SET DEFAULT nextval('bench_seq');"""

    def __init__(self, events, options=()):
        self.events = events
        # As on a server that has run for a while, the segments of the log are used again (min_wal_size): to make a new one of
        # 16 MB stops every writer, every second or two at these rates.
        self.server = postgres.Postgres("-c", "fsync=on", "-c", "shared_buffers=1GB", "-c", "max_wal_size=8GB", "-c",
                                        "min_wal_size=4GB", "-c", "autovacuum_naptime=10min", *options).start()
        self.url = self.server.new_database()["DATABASE_URL"]
        self.sql(self.FILL.format(events=events))
        evently("migrate", "upgrade", settings={"DATABASE_URL": self.url, "JWT_SECRET": tokens.SECRET}, timeout_s=600)
        self.sql(self.CHANGES)
        self.sql("VACUUM ANALYZE")
        self.peers_url = self.server.new_database()["DATABASE_URL"]
        ours, theirs = (re.sub(r".*/", "", url) for url in (self.url, self.peers_url))
        admin = re.sub(r"/[^/]*$", "/postgres", self.url)
        self.sql(f"DROP DATABASE {theirs}", admin)
        self.sql(f"CREATE DATABASE {theirs} TEMPLATE {ours}", admin)
        self.sql("CHECKPOINT", admin)

    @property
    def pid(self):
        return self.server.process.pid

    def sql(self, text, url=None):
        subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", url or self.url], input=text, text=True, check=True, cwd="/",
                       stdout=subprocess.DEVNULL)

    def stop(self):
        self.server.stop()


def start_redis():
    """As a cache: nothing of it goes to a disk."""
    return RedisServer("--appendonly", "no").start()


def peers_installed():
    return (PEERS / "node_modules" / "fastify").exists() and os.path.exists("/usr/lib/python3/dist-packages/fastapi")
