"""The feed's ends: what was pruned, and what there is not yet."""

import re

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS, check_problem, create, time_in
from harness.http import Closed
from harness.service import evently


@pytest.fixture
def pruned(fresh):
    """Ten changes, of which the newest alone is left."""
    one = fresh()
    for n in range(10):
        create(one.admin, capacity=n)
    one.stop()
    done = evently("audit", "prune", "--before", time_in(0, True), settings=one.settings)
    assert b"9" in done.stdout
    one.start(migrate=False)
    return one


def closing_reason(stream):
    """Reads to the last word."""
    while True:
        _, name, data = stream.next(15)
        if name == "closed":
            break
    with pytest.raises(Closed):
        stream.next_block(15)
    return data["reason"]


@pytest.mark.parametrize("since", [0, 1, 8])
def test_changes_before_the_marker_are_gone(pruned, since):
    answer = pruned.user.get(f"{EVENTS}changes?since={since}")
    check_problem(answer, 410)
    assert answer.header("Link") == '</api/v1/events/changes?since=10>; rel="next"'
    following = int(re.search(r"since=(\d+)", answer.header("Link")).group(1))
    event = create(pruned.admin)
    changes = pruned.user.get(f"{EVENTS}changes?since={following}").json()["changes"]
    assert [(change["seq"], change["event"]) for change in changes] == [(11, event)]


def test_changes_behind_the_marker_are_there(pruned):
    assert [change["seq"] for change in pruned.user.get(f"{EVENTS}changes?since=9").json()["changes"]] == [10]
    assert pruned.user.get(f"{EVENTS}changes?since=10").json() == {"changes": [], "next": 10}


@pytest.mark.parametrize("last", [0, 8])
def test_a_stream_from_before_the_marker_says_so(pruned, last):
    with pruned.stream(headers={"Last-Event-ID": str(last)}) as stream:
        assert "pruned" in closing_reason(stream)


def test_a_stream_behind_the_marker_goes_on(pruned):
    with pruned.stream(headers={"Last-Event-ID": "9"}) as stream:
        create(pruned.admin)
        assert [stream.next()[0] for _ in range(2)] == ["10", "11"]


def test_what_was_pruned_leaves_the_rest_verifiable(pruned):
    pruned.audit_verify()
    event = pruned.user.get(EVENTS).json()["events"][0]
    assert pruned.admin.put(f"{ADMIN_EVENTS}{event['id']}", {"capacity": 5}).status == 200
    history = pruned.admin.get(f"{ADMIN_EVENTS}{event['id']}/history").json()["changes"]
    assert [change["kind"] for change in history] == ["updated"]
    pruned.audit_verify()


def test_a_place_that_there_is_not_yet_is_told(fresh):
    one = fresh()
    create(one.admin)
    with one.stream(headers={"Last-Event-ID": "2"}) as stream:
        assert "no such change" in closing_reason(stream)
