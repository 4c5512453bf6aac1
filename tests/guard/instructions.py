"""Counts the service's instructions a request by valgrind's callgrind: whatever else the machine does, they stay."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import threading

from harness.catalogue import create
from harness.http import Connection
from harness.service import BINARY, Service, environment, wait_until

# callgrind counts each byte of a `rep stosb` as an instruction: clearing is counted in vector stores instead.
TUNABLES = "glibc.cpu.x86_rep_stosb_threshold=1000000000"


class Counted:
    """A service under callgrind; count() gives the instructions that a piece of work took, by function."""

    def __init__(self, settings=None, store_settings=None):
        self.service = Service({"HTTP_THREADS": 1, "REQUEST_TIMEOUT_MS": 20000, **(settings or {})}, store_settings)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="evently-count-"))
        self.dumps = 0
        self.service.migrate()
        service = self.service
        wrapper = ["valgrind", "--tool=callgrind", "--quiet", "--compress-strings=no", "--dump-before=system_live",
                   f"--callgrind-out-file={self.folder}/out"]
        service.process = subprocess.Popen([*wrapper, BINARY, "serve"], env={**environment(service.settings), "GLIBC_TUNABLES": TUNABLES},
                                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        service.reader = threading.Thread(target=service._read_log, args=(service.process.stderr,), daemon=True)
        service.reader.start()
        service.port = service.wait_log(lambda line: line.get("port") if line.get("msg") == "listening" else None, 60)
        service.wait_ready()

    def dump(self):
        """Writes what was counted since the last time, and begins anew: /health/live is the sign for it."""
        self.dumps += 1
        with Connection(self.service.port, timeout_s=60) as connection:
            assert connection.request("GET", "/health/live").status == 200
        path = self.folder / f"out.{self.dumps}"
        wait_until(lambda: path.exists() and "totals:" in path.read_text(errors="replace"), 30, "callgrind's dump")
        return path

    def count(self, work, times):
        """Instructions a time, and callgrind's file for callgrind_annotate."""
        self.dump()
        for _ in range(times):
            work()
        path = self.dump()
        total = int(re.search(r"^totals: (\d+)", path.read_text(errors="replace"), re.MULTILINE).group(1))
        return total / times, path

    def stop(self):
        self.service.process.terminate()
        self.service.process.wait(60)
        self.service.process.stderr.close()
        self.service.process = None
        self.service.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


def requester(port, path, token, headers=(), method="GET", body=None):
    """A function that sends one request over a kept connection, as a client would: no more headers than needed."""
    connection = Connection(port, timeout_s=60)
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}", *headers]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    raw = ("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode()

    def ask():
        connection.send(raw)
        answer = connection.read_answer(method)
        assert answer.status in (200, 201), answer
        return answer

    return ask


def fill(service, count=30):
    return [create(service.admin, capacity=n)["id"] for n in range(count)]


def by_function(path, times):
    """[(instructions a time, function)], greatest first: each function's own, without those it calls."""
    costs, function, called = {}, None, False
    for line in path.read_text(errors="replace").splitlines():
        if line.startswith("fn="):
            function = line[3:]
        elif line.startswith("calls="):
            called = True
        elif line[:1] in "0123456789+-*" and " " in line:
            if not called:
                costs[function] = costs.get(function, 0) + int(line.split()[1])
            called = False
    return sorted(((cost / times, name) for name, cost in costs.items()), reverse=True)
