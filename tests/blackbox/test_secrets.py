"""Secrets stay where they belong: a full run, in peace and in trouble, and every byte that leaves the process is searched."""

import base64
import os
import pathlib
import pwd
import signal
import subprocess
import urllib.parse

import pytest

from harness import postgres, tokens
from harness.http import Closed
from harness.catalogue import ADMIN_EVENTS, EVENTS, create, wish
from harness.installation import SECRETS, authority, cache, database, installation  # noqa: F401, fixtures
from harness.service import evently, wait_until

needs_postgres = pytest.mark.skipif(not postgres.is_built(), reason="needs PostgreSQL")

# What must never be seen, and in which guises.
VALUES = ["zero-token-5f2b91c07a", "first-password-of-app", "second-password-of-app", "first-password-of-redis",
          "second-password-of-redis", *SECRETS]


def guises(secret):
    data = secret.encode()
    yield from (data, data[::-1], data.hex().encode(), urllib.parse.quote(secret, safe="").encode())
    for shift in range(3):  # base64 of a text that has it inside, wherever it begins
        yield base64.b64encode(b"x" * shift + data)[4 * (shift > 0):-4]


def search(outputs):
    for name, data in outputs.items():
        for secret in VALUES:
            for guise in guises(secret):
                assert guise not in data, (name, secret, data[max(0, data.index(guise) - 200):][:500])


def test_the_search_finds_what_it_looks_for():
    for hidden in (b"x first-password-of-app y", base64.b64encode(b"user:first-password-of-redis;"), VALUES[0].encode().hex().encode()):
        with pytest.raises(AssertionError):
            search({"out": b"abc " + hidden})


def answers(service, outputs):
    """Every route that the program knows, with every kind of caller, right and wrong."""
    routes = [line.split()[:2] for line in evently("routes").stdout.decode().splitlines() if line.strip()]
    assert len(routes) > 20
    for method, path in routes:
        if path.endswith("/stream"):
            continue
        for variant in (path.replace("{id}", "1"), path.replace("{id}", "x%27") + "?size=0&page=x&q=%00&cursor=zz"):
            for token in (None, "x.y.z", service.admin_token, tokens.user(secret=SECRETS[0]), tokens.user(secret=SECRETS[1])):
                for body in (None, b"{", wish()) if method in ("POST", "PUT") else (None,):
                    with service.connect() as connection:
                        try:
                            answer = connection.request(method, variant, body, {"Origin": "https://x.example"}, token)
                        except Closed as closed:  # a stream that broke off: what came of it counts
                            outputs[f"{method} {variant} cut"] = closed.received
                            continue
                        text = repr(answer.headers).encode() + answer.body
                        outputs[f"{method} {variant}"] = outputs.get(f"{method} {variant}", b"") + text


def outside_view(service, outputs):
    """What ps and others may see of the process."""
    folder = pathlib.Path(f"/proc/{service.process.pid}")
    for name in ("environ", "cmdline", "comm", "status", "maps"):
        outputs[f"/proc/PID/{name}"] = (folder / name).read_bytes()
    outputs["ps"] = subprocess.run(["ps", "axeww"], stdout=subprocess.PIPE, check=True).stdout
    return folder


