"""What the checker runs: PostgreSQL with a synchronous standby, Redis, and instances of the service."""

import ctypes
import os
import pathlib
import shutil
import signal
import subprocess

from harness.http import Closed, Connection
from harness.postgres import PROGRAMS, Postgres, free_port
from harness.redis_server import RedisServer
from harness.service import Service, wait_until

LEASE_MS = 500


class Database:
    """One server of the pair. Its folder may be thrown away and filled from the other's."""

    def __init__(self, address="127.0.0.1"):
        self.server = Postgres("-c", f"listen_addresses=127.0.0.1{',' + address if address != '127.0.0.1' else ''}",
                               "-c", "wal_level=replica", "-c", "hot_standby=on", "-c", "max_wal_senders=8",
                               "-c", "wal_receiver_status_interval=1", "-c", "wal_retrieve_retry_interval=100ms",
                               "-c", "autovacuum_naptime=5s")
        self.port = self.server.port

    def start(self):
        self.server.start()
        return self

    def processes(self):
        """The postmaster and its children."""
        pid = self.server.process.pid
        try:
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            children = []
        return [pid, *map(int, children)]

    def signal_all(self, number):
        for pid in self.processes():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def end(self, number):
        """SIGINT: fast; SIGQUIT: as a crash would leave it."""
        if self.server.process is not None:
            self.server.process.send_signal(number)
            self.server.process.wait(60)
            self.server.process = None
            self.server.log.close()

    def sql(self, text, database="postgres"):
        done = subprocess.run([PROGRAMS / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "evently", "-d", database,
                               "-qAtX", "-c", text], capture_output=True, text=True, timeout=30, check=False, cwd="/",
                              env={**os.environ, "PGCONNECT_TIMEOUT": "5"})
        if done.returncode != 0:
            raise OSError(done.stderr)
        return done.stdout.strip()

    def allow(self, network):
        with open(self.server.folder / "data" / "pg_hba.conf", "a", encoding="ascii") as file:
            file.write(f"host all all {network} trust\n")
        self.sql("SELECT pg_reload_conf()")

    def synchronous(self, name):
        """Every acknowledged commit is on the standby of that name too (*: any), so that a failover loses none."""
        self.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        self.sql("SELECT pg_reload_conf()")

    def copy_from(self, primary):
        """Becomes a fresh standby of the primary."""
        shutil.rmtree(self.server.folder / "data", ignore_errors=True)
        subprocess.run([*self.server.wrap, PROGRAMS / "pg_basebackup", "-h", "127.0.0.1", "-p", str(primary.port), "-U", "evently",
                        "-D", self.server.folder / "data", "-R", "-c", "fast", "--no-sync"], check=True, timeout=60, cwd="/",
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.start()
        wait_until(lambda: primary.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") != "0", 30,
                   "the standby", interval_s=0.1)

    def stop(self):
        if self.server.process is not None:
            self.signal_all(signal.SIGCONT)
        self.server.stop()


class Cluster:
    """The primary and its standby; either may be either."""

    def __init__(self, address="127.0.0.1", replicated=True):
        self.primary, self.standby = Database(address), Database(address) if replicated else None
        self.name = "evently1"

    @property
    def ports(self):
        return [server.port for server in (self.primary, self.standby) if server]

    def start(self, network=None):
        self.primary.start()
        if network:
            self.primary.allow(network)
        self.primary.server.new_database()
        if self.standby:
            self.standby.copy_from(self.primary)
            self.primary.synchronous("*")
        return self

    def settings(self, host="127.0.0.1"):
        hosts = ",".join(f"{host}:{port}" for port in self.ports)
        value = {"DATABASE_URL": f"postgresql://evently@{hosts}/{self.name}"}
        if self.standby:
            value["DB_REPLICAS"] = hosts
        return value

    def fail_over(self):
        """The primary is killed, the standby promoted; the former primary comes back as a standby."""
        self.primary.end(signal.SIGQUIT)
        self.standby.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.standby.sql("SELECT pg_reload_conf()")
        self.standby.sql("SELECT pg_promote()")
        self.primary, self.standby = self.standby, self.primary

    def rebuild(self):
        self.standby.copy_from(self.primary)
        self.primary.synchronous("*")

    def stop(self):
        for server in (self.standby, self.primary):
            if server:
                server.stop()


class Namespace:
    """A network of its own for one instance, so that the kernel can cut it from the servers (nftables) without a word."""

    def __init__(self):
        self.name = f"evently{os.getpid()}"
        third = os.getpid() % 250
        self.outside, self.inside, self.network = f"10.213.{third}.1", f"10.213.{third}.2", f"10.213.{third}.0/24"

    @staticmethod
    def reason():
        """Why there cannot be one, or None."""
        if os.geteuid() != 0:
            return "needs root"
        for program in ("ip", "nft"):
            if not shutil.which(program):
                return f"{program} is not installed"
        probe = f"eventlyprobe{os.getpid()}"
        try:
            Namespace.ip("netns", "add", probe)
            Namespace.ip("-n", probe, "link", "add", "probe0", "type", "veth", "peer", "name", "probe1")
            subprocess.run(["ip", "netns", "exec", probe, "nft", "add", "table", "inet", "probe"], check=True, capture_output=True)
            return None
        except (subprocess.CalledProcessError, OSError) as problem:
            return f"the kernel does not allow it: {problem}"
        finally:
            subprocess.run(["ip", "netns", "del", probe], check=False, capture_output=True)

    @staticmethod
    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def make(self):
        outer, inner = f"ev{os.getpid() % 100000}a", f"ev{os.getpid() % 100000}b"
        self.ip("netns", "add", self.name)
        self.ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", self.name)
        self.ip("addr", "add", f"{self.outside}/24", "dev", outer)
        self.ip("link", "set", outer, "up")
        for arguments in (("addr", "add", f"{self.inside}/24", "dev", inner), ("link", "set", inner, "up"), ("link", "set", "lo", "up")):
            self.ip("-n", self.name, *arguments)
        return self

    def enter(self):
        """In the child process, before the program begins."""
        with open(f"/run/netns/{self.name}", "rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def nft(self, text):
        subprocess.run(["ip", "netns", "exec", self.name, "nft", "-f", "-"], input=text.encode(), check=True, capture_output=True)

    def cut(self, ports):
        """Packets to and from these ports vanish; nobody is told."""
        listed = ", ".join(map(str, ports))
        self.nft("table inet cut {\n chain out { type filter hook output priority 0;\n"
                 f"  tcp dport {{ {listed} }} drop\n }}\n chain in {{ type filter hook input priority 0;\n"
                 f"  tcp sport {{ {listed} }} drop\n }}\n}}\n")

    def heal(self):
        self.nft("delete table inet cut\n")

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


class Instance(Service):
    """A service on a fixed port, so that clients find it again after a restart; maybe in a namespace."""

    def __init__(self, name, settings, namespace=None):
        super().__init__({**settings, "PORT": free_port(), "HOST": namespace.inside if namespace else "127.0.0.1"},
                         limits=namespace.enter if namespace else None)
        self.name, self.namespace = name, namespace
        self.host = self.settings["HOST"]

    @property
    def address(self):
        return self.host, self.settings["PORT"]

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}\n{self.log_text()}"
            try:
                with Connection(self.settings["PORT"], host=self.host, timeout_s=5) as connection:
                    return connection.request("GET", "/health/ready").status == 200
            except (OSError, Closed):
                return False

        wait_until(ready, 30, f"{self.name} to be ready", interval_s=0.02)


class Redis(RedisServer):
    def __init__(self, address="127.0.0.1"):
        super().__init__("--appendonly", "no", "--protected-mode", "no", "--bind", *dict.fromkeys(("127.0.0.1", address)))
        self.captured = []

    def capture(self):
        client = self.client(decode_responses=False)
        keys = list(client.scan_iter(match="evently:v1:*", count=1000))[:20000]
        values = client.mget(keys) if keys else []
        self.captured += [(key, value) for key, value in zip(keys, values) if value is not None]
        self.captured = self.captured[-40000:]
        return len(self.captured)

    def put_back(self, chance):
        """The past: each key gets a value that it, or a key like it, had once."""
        pipe = self.client(decode_responses=False).pipeline(transaction=False)
        for key, value in self.captured:
            pipe.set(key, value)
        for _ in range(min(200, len(self.captured))):  # and values under keys that are not theirs, and damaged ones
            key, value = chance.choice(self.captured)[0], bytearray(chance.choice(self.captured)[1])
            if chance.random() < 0.5 and value:
                value[chance.randrange(len(value))] ^= 1 << chance.randrange(8)
            pipe.set(key, bytes(value))
        pipe.execute()
