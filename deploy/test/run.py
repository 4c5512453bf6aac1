"""Builds deploy/Dockerfile and runs deploy/compose.yaml for real, then hurts it: `./dev test-deploy`.

Exit code 0: all held; 1: not; 77: this machine cannot run containers, and why is printed (with CONTAINERS=required that
is a failure). Figures are printed as they come. Debian's Docker engine does the work (engine.py); public images are replaced by stand-ins made of Debian's packages
(images/), the files under test are the real ones. EVENTLY_DEPLOY_KEEP=FOLDER keeps the engine's data for the next run.
"""

import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from engine import CannotRun, Engine, why_not  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
HERE = DEPLOY / "test"
CACHE = ROOT / "build" / "test-deploy"
LISTEN = ("127.0.0.1", 18001)
LIMIT_S = 720  # for everything
BUILDS_S = 210  # a second build is begun until then
LOAD_RATE = int(os.environ.get("EVENTLY_DEPLOY_RATE", 2100))  # the client falls a little short: the bar is 2,000
SLIM = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*"]
EVENTS = "/api/v1/events/"
ADDRESS = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
BEGUN = time.monotonic()


def step(text):
    print(f"{time.monotonic() - BEGUN:6.1f} s  {text}", flush=True)


class Failures:
    def __init__(self, report):
        self.report = report  # a line `passed` or `failed` for each, for tools/tally; or None
        self.passed = 0
        self.texts = []

    def expect(self, true, text):
        step(f"{'ok  ' if true else 'FAIL'}  {text}")
        if self.report:
            with open(self.report, "a") as lines:
                lines.write("passed\n" if true else "failed\n")
        if true:
            self.passed += 1
        else:
            self.texts.append(text)
        return true


def wait_until(condition, timeout_s, what, interval_s=0.25):
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {timeout_s} s in vain for {what}")
        time.sleep(interval_s)


# ---- images ----


def base_archive():
    """debian:bookworm-slim as its makers describe it: a minimal system without documentation. Kept for a week."""
    archive = CACHE / "base.tar"
    if archive.exists() and archive.stat().st_size > 0 and time.time() - archive.stat().st_mtime < 7 * 86400:
        return archive
    CACHE.mkdir(parents=True, exist_ok=True)
    fresh = CACHE / "base.new.tar"
    sources = pathlib.Path("/etc/apt/sources.list.d/debian.sources")
    words = ["mmdebstrap", "--variant=minbase", "--quiet", "--aptopt=Acquire::Check-Valid-Until \"false\""]
    words += [f"--dpkgopt=path-exclude={path}" for path in SLIM] + ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    subprocess.run([*words, "bookworm", fresh, *([sources] if sources.exists() else [])], check=True, timeout=300)
    fresh.rename(archive)
    return archive


def build_images(engine, see):
    archive = base_archive()
    step("base image")
    engine.docker("import", "--change", 'CMD ["bash"]', str(archive), "debian:bookworm-slim")
    engine.try_out("debian:bookworm-slim")
    for name, tag in (("postgres", "postgres:15"), ("redis", "redis:7"), ("haproxy", "haproxy:2.6")):
        engine.build(tag, HERE / "images", "--target", name)
        step(f"stand-in for {tag}")
    epoch = subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%ct"], capture_output=True, text=True).stdout.strip()
    words = ["-f", DEPLOY / "Dockerfile", "--build-arg", f"SOURCE_DATE_EPOCH={epoch or 0}"]
    engine.build("evently:latest", ROOT, *words)
    step("evently:latest")
    look_at_image(engine, see)
    if time.monotonic() - BEGUN > BUILDS_S:
        step("not built a second time: the first took so long that the rest would not have its time")
        return
    engine.build("evently:again", ROOT, *words, "--no-cache")
    layers = [engine.docker("image", "inspect", "-f", "{{json .RootFS.Layers}}", f"evently:{tag}").stdout for tag in ("latest", "again")]
    see.expect(layers[0] == layers[1], "built a second time from nothing, it has the same layers")


