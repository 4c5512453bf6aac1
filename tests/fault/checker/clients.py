"""The clients: processes that read and write over plain sockets and judge every answer.

P1: a read that starts after a write was answered shows that version or a newer one, on whatever instance.
P4: a read of an instance shows at least what any earlier read of that instance has shown, be it an event or a list.
Besides: nothing newer than was ever attempted, lists without what is certainly gone and with what is certainly there,
totals that fit, bodies that fit together (the title names the status). Answers marked stale (the database is away) promise
neither P1 nor P4: they are counted, and must say so.
"""

import json
import random
import re
import socket
import time
import traceback

from . import register
from .register import ACTIVE_MAX, DELETED, HIDDEN, SHOWN, UNKNOWN

PATIENCE_S = 4
GONE = (OSError, EOFError)
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
VERSION = re.compile(rb'"version":(\d+)\}\s*$')
BODY = re.compile(rb'^\{"id":(\d+),"title":"e\d+ (\w+)".*"status":"(\w+)"', re.DOTALL)


def served(head):
    """The Cache-Status."""
    found = re.search(rb"\r\nCache-Status: ([^\r]*)", head)
    return found.group(1).decode() if found else None


class Wire:
    """Kept-alive connections to each instance; opened anew when one breaks."""

    def __init__(self, addresses, token):
        self.addresses, self.sockets = addresses, {}
        self.head = f"Host: checker\r\nAuthorization: Bearer {token}\r\n"

    def request(self, method, path, body=None, headers=""):
        text = f"{method} {path} HTTP/1.1\r\n{self.head}{headers}"
        if body is not None:
            data = json.dumps(body).encode()
            return f"{text}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
        return f"{text}\r\n".encode()

    def exchange(self, instance, data):
        """(status, head, body). Raises one of GONE when no whole answer comes."""
        sock = self.sockets.get(instance)
        if sock is None:
            sock = self.sockets[instance] = socket.create_connection(self.addresses[instance], 0.5)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(PATIENCE_S)
        try:
            sock.sendall(data)
            answer = sock.recv(262144)
            while True:
                end = answer.find(b"\r\n\r\n")
                if end >= 0:
                    size = end + 4 + int(LENGTH.search(answer, 0, end + 2).group(1))
                    if len(answer) >= size:
                        return int(answer[9:12]), answer[:end], answer[end + 4:size]
                more = sock.recv(262144)
                if not answer or not more:
                    raise EOFError
                answer += more
        except (*GONE, AttributeError):
            self.forget(instance)
            raise EOFError from None

    def forget(self, instance):
        sock = self.sockets.pop(instance, None)
        if sock is not None:
            sock.close()


class Client:
    def __init__(self, number, shared, violations, addresses, token, seed, names):
        self.number, self.shared, self.violations = number, shared, violations
        self.chance = random.Random(seed * 1000 + number)
        self.wire = Wire(addresses, token)
        self.instances = len(addresses)
        self.names = names

    def violation(self, kind, **what):
        what.update(kind=kind, at=time.time(), client=self.number)
        self.violations.put(what)

    def count(self, counter, by=1):
        self.shared.count(self.number, counter, by)

    def run(self):
        try:
            while not self.shared.over:
                self.turn()
                self.count(register.ALIVE)
        except KeyboardInterrupt:
            pass
        except Exception:  # a fault of the checker itself must not look like a passed run
            self.violation("the checker failed", problem=traceback.format_exc())


