"""A steady load through the balancer, counted request by request: prints one JSON object at the end.

usage: load.py HOST PORT TOKEN RATE WRITE_SHARE SECONDS [THREADS]

A request fails when it gets no whole answer or one that is not 2xx. The client never repeats one by itself. Writes
create events with a title of their own, so that the caller can look afterwards for each that was acknowledged.
SIGTERM ends it early. `write_gap_s` is the longest time between two acknowledged writes.
"""

import json
import random
import signal
import socket
import sys
import threading
import time
import uuid

EVENTS = "/api/v1/events/"


class Client:
    def __init__(self, host, port, token):
        self.address = (host, port)
        self.head = f"Host: evently\r\nAuthorization: Bearer {token}\r\n"
        self.socket = None

    def request(self, method, path, body=None):
        """Gives (status, body); raises OSError without a whole answer."""
        text = json.dumps(body) if body is not None else ""
        extra = f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n" if body is not None else ""
        try:
            if self.socket is None:
                self.socket = socket.create_connection(self.address, 5)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.socket.settimeout(30)
            self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{self.head}{extra}\r\n{text}".encode())
            return self.read_answer()
        except OSError:
            self.close()
            raise

    def read_answer(self):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.receive()
        head, _, body = data.partition(b"\r\n\r\n")
        head = head.lower()
        at = head.index(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        while len(body) < length:
            body += self.receive()
        if b"connection: close" in head:
            self.close()
        return int(head[9:12]), body

    def receive(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("closed without an answer")
        return piece

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None


class Load:
    def __init__(self, host, port, token, rate, write_share, seconds, threads):
        self.client_of = lambda: Client(host, port, token)
        self.interval = threads / rate
        self.write_share = write_share
        self.until = time.monotonic() + seconds
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]
        self.lock = threading.Lock()
        self.reads = self.writes = 0
        self.failed_reads, self.failed_writes = [], []
        self.acknowledged = {}
        self.times = []
        self.write_times = []
        first = self.client_of()
        self.ids = [json.loads(first.request("POST", "/api/v1/admin/events/", event(f"base {i}"))[1])["id"] for i in range(50)]
        first.close()

    def run(self):
        client = self.client_of()
        due = time.monotonic() + random.random() * self.interval
        while (now := time.monotonic()) < self.until:
            if due > now:
                time.sleep(due - now)
            due = max(due + self.interval, now - 1)  # behind by more than a second: the rest is not made up for
            if random.random() < self.write_share:
                self.write(client)
            else:
                self.read(client)
        client.close()

    def read(self, client):
        begun = time.monotonic()
        try:
            status, body = client.request("GET", f"{EVENTS}{random.choice(self.ids)}")
            fault = None if status == 200 else f"{status} {body[:200]!r}"
        except OSError as error:
            fault = repr(error)
        with self.lock:
            self.reads += 1
            self.times.append(time.monotonic() - begun)
            if fault:
                self.failed_reads.append([round(begun, 3), fault])

    def write(self, client):
        title = uuid.uuid4().hex
        begun = time.monotonic()
        try:
            status, body = client.request("POST", "/api/v1/admin/events/", event(title))
            fault = None if status == 201 else f"{status} {body[:200]!r}"
        except OSError as error:
            fault = repr(error)
        with self.lock:
            self.writes += 1
            if fault:
                self.failed_writes.append([round(begun, 3), fault])
            else:
                self.acknowledged[json.loads(body)["id"]] = title
                self.write_times.append(time.monotonic())

    def report(self, seconds):
        times = sorted(self.times)
        writes = sorted(self.write_times)
        gaps = [after - before for before, after in zip(writes, writes[1:])]
        return {
            "seconds": round(seconds, 1),
            "rate": round((self.reads + self.writes) / seconds),
            "reads": self.reads,
            "writes": self.writes,
            "failed_reads": len(self.failed_reads),
            "failed_writes": len(self.failed_writes),
            "faults": (self.failed_reads + self.failed_writes)[:10],
            "read_p50_ms": round(times[len(times) // 2] * 1000, 1) if times else None,
            "read_p99_ms": round(times[len(times) * 99 // 100] * 1000, 1) if times else None,
            "write_gap_s": round(max(gaps), 2) if gaps else None,
            "acknowledged": self.acknowledged,
        }


def event(title):
    return {"title": title, "venue": "Hall", "event_date": "2099-01-01T20:00:00Z", "status": "published", "price": "9.50"}


def main():
    host, port, token, rate, share, seconds = sys.argv[1:7]
    threads = int(sys.argv[7]) if len(sys.argv) > 7 else 16
    load = Load(host, int(port), token, float(rate), float(share), float(seconds), threads)

    def end(*_):
        load.until = 0

    signal.signal(signal.SIGTERM, end)
    begun = time.monotonic()
    print("started", flush=True)
    for thread in load.threads:
        thread.start()
    for thread in load.threads:
        thread.join()
    print(json.dumps(load.report(time.monotonic() - begun)))


if __name__ == "__main__":
    main()
