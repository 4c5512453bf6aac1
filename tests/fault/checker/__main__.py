"""python3 -m fault.checker: runs the checker; ends with 0 if no read broke a promise, with 1 if one did, with 2 on misuse."""

import argparse
import json
import multiprocessing
import os
import queue
import random
import sys
import time

from harness import tokens
from harness.http import Connection
from harness.service import wait_until

from . import register
from .clients import Reader, Writer, run_client
from .faults import FAULTS, Storm, World, heal
from .register import DELETED, Register
from .servers import LEASE_MS, Cluster, Instance, Namespace, Redis


def arguments():
    parser = argparse.ArgumentParser(prog="fault.checker", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("EVENTLY_SEED", random.SystemRandom().randrange(10**6))))
    parser.add_argument("--seconds", type=float, default=30, help="the longest that clients run")
    parser.add_argument("--reads", type=int, default=0, help="run until so many reads are checked (and --writes)")
    parser.add_argument("--writes", type=int, default=0)
    parser.add_argument("--instances", type=int, default=3)
    parser.add_argument("--readers", type=int, default=2, help="processes for each instance")
    parser.add_argument("--writers", type=int, default=6)
    parser.add_argument("--slots", type=int, default=12, help="events alive at a time")
    parser.add_argument("--faults", default=",".join(FAULTS), help="which may happen, of " + ", ".join(FAULTS) + "; none: none")
    parser.add_argument("--no-replica", action="store_true", help="one database server, no failover")
    parser.add_argument("--until-violation", action="store_true", help="end at the first")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="for the instances")
    parser.add_argument("--report", help="write the figures there, as JSON")
    return parser.parse_args()


def say(text):
    print(text, flush=True)