class Reader(Client):
    """Reads mostly one instance, so that a frozen one does not hold all readers."""

    def __init__(self, *arguments, home):
        super().__init__(*arguments)
        self.home = home
        self.requests = {}  # event id → request bytes
        self.indexes = {}   # event id → index
        self.known = 0
        self.lists = [(path, self.wire.request("GET", path)) for path in (
            "/api/v1/events/?status=published&size=100", "/api/v1/events/upcoming?size=100",
            "/api/v1/events/?status=published&size=100&sort=-updated_at")]
        self.refreshed = "Cache-Control: no-cache\r\n"

    def turn(self):
        instance = self.home if self.chance.random() < 0.9 else self.chance.randrange(self.instances)
        kind = self.chance.random()
        try:
            if kind < 0.12:
                self.read_list(instance)
            else:
                self.read_event(instance, primary=kind > 0.98)
        except GONE:
            self.count(register.FAILED)
            self.shared.control[1] or time.sleep(0.01)  # not there: do not hammer

    def pick(self):
        shared = self.shared
        given = shared.control[0]
        if self.chance.random() < 0.06 and given > 0:  # also those that are gone
            return self.chance.randrange(max(0, given - 40), given)
        return shared.active[self.chance.randrange(ACTIVE_MAX)] - 1

    def read_event(self, instance, primary):
        shared, index = self.shared, self.pick()
        while index < 0:
            if shared.over or not any(shared.active):
                time.sleep(0.005)
                return
            index = self.pick()
        identity = shared.ids[index]
        if identity == 0:
            return
        request = self.requests.get((identity, primary))
        if request is None:
            request = self.requests[identity, primary] = self.wire.request(
                "GET", f"/api/v1/events/{identity}", headers=self.refreshed if primary else "")
        floor, seen = shared.floor[index], shared.seen[instance][index]
        begun = time.time()
        status, head, body = self.wire.exchange(instance, request)
        if status == 200:
            value = int(VERSION.search(body).group(1))
        elif status == 404:
            value = DELETED
        else:
            self.count(register.FAILED)
            return
        self.count(register.READS)
        if b"detail=stale" in head:
            self.count(register.STALE)
            return
        self.judge(index, instance, value, floor, seen, begun, "event", head)
        if status == 200:
            found = BODY.match(body)
            if found is None or int(found.group(1)) != identity or found.group(2) != found.group(3):
                self.violation("body", instance=self.names[instance], body=repr(body))
        if primary:
            self.count(register.PRIMARY)

    def judge(self, index, instance, value, floor, seen, begun, where, head):
        shared = self.shared
        problem = ("P1: older than what was acknowledged before the read began" if value < floor else
                   "P4: older than what this instance had shown before the read began" if value < seen else
                   "newer than anything attempted" if value > shared.ceiling[index] else None)
        if problem:
            self.violation(problem, where=where, instance=self.names[instance], event=shared.ids[index], shown=value,
                           acknowledged=floor, seen=seen, attempted=shared.ceiling[index], begun=begun,
                           took_ms=round((time.time() - begun) * 1000, 2), served=served(head))
        if value > shared.seen[instance][index]:
            shared.seen[instance][index] = value

    def learn(self):
        given = self.shared.control[0]
        for index in range(self.known, given):
            if self.shared.ids[index] == 0:
                break
            self.indexes[self.shared.ids[index]] = index
            self.known = index + 1

    def read_list(self, instance):
        shared = self.shared
        path, request = self.chance.choice(self.lists)
        active = [index - 1 for index in shared.active if index > 0]
        self.learn()  # after: all that is active has a name then
        first = max(0, self.known - 400)
        floors = shared.floor[first:self.known].tolist()
        seens = shared.seen[instance][first:self.known].tolist()
        old = [(index, shared.floor[index], shared.seen[instance][index]) for index in active if index < first]
        before = [(index, shared.certain[index], shared.ceiling[index]) for index in active]
        begun = time.time()
        status, head, body = self.wire.exchange(instance, request)
        if status != 200:
            self.count(register.FAILED)
            return
        self.count(register.READS)
        self.count(register.LISTS)
        if b"detail=stale" in head:
            self.count(register.STALE)
            return
        page = json.loads(body)
        listed = set()
        for event in page["events"]:
            index = self.indexes.get(event["id"])
            if index is None:
                continue  # made after this client last looked
            listed.add(index)
            floor, seen = (floors[index - first], seens[index - first]) if index >= first else next(
                ((floor, seen) for other, floor, seen in old if other == index), (shared.floor[index], 0))
            self.judge(index, instance, event["version"], floor, seen, begun, path, head)
            if event["status"] != "published" or not event["title"].endswith(" published"):
                self.violation("body", instance=self.names[instance], where=path, event=event)
        if page["has_next"] or page["total"] != len(page["events"]):
            self.violation("total", instance=self.names[instance], where=path, total=page["total"], events=len(page["events"]), served=served(head))
        for index, certain, ceiling in before:
            if certain == UNKNOWN or shared.certain[index] != certain or shared.ceiling[index] != ceiling:
                continue
            if (certain == SHOWN) != (index in listed):
                self.violation("P1: a list without what was acknowledged" if certain == SHOWN else "P1: a list with what was hidden",
                               instance=self.names[instance], where=path, event=shared.ids[index], begun=begun, acknowledged=shared.floor[index], served=served(head))