@needs_postgres
def test_no_output_of_a_full_run_holds_a_secret(installation, database, cache):
    service, zero, outputs = installation, installation.zero, {}
    service.stop()
    service.settings.update({"LOG_LEVEL": "debug", "ACCESS_LOG": "on", "CORS_ORIGINS": "https://x.example"})
    service.start(migrate=False)
    create(service.admin)
    answers(service, outputs)
    outside_view(service, outputs)
    outputs["metrics"] = service.anonymous.get("/metrics").body

    # Trouble: the server refuses the passwords, Zero refuses the token, Redis and PostgreSQL go away.
    database.sql("ALTER ROLE app PASSWORD 'other-password-of-app'")
    cache.super.config_set("requirepass", "other-password-of-redis")
    cache.client(password="other-password-of-redis").client_kill_filter(_type="normal", skipme=True)
    database.super.cursor().execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
    wait_until(lambda: service.admin.post(ADMIN_EVENTS, wish()).status == 503, 10, "the database to refuse us")
    for _ in range(20):
        service.admin.get(f"{EVENTS}?size=7", headers={"Cache-Control": "no-cache"})
    answers(service, outputs)
    for token, fields in (("revoked", {}), (zero.token, {"db-password": "second-password-of-app", "redis-password": "second-password-of-redis",
                                                        "jwt-secret": SECRETS[1]})):
        real, zero.token = zero.token, token
        zero.fields.update(fields)
        service.signal(signal.SIGHUP)
        service.wait_log(lambda line: ("is used" if token == "revoked" else "reloaded") in line.get("msg", ""))
        zero.token = real
        service.log_start = len(service.log)
    answers(service, outputs)
    for command in (["config"], ["check"], ["migrate", "current"], ["token"], ["audit", "verify"], ["export"], ["config", "--markdown"]):
        done = evently(*command, settings=service.settings, check=False)
        outputs[" ".join(command)] = done.stdout + done.stderr
    wrong = {**service.settings, "ZERO_TOKEN": None, "DATABASE_URL": "postgresql://app:first-password-of-app@127.0.0.1:1/x?y=%zz",
             "REDIS_URL": "redis://first-password-of-redis@x", "JWT_SECRET": SECRETS[0]}
    for command in (["config"], ["check"], ["serve"]):
        done = evently(*command, settings=wrong, check=False)
        assert done.returncode == (0 if command == ["config"] else 1)
        outputs[f"wrong {command}"] = done.stdout + done.stderr
    service.stop()
    outputs["stderr"] = "\n".join(service.log).encode()
    outputs["stdout"] = (service.folder / "stdout").read_bytes()
    assert len(outputs["stderr"]) > 10000 and b"refuses the password" in outputs["stderr"]
    search(outputs)


def limits(pid):
    return {line[:26].strip(): line[26:].split() for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()}


def status(path):
    return dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)


def test_no_core_and_no_new_privileges(service):
    pid = service.process.pid
    assert limits(pid)["Max core file size"][:2] == ["0", "0"]
    assert status(pathlib.Path(f"/proc/{pid}/status"))["NoNewPrivs"] == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_user_is_become_after_binding_a_low_port(fresh):
    nobody = pwd.getpwnam("nobody")
    service = fresh(begin=False)
    service.command = ["serve", "--user", "nobody"]
    service.settings["PORT"] = next(port for port in range(600, 1024) if is_free(port))
    data = service.folder / "data"
    data.mkdir()
    for path in (service.folder, data):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    service.start(migrate="DATABASE_URL" in service.settings)
    pid = service.process.pid
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        values = status(task / "status")
        assert values["Uid"].split() == [str(nobody.pw_uid)] * 4, "all threads, for good"
        assert values["Gid"].split() == [str(nobody.pw_gid)] * 4 and "0" not in values["Groups"].split()
        assert values["CapEff"].strip("0\n\t ") == "" and values["CapPrm"].strip("0\n\t ") == ""
    assert os.stat(f"/proc/{pid}/environ").st_uid == 0, "not even that user may look into its memory"
    assert limits(pid)["Max core file size"][:2] == ["0", "0"]
    assert create(service.admin)["id"] == 1
    assert b"process_open_fds" in service.anonymous.get("/metrics").body
    assert "running as root" not in service.log_text()


def is_free(port):
    import socket
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_that_is_not_there(tmp_path):
    done = evently("serve", "--user", "no-such-user", settings={"DATA_DIR": tmp_path, "PORT": 0}, check=False)
    assert done.returncode == 1 and done.stderr.decode().endswith("evently: --user no-such-user: there is no such user\n")
    assert not list(tmp_path.iterdir()), "nothing was made as root"
