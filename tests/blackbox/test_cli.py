"""The command line of the real binary: every command, exit codes, messages, masks, and what it leaves behind."""

import csv
import io
import json
import os
import pathlib
import pty
import re
import select
import socket
import subprocess
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from harness import tokens
from harness.service import Service

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("EVENTLY_BINARY", ROOT / "build" / "evently")).resolve()
PATIENCE = 5 if "san" in BINARY.parent.name else 1
SECRET = "0123456789abcdef0123456789abcdef-of-the-tests"
COMMANDS = ["serve", "migrate", "token", "config", "check", "import", "export", "demo", "audit", "openapi", "routes",
            "completion", "man", "version", "help"]
FIELDS = ["title", "description", "venue", "event_date", "capacity", "price", "status"]


def environment(settings):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
            if name in os.environ}
    return {**kept, **{name: str(value) for name, value in settings.items()}}


class Place:
    """A folder in which commands run, with an embedded store of its own."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, *arguments, code=0, input=None, **settings):
        values = environment({"DATA_DIR": self.folder / "data", **settings})
        done = subprocess.run([BINARY, *map(str, arguments)], env=values, cwd=self.folder, input=input,
                              capture_output=True, timeout=60 * PATIENCE, check=False)
        done.out, done.err = done.stdout.decode(), done.stderr.decode()
        assert "Sanitizer" not in done.err and "runtime error:" not in done.err, done.err
        assert done.returncode == code, (arguments, done.returncode, done.out, done.err)
        if code != 0 and arguments:
            # One clear line (more only where each names a line of the input).
            assert done.err.startswith("evently: "), done.err
            assert all(line.startswith("evently: ") for line in done.err.splitlines()), done.err
        return done

    def write(self, name, text):
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def events(self):
        return [json.loads(line) for line in self.run("export").out.splitlines()]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def line(**fields):
    return json.dumps({"title": "t", "venue": "v", "event_date": "2099-01-01T00:00:00Z", **fields}) + "\n"


# ---- help, usage, documents ----


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_on_standard_output(place, command):
    for arguments in ([command, "--help"], ["help", command], [command, "-h"]):
        done = place.run(*arguments)
        assert done.out.startswith(f"usage: evently {command}") and done.err == ""
        assert "example:" in done.out


def test_help_needs_no_valid_settings(place):
    assert "usage: evently serve" in place.run("serve", "--help", PORT="nonsense").out
    assert place.run("version", PORT="nonsense").out.startswith("evently ")


def test_help_lists_all_commands(place):
    help_text = place.run("help").out
    assert place.run("--help").out == help_text
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", help_text, re.M)
    assert max(map(len, help_text.splitlines())) <= 80
    assert "JWT_SECRET" in place.run("help", "settings").out
    bare = place.run(code=2)
    assert bare.out == "" and bare.err == help_text


def test_the_version_is_the_builds(place):
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text()).group(1)
    assert place.run("version").out == f"evently {version}\n" == place.run("--version").out


@pytest.mark.parametrize("typo, meant", [("sevre", "serve"), ("migrat", "migrate"), ("improt", "import"), ("tokn", "token")])
def test_a_mistyped_command_is_answered_with_the_nearest(place, typo, meant):
    assert place.run(typo, code=2).err == (
        f'evently: there is no command "{typo}": did you mean {meant}? (see evently --help)\n')


def test_a_word_that_is_near_nothing_is_refused_plainly(place):
    assert place.run("xyzzy", code=2).err == 'evently: there is no command "xyzzy" (see evently --help)\n'


@pytest.mark.parametrize("arguments, part", [
    (["token", "--rol", "admin"], "did you mean --role?"),
    (["token", "--role"], "--role needs a value: ROLE"),
    (["token", "--role", "root"], '--role is "root": allowed are user, admin'),
    (["token", "--role=user", "--role=admin"], "--role is given twice"),
    (["token", "--user-id", "0"], '--user-id is "0": allowed are 1 to 9223372036854775807'),
    (["token", "--user-id", "1x"], '--user-id is "1x"'),
    (["token", "--minutes", "0"], "--minutes"),
    (["token", "--email", ""], "--email"),
    (["token", "word"], 'takes no further argument "word"'),
    (["config", "--markdown=yes"], "--markdown takes no value"),
    (["migrate"], "migrate needs upgrade|downgrade|current|history"),
    (["migrate", "up"], "allowed are upgrade, downgrade, current, history"),
    (["migrate", "current", "1"], "takes no number"),
    (["migrate", "upgrade", "head"], 'the version N is "head": allowed are 1 to 9999'),
    (["migrate", "downgrade", "-1"], "-1"),
    (["import"], "import needs FILE"),
    (["import", "events.txt"], "--format"),
    (["import", "a.csv", "b.csv"], "no further argument"),
    (["export", "--format", "xml"], "allowed are ndjson, csv"),
    (["audit"], "audit needs verify|prune"),
    (["audit", "prune"], "--before DATE"),
    (["audit", "prune", "--before", "yesterday"], '--before is "yesterday"'),
    (["audit", "prune", "--before", "2999-01-01"], "in the future"),
    (["audit", "verify", "--before", "2020-01-01"], "takes no --before"),
    (["completion", "tcsh"], "allowed are bash, zsh, fish"),
    (["check", "--live", "--ready"], "one of them"),
    (["help", "nothing"], "no command"),
])
def test_wrong_use_is_one_line_and_exit_code_2(place, arguments, part):
    done = place.run(*arguments, code=2)
    assert part in done.err and done.err.count("\n") == 1 and done.out == ""


def test_openapi_is_the_sources_document(place):
    assert place.run("openapi").stdout == (ROOT / "src/api/openapi.json").read_bytes()
    assert json.loads(place.run("openapi").out)["openapi"].startswith("3.1")


def test_the_man_page_in_the_repository_is_what_the_program_prints(place):
    page = place.run("man").out
    assert page == (ROOT / "man/evently.1").read_text(), "run: build/evently man > man/evently.1"
    for command in COMMANDS:
        assert f".B evently {command}" in page
    assert "JWT_SECRET" in page


def test_man_page_is_sound_troff(place):
    page = place.write("evently.1", place.run("man").out)
    try:
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", page], capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("groff is not installed")
    assert done.stderr == b""


def complete(script, *words):
    quoted = " ".join(f"'{word}'" for word in words)
    program = (f"{script}\nCOMP_WORDS=({quoted})\nCOMP_CWORD={len(words) - 1}\n_evently\n"
               'printf "%s\\n" "${COMPREPLY[@]}"\n')
    done = subprocess.run(["bash", "-uc", program], capture_output=True, check=True, text=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completion_knows_commands_options_and_choices(place):
    script = place.run("completion", "bash").out
    assert complete(script, "evently", "imp") == {"import"}
    assert set(COMMANDS) <= complete(script, "evently", "")
    assert complete(script, "evently", "token", "--role", "") == {"user", "admin"}
    assert complete(script, "evently", "migrate", "d") == {"downgrade"}
    assert complete(script, "evently", "export", "--o") == {"--output"}
    assert "--help" in complete(script, "evently", "serve", "--")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_completions_name_every_command(place, shell):
    script = place.run("completion", shell).out
    for command in COMMANDS:
        assert command in script
    try:
        subprocess.run([shell, "-n"], input=script.encode(), check=True, capture_output=True)
    except FileNotFoundError:
        pass  # the shell is not installed: its grammar cannot be asked


# ---- settings ----


def test_config_shows_every_setting_its_source_and_no_secret(place):
    names = re.findall(r'X\(\w+, "([A-Z_]+)"', (ROOT / "src/config/settings.h").read_text())
    assert len(names) > 50
    password = place.write("password", "hunter2-in-a-file\n")
    done = place.run("config", PORT=1234, JWT_SECRET=SECRET, DATABASE_URL="postgresql://u:hunter2@db/x",
                     REDIS_PASSWORD_FILE=password, REDIS_HOST="cache", ZERO_URL="https://zero.example/")
    shown = dict(re.findall(r"^  ([A-Z_]+) +(.*)$", done.out, re.M))
    assert list(shown) == names
    assert shown["PORT"].split() == ["1234", "environment"]
    assert shown["HOST"].split() == ["127.0.0.1", "default"]
    assert shown["JWT_SECRET"].split() == ["********", "environment"]
    assert shown["REDIS_PASSWORD"].split() == ["********", "REDIS_PASSWORD_FILE"]
    assert shown["DB_PASSWORD"].split() == ["-", "default"]
    assert "hunter2" not in done.out + done.err and SECRET not in done.out + done.err


def test_markdown_of_the_settings_is_the_documentation(place):
    text = place.run("config", "--markdown", PORT="nonsense").out
    assert "| `PORT` | `8001` | 0 to 65535 |" in text
    page = ROOT / "docs/configuration.md"
    if page.exists():
        assert text in page.read_text(), "run: build/evently config --markdown > docs/configuration.md"


@pytest.mark.parametrize("settings, message", [
    ({"PORT": "80000"}, 'PORT is "80000": allowed are 0 to 65535'),
    ({"JWT_SECRET": "hunter2"}, "JWT_SECRET is ******** (7 bytes): allowed are secrets of 32 bytes and more"),
    ({"DATABASE_URL": "mysql://root:hunter2@db"}, "DATABASE_URL is ********: allowed are addresses"),
    ({"DB_HOST": "db"}, "JWT_SECRET is not set: with PostgreSQL and HS256 it is required"),
    ({"JWT_SECRET_FILE": "/nowhere"}, 'JWT_SECRET_FILE is "/nowhere": cannot read that file'),
])
@pytest.mark.parametrize("command", ["serve", "config", "check", "export"])
def test_a_bad_setting_stops_every_command_with_one_line(place, command, settings, message):
    done = place.run(command, code=1, **settings)
    assert done.err.startswith(f"evently: {message}") and done.err.count("\n") == 1
    assert "hunter2" not in done.err and not (place.folder / "data").exists()


def test_a_mistyped_setting_is_warned_of(place):
    done = place.run("config", REDIS_HOSTS="r", JWT_SECERT=SECRET)
    assert "evently: warning: REDIS_HOSTS is set in the environment, but is no setting: did you mean REDIS_HOST?\n" in done.err
    assert "did you mean JWT_SECRET?" in done.err and SECRET not in done.err + done.out


# ---- tokens ----


def test_token_with_a_configured_secret(place):
    done = place.run("token", "--user-id", 42, "--email", "jo@example.org", "--role=admin", "--minutes", 5, JWT_SECRET=SECRET)
    assert done.err == "" and done.out.count("\n") == 1
    claims = jwt.decode(done.out.strip(), SECRET, algorithms=["HS256"], options={"verify_aud": False})
    assert (claims["user_id"], claims["email"], claims["role"]) == (42, "jo@example.org", "admin")
    assert abs(claims["exp"] - time.time() - 300) < 30 * PATIENCE
    assert not (place.folder / "data").exists()


def test_token_with_the_generated_secret(place):
    token = place.run("token").out.strip()
    secret = place.folder / "data" / "jwt-secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    claims = jwt.decode(token, secret.read_text().strip(), algorithms=["HS256"])
    assert claims["role"] == "user" and claims["user_id"] == 1
    place.run("token")
    secret.chmod(0o644)
    assert "chmod 600" in place.run("token", code=1).err


def test_token_cannot_be_made_with_public_keys(place):
    done = place.run("token", code=1, JWT_ALGORITHM="RS256", JWT_JWKS_URL="https://id.example.org/jwks")
    assert "issuer" in done.err


# ---- the schema ----


def test_migrations_up_and_down(place):
    assert "run evently migrate upgrade" in place.run("migrate", "current").out
    assert "not applied" in place.run("migrate", "history").out
    place.run("migrate", "upgrade")
    assert "up to date" in place.run("migrate", "current").out
    assert "not applied" not in place.run("migrate", "history").out
    place.run("migrate", "upgrade")
    place.run("demo")
    done = place.run("migrate", "downgrade", 0, code=1)
    assert "--yes" in done.err and len(place.events()) > 0
    assert "there is no version 999" in place.run("migrate", "upgrade", 999, code=1).err
    place.run("migrate", "downgrade", 0, "--yes")
    assert "version 0" in place.run("migrate", "current").out
    assert "migrate upgrade" in place.run("export", code=1).err


# ---- import and export ----


def test_what_is_exported_can_be_imported(place, tmp_path):
    place.run("demo")
    original = place.events()
    assert len(original) >= 50 and {event["status"] for event in original} == {"draft", "published", "cancelled", "completed"}
    assert any(event["is_upcoming"] for event in original) and not all(event["title"].isascii() for event in original)
    for name in ("all.ndjson", "all.csv"):
        place.run("export", "--output", name)
        assert not list(place.folder.glob("*.part"))
        (tmp_path / name.replace(".", "-")).mkdir()
        copy = Place(tmp_path / name.replace(".", "-"))
        assert copy.run("import", place.folder / name).out == f"{len(original)} events created\n"
        assert [[event[field] for field in FIELDS] for event in copy.events()] == (
            [[event[field] for field in FIELDS] for event in original])
        assert "no faults" in copy.run("audit", "verify").out


def test_csv_keeps_every_character(place):
    title, description = 'Say "hi", =1+1', 'first\nsecond, "third"\n\tüñí 東京 🎷'
    place.run("import", "-", input=line(title=title, description=description).encode())
    text = place.run("export", "--format", "csv").out
    row, = csv.DictReader(io.StringIO(text, newline=""))
    assert row["title"] == title and row["description"].replace("\r\n", "\n") == description
    place.run("import", "-", "--format", "csv", input=text.encode())
    first, second = place.events()
    assert [first[field] for field in FIELDS] == [second[field] for field in FIELDS]


def test_all_or_nothing(place):
    path = place.write("events.ndjson", line() + line(price="1.999", capacity=-1) + "nonsense\n" + line())
    done = place.run("import", path, code=1)
    assert done.out == ""
    bad_values, bad_json, summary = done.err.splitlines()
    assert bad_values.startswith("evently: line 2: ") and "price" in bad_values and "capacity" in bad_values
    assert bad_json.startswith("evently: line 3: ")
    assert summary == "evently: nothing was created: 2 of 4 lines are bad (--partial creates the others)"
    assert place.events() == []


def test_partial(place):
    path = place.write("events.ndjson", line(title="one") + "{}\n" + line(title="two"))
    done = place.run("import", path, "--partial", "--user-id", 9, code=1)
    assert done.out == "2 events created, 1 bad line left out\n" and done.err.startswith("evently: line 2: ")
    assert [(event["title"], event["created_by"]) for event in place.events()] == [("one", 9), ("two", 9)]


def test_many_bad_lines_are_counted_not_listed(place):
    done = place.run("import", "-", code=1, input=b"{}\n" * 150)
    assert len(done.err.splitlines()) == 102
    assert done.err.splitlines()[-2:] == ["evently: … and 50 more bad lines", "evently: nothing was created: 150 of 150 lines are bad"]


def test_a_csv_header_is_checked_once(place):
    path = place.write("events.csv", "title,vneue,event_date\n" + "a,b,2099-01-01\n" * 10)
    done = place.run("import", path, code=1)
    assert done.err.splitlines()[0].startswith("evently: line 1: ") and "vneue" in done.err and "venue" in done.err
    assert len(done.err.splitlines()) == 2


def test_an_empty_file_creates_nothing(place):
    assert place.run("import", place.write("events.csv", "")).out == "0 events created\n"


@pytest.mark.parametrize("name, part", [("missing.csv", "No such file"), (".", "--format"), ("folder.csv", "folder")])
def test_files_that_cannot_be_read(place, name, part):
    (place.folder / "folder.csv").mkdir()
    assert part in place.run("import", name, code=2 if name == "." else 1).err


def test_export_leaves_the_old_file_when_it_fails(place):
    place.run("demo")
    (place.folder / "taken").mkdir()
    assert "taken" in place.run("export", "--output", "taken", code=1).err
    assert "no/such/folder" in place.run("export", "--output", "no/such/folder/x.csv", code=1).err
    assert not list(place.folder.glob("*.part"))
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BINARY, "export"], env=environment({"DATA_DIR": place.folder / "data"}), stdout=full,
                              stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr


def on_terminal(arguments, settings):
    """Runs with standard error on a terminal; gives exit code and what was drawn."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([BINARY, *map(str, arguments)], env=environment({"TERM": "xterm", **settings}),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    return process, ours


