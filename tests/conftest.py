"""Fixtures of all tests that run the real binary over real sockets."""

import pytest

from harness import postgres
from harness.service import BINARY, Service

STORES = ["embedded"] + (["postgres"] if postgres.is_built() else [])


def pytest_report_header(config):
    return f"evently: {BINARY}, stores: {', '.join(STORES)}"


@pytest.fixture(scope="session")
def postgres_server():
    server = postgres.Postgres().start()
    yield server
    server.stop()


@pytest.fixture(scope="session", params=STORES)
def store(request):
    """Gives fresh store settings each time it is called; tests that use it run once for each store."""
    if request.param == "embedded":
        return lambda: {}
    return request.getfixturevalue("postgres_server").new_database


@pytest.fixture(scope="session")
def service(store):
    """One service for all tests that can share a catalogue with others."""
    shared = Service(
        {"ACCESS_LOG": "on", "CORS_ORIGINS": "https://shop.example.org,https://admin.example.org:8443"}, store()
    )
    try:
        shared.start()
        yield shared
        shared.stop()
    finally:
        shared.remove()


@pytest.fixture
def fresh(store):
    """Starts services of one's own: fresh(SETTING=value, …). All are stopped, cleanly, after the test."""
    started = []

    def start(begin=True, **settings):
        one = Service(settings, store())
        started.append(one)
        return one.start() if begin else one

    yield start
    try:
        for one in started:
            one.stop()
    finally:
        for one in started:
            one.remove()


@pytest.fixture
def admin(service):
    return service.admin


@pytest.fixture
def user(service):
    return service.user


@pytest.fixture
def anonymous(service):
    return service.anonymous
