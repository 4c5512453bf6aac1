"""Real Redis Cluster and Sentinel groups on loopback."""

import socket
import subprocess
import time

import redis

from .redis_server import RedisServer
from .service import wait_until


def port_pair():
    """A free port whose cluster bus port (10000 above) is free too."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port > 55000:
                continue
            try:
                two.bind(("127.0.0.1", port + 10000))
                return port
            except OSError:
                continue


class Cluster:
    """Masters and as many replicas."""

    def __init__(self, masters=3, spare=0):
        self.nodes = []
        for _ in range(masters * 2 + spare):
            node = RedisServer("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--appendonly", "no",
                               "--repl-diskless-sync-delay", "0")
            node.port = port_pair()
            node.start(wait=False)
            self.nodes.append(node)
        for node in self.nodes:
            wait_until(node.answers, 20, "a node")
        self.spares = self.nodes[masters * 2:]
        first = [f"127.0.0.1:{node.port}" for node in self.nodes[:masters * 2]]
        self.cli("--cluster", "create", *first, "--cluster-replicas", "1", "--cluster-yes")
        wait_until(self.is_ok, 30, "the cluster", interval_s=0.1)

    def cli(self, *arguments):
        done = subprocess.run(["redis-cli", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
        assert done.returncode == 0, done.stdout.decode()
        return done.stdout.decode()

    def living(self):
        return [node for node in self.nodes if node.process is not None]

    def is_ok(self):
        try:
            return all("cluster_state:ok" in str(node.client().execute_command("CLUSTER INFO")).replace("'cluster_state': 'ok'", "cluster_state:ok")
                       for node in self.living())
        except redis.exceptions.RedisError:
            return False

    @property
    def settings(self):
        return {"REDIS_CLUSTER": ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:3])}

    def role(self, node):
        return node.client().execute_command("ROLE")[0]

    def masters(self):
        return [node for node in self.living() if self.role(node) == "master"]

    def identity(self, node):
        return node.client().execute_command("CLUSTER MYID")

    def owner(self, key):
        slot = self.nodes[-1].client().execute_command("CLUSTER KEYSLOT", key)
        for first, last, (host, port, *_), *_ in self._slots():
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)

    def _slots(self):
        raw = redis.connection.Connection(port=self.living()[0].port, decode_responses=True)
        raw.connect()
        raw.send_command("CLUSTER", "SLOTS")
        rows = raw.read_response()
        raw.disconnect()
        return rows

    def slots_of(self, node):
        return sum(last - first + 1 for first, last, (_, port, *_), *_ in self._slots() if port == node.port)

    def remove(self):
        [node.remove() for node in self.nodes]


class Watched:
    """A master, a replica and three sentinels that watch them."""

    NAME = "shop"

    def __init__(self):
        self.nodes = [RedisServer("--appendonly", "no", "--repl-diskless-sync-delay", "0").start() for _ in range(2)]
        self.nodes[1].client().execute_command("REPLICAOF", "127.0.0.1", self.nodes[0].port)
        wait_until(lambda: self.nodes[1].client().info("replication")["master_link_status"] == "up", 20, "the replica")
        self.sentinels = []
        for _ in range(3):
            sentinel = RedisServer()
            file = sentinel.folder / "sentinel.conf"
            file.write_text(f"sentinel monitor {self.NAME} 127.0.0.1 {self.nodes[0].port} 2\n"
                            f"sentinel down-after-milliseconds {self.NAME} 500\nsentinel failover-timeout {self.NAME} 3000\n")
            with open(sentinel.folder / "log", "ab") as log:
                sentinel.process = subprocess.Popen(["redis-server", file, "--sentinel", "--port", str(sentinel.port), "--bind", "127.0.0.1"],
                                                    stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd=sentinel.folder)
            self.sentinels.append(sentinel)
        wait_until(lambda: all(s.answers() for s in self.sentinels), 20, "the sentinels")
        wait_until(lambda: all(self._state(s).get("num-other-sentinels") == 2 and self._state(s).get("num-slaves") == 1
                               for s in self.sentinels), 30, "the sentinels to know each other", interval_s=0.1)

    def _state(self, sentinel):
        return sentinel.client().sentinel_master(self.NAME)

    def master(self):
        host, port = self.sentinels[0].client().execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.NAME)
        return next(node for node in self.nodes if node.port == int(port))

    @property
    def settings(self):
        return {"REDIS_SENTINELS": ",".join(f"127.0.0.1:{s.port}" for s in self.sentinels), "REDIS_MASTER_NAME": self.NAME}

    def remove(self):
        [one.remove() for one in self.sentinels + self.nodes]