def read_until(terminal, part, seconds):
    drawn, deadline = b"", time.monotonic() + seconds * PATIENCE
    while part not in drawn:
        assert time.monotonic() < deadline, drawn
        if select.select([terminal], [], [], 0.2)[0]:
            drawn += os.read(terminal, 4096)
    return drawn


def test_a_progress_bar_is_drawn_on_a_terminal_and_cleared(place):
    process, terminal = on_terminal(["import", "-"], {"DATA_DIR": place.folder / "data"})
    process.stdin.write((line() * 1000).encode())
    process.stdin.flush()
    drawn = read_until(terminal, b"1,000 lines", 10)
    assert b"reading" in drawn
    process.stdin.close()
    assert process.stdout.read() == b"1000 events created\n"
    read_until(terminal, b"\r\x1b[K", 10)
    assert process.wait(10 * PATIENCE) == 0
    os.close(terminal)


def test_no_progress_is_drawn_into_a_file(place):
    assert place.run("import", "-", input=(line() * 1000).encode()).err == ""


# ---- demo, audit ----


def test_every_store_goes_the_whole_way(place, store):
    settings = {"JWT_SECRET": SECRET, **store()}
    place.run("migrate", "upgrade", **settings)
    assert "up to date" in place.run("migrate", "current", **settings).out
    assert re.search(r"^ok +database", place.run("check", **settings).out, re.M)
    created = place.run("demo", **settings).out
    place.run("export", "--output", "all.csv", **settings)
    assert place.run("import", "all.csv", **settings).out == created
    place.write("some.ndjson", line() + "{}\n")
    assert "nothing was created" in place.run("import", "some.ndjson", code=1, **settings).err
    assert place.run("import", "--partial", "some.ndjson", code=1, **settings).out.startswith("1 event created")
    count = 2 * int(created.split()[0]) + 1
    assert place.run("export", **settings).out.count("\n") == count
    assert place.run("audit", "verify", **settings).out == f"{count} changes, no faults\n"
    place.run("migrate", "downgrade", 0, "--yes", **settings)
    assert "run evently migrate upgrade" in place.run("migrate", "current", **settings).out