def look_at_image(engine, see):
    image = json.loads(engine.docker("image", "inspect", "evently:latest").stdout)[0]
    base = json.loads(engine.docker("image", "inspect", "debian:bookworm-slim").stdout)[0]
    binary = engine.docker("run", "--rm", "--network=none", "--entrypoint", "stat", "evently:latest", "-c", "%s", "/usr/bin/evently")
    added = (image["Size"] - base["Size"]) / 1e6
    size = int(binary.stdout) / 1e6
    config = image["Config"]
    see.expect(added <= 40, f"on top of the base lie {added:.1f} MB (at most 40)")
    see.expect(size <= 5, f"the binary has {size:.2f} MB (at most 5)")
    see.expect(config["User"] == "10001:10001" and config["StopSignal"] == "SIGTERM", "a numeric user, SIGTERM to stop")
    see.expect(config["Healthcheck"]["Test"][1:] == ["/usr/bin/evently", "check", "--live"], "it asks itself whether it lives")
    see.expect("org.opencontainers.image.version" in config["Labels"], "it is labelled")
    alone = engine.docker("run", "-d", "--network=none", "--read-only", "--cap-drop=ALL", "--tmpfs", "/data:uid=10001",
                          "--security-opt=no-new-privileges", "evently:latest").stdout.strip()  # fmt: skip
    try:
        wait_until(lambda: engine.inspect(alone, "{{.State.Health.Status}}") == "healthy", 30, "one alone to be healthy")
        engine.docker("stop", "-t", "10", alone)
        see.expect(engine.inspect(alone, "{{.State.ExitCode}}") == "0", "alone, read-only, without rights: healthy, ends with 0")
    finally:
        engine.docker("rm", "-f", alone)


# ---- the set-up ----


class Setup:
    """What deploy/compose.yaml describes, running."""

    def __init__(self, engine, see):
        self.engine = engine
        self.see = see
        self.compose_words = "docker-compose --compatibility -p evently"
        self.environment = {
            **engine.environment,
            "COMPOSE": self.compose_words,
            "UP_OPTIONS": "--no-build",
            "SECRETS": str(engine.folder / "secrets"),
            "LISTEN": f"{LISTEN[0]}:{LISTEN[1]}",
            "NOFILE": str(min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])),
        }
        self.files = ["-f", "compose.yaml"]

    def script(self, name, *words, timeout=180):
        done = subprocess.run([DEPLOY / name, *words], env=self.environment, capture_output=True, text=True, timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError(f"deploy/{name}: {done.stdout[-1500:]}{done.stderr[-3000:]}")
        return done.stdout

    def compose(self, *words, check=True, timeout=180):
        done = subprocess.run([*self.compose_words.split(), *self.files, *words], cwd=DEPLOY, env=self.environment,
                              capture_output=True, text=True, timeout=timeout)  # fmt: skip
        if check and done.returncode != 0:
            raise RuntimeError(f"compose {' '.join(words)}: {done.stdout[-1500:]}{done.stderr[-3000:]}")
        return done.stdout

    def container(self, service):
        return self.compose("ps", "-q", service).strip()

    def health(self, service):
        return self.engine.inspect(self.container(service), "{{.State.Health.Status}}")

    def wait_healthy(self, services, timeout_s=60):
        for service in services:
            wait_until(lambda s=service: self.health(s) == "healthy", timeout_s, f"{service} to be healthy")

    def token(self):
        return self.compose("exec", "-T", "evently-1", "/usr/bin/evently", "token", "--user-id", "1", "--email",
                            "admin@example.org", "--role", "admin", "--minutes", "60").strip()  # fmt: skip

    def get(self, path, token, address=LISTEN, method="GET", body=None):
        """One request from inside the containers' network: (status, answer)."""
        words = [*self.engine.inside(), "curl", "-sS", "-m", "15", "-X", method, "-w", "\n%{http_code}",
                 "-H", f"Authorization: Bearer {token}", f"http://{address[0]}:{address[1]}{path}"]  # fmt: skip
        if body is not None:
            words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        done = subprocess.run(words, capture_output=True, text=True)
        text, _, status = done.stdout.rpartition("\n")
        return int(status or 0), json.loads(text) if text else None

    def address_of(self, service):
        return self.engine.inspect(self.container(service), ADDRESS), 8001

    @contextlib.contextmanager
    def load(self, token, rate, write_share, seconds_max=120):
        """Runs the load while the block does; its report is in the dict afterwards."""
        words = [*self.engine.inside(), "/usr/bin/python3", HERE / "load.py", *LISTEN, token, rate, write_share, seconds_max]
        process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True)
        report = {}
        try:
            process.stdout.readline()
            time.sleep(2)  # a while of undisturbed load
            yield report
            time.sleep(2)
        finally:
            process.send_signal(signal.SIGTERM)
            text, _ = process.communicate(timeout=60)
        report.update(json.loads(text))

    def all_there(self, token, acknowledged, what):
        """Every acknowledged write is in the database, by an export that is read from it."""
        words = [*self.engine.inside(), "curl", "-sS", "-m", "60", "-H", f"Authorization: Bearer {token}", "-H",
                 "Accept: application/x-ndjson", f"http://{LISTEN[0]}:{LISTEN[1]}/api/v1/admin/events/export"]  # fmt: skip
        stored = {}
        for line in subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines():
            event = json.loads(line)
            stored[event["id"]] = event["title"]
        lost = [i for i, title in acknowledged.items() if stored.get(int(i)) != title]
        self.see.expect(not lost, f"{what}: {len(acknowledged)} acknowledged writes, {len(lost)} lost")

    def logs(self):
        """The last words of every container."""
        for name in self.engine.docker("ps", "-a", "--format", "{{.Names}}", check=False).stdout.split():
            done = self.engine.docker("logs", "--tail", "15", name, check=False)
            print(f"---- {name}: {self.engine.inspect(name, '{{.State.Status}}')}\n{(done.stdout + done.stderr)[-2500:]}")

    def down(self):
        with contextlib.suppress(Exception):
            self.compose("down", "-v", "-t", "3", "--remove-orphans", check=False)


