"""One measurement: wrk (or pgbench) against a server, with the server's CPU time and memory."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

from . import process

SCRIPT = pathlib.Path(__file__).with_name("load.lua")
CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORES = {CORES[-1]}                        # where the load is pinned apart from the servers
SERVER_CORES = set(CORES[:-1]) or {CORES[0]}


def wrk(port, token, path, *, connections=64, seconds=2, ids=0, method="GET", body=None, pinned=True, no_cache=False,
        sequential=False, threads=1):
    """What wrk counted. Its own CPU time is not in any figure."""
    settings = {"TOKEN": token, "LOAD_PATH": path, "LOAD_METHOD": method, "LOAD_IDS": str(ids)}
    settings.update({"LOAD_BODY": body} if body else {})
    settings.update({"LOAD_NO_CACHE": "1"} if no_cache else {})
    settings.update({"LOAD_SEQUENTIAL": "1"} if sequential else {})
    cores = CLIENT_CORES if pinned else set(CORES)
    done = subprocess.run(["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", "-s",
                           SCRIPT, f"http://127.0.0.1:{port}/"], env={**os.environ, **settings}, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, cores))
    line = re.search(r"^RESULT (\{.*\})$", done.stdout, re.MULTILINE)
    assert line, done.stdout + done.stderr
    return json.loads(line.group(1))


def measure(contender, path, **options):
    """requests/s, p50 and p99 in ms, CPU per request in µs (of the server, and with its helpers), memory in MiB."""
    def helpers_us():
        return sum(sum(process.cpu_us(process.tree(root))) for root in contender.helpers)

    begun, begun_helpers = process.cpu_us(process.tree(contender.pid)), helpers_us()
    result = wrk(contender.port, contender.token, path, **options)
    own = process.tree(contender.pid)
    ended, ended_helpers = process.cpu_us(own), helpers_us()
    assert result["requests"] > 0 and result["refused"] * 1000 < result["requests"], (contender.name, result)
    count = result["requests"]
    user, system = (ended[0] - begun[0]) / count, (ended[1] - begun[1]) / count
    return {"rate": count / result["seconds"], "p50_ms": result["p50_us"] / 1000, "p99_ms": result["p99_us"] / 1000,
            "user_us": user, "system_us": system, "cpu_us": user + system,
            "helpers_us": (ended_helpers - begun_helpers) / count,
            "memory_mib": process.resident_bytes(own) / 2**20}


def pgbench(url, script, *, clients=16, seconds=2):
    """The same for pgbench -M prepared; the server's CPU is not split."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        out = subprocess.run(["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(2, clients)), "-T",
                              str(seconds), "-f", file.name, url], check=True, capture_output=True, text=True, cwd="/").stdout
    rate = float(re.search(r"tps = ([\d.]+)", out).group(1))
    return {"rate": rate, "p50_ms": float(re.search(r"latency average = ([\d.]+)", out).group(1)), "p99_ms": None,
            "user_us": None, "system_us": None, "cpu_us": None, "helpers_us": None, "memory_mib": None}