def test_a_running_service_shows_what_was_imported(place, store):
    settings = store()
    if not settings:
        pytest.skip("the embedded store is the service's alone")
    running = Service(store_settings=settings)
    try:
        running.start()
        for i in range(5):
            assert running.user.get("/api/v1/events/").json()["total"] == i
            place.run("import", "-", input=line(title=f"number {i}", status="published").encode(),
                      JWT_SECRET=tokens.SECRET, **settings)
        running.stop()
    finally:
        running.remove()


def test_demo_fills_only_an_empty_catalogue(place):
    assert re.fullmatch(r"\d+ events created\n", place.run("demo").out)
    done = place.run("demo", code=1)
    assert "demo fills an empty one only" in done.err
    assert place.run("demo", "--if-empty").out == ""


def test_audit_prune(place):
    place.run("demo")
    assert place.run("audit", "prune", "--before", "2020-01-01").out == "0 changes before 2020-01-01T00:00:00Z removed\n"
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    assert "future" in place.run("audit", "prune", "--before", now, code=2).err
    assert "no faults" in place.run("audit", "verify").out


# ---- check ----


def test_check_of_a_new_folder_and_of_a_full_one(place):
    done = place.run("check")
    assert re.search(r"^ok +settings", done.out, re.M) and re.search(r"^ok +tokens +HS256", done.out, re.M)
    assert re.search(r"^ok +redis +not configured", done.out, re.M)
    place.run("demo")
    assert re.search(r"^ok +database +sqlite, schema up to date", place.run("check").out, re.M)


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def test_check_says_what_is_away(place):
    done = place.run("check", code=1, REDIS_HOST="127.0.0.1", REDIS_PORT=free_port(), DB_HOST="127.0.0.1",
                     DB_PORT=free_port(), JWT_SECRET=SECRET, TLS_CERTIFICATE_FILE="/nowhere/c.pem", TLS_KEY_FILE="/nowhere/k.pem")
    assert len(re.findall(r"^FAIL +(file|database|redis) ", done.out, re.M)) == 4
    assert SECRET not in done.out + done.err