def say_load(report):
    step(f"      {report['rate']}/s: {report['reads']} reads ({report['failed_reads']} failed), {report['writes']} writes "
         f"({report['failed_writes']} failed), p50 {report['read_p50_ms']} ms, p99 {report['read_p99_ms']} ms, "
         f"longest time between two writes {report['write_gap_s']} s")  # fmt: skip
    for fault in report["faults"]:
        step(f"      {fault}")


# ---- what is done to it ----

INSTANCES = ["evently-1", "evently-2"]
PARTS = ["postgres-1", "postgres-2", "redis-1", "redis-2", "sentinel-1", "sentinel-2", "sentinel-3", *INSTANCES, "balancer"]


def bring_up(setup):
    begun = time.monotonic()
    setup.script("up")
    setup.wait_healthy(PARTS)
    setup.see.expect(True, f"all {len(PARTS)} parts are up and healthy after {time.monotonic() - begun:.1f} s")
    sync = setup.compose("exec", "-T", "postgres-1", "psql", "-U", "postgres", "-tAc", "SELECT sync_state FROM pg_stat_replication")
    setup.see.expect(sync.strip() == "sync", f"the replica is synchronous ({sync.strip()})")
    mounts = setup.engine.inspect(setup.container("evently-1"), "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}}")
    setup.see.expect(mounts == "true 536870912", f"an instance has a read-only root and a limit of memory ({mounts})")


def write_and_read(setup, token):
    event = {"title": "Jazz Night", "venue": "Blue Hall", "event_date": "2099-03-01T19:30:00Z", "status": "published"}
    status, created = setup.get("/api/v1/admin/events/", token, method="POST", body=event)
    setup.see.expect(status == 201, f"a write through the balancer: {status}")
    seen = [setup.get(f"{EVENTS}{created['id']}", token, setup.address_of(one))[0] for one in INSTANCES]
    setup.see.expect(seen == [200, 200], f"each instance shows it at once: {seen}")
    status, health = setup.get("/health", token)
    setup.see.expect(status == 200 and health["status"] == "healthy" and health["redis"] == "connected", f"/health: {health}")


def roll(setup, token):
    with setup.load(token, LOAD_RATE, 0.05) as report:
        begun = time.monotonic()
        setup.script("roll")
        took = time.monotonic() - begun
    failed = report["failed_reads"] + report["failed_writes"]
    setup.see.expect(failed == 0, f"both instances made anew under load in {took:.1f} s: {failed} requests failed")
    say_load(report)
    setup.see.expect(report["rate"] >= LOAD_RATE * 0.75, f"the load was {report['rate']}/s of {LOAD_RATE}/s (a busy machine gives less)")
    setup.all_there(token, report["acknowledged"], "rolling restart")


def kill_instance(setup, token):
    with setup.load(token, 1000, 0.1) as report:
        pid = int(setup.engine.inspect(setup.container("evently-1"), "{{.State.Pid}}"))
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: int(setup.engine.inspect(setup.container("evently-1"), "{{.State.Pid}}")) not in (0, pid), 30,
                   "the killed instance to be started again")  # fmt: skip
        setup.wait_healthy(INSTANCES, 30)
    setup.see.expect(report["failed_reads"] == 0, f"one instance killed under load: {report['failed_reads']} reads failed")
    # 16 clients: no more than their writes of that moment can have been in flight.
    setup.see.expect(report["failed_writes"] <= 16, f"... and {report['failed_writes']} writes, those in flight on it")
    say_load(report)
    setup.all_there(token, report["acknowledged"], "instance killed")


