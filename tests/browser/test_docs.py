"""The documentation page in a real browser: Debian's Chromium, driven by Playwright."""

import json
import subprocess

import pytest

from harness.service import PATIENCE, ROOT


@pytest.fixture(scope="module")
def seen(service):
    done = subprocess.run(["node", ROOT / "tests" / "browser" / "docs.js", f"http://127.0.0.1:{service.port}",
                           service.admin_token], cwd=ROOT, capture_output=True, text=True, timeout=120 * PATIENCE,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_page_shows_the_interface(seen):
    assert seen["title"] == "Evently events service"


def test_page_loads_nothing_from_elsewhere(seen):
    assert seen["foreign"] == []


def test_policy_and_scripts_are_at_peace(seen):
    # the one request that is sent without a token on purpose is answered 401, which the browser's console notes
    assert [line for line in seen["console"] if "401" not in line] == []


def test_request_without_a_token_is_refused_in_words(seen):
    assert seen["refused"]["status"] == 401
    assert json.loads(seen["refused"]["body"])["title"] == "Unauthorized"


def test_authorised_request_creates_an_event_that_can_be_read(seen, service):
    assert seen["created"]["status"] == 201
    event = json.loads(seen["created"]["body"])
    assert seen["read"]["status"] == 200
    assert json.loads(seen["read"]["body"]) == event
    assert service.admin.get(f"/api/v1/events/{event['id']}").json() == event


def test_operations_have_links_of_their_own(seen):
    assert seen["link"].endswith("/docs#/Admin/createEvent")
