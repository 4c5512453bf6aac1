#!/usr/bin/python3
"""Speed against what a user would pick instead: nginx, pgbench, Fastify, FastAPI; everything is started by this run.

usage: bench/speed.py [--seconds N] [--rounds N] [--events N] [PART...]     parts: detail list many uncached create update memory
Writes bench/results.md and pictures; prints `bar … ok|missed`, leaves with 1 when one is missed. Cached parts pin the
servers to all cores but the last and the client to the last; parts with a database pin nothing, as pgbench does not
either. (EVENTLY_BINARY says which binary; the release build is the one to measure.)
"""

import argparse
import os
import sys

from lab import contenders, load, process, report
from lab.contenders import Evently, FastApi, Fastify, Nginx

PARTS = ["detail", "list", "many", "uncached", "create", "update", "memory"]
EVENT = ('{"title":"Concert of the season","venue":"Hall %d","description":"An evening with guests, doors open at seven.",'
         '"event_date":"2027-03-01T19:30:00Z","capacity":250,"price":"25.00","status":"published"}')
COLUMNS = "id, title, venue, description, event_date, price, capacity, status, created_at, updated_at, created_by, version"
DETAIL, LIST = "/api/v1/events/7", "/api/v1/events/?size=20"
ADMIN = "/api/v1/admin/events/"
CACHED_MANY = 100000


def scripts(events):
    """pgbench's: the row of a detail; the rows that an update and a creation of ours change."""
    change = ("INSERT INTO bench_changes (event_id, kind, version, actor_id, request_id, occurred_at, before, after) "
              "SELECT id, '{kind}', version, 1, 'bench', now(), {before}, evently_stored(events) FROM events WHERE id = {id};\n")
    select = f"\\set id random(1, {events})\nSELECT {COLUMNS} FROM events WHERE id = :id;\n"
    update = (f"\\set id random(1, {events})\n\\set cents random(0, 99999)\nBEGIN;\nUPDATE events SET price = :cents * 0.01, "
              "updated_at = now(), version = version + 1 WHERE id = :id;\n" +
              change.format(kind="updated", before="evently_stored(events)", id=":id") + "COMMIT;\n")
    create = ("\\set hall random(0, 99999)\nBEGIN;\nINSERT INTO events (title, venue, description, event_date, price, capacity, "
              "status, created_by) VALUES ('Concert of the season', 'Hall ' || :hall, 'An evening with guests, doors open at "
              "seven.', '2027-03-01 19:30+00', 25, 250, 'published', 1) RETURNING id \\gset\n" +
              change.format(kind="created", before="NULL", id=":id") + "COMMIT;\n")
    return {"select": select, "update": update, "create": create}