def fail_over_redis(setup, token):
    def redis_is_there():
        return setup.get("/health", token)[1].get("redis") == "connected"

    other = setup.engine.inspect(setup.container("redis-2"), ADDRESS)
    with setup.load(token, 500, 0.1) as report:
        begun = time.monotonic()
        setup.compose("kill", "-s", "SIGKILL", "redis-1")
        wait_until(lambda: other in sentinel(setup), 30, "the sentinels to choose redis-2")
        wait_until(redis_is_there, 30, "/health to say that Redis is connected")
        took = time.monotonic() - begun
    failed = report["failed_reads"] + report["failed_writes"]
    setup.see.expect(failed == 0, f"Redis' master killed: another is used after {took:.1f} s, {failed} requests failed")
    say_load(report)
    setup.compose("up", "-d", "--no-build", "--no-deps", "redis-1")
    setup.wait_healthy(["redis-1"])


def sentinel(setup):
    return setup.compose("exec", "-T", "sentinel-1", "redis-cli", "-p", "26379", "sentinel", "get-master-addr-by-name", "mymaster")


def fail_over(setup, token):
    with setup.load(token, 400, 0.25) as report:
        begun = time.monotonic()
        setup.script("failover")
        step(f"      deploy/failover took {time.monotonic() - begun:.1f} s")
        time.sleep(8)
    setup.see.expect(report["write_gap_s"] is not None and report["write_gap_s"] <= 10,
                     f"the primary lost: writes are back after {report['write_gap_s']} s (at most 10)")  # fmt: skip
    setup.see.expect(report["failed_reads"] == 0, f"... {report['failed_reads']} reads failed meanwhile")
    say_load(report)
    setup.all_there(token, report["acknowledged"], "failover")


def run_cluster(setup):
    """The second file: the same with a Redis Cluster."""
    setup.down()
    setup.files += ["-f", "compose.cluster.yaml"]
    begun = time.monotonic()
    setup.script("up", "cluster")
    setup.wait_healthy([*INSTANCES, "balancer", "redis-node-1", "redis-node-2", "redis-node-3"])
    setup.see.expect(True, f"with a Redis Cluster: up and healthy after {time.monotonic() - begun:.1f} s")
    def state():
        return setup.compose("exec", "-T", "redis-node-1", "sh", "-c",
                             'REDISCLI_AUTH=$(cat /run/secrets/redis_password) redis-cli cluster info', check=False)  # fmt: skip
    wait_until(lambda: re.search(r"cluster_state:ok\b", state()) is not None, 30, "the cluster to form")
    setup.see.expect("cluster_size:3" in state(), "the cluster has three masters")
    write_and_read(setup, setup.token())


def run(see):
    engine = Engine(os.environ.get("EVENTLY_DEPLOY_KEEP"))
    setup = Setup(engine, see)
    try:
        engine.start_to_build()
        build_images(engine, see)
        engine.stop()
        engine.start_to_run()
        bring_up(setup)
        token = setup.token()
        write_and_read(setup, token)
        roll(setup, token)
        kill_instance(setup, token)
        fail_over_redis(setup, token)
        fail_over(setup, token)
        run_cluster(setup)
    except CannotRun:
        raise
    except Exception as error:  # noqa: BLE001 whatever it was, it is told with the containers' last words
        see.expect(False, f"{type(error).__name__}: {error}")
    finally:
        if see.texts and engine.process is not None:
            setup.logs()
        setup.down()
        engine.remove()


def skip(reason):
    if os.environ.get("CONTAINERS") == "required":
        print(f"this machine must run containers, but cannot: {reason}")
        return 1
    print(f"skipped: this machine cannot run containers: {reason}")
    return 77


def main():
    reason = why_not() or (shutil.which("curl") is None and "needs curl")
    if reason:
        return skip(reason)
    # Whoever ends this ends the engine and its containers, too.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    timer = threading.Timer(LIMIT_S, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.daemon = True
    timer.start()
    see = Failures(sys.argv[1] if len(sys.argv) > 1 else None)
    try:
        run(see)
    except CannotRun as why:
        if not see.texts:
            return skip(why)
        print(why)
    except KeyboardInterrupt:
        see.expect(False, f"ended from outside, or not done after {LIMIT_S} s")
    timer.cancel()
    step(f"{see.passed} held, {len(see.texts)} did not")
    return 1 if see.texts or see.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