class Answering:
    """Answers one request."""

    def __init__(self, status, body=b"warming"):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.status, self.body, self.asked = status, body, []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        connection, _ = self.socket.accept()
        with connection:
            self.asked.append(connection.recv(4096).split(b"\r\n")[0].decode())
            connection.sendall(f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(self.body)}\r\n"
                               "Connection: close\r\n\r\n".encode() + self.body)
        self.socket.close()


@pytest.mark.parametrize("flag, path", [("--live", "/health/live"), ("--ready", "/health/ready")])
@pytest.mark.parametrize("status, code", [(200, 0), (503, 1)])
def test_health_checks_of_a_container(place, flag, path, status, code):
    service = Answering(status)
    done = place.run("check", flag, code=code, HOST="0.0.0.0", PORT=service.port, http_proxy="http://127.0.0.1:1")
    service.thread.join(10)
    assert service.asked == [f"GET {path} HTTP/1.1"]
    assert done.err == ("" if code == 0 else f"evently: {path} answered 503: warming\n")


def test_check_asks_the_issuer_for_its_keys(place):
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    jwk = {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key)), "kid": "a", "use": "sig"}
    for status, body, code in ((200, {"keys": [jwk]}, 0), (200, {"keys": []}, 1), (503, {"keys": [jwk]}, 1)):
        issuer = Answering(status, json.dumps(body).encode())
        url = f"http://127.0.0.1:{issuer.port}/jwks"
        done = place.run("check", code=code, JWT_ALGORITHM="ES256", JWT_JWKS_URL=url)
        assert re.search(rf"^{'ok  ' if code == 0 else 'FAIL'} +issuer +\S", done.out, re.M), done.out
    assert re.search("^FAIL +issuer", place.run("check", code=1, JWT_ALGORITHM="ES256", JWT_JWKS_URL=url).out, re.M)


def test_health_check_of_nothing(place):
    done = place.run("check", "--live", code=1, PORT=free_port())
    assert "is the service running there?" in done.err