class Writer(Client):
    """The only writer of its slots' events."""

    def __init__(self, *arguments, home, slots, lock, tell):
        super().__init__(*arguments)
        self.home, self.slots, self.lock, self.tell = home, slots, lock, tell
        self.doubt = {}  # index: an answer was lost, so that a write may yet happen
        self.hidden = {}
        self.number_of_write = 0

    def write(self, data):
        """(status, body) of the first instance that answers at all; None when that cannot be known."""
        instance = self.home if self.chance.random() < 0.8 else self.chance.randrange(self.instances)
        try:
            begun = time.perf_counter()
            status, _, body = self.wire.exchange(instance, data)
            if status in (200, 201):
                self.tell.append((time.perf_counter() - begun) * 1000)
            return status, body
        except GONE:
            time.sleep(0.02)
            return None, b""

    def wish(self, slot, status):
        self.number_of_write += 1
        return {"title": f"e{slot} {status}", "venue": "Blue Hall", "event_date": "2099-03-01T19:30:00Z",
                "capacity": self.number_of_write, "price": "25.00", "status": status}

    def turn(self):
        slot = self.chance.choice(self.slots)
        index = self.shared.active[slot] - 1
        kind = self.chance.random()
        if index < 0:
            self.create(slot)
        elif kind < 0.03:
            self.delete(slot, index)
        else:
            self.update(slot, index, "cancelled" if kind < 0.15 else "published")

    def create(self, slot):
        """With a key, again and again until it is known: nothing is left behind that nobody knows of."""
        shared, status = self.shared, "published"
        key = f"{self.number}-{self.number_of_write}-{self.chance.getrandbits(60)}"
        data = self.wire.request("POST", "/api/v1/admin/events/", self.wish(slot, status), f"Idempotency-Key: {key}\r\n")
        while True:
            answered, body = self.write(data)
            if answered == 201:
                break
            if shared.over:
                return
            if answered is None or answered in (409, 503, 504):
                self.count(register.UNSURE)
                time.sleep(0.02)
                continue
            self.violation("a creation was refused", status=answered, body=repr(body))
            return
        self.count(register.WRITES)
        event = json.loads(body)
        with self.lock:
            index = shared.control[0]
            shared.ids[index] = event["id"]
            shared.floor[index] = shared.ceiling[index] = event["version"]
            shared.certain[index] = SHOWN
            shared.control[0] = index + 1
        self.doubt[index] = False
        shared.active[slot] = index + 1

    def update(self, slot, index, status):
        shared = self.shared
        identity, floor = shared.ids[index], shared.floor[index]
        data = self.wire.request("PUT", f"/api/v1/admin/events/{identity}", self.wish(slot, status))
        shared.certain[index] = UNKNOWN
        shared.ceiling[index] += 1
        answered, body = self.write(data)
        if answered == 200:
            version = int(VERSION.search(body).group(1))
            if not floor < version <= shared.ceiling[index] or (version != floor + 1 and not self.doubt[index]):
                self.violation("P2: a version that does not follow", event=identity, before=floor, now=version, attempted=shared.ceiling[index])
            shared.floor[index] = version
            if not self.doubt[index]:
                shared.ceiling[index] = version
                shared.certain[index] = SHOWN if status == "published" else HIDDEN
            self.count(register.WRITES)
        elif answered is None or answered in (503, 504):
            self.doubt[index] = True
            self.count(register.UNSURE)
            time.sleep(0.02)
        else:
            self.violation("P2: an event is lost", event=identity, status=answered, acknowledged=floor, body=repr(body))
            shared.active[slot] = 0

    def delete(self, slot, index):
        shared = self.shared
        data = self.wire.request("DELETE", f"/api/v1/admin/events/{shared.ids[index]}")
        shared.certain[index] = UNKNOWN
        shared.ceiling[index] = DELETED
        tries = 0
        while True:
            answered, body = self.write(data)
            tries += 1
            if answered == 200 or (answered == 404 and tries > 1):
                break
            if shared.over:
                return
            if answered is None or answered in (503, 504):
                self.count(register.UNSURE)
                time.sleep(0.02)
                continue
            self.violation("P2: an event is lost", event=shared.ids[index], status=answered, body=repr(body))
            break
        self.count(register.WRITES)
        shared.floor[index] = DELETED
        shared.certain[index] = HIDDEN
        shared.active[slot] = 0


def run_client(client):
    """In a process of its own."""
    client.run()
    if isinstance(client, Writer):
        client.tell.send()
