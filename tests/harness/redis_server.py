"""A private Redis on a temporary folder and a free loopback port; what it has answered is on its disk."""

import pathlib
import shutil
import signal
import subprocess
import tempfile

import redis

from .postgres import free_port
from .service import wait_until

STREAM = "evently:events:stream"
CHANNELS = [f"evently:events:{kind}" for kind in ("created", "updated", "deleted")]


class RedisServer:
    def __init__(self, *options):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="evently-redis-"))
        self.port = free_port()
        self.options = options or ("--appendonly", "yes", "--appendfsync", "always")
        self.process = None

    @property
    def settings(self):
        return {"REDIS_URL": f"redis://127.0.0.1:{self.port}/0"}

    def client(self, **options):
        return redis.Redis(port=self.port, **{"decode_responses": True, "socket_timeout": 10, **options})

    def answers(self):
        try:
            return self.client(socket_timeout=1).ping()
        except redis.exceptions.RedisError:  # also while it loads what it had
            return False

    def start(self, wait=True):
        assert self.process is None
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
                 *self.options], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        if wait:
            wait_until(self.answers, 20, "Redis")
        return self

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def entries(client, first="-", count=None):
    """(id, fields) of every entry of the stream."""
    found = []
    while True:
        some = client.xrange(STREAM, min=first, count=1000)
        found += some
        if len(some) < 1000 or (count and len(found) >= count):
            return found
        first = "(" + some[-1][0]


def check_stream(client, last):
    """The stream holds the changes 1 … last, each once, in order."""
    found = [identity for identity, _ in entries(client)]
    assert found == [f"{seq}-1" for seq in range(1, last + 1)], (len(found), last, found[:3], found[-3:])
