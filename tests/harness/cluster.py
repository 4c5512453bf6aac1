"""A PostgreSQL server that tests may hurt: crash, freeze, promote, replicate; and a proxy that cuts connections."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading

from .postgres import PROGRAMS, Postgres, free_port
from .service import wait_until


class Cluster(Postgres):
    """A server with fsync on. The one made by replica() follows the one that made it."""

    def __init__(self, *options, primary=None):
        super().__init__("-c", "fsync=on", "-c", "wal_level=replica", "-c", "max_wal_senders=5", "-c", "hot_standby=on",
                         *options)
        self.primary = primary
        self.replicas = []

    def start(self):
        data = self.folder / "data"
        if self.primary is not None and not data.exists():
            subprocess.run([*self.wrap, PROGRAMS / "pg_basebackup", "-h", "127.0.0.1", "-p", str(self.primary.port), "-U",
                            "evently", "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync"], check=True, cwd="/")
        super().start()
        return self

    def replica(self, *options, name="replica"):
        conninfo = f"host=127.0.0.1 port={self.port} user=evently application_name={name}"
        made = Cluster("-c", f"primary_conninfo={conninfo}", *options, primary=self)
        self.replicas.append(made)
        made.start()
        wait_until(lambda: self.sql(f"SELECT count(*) FROM pg_stat_replication WHERE application_name = '{name}'"
                                    " AND state = 'streaming'") == "1", 20, "the replica to stream")
        return made

    def url(self, name, *others, query=""):
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in (self, *others))
        return f"postgresql://evently@{hosts}/{name}{query}"

    def database(self):
        """The name of a new, empty database."""
        return self.new_database()["DATABASE_URL"].rsplit("/", 1)[1]

    def sql(self, text, name="postgres"):
        return subprocess.run([PROGRAMS / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "evently", "-qXAt", "-v",
                               "ON_ERROR_STOP=1", name], input=text, text=True, check=True, capture_output=True,
                              cwd="/").stdout.strip()

    def session(self, name):
        """An open psql, for holding locks: write to its stdin."""
        return subprocess.Popen([PROGRAMS / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "evently", "-qXAt", name],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd="/")

    # ---- faults ----

    def processes(self):
        """The server's own process and its children."""
        found = [self.process.pid]
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                except OSError:
                    continue
                if int(fields[1]) == self.process.pid:
                    found.append(int(entry.name))
        return found

    def freeze(self):
        self.frozen = self.processes()
        for pid in self.frozen:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self.frozen:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass

    def crash(self):
        """Ends all processes at once, without a checkpoint: the next start recovers from the log."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def restart(self):
        return super().start()

    def answers(self):
        return subprocess.run([PROGRAMS / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-q"]).returncode == 0

    def promote(self):
        self.sql("SELECT pg_promote(true, 30)")

    def stop(self):
        for replica in self.replicas:
            replica.stop()
        if self.process is not None and self.process.poll() is not None:
            self.process = None
            self.log.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        super().stop()


class Proxy:
    """Passes bytes to a server. `decide(direction, data)` may answer "cut" (drop these bytes and close both sides),
    "pass and cut" (deliver them first), or None. Directions are "up" (to the server) and "down"."""

    def __init__(self, port, decide=None):
        self.target = port
        self.decide = decide or (lambda direction, data: None)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.pairs, self.lock, self.refusing = [], threading.Lock(), False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            with self.lock:
                self.pairs.append((client, server))
            for source, drain, direction in ((client, server, "up"), (server, client, "down")):
                threading.Thread(target=self._pass, args=(source, drain, direction, (client, server)), daemon=True).start()

    def _pass(self, source, drain, direction, pair):
        try:
            while data := source.recv(65536):
                verdict = self.decide(direction, data)
                if verdict != "cut":
                    drain.sendall(data)
                if verdict is not None:
                    break
        except OSError:
            pass
        self._close(pair)

    @staticmethod
    def _close(pair):
        for one in pair:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut_all(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self._close(pair)

    def close(self):
        self.listener.close()
        self.cut_all()


def unused_port():
    return free_port()
