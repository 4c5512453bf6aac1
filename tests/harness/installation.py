"""Fixtures of a whole installation: Zero, PostgreSQL and Redis, each asking for its own secret, and the service before them."""

import psycopg2
import pytest

from . import postgres, tokens
from .https import Authority
from .redis_server import RedisServer
from .service import Service, wait_until
from .zero import Zero

SECRETS = [f"{letter}-secret-of-tokens-0123456789-0123456789" for letter in "ab"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def database():
    """A server that lets the role app in by its password only; gives the superuser's connection."""
    server = postgres.Postgres().start()
    (server.folder / "data" / "pg_hba.conf").write_text("host all evently 127.0.0.1/32 trust\n"
                                                        "host all app,app2 127.0.0.1/32 scram-sha-256\n")
    server.new_database()
    server.super = psycopg2.connect(host="127.0.0.1", port=server.port, user="evently", dbname="evently1")
    server.super.autocommit = True
    server.sql = lambda text: server.super.cursor().execute(text)
    server.sql("SELECT pg_reload_conf()")
    server.sql("CREATE ROLE app LOGIN PASSWORD 'first-password-of-app'")
    server.sql("CREATE ROLE app2 LOGIN PASSWORD 'password-of-app2' IN ROLE app")
    server.sql("ALTER DATABASE evently1 OWNER TO app")
    server.sql("ALTER SCHEMA public OWNER TO app")
    yield server
    server.super.close()
    server.stop()


@pytest.fixture
def cache():
    server = RedisServer("--requirepass", "first-password-of-redis", "--appendonly", "no")
    server.start(wait=False)
    server.super = server.client(password="first-password-of-redis")
    wait_until(lambda: _answers(server.super), 20, "Redis")
    yield server
    server.remove()


def _answers(client):
    try:
        return client.ping()
    except Exception:
        return False


@pytest.fixture
def installation(authority, database, cache):
    zero = Zero(authority).start()
    zero.fields.update({"db-host": "127.0.0.1", "db-port": str(database.port), "db-name": "evently1", "db-user": "app",
                        "db-password": "first-password-of-app", "redis-host": "127.0.0.1", "redis-port": str(cache.port),
                        "redis-password": "first-password-of-redis", "jwt-secret": SECRETS[0]})
    service = Service({"JWT_SECRET": None, "JWT_GRACE_SECONDS": 600, "REDIS_TIMEOUT_MS": 500, **zero.settings})
    service.admin_token = tokens.admin(secret=SECRETS[0])
    service.start()
    service.zero = zero
    try:
        yield service
        service.stop()
    finally:
        zero.stop()
        service.remove()
