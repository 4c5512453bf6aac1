#!/usr/bin/python3
"""How the figures grow: with events (1k, 100k, 1M), connections (1 … 10,000) and instances (1, 2, 4) on PostgreSQL.

usage: bench/growth.py [--seconds N] [--rounds N] [PART...]     parts: events connections instances
"""

import argparse
import concurrent.futures
import os
import random
import resource
import sys

from lab import contenders, load, report
from lab.contenders import Evently

EVENT = '{"title":"Concert","venue":"Hall %d","event_date":"2027-03-01T19:30:00Z","price":"25.00","status":"published"}'
DETAIL, ADMIN = "/api/v1/events/%d", "/api/v1/admin/events/"
SIZES = [1000, 100000, 1000000]
CONNECTIONS = [1, 64, 1000, 10000]
INSTANCES = [1, 2, 4]


def cursors(ours, events, count=40):
    """Paths of pages anywhere in the list, by cursor."""
    paths = []
    for _ in range(count):
        page = random.randint(1, max(1, events * 9 // 10 // 20 - 1))
        answer = ours.service.user.get(f"/api/v1/events/?size=20&page={page}").json()
        paths.append(f"/api/v1/events/?size=20&cursor={answer['next_cursor']}")
    return "\n".join(paths)


class Growth:
    def __init__(self, options):
        self.options = options
        self.program = report.Program("growth", " ".join(["./dev bench growth", *sys.argv[1:]]))

    def repeat(self, run):
        return [run() for _ in range(self.options.rounds)]

    def events(self):
        details, lists, writes = {}, {}, {}
        for size in SIZES:
            database = contenders.Database(size)
            ours = Evently("evently", database.url, None, [database.pid], CACHE_TTL_EVENT_DETAILS=0, CACHE_TTL_EVENTS=0)
            try:
                pages = cursors(ours, size)
                go = {"seconds": self.options.seconds, "pinned": False}
                name = f"{size:,} events"
                details[name] = self.repeat(lambda: load.measure(ours, DETAIL, ids=size, **go))
                lists[name] = self.repeat(lambda: load.measure(ours, pages, connections=16, **go))
                ours.token = ours.admin_token
                writes[name] = self.repeat(lambda: load.measure(ours, ADMIN, method="POST", body=EVENT, **go))
            finally:
                ours.stop()
                database.stop()
        note = "PostgreSQL, no cache, nothing pinned."
        rows = self.program.section("Uncached detail by number of events", f"Random ids, 64 connections. {note}", details)
        pages = self.program.section("List of 20 at any cursor by number of events", f"16 connections. {note}", lists)
        made = self.program.section("Create by number of events", f"64 connections. {note}", writes)
        self.program.bar("list of 20 at 1,000,000 events, any cursor, p99 ms", pages[f"{SIZES[-1]:,} events"]["p99_ms"], 10, False)
        self.program.kept["lines"].append({"title": "Uncached work by number of events", "unit": "requests/s",
            "labels": [f"{size:,}" for size in SIZES], "series": [(name, [row["rate"] for row in part.values()]) for name, part in
                       (("detail", rows), ("list of 20", pages), ("create", made))]})

    def connections(self):
        ours = Evently("evently", HTTP_THREADS=len(load.SERVER_CORES), CONNECTIONS_MAX=20000)
        results = {}
        try:
            ours.service.admin.post(ADMIN, {"title": "Concert", "venue": "Hall", "event_date": "2099-03-01T19:30:00Z",
                                            "status": "published"})
            ours.pin(load.SERVER_CORES)
            for count in CONNECTIONS:
                seconds = self.options.seconds * (3 if count > 5000 else 1)
                results[f"{count:,} connections"] = self.repeat(
                    lambda: load.measure(ours, "/api/v1/events/1", connections=count, seconds=seconds))
        finally:
            ours.stop()
        rows = self.program.section("Cached detail by number of connections", "Embedded store, server and client pinned apart.",
                                    results)
        self.program.kept["lines"].append({"title": "Cached detail by number of connections", "unit": "requests/s",
            "labels": [f"{count:,}" for count in CONNECTIONS], "series": [("cached detail", [row["rate"] for row in rows.values()])]})

    def instances(self):
        database = contenders.Database(SIZES[1])
        reads, writes = {}, {}
        try:
            for count in INSTANCES:
                running = [Evently(f"evently {n}", database.url, None, [database.pid] if n == 0 else [],
                                   CACHE_TTL_EVENT_DETAILS=0, HTTP_THREADS=1) for n in range(count)]
                try:
                    name = f"{count} instance{'s' * (count > 1)}"
                    reads[name] = self.repeat(lambda: self.together(running, DETAIL, ids=SIZES[1]))
                    for each in running:
                        each.token = each.admin_token
                    writes[name] = self.repeat(lambda: self.together(running, ADMIN, method="POST", body=EVENT))
                finally:
                    [each.stop() for each in running]
        finally:
            database.stop()
        note = "64 connections in all, spread over the instances, all on these cores; the sum of their rates, the worst p99."
        rows = self.program.section("Uncached detail by number of instances", note, reads)
        made = self.program.section("Create by number of instances", note + " Each write waits until all have seen it.", writes)
        self.program.kept["lines"].append({"title": "One machine, several instances", "unit": "requests/s",
            "labels": [str(count) for count in INSTANCES], "series": [(name, [row["rate"] for row in part.values()])
                       for name, part in (("uncached detail", rows), ("create", made))]})

    def together(self, running, path, **options):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            parts = list(pool.map(lambda each: load.measure(each, path, connections=64 // len(running), pinned=False,
                                                            seconds=self.options.seconds, **options), running))
        rate = sum(part["rate"] for part in parts)
        figures = {name: sum(part[name] * part["rate"] for part in parts) / rate for name in parts[0]}
        figures.update(rate=rate, p99_ms=max(part["p99_ms"] for part in parts),
                       memory_mib=sum(part["memory_mib"] for part in parts),
                       helpers_us=parts[0]["helpers_us"] * parts[0]["rate"] / rate)
        return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.chdir("/")
    growth = Growth(options)
    try:
        for part in options.parts or ["connections", "instances", "events"]:
            getattr(growth, part)()
            growth.program.save()  # what was measured stays, whatever happens to the rest
    finally:
        for each in list(contenders.Contender.alive):
            each.stop()
    return growth.program.save()


if __name__ == "__main__":
    sys.exit(main())
