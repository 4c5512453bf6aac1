"""A private PostgreSQL server on a temporary folder and a free loopback port, one database for each service."""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

import psycopg2

from .service import ROOT, wait_until

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")


def is_built():
    """The service speaks PostgreSQL when its migrations are there."""
    return bool(list((ROOT / "migrations" / "postgres").glob("*.sql"))) and PROGRAMS.exists()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    def __init__(self, *options):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="evently-pg-"))
        self.port = free_port()
        self.names = 0
        self.options = options
        if os.geteuid() == 0:  # the server refuses to run as root
            entry = pwd.getpwnam("postgres")
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            self.wrap = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
        else:
            self.wrap = []
        self.process = None

    def start(self):
        data = self.folder / "data"
        if not data.exists():
            subprocess.run(
                [
                    *self.wrap,
                    PROGRAMS / "initdb",
                    "-D",
                    data,
                    "-U",
                    "evently",
                    "-A",
                    "trust",
                    "-E",
                    "UTF8",
                    "--locale=C.UTF-8",
                    "--no-sync",
                ],
                check=True,
                stdout=subprocess.DEVNULL,
                cwd="/",
            )
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [
                *self.wrap,
                PROGRAMS / "postgres",
                "-D",
                data,
                "-p",
                str(self.port),
                "-k",
                self.folder,
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "fsync=off",
                "-c",
                "max_connections=200",
                *self.options,
            ],
            stdout=self.log,
            stderr=self.log,
            cwd="/",
        )
        wait_until(
            lambda: subprocess.run(
                [PROGRAMS / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-q"], check=False
            ).returncode
            == 0,
            30,
            "PostgreSQL",
            interval_s=0.05,
        )
        return self

    def new_database(self):
        """Settings that name a fresh, empty database."""
        self.names += 1
        name = f"evently{self.names}"
        subprocess.run(
            [PROGRAMS / "createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "evently", name], check=True, cwd="/"
        )
        return {"DATABASE_URL": f"postgresql://evently@127.0.0.1:{self.port}/{name}"}

    def query(self, url, sql):
        """All rows of one statement, committed."""
        with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # fast shutdown
            self.process.wait(30)
            self.process = None
            self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
