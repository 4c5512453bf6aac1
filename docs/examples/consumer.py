#!/usr/bin/python3
"""A consumer of the catalogue's changes: keeps a copy of every event's title and capacity in a SQLite file.

Reads the Redis stream, and the service's change log for what the stream does not have (any more). Needs python3-redis
and python3-httpx. Settings: EVENTLY_URL, EVENTLY_TOKEN (an admin's, so that drafts are seen as they are in the stream),
REDIS_URL, COPY_FILE. Runs until SIGTERM.

The one rule: the place (`seq`) is stored in the same transaction as what the change led to. So a crash anywhere repeats
a change at most, and a repeated change is known by its seq.
"""

import json
import os
import re
import signal
import sqlite3
import sys
import time

import httpx
import redis

STREAM = "evently:events:stream"


class Pruned(Exception):
    """The change log does not go back so far; `next` is the place to go on from after reading the catalogue."""

    def __init__(self, next_seq):
        super().__init__(next_seq)
        self.next = next_seq


class Copy:
    """What this consumer makes of the changes. Yours goes here."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("BEGIN IMMEDIATE")  # whoever reads the copy finds all of it or nothing
        self.db.execute("CREATE TABLE IF NOT EXISTS place (only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER NOT NULL)")
        self.db.execute("CREATE TABLE IF NOT EXISTS copy (id INTEGER PRIMARY KEY, version INTEGER, title TEXT, capacity INTEGER)")
        self.db.execute("INSERT OR IGNORE INTO place VALUES (1, 0)")
        self.db.execute("COMMIT")

    @property
    def seq(self):
        return self.db.execute("SELECT seq FROM place").fetchone()[0]

    def apply(self, seq, event_id, event):
        """One change; event is None when it was deleted. Repeats are dropped here."""
        self.db.execute("BEGIN IMMEDIATE")
        if seq > self.seq:
            if event is None:
                self.db.execute("DELETE FROM copy WHERE id = ?", (event_id,))
            else:
                self.db.execute("INSERT OR REPLACE INTO copy VALUES (?, ?, ?, ?)",
                                (event_id, event["version"], event["title"], event["capacity"]))
            self.db.execute("UPDATE place SET seq = ?", (seq,))
        self.db.execute("COMMIT")

    def pass_over(self, seq):
        """Nothing for us up to seq."""
        self.db.execute("UPDATE place SET seq = max(seq, ?)", (seq,))

    def replace(self, seq, events):
        self.db.execute("BEGIN IMMEDIATE")
        self.db.execute("DELETE FROM copy")
        self.db.executemany("INSERT INTO copy VALUES (?, ?, ?, ?)",
                            [(event["id"], event["version"], event["title"], event["capacity"]) for event in events])
        self.db.execute("UPDATE place SET seq = ?", (seq,))
        self.db.execute("COMMIT")


class Log:
    """The service's change log over HTTP."""

    def __init__(self, url, token):
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=10)

    def get(self, path, **parameters):
        while True:
            try:
                answer = self.http.get(path, params=parameters)
            except httpx.TransportError:
                time.sleep(0.5)
                continue
            if answer.status_code in (429, 503, 504):
                time.sleep(float(answer.headers.get("Retry-After", 1)))
                continue
            if answer.status_code == 410:
                raise Pruned(int(re.search(r"since=(\d+)", answer.headers["Link"]).group(1)))
            answer.raise_for_status()
            return answer.json()

    def after(self, seq):
        """(changes, next place); the place does not move when there are no more. One page may be empty and not the last."""
        page = self.get("/api/v1/events/changes", since=seq, limit=1000)
        return page["changes"], page["next"]

    def catalogue(self):
        parameters = {"size": 100}
        while True:
            page = self.get("/api/v1/events/", **parameters)
            yield from page["events"]
            if not page["has_next"]:
                return
            parameters = {"size": 100, "cursor": page["next_cursor"]}


def catch_up(copy, log):
    """From the log, to its present end."""
    while True:
        before = copy.seq
        try:
            changes, following = log.after(before)
        except Pruned as pruned:
            copy.replace(pruned.next, list(log.catalogue()))
            continue
        for change in changes:
            copy.apply(change["seq"], change["event_id"], change["event"])
        copy.pass_over(following)
        if following == before:
            return


def take(copy, log, identity, fields):
    """One entry of the stream."""
    seq = int(identity.split("-")[0])
    if fields["type"] == "ChangesMissing" or seq > copy.seq + 1:
        catch_up(copy, log)  # the stream was trimmed, or filled again without what was pruned
    if fields["type"] != "ChangesMissing":
        message = json.loads(fields["payload"])
        copy.apply(seq, message["event_id"], message.get("event_data"))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    copy = Copy(os.environ["COPY_FILE"])
    log = Log(os.environ["EVENTLY_URL"], os.environ["EVENTLY_TOKEN"])
    stream = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True, socket_timeout=10)
    catch_up(copy, log)
    while True:
        try:
            found = stream.xread({STREAM: f"{copy.seq}-1"}, count=500, block=1000)
        except redis.exceptions.RedisError:  # away: the log goes on without it
            time.sleep(0.5)
            catch_up(copy, log)
            continue
        for _, entries in found:
            for identity, fields in entries:
                take(copy, log, identity, fields)


if __name__ == "__main__":
    main()
