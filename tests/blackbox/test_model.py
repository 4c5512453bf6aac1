"""A model-based test: random stories over the HTTP interface against a small catalogue in Python.

hypothesis writes the stories, shrinks one that fails, and prints how to repeat it. Each story works in a venue of its
own, so that all can share one service.
"""

import os
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from harness.catalogue import ADMIN_EVENTS, EVENTS, STATUSES, check_event, check_list, check_problem, parse_time, unique

STORIES = int(os.environ.get("EVENTLY_STORIES", "60"))

texts = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=40).filter(str.strip)
prices = st.integers(0, 9999999999).map(lambda cents: f"{cents // 100}.{cents % 100:02d}")
dates = st.sampled_from(
    ["2001-05-05T05:05:05Z", "2098-01-01T00:00:00Z", "2098-01-01T00:00:00.000001Z", "2099-12-31T23:59:59Z"]
)
fields = {
    "title": texts,
    "description": st.none() | texts,
    "event_date": dates,
    "capacity": st.integers(0, 2147483647),
    "price": prices,
    "status": st.sampled_from(STATUSES),
}
patches = st.fixed_dictionaries({}, optional=fields)


class Catalogue(RuleBasedStateMachine):
    service = None
    alive = Bundle("alive")
    dead = Bundle("dead")

    def __init__(self):
        super().__init__()
        self.venue = unique("Story").replace(" ", "-")
        self.admin, self.user = self.service.admin, self.service.user
        self.events = {}  # id → event as it must be shown
        self.log = []  # (kind, id, version, event or None) of every change
        self.keys = {}  # Idempotency-Key → (body, first answer)
        self.since = self.head()

    def head(self):
        """The seq of the last change of all, so that the story reads its own part of the log."""
        answer = self.admin.get("/metrics")
        for line in answer.text.splitlines():
            if line.startswith("evently_changes_applied_seq"):
                return int(float(line.split()[-1]))
        return 0

    def written(self, kind, event_id, event, version):
        self.log.append((kind, event_id, version, event))

    @rule(
        target=alive,
        body=st.fixed_dictionaries(
            {"title": texts, "event_date": dates},
            optional={name: fields[name] for name in ("description", "capacity", "price", "status")},
        ),
        with_key=st.booleans(),
    )
    def create(self, body, with_key):
        body = {**body, "venue": self.venue}
        headers = {"Idempotency-Key": unique("k").replace(" ", "-")} if with_key else {}
        answer = self.admin.post(ADMIN_EVENTS, body, headers)
        assert answer.status == 201, answer
        event = answer.json()
        check_event(event)
        wanted = {"description": None, "capacity": 0, "price": "0.00", "status": "draft", **body}
        assert {**event, **wanted} == event
        assert event["version"] == 1 and event["id"] not in self.events
        assert answer.header("Location") == f"{EVENTS}{event['id']}"
        if with_key:
            self.keys[headers["Idempotency-Key"]] = (body, answer.body)
        self.events[event["id"]] = event
        self.written("created", event["id"], event, 1)
        return event["id"]

    @rule(data=st.data())
    def repeat_a_creation(self, data):
        if not self.keys:
            return
        key = data.draw(st.sampled_from(sorted(self.keys)))
        body, first = self.keys[key]
        again = self.admin.post(ADMIN_EVENTS, body, {"Idempotency-Key": key})
        assert again.status == 201 and again.body == first
        check_problem(self.admin.post(ADMIN_EVENTS, {**body, "capacity": 77777}, {"Idempotency-Key": key}), 422)

    @rule(event_id=alive, patch=patches, precondition=st.sampled_from(["none", "right", "wrong", "any"]))
    def change(self, event_id, patch, precondition):
        before = self.events.get(event_id)
        if before is None:
            return
        etag = self.admin.get(f"{EVENTS}{event_id}").etag
        headers = {"none": {}, "right": {"If-Match": etag}, "wrong": {"If-Match": '"wrong"'}, "any": {"If-Match": "*"}}[
            precondition
        ]
        answer = self.admin.put(f"{ADMIN_EVENTS}{event_id}", patch, headers)
        if precondition == "wrong":
            check_problem(answer, 412)
            return
        assert answer.status == 200, answer
        event = answer.json()
        if all(before[name] == value for name, value in patch.items()):
            assert event == before
            return
        assert event == {
            **before,
            **patch,
            "version": before["version"] + 1,
            "updated_at": event["updated_at"],
            "is_upcoming": event["is_upcoming"],
        }
        assert parse_time(event["updated_at"]) >= parse_time(before["updated_at"])
        assert event["is_upcoming"] == (event["status"] == "published" and event["event_date"] > "2090")
        self.events[event_id] = event
        self.written("updated", event_id, event, event["version"])
        assert self.admin.get(f"{EVENTS}{event_id}").etag != etag

    @rule(event_id=alive, name=st.sampled_from(["capacity", "price", "title", "status", "colour"]))
    def change_wrongly(self, event_id, name):
        if event_id in self.events:
            check_problem(
                self.admin.put(f"{ADMIN_EVENTS}{event_id}", {"description": "must not be kept", name: -1}),
                422,
                ["body", name],
            )

    @rule(target=dead, event_id=consumes(alive), again=st.booleans())
    def delete(self, event_id, again):
        if event_id not in self.events:
            return multiple()
        answer = self.admin.delete(f"{ADMIN_EVENTS}{event_id}")
        assert answer.status == 200
        before = self.events.pop(event_id)
        self.written("deleted", event_id, None, before["version"] + 1)
        if again:
            check_problem(self.admin.delete(f"{ADMIN_EVENTS}{event_id}"), 404)
        return event_id

    @rule(event_id=dead)
    def the_dead_stay_dead(self, event_id):
        for client in (self.admin, self.user):
            check_problem(client.get(f"{EVENTS}{event_id}"), 404)
        check_problem(self.admin.put(f"{ADMIN_EVENTS}{event_id}", {"capacity": 1}), 404)

    @rule(event_id=alive, fresh=st.booleans())
    def look(self, event_id, fresh):
        event = self.events.get(event_id)
        if event is None:
            return
        headers = {"Cache-Control": "no-cache"} if fresh else {}
        assert self.admin.get(f"{EVENTS}{event_id}", headers).json() == event
        answer = self.user.get(f"{EVENTS}{event_id}", headers)
        if event["status"] == "draft":
            check_problem(answer, 404)
            return
        assert answer.json() == event
        assert self.user.get(f"{EVENTS}{event_id}", {"If-None-Match": answer.etag}).status == 304
        assert self.user.get(f"{EVENTS}{event_id}/capacity").json() == {
            "event_id": event_id,
            "total_capacity": event["capacity"],
            "is_published": event["status"] == "published",
            "is_upcoming": event["is_upcoming"],
            "price": float(event["price"]),
        }

    @rule(
        status=st.none() | st.sampled_from(STATUSES),
        sort=st.sampled_from(["id", "-id", "price", "-event_date", "updated_at"]),
        size=st.integers(1, 6),
        as_user=st.booleans(),
    )
    def browse(self, status, sort, size, as_user):
        shown = [
            event
            for event in self.events.values()
            if (status is None or event["status"] == status) and not (as_user and event["status"] == "draft")
        ]
        name = sort.lstrip("-")
        value = {"price": Decimal, "id": int}.get(name, lambda text: parse_time(text))
        shown.sort(key=lambda event: (value(event[name]), event["id"]), reverse=sort.startswith("-"))
        path = f"{EVENTS}?venue={self.venue}&sort={sort}&size={size}" + (f"&status={status}" if status else "")
        client, got, url = (self.user if as_user else self.admin), [], path
        while True:
            page = check_list(client.get(url).json(), size)
            assert page["total"] == len(shown)
            got += page["events"]
            if not page["has_next"]:
                break
            url = f"{path}&cursor={page['next_cursor']}"
        assert got == shown

    @rule(event_id=alive | dead)
    def read_its_history(self, event_id):
        wanted = [(kind, version) for kind, one, version, _ in self.log if one == event_id]
        value = self.admin.get(f"{ADMIN_EVENTS}{event_id}/history").json()
        changes = value["changes"]
        while value["next_cursor"]:
            value = self.admin.get(f"{ADMIN_EVENTS}{event_id}/history?cursor={value['next_cursor']}").json()
            changes += value["changes"]
        assert [(change["kind"], change["version"]) for change in changes] == wanted
        for before, after in zip(changes, changes[1:]):
            assert before["after"] == after["before"]

    @rule(limit=st.integers(1, 1000))
    def read_the_log(self, limit):
        since, got = self.since, []
        while True:
            value = self.admin.get(f"{EVENTS}changes?since={since}&limit={limit}").json()
            assert [change["seq"] for change in value["changes"]] == list(
                range(since + 1, since + 1 + len(value["changes"]))
            )
            got += value["changes"]
            if not value["changes"]:
                break
            since = value["next"]
        assert [(c["kind"], c["event_id"], c["version"]) for c in got] == [entry[:3] for entry in self.log]
        for change, (_, _, _, event) in zip(got, self.log):
            assert change["event"] == event

    @invariant()
    def the_total_is_exact(self):
        assert self.admin.get(f"{EVENTS}?venue={self.venue}&size=1").json()["total"] == len(self.events)


def test_the_service_does_what_the_model_does(service):
    assert service.admin.get(EVENTS).status == 200
    Catalogue.service = service
    run_state_machine_as_test(
        Catalogue,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.mark.parametrize("wrong", ["status", "price"])
def test_the_model_can_fail(service, wrong):
    """A model that sees no difference proves nothing: told a lie, it must object."""

    class Liar(Catalogue):
        def written(self, kind, event_id, event, version):
            super().written(kind, event_id, event, version)
            if kind == "updated":
                self.events[event_id] = {**event, wrong: "lie"}

    Liar.service = service
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Liar,
            settings=settings(
                max_examples=60,
                derandomize=True,
                stateful_step_count=20,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.generate,),
                report_multiple_bugs=False,
            ),
        )