class Run:
    def __init__(self, options):
        self.options = options
        self.shared = Register()
        self.context = multiprocessing.get_context("fork")
        self.violations = self.context.Queue()
        self.found = []
        self.namespace = self.cluster = self.redis = None
        self.instances, self.processes, self.latencies = [], [], []
        self.names = [name for name in options.faults.split(",") if name and name != "none"]
        self.chance = random.Random(options.seed)

    # ---- servers ----

    def start_servers(self):
        address = "127.0.0.1"
        if "network" in self.names:
            reason = Namespace.reason()
            if reason:
                say(f"the network is not cut: {reason}")
                self.names.remove("network")
            else:
                self.namespace = Namespace().make()
                address = self.namespace.outside
        replicated = not self.options.no_replica
        self.cluster = Cluster(address, replicated).start(self.namespace.network if self.namespace else None)
        self.redis = Redis(address).start()
        settings = {"LEASE_MS": LEASE_MS, "CACHE_TTL_EVENT_DETAILS": 1, "CACHE_TTL_EVENTS": 2, "REQUEST_TIMEOUT_MS": 3000,
                    "DB_CONNECT_TIMEOUT_MS": 500, "JWT_SECRET": tokens.SECRET, "REDIS_TIMEOUT_MS": 50}
        settings.update(pair.split("=", 1) for pair in self.options.setting)
        for number in range(self.options.instances):
            inside = self.namespace if number == self.options.instances - 1 else None
            host = address if inside else "127.0.0.1"
            own = {**settings, **self.cluster.settings(host), "REDIS_URL": f"redis://{host}:{self.redis.port}/0"}
            if "EVENTLY_BREAK" in os.environ:
                own["EVENTLY_BREAK"] = os.environ["EVENTLY_BREAK"]
            self.instances.append(Instance(f"instance {number + 1}", own, inside))
        first = Instance("migrations", {**settings, **self.cluster.settings()})
        first.migrate()
        first.remove()
        for instance in self.instances:
            instance.start(migrate=False)

    def stop_servers(self):
        for instance in self.instances:
            instance.remove()
        if self.redis:
            self.redis.remove()
        if self.cluster:
            self.cluster.stop()
        if self.namespace:
            self.namespace.remove()

    # ---- clients ----

    def start_clients(self):
        options, lock = self.options, self.context.Lock()
        addresses = [instance.address for instance in self.instances]
        names = [instance.name for instance in self.instances]
        admin, user = tokens.admin(minutes=600), tokens.user(minutes=600)

        def common(number, token):
            return number, self.shared, self.violations, addresses, token, options.seed, names

        clients = []
        for writer in range(options.writers):
            slots = range(writer, options.slots, options.writers)
            receiver, tell = self.context.Pipe(False)
            self.latencies.append(receiver)
            clients.append(Writer(*common(writer, admin), home=writer % len(addresses), slots=list(slots), lock=lock, tell=Told(tell)))
        for reader in range(options.readers * len(addresses)):
            clients.append(Reader(*common(options.writers + reader, user), home=reader % len(addresses)))
        for client in clients:
            process = self.context.Process(target=run_client, args=(client,), daemon=True)
            process.start()
            self.processes.append(process)

    def wait(self, storm):
        options, begun, told = self.options, time.monotonic(), 0
        while True:
            try:
                self.take(self.violations.get(timeout=0.2))
            except queue.Empty:
                pass
            seconds = time.monotonic() - begun
            enough = (options.reads or options.writes) and self.shared.total(register.READS) >= options.reads \
                and self.shared.total(register.WRITES) >= options.writes
            if enough or seconds > options.seconds or storm.problems or (self.found and (options.until_violation or len(self.found) > 50)):
                return seconds
            if any(not process.is_alive() for process in self.processes):
                self.take({"kind": "a client of the checker died"})
                return seconds
            if seconds > told + 10:
                told = seconds
                say(f"    {seconds:.0f} s: {self.shared.total(register.READS)} reads, {self.shared.total(register.WRITES)} writes, "
                    f"{len(self.found)} violations")

    def take(self, violation):
        self.found.append(violation)
        if len(self.found) <= 10:
            say("VIOLATION " + json.dumps(violation, default=str))

    def stop_clients(self):
        self.shared.finish()
        samples = []
        for receiver in self.latencies:
            try:
                while receiver.poll(6):
                    samples += receiver.recv()
            except EOFError:
                pass
        for process in self.processes:
            process.join(10)
            if process.is_alive():
                process.kill()
        while True:
            try:
                self.take(self.violations.get(timeout=0.1))
            except queue.Empty:
                return sorted(samples)

    # ---- the end ----

    def check_end(self):
        """All is well again: every instance shows every event as it was acknowledged, from its cache and from the primary."""
        token, shared = tokens.user(), self.shared
        for instance in self.instances:
            with Connection(instance.settings["PORT"], host=instance.host) as connection:
                # Ready it is all the time; that it asks the database again is up to its breaker, soon (P5).
                wait_until(lambda: connection.request("GET", "/api/v1/events/?size=1", None, {"Cache-Control": "no-cache"}, token).status
                           == 200, 20, f"{instance.name} to answer from the database")
                for index in range(max(0, shared.control[0] - 300), shared.control[0]):
                    for headers in ({}, {"Cache-Control": "no-cache"}):
                        answer = connection.request("GET", f"/api/v1/events/{shared.ids[index]}", None, headers, token)
                        value = answer.json()["version"] if answer.status == 200 else DELETED if answer.status == 404 else -answer.status
                        if not shared.floor[index] <= value <= shared.ceiling[index]:
                            self.take({"kind": "P2: after all faults", "instance": instance.name, "event": shared.ids[index], "shown": value,
                                       "acknowledged": shared.floor[index], "attempted": shared.ceiling[index], "headers": headers})
        try:
            self.instances[0].audit_verify()
        except AssertionError as problem:
            self.take({"kind": "evently audit verify", "problem": str(problem)})

    def report(self, seconds, samples, storm):
        total = self.shared.total

        def at(share):
            return round(samples[min(len(samples) - 1, int(share * len(samples)))], 2) if samples else None

        value = {"seed": self.options.seed, "seconds": round(seconds, 1), "reads": total(register.READS), "writes": total(register.WRITES),
                 "lists": total(register.LISTS), "from_primary": total(register.PRIMARY), "stale_marked": total(register.STALE),
                 "no_answer": total(register.FAILED), "writes_unsure": total(register.UNSURE),
                 "write_ms": {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1)},
                 "faults": storm.counts, "violations": len(self.found), "kinds": sorted({one["kind"] for one in self.found})}
        say(json.dumps(value))
        if self.options.report:
            with open(self.options.report, "w", encoding="utf-8") as file:
                json.dump({**value, "found": self.found[:50]}, file, indent=1, default=str)

    def run(self):
        say(f"seed: EVENTLY_SEED={self.options.seed}")
        try:
            self.start_servers()
            world = World(self.cluster, self.redis, self.instances, self.namespace, self.chance)
            self.start_clients()
            storm = Storm(world, self.names, say, lanes=2 if self.names else 0)
            storm.start()
            seconds = self.wait(storm)
            storm.stop()
            if storm.problems:
                self.take({"kind": "a fault could not be made", "problem": storm.problems})
            samples = self.stop_clients()
            if not self.found:
                heal(world)
                self.check_end()
            self.report(seconds, samples, storm)
            if total_alive(self) == 0:
                say("no client did anything")
                return 1
            return 1 if self.found else 0
        finally:
            self.shared.finish()
            self.stop_servers()


def total_alive(run):
    return min(run.shared.counters[number * register.COUNTERS + register.ALIVE] for number in range(len(run.processes)))


class Told:
    """Latencies of one writer, sent in one piece when it ends."""

    def __init__(self, pipe):
        self.pipe, self.values = pipe, []

    def append(self, value):
        self.values.append(value)

    def send(self):
        self.pipe.send(self.values)
        self.pipe.close()


if __name__ == "__main__":
    sys.exit(Run(arguments()).run())
