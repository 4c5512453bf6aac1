"""A guard against slow changes that no busy machine disturbs: instructions a request, counted, with bounds.

The bounds stand a tenth above what docs/performance.md explains; who makes a request dearer has to raise them knowingly."""

import shutil

import pytest

from .instructions import Counted, by_function, fill, requester

pytestmark = pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")

WARM, ASKED = 60, 300
EVENTS = "/api/v1/events/"
BOUNDS = {"cached": 6000, "uncached": 30000, "list": 9000}


@pytest.fixture(scope="module")
def counted():
    service = Counted()
    fill(service.service)
    yield service
    service.stop()


@pytest.mark.parametrize(("name", "path", "headers"), [
    ("cached", EVENTS + "7", ()),
    ("uncached", EVENTS + "7", ("Cache-Control: no-cache",)),
    ("list", EVENTS + "?size=20", ()),
])
def test_a_request_takes_no_more_instructions_than_before(counted, name, path, headers):
    ask = requester(counted.service.port, path, counted.service.user_token, headers)
    for _ in range(WARM):
        ask()
    taken, profile = counted.count(ask, ASKED)
    print(f"{name}: {taken:,.0f} instructions")
    most = "\n".join(f"{cost:8.0f} {function}" for cost, function in by_function(profile, ASKED)[:15])
    assert taken <= BOUNDS[name], f"{name}: {taken:,.0f} instructions, {BOUNDS[name]:,} allowed; most of them:\n{most}"
    assert taken > BOUNDS[name] / 2, f"{name}: {taken:,.0f}: the bound of {BOUNDS[name]:,} is to be lowered"