class Speed:
    def __init__(self, options):
        self.options = options
        self.program = report.Program("speed", " ".join(["./dev bench speed", *sys.argv[1:]]))
        self.redis = self.database = None
        self.peers = contenders.peers_installed()
        if not self.peers:
            self.program.note("The peers are not installed; `./dev bench` installs them. Their rows are left out.")

    def start(self):
        self.redis = contenders.start_redis()
        self.database = contenders.Database(self.options.events)
        self.scripts = scripts(self.options.events)
        self.helpers = [self.database.pid, self.redis.process.pid]

    def stop(self):
        for each in list(contenders.Contender.alive):
            each.stop()
        if self.database:
            self.database.stop()
        if self.redis:
            self.redis.remove()

    def measure(self, runners):
        """{name: [figures]}: each runner once a round, beginning with another one every time."""
        results = {name: [] for name, _ in runners}
        for round_number in range(self.options.rounds):
            turn = round_number % len(runners)
            for name, run in runners[turn:] + runners[:turn]:
                results[name].append(run())
        return results

    def pinned(self, each):
        each.pin(load.SERVER_CORES)
        process.pin(self.redis.process.pid, load.SERVER_CORES)
        return each

    @staticmethod
    def warm(running, path, **options):
        """A compiler at run time (Node's) has to have seen its code often; caches have to be full."""
        for each in running:
            asked = 0
            for _ in range(5):
                asked += load.wrk(each.port, each.token, path, seconds=1, **options)["requests"]
                if asked > 20000:
                    break

    def wrk(self, contender, path, **options):
        return (contender.name, lambda: load.measure(contender, path, seconds=self.options.seconds, **options))

    def pgbench(self, name, url, script, clients=16):
        return (name, lambda: load.pgbench(url, self.scripts[script], clients=clients, seconds=self.options.seconds))

    def peer_contenders(self, cached, cores=1):
        if not self.peers:
            return []
        url, redis = self.database.peers_url, self.redis
        ttl = {} if cached else {"TTL_S": 1}
        made = [Fastify("Fastify, Redis", url, redis, self.helpers, WORKERS=cores, **ttl)]
        if cached:
            made.append(Fastify("Fastify, in-process", url, redis, self.helpers, WORKERS=cores, CACHE="local"))
        made.append(FastApi("FastAPI", url, redis, self.helpers, **ttl))
        return made

    # ---- parts ----

    def cached(self, title, path):
        threads = len(load.SERVER_CORES)
        embedded = Evently("evently, embedded", HTTP_THREADS=threads, helpers=())
        for n in range(40):
            assert embedded.service.admin.post(ADMIN, {
                "title": f"Concert {n} of the season", "venue": f"Hall {n}", "event_date": "2099-03-01T19:30:00Z",
                "description": f"An evening with number {n}, doors open at seven.", "price": "25.00", "capacity": 250,
                "status": "published"}).status == 201
        production = Evently("evently, PostgreSQL", self.database.url, self.redis, self.helpers, HTTP_THREADS=threads)
        running = [embedded, production]
        try:
            assert embedded.get(path)[0] == 200 and embedded.get(path)[0] == 200  # the second is answered from the cache
            production.get(path)
            running.append(Nginx("nginx return 200", embedded, [path]))
            running += self.peer_contenders(True, threads)
            for each in running:
                assert each.get(path)[0] == 200, (each.name, each.get(path))
                self.pinned(each)
            order = [running[2], *running[:2], *running[3:]]
            self.warm(order, path)
            results = self.measure([self.wrk(each, path) for each in order])
        finally:
            [each.stop() for each in running]
        body = "an event" if path == DETAIL else "20 events"
        return self.program.section(title, f"One URL, {body}, token checked, 64 connections, servers and client pinned apart.",
                                    results)

    def detail(self):
        rows = self.cached("Cached detail", DETAIL)
        ours, nginx = rows["evently, embedded"], rows["nginx return 200"]
        bar = self.program.bar
        bar("cached detail, CPU a request, evently / nginx", ours["cpu_us"] / nginx["cpu_us"], 1.0, False)
        bar("cached detail, requests/s, evently / nginx", ours["rate"] / nginx["rate"], 1.0, True)
        if self.peers:
            for name, cpu, rate in (("Fastify, Redis", 3, 2), ("Fastify, in-process", 3, 2), ("FastAPI", 80, 40)):
                bar(f"cached detail, CPU a request, {name} / evently", rows[name]["cpu_us"] / ours["cpu_us"], cpu, True)
                bar(f"cached detail, requests/s, evently / {name}", ours["rate"] / rows[name]["rate"], rate, True)

    def list(self):
        rows = self.cached("Cached list of 20", LIST)
        ours, nginx = rows["evently, embedded"], rows["nginx return 200"]
        self.program.bar("cached list of 20, CPU a request, evently / nginx", ours["cpu_us"] / nginx["cpu_us"], 1.0, False)
        self.program.bar("cached list of 20, requests/s, evently / nginx", ours["rate"] / nginx["rate"], 1.0, True)

    def many(self):
        """Replies are kept for hot entries only: over many entries each one is built."""
        threads = len(load.SERVER_CORES)
        ours = Evently("evently", self.database.url, None, self.helpers, HTTP_THREADS=threads)
        nginx = None
        try:
            ids = min(CACHED_MANY, self.options.events)
            load.wrk(ours.port, ours.token, "/api/v1/events/%d", ids=ids, sequential=True, seconds=6)
            ours.get(DETAIL)
            nginx = Nginx("nginx return 200", ours, [DETAIL])
            [self.pinned(each) for each in (ours, nginx)]
            results = self.measure([self.wrk(nginx, DETAIL), self.wrk(ours, "/api/v1/events/%d", ids=ids)])
        finally:
            ours.stop()
            if nginx:
                nginx.stop()
        rows = self.program.section("Cached details at random", f"Of {ids:,} cached events, so that none is "
                                    "hot; nginx answers one and the same. 64 connections, pinned apart.", results)
        ratio = rows["evently"]["cpu_us"] / rows["nginx return 200"]["cpu_us"]
        self.program.note(f"Cached details of {ids:,} events at random take {ratio:.2f} times nginx's CPU for one and the same.")

    def uncached(self):
        cores = len(load.CORES)
        plain = Evently("evently", self.database.url, None, self.helpers, CACHE_TTL_EVENT_DETAILS=0)
        shared = Evently("evently, Redis", self.database.url, self.redis, self.helpers, CACHE_TTL_EVENT_DETAILS=1)
        running = [plain, shared, *self.peer_contenders(False, cores)]
        try:
            self.warm(running, "/api/v1/events/%d", ids=self.options.events, pinned=False)
            runners = [self.pgbench("pgbench, 16 clients", self.database.url, "select")]
            runners += [self.wrk(each, "/api/v1/events/%d", ids=self.options.events, pinned=False) for each in running]
            results = self.measure(runners)
        finally:
            [each.stop() for each in running]
        rows = self.program.section(
            "Uncached detail",
            f"Random ids of {self.options.events:,}, 64 connections, nothing pinned. `evently` has no cache at all; where Redis "
            "is named, each miss is looked up there, read, and left there.", results)
        ours, bar = rows["evently"], self.program.bar
        bar("uncached detail, requests/s, evently / pgbench select", ours["rate"] / rows["pgbench, 16 clients"]["rate"], 1.3, True)
        bar("uncached detail, p99 ms", ours["p99_ms"], 5, False)
        if self.peers:
            bar("uncached detail, requests/s, evently / Fastify, Redis", ours["rate"] / rows["Fastify, Redis"]["rate"], 2.5, True)
            bar("uncached detail, requests/s, evently / FastAPI", ours["rate"] / rows["FastAPI"]["rate"], 50, True)

    def create(self):
        ours = Evently("evently, 64 clients", self.database.url, self.redis, self.helpers)
        few = contenders.Contender("evently, 16 clients", ours.popen, ours.port, self.helpers)
        few.alive.discard(few)
        running = [ours, *self.peer_contenders(True, len(load.CORES))]
        running = [each for each in running if each.name != "Fastify, in-process"]
        for each in [*running, few]:
            each.token = ours.admin_token
        try:
            self.warm(running[1:], ADMIN, method="POST", body=EVENT, pinned=False)
            runners = [self.pgbench("pgbench, 16 clients", self.database.peers_url, "create"),
                       self.wrk(few, ADMIN, method="POST", body=EVENT, pinned=False, connections=16)]
            runners += [self.wrk(each, ADMIN, method="POST", body=EVENT, pinned=False) for each in running]
            results = self.measure(runners)
        finally:
            [each.stop() for each in running]
        rows = self.program.section("Create", "POST of an event by 64 connections (or as named), fsync on, nothing pinned. "
                                    "pgbench: one transaction with the same two rows.", results)
        best, bar = rows["evently, 64 clients"], self.program.bar
        bar("create, 64 clients, writes/s, evently / pgbench", best["rate"] / rows["pgbench, 16 clients"]["rate"], 2, True)
        bar("create, 16 clients, writes/s, evently / pgbench",
            rows["evently, 16 clients"]["rate"] / rows["pgbench, 16 clients"]["rate"], 2, True)
        if self.peers:
            bar("create, writes/s, evently / Fastify", best["rate"] / rows["Fastify, Redis"]["rate"], 4, True)
            bar("create, writes/s, evently / FastAPI", best["rate"] / rows["FastAPI"]["rate"], 50, True)

    def update(self):
        ours = Evently("evently, 64 clients", self.database.url, self.redis, self.helpers)
        ours.token = ours.admin_token
        try:
            results = self.measure([
                self.pgbench("pgbench, 16 clients", self.database.peers_url, "update"),
                self.wrk(ours, ADMIN + "%d", method="PUT", body='{"price":"%d.50"}', pinned=False, ids=self.options.events)])
        finally:
            ours.stop()
        rows = self.program.section("Update", "PUT of a price over random ids by 64 connections, fsync on, nothing pinned. "
                                    "pgbench: one transaction with the same two rows.", results)
        self.program.bar("update, 64 clients, writes/s, evently / pgbench",
                         rows["evently, 64 clients"]["rate"] / rows["pgbench, 16 clients"]["rate"], 2, True)
        self.program.bar("update, 64 clients, p99 ms", rows["evently, 64 clients"]["p99_ms"], 15, False)

    def memory(self):
        """What 100,000 cached events take, beside the bytes of their bodies."""
        ours = Evently("evently", self.database.url, None, self.helpers)
        try:
            ids = min(CACHED_MANY, self.options.events)
            load.wrk(ours.port, ours.token, "/api/v1/events/%d", ids=200, sequential=True, seconds=1)
            before, known = ours.service.resident_bytes(), self.entries(ours)
            bodies = sum(len(ours.get(f"/api/v1/events/{n}")[2]) for n in range(1, ids, ids // 100)) / 100 * ids
            for _ in range(20):
                load.wrk(ours.port, ours.token, "/api/v1/events/%d", ids=ids, sequential=True, seconds=3)
                if self.entries(ours) >= ids:
                    break
            grown, cached = ours.service.resident_bytes() - before, self.entries(ours)
        finally:
            ours.stop()
        assert cached >= ids, f"only {cached} of {ids} events are cached"
        self.program.note(f"Memory: {cached:,} cached events of {bodies / ids:.0f} bytes each took "
                          f"{grown / 2**20:.1f} MiB more than {known:,.0f} did; their bodies have {bodies / 2**20:.1f} MiB.")
        self.program.bar(f"memory at {ids:,} cached events / the bytes of their bodies", grown / bodies, 1.5, False)

    @staticmethod
    def entries(ours):
        for line in ours.get("/metrics")[2].decode().splitlines():
            if line.startswith("evently_cache_entries{") and "event" in line.partition("}")[0].partition("{")[2]:
                return float(line.rpartition(" ")[2])
        raise AssertionError("no metric of the cached events")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=100000)
    parser.add_argument("parts", nargs="*", default=PARTS)
    options = parser.parse_args()
    os.chdir("/")
    speed = Speed(options)
    try:
        speed.start()
        for part in options.parts or PARTS:
            getattr(speed, part)()
            speed.program.save()  # what was measured stays, whatever happens to the rest
    finally:
        speed.stop()
    return speed.program.save()


if __name__ == "__main__":
    sys.exit(main())
