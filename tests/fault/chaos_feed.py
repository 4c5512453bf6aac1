#!/usr/bin/python3
"""A feed under random kills: two instances, Redis and PostgreSQL, each killed (-9) or frozen at random under writes.

usage: chaos_feed.py SECONDS [SEED]
The seed decides what is hurt, how and when, and is printed first. At the end of it: no acknowledged write lost, the log
without fault (`evently audit verify`), the stream exactly 1 … N once each, and consumers of SSE and of the channels that
have every seq. Leaves with 1 and says which of these does not hold.
"""

import json
import pathlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import redis as redis_py  # noqa: E402

from harness import postgres  # noqa: E402
from harness.catalogue import ADMIN_EVENTS, EVENTS, wish  # noqa: E402
from harness.http import Closed, Connection, Stream  # noqa: E402
from harness.redis_server import CHANNELS, STREAM, RedisServer, entries  # noqa: E402
from harness.service import Service, wait_until  # noqa: E402

GONE = (Closed, OSError)
WRITERS, WRITE_PAUSE_S = 4, 0.01


class Postgres(postgres.Postgres):
    def kill(self):
        """The postmaster alone: its children see that it is gone and leave."""
        self.process.kill()
        self.process.wait()

    def start_again(self):
        """Its children may still hold the shared memory for a moment: then it leaves again at once."""
        arguments = self.process.args
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            self.process = subprocess.Popen(arguments, stdout=self.log, stderr=self.log, cwd="/")
            while self.process.poll() is None and time.monotonic() < ends:
                if subprocess.run([postgres.PROGRAMS / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-q"],
                                  check=False).returncode == 0:
                    return
                time.sleep(0.05)
        raise AssertionError("PostgreSQL does not start again")


class Actor(threading.Thread):
    """A thread that keeps its failure for the end."""

    def __init__(self, world, seed):
        super().__init__(daemon=True)
        self.world, self.chance, self.ended, self.problem = world, random.Random(seed), threading.Event(), None

    def run(self):
        try:
            self.act()
        except Exception as problem:  # noqa: BLE001
            self.problem = problem

    def any_port(self):
        return self.chance.choice(self.world.services).settings["PORT"]  # known also while it starts


class Writer(Actor):
    """Creates and updates; what was not answered is tried again at another instance."""

    def act(self):
        self.acknowledged, turn, mine = [], 0, []
        while not self.ended.is_set():
            try:
                with Connection(self.any_port(), timeout_s=15) as connection:
                    while not self.ended.is_set():
                        turn += 1
                        self.write(connection, turn, mine)
                        time.sleep(WRITE_PAUSE_S)
            except GONE:
                time.sleep(0.05)

    def write(self, connection, turn, mine):
        token = self.world.services[0].admin_token
        if mine and self.chance.random() < 0.5:
            answer = connection.request("PUT", f"{ADMIN_EVENTS}{self.chance.choice(mine)}", {"title": f"{self.name} {turn}"}, token=token)
        else:
            answer = connection.request("POST", ADMIN_EVENTS, wish(title=f"{self.name} {turn}"),
                                        {"Idempotency-Key": f"{self.name}-{turn}"}, token)
        if answer.status in (200, 201):
            event = answer.json()
            self.acknowledged.append((event["id"], event["version"]))
            if answer.status == 201:
                mine.append(event["id"])
        else:
            assert answer.status in (503, 504), answer
            time.sleep(0.1)


class StreamReader(Actor):
    """An SSE subscriber that resumes with Last-Event-ID, at whichever instance."""

    def act(self):
        self.seqs = []
        while not self.ended.is_set():
            try:
                headers = {"Last-Event-ID": str(self.seqs[-1] if self.seqs else 0)}
                with Stream(self.any_port(), EVENTS + "stream", self.world.services[0].admin_token, headers) as stream:
                    while stream.status == 200 and not self.ended.is_set():
                        identity, name, _ = stream.next(1)
                        if name == "closed":
                            break
                        self.seqs.append(int(identity))
            except GONE:
                pass
            time.sleep(0.05)


class ChannelReader(Actor):
    """A subscriber of the channels that catches up from the log after each connection and at each gap."""

    def act(self):
        self.seqs, self.heard, self.caught_up = [], 0, 0
        while not self.ended.is_set():
            try:
                self.listen()
            except (*GONE, redis_py.exceptions.RedisError):
                time.sleep(0.1)

    def listen(self):
        subscription = self.world.redis.client(socket_timeout=2).pubsub(ignore_subscribe_messages=True)
        subscription.subscribe(*CHANNELS)
        self.catch_up()
        quiet_since = time.monotonic()
        while not self.ended.is_set():
            message = subscription.get_message(timeout=0.2)
            if message:
                quiet_since = time.monotonic()
                seq = json.loads(message["data"])["seq"]
                if seq == self.place() + 1:
                    self.seqs.append(seq)
                    self.heard += 1
                elif seq > self.place():
                    self.catch_up()
            elif time.monotonic() - quiet_since > 1:
                self.catch_up()
                quiet_since = time.monotonic()

    def place(self):
        return self.seqs[-1] if self.seqs else 0

    def catch_up(self):
        with Connection(self.any_port(), timeout_s=5) as connection:
            while True:
                path = f"{EVENTS}changes?since={self.place()}&limit=1000"
                answer = connection.request("GET", path, token=self.world.services[0].admin_token)
                if answer.status != 200 or not answer.json()["changes"]:
                    return
                seqs = [change["seq"] for change in answer.json()["changes"]]
                self.seqs += seqs
                self.caught_up += len(seqs)


class World:
    def __init__(self):
        self.postgres = Postgres().start()
        self.redis = RedisServer("--appendonly", "yes", "--appendfsync", "always").start()
        store = self.postgres.new_database()
        self.services = []
        for _ in range(2):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            # The whole stream is compared at the end.
            self.services.append(Service({**self.redis.settings, "PORT": port, "STREAM_ENTRIES_MAX": 10**8}, store))

    def start(self):
        self.services[0].start()
        self.services[1].start(migrate=False)

    def hurt(self, chance):
        """One blow, and the recovery from it."""
        pause_s = chance.uniform(0, 2)
        what = chance.choice(["kill instance 0", "kill instance 1", "freeze instance 0", "freeze instance 1", "kill redis", "kill postgres"])
        if what == "kill redis":
            self.redis.kill()
            time.sleep(pause_s)
            self.redis.start()
        elif what == "kill postgres":
            self.postgres.kill()
            time.sleep(pause_s)
            self.postgres.start_again()
        else:
            service = self.services[int(what[-1])]
            if what.startswith("kill"):
                service.kill()
                time.sleep(pause_s)
                service.start(migrate=False, wait=False)
            else:
                service.signal(signal.SIGSTOP)
                time.sleep(pause_s * 1.5)
                service.signal(signal.SIGCONT)
        return what

    def log(self):
        """(seq, event id, version) of every change."""
        found, since = [], 0
        while True:
            page = self.services[0].admin.get(f"{EVENTS}changes?since={since}&limit=1000").json()
            found += [(change["seq"], change["event_id"], change["version"]) for change in page["changes"]]
            if page["next"] == since:
                return found
            since = page["next"]

    def end(self):
        for service in self.services:
            if service.process is not None:
                service.signal(signal.SIGCONT)
            service.remove()
        self.redis.remove()
        self.postgres.stop()


def first_fault(seqs):
    for place, seq in enumerate(seqs):
        if seq != place + 1:
            return f"{seqs[max(0, place - 3):place + 4]} where {place + 1} was to come"
    return f"{seqs[-3:]} are the last"


def check(world, writers, reader, listener):
    for actor in [*writers, reader, listener]:
        assert actor.problem is None, f"{type(actor).__name__}: {actor.problem!r}"
    log = world.log()
    every = list(range(1, len(log) + 1))
    assert [seq for seq, _, _ in log] == every, "the log has gaps"
    logged = {(event_id, version) for _, event_id, version in log}
    acknowledged = [write for writer in writers for write in writer.acknowledged]
    lost = [write for write in acknowledged if write not in logged]
    assert not lost, f"{len(lost)} acknowledged writes are lost: {lost[:5]}"
    assert [identity for identity, _ in entries(world.redis.client())] == [f"{seq}-1" for seq in every], "the stream is not 1 … N"
    assert reader.seqs == every, f"the SSE subscriber has not got every seq once: {first_fault(reader.seqs)}"
    assert listener.seqs == every, f"the subscriber of the channels has not got every seq: {first_fault(listener.seqs)}"
    world.services[0].audit_verify()
    return len(acknowledged), len(log)


def run(seconds, seed):
    print(f"seed: {seed}", flush=True)
    chance = random.Random(seed)
    world = World()
    try:
        world.start()
        writers = [Writer(world, seed * 100 + n) for n in range(WRITERS)]
        reader, listener = StreamReader(world, seed * 100 + 50), ChannelReader(world, seed * 100 + 51)
        for actor in [*writers, reader, listener]:
            actor.start()
        blows, ends = {}, time.monotonic() + seconds
        while time.monotonic() < ends:
            time.sleep(chance.uniform(0.2, 2.5))
            what = world.hurt(chance)
            blows[what] = blows.get(what, 0) + 1
        for service in world.services:
            service.wait_ready()
            # Ready it was all the time; the database is asked again when its breaker allows it, soon.
            wait_until(lambda: service.admin.get(f"{EVENTS}changes?limit=1").status == 200, 20, "an answer from the database")
        for writer in writers:
            writer.ended.set()
        for writer in writers:
            writer.join(60)
        last = world.log()[-1][0]

        def arrived():
            return (reader.seqs and reader.seqs[-1] >= last and listener.place() >= last
                    and world.redis.client().xlen(STREAM) >= last) or any(actor.problem for actor in (reader, listener))

        wait_until(arrived, 60, f"change {last} everywhere (SSE {reader.seqs[-1:]}, channels {listener.place()})", interval_s=0.1)
        for actor in (reader, listener):
            actor.ended.set()
            actor.join(20)
        acknowledged, changes = check(world, writers, reader, listener)
        for service in world.services:
            service.stop()
    finally:
        world.end()
    print(f"{sum(blows.values())} blows {dict(sorted(blows.items()))}, {acknowledged} acknowledged writes, {changes} changes: "
          f"none lost, each once in the stream; the channels' reader heard {listener.heard} and looked up {listener.caught_up}")


if __name__ == "__main__":
    run(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6))
