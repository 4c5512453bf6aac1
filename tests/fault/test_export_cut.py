"""An export that has begun and cannot go on: cut off so that nobody takes it for whole, and found in the log by its ids."""

import json

import pytest

from harness import postgres
from harness.catalogue import EVENTS, wish
from harness.http import Closed, encode_request
from harness.service import Service

pytestmark = pytest.mark.skipif(not postgres.is_built(), reason="needs PostgreSQL")

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def one(postgres_server):
    service = Service({}, postgres_server.new_database())
    yield service.start()
    service.stop()
    service.remove()


def test_a_cut_export_is_not_whole_and_its_line_in_the_log_has_its_ids(one, postgres_server):
    lines = "\n".join(json.dumps(wish(title=f"Night {n}", description="x" * 5000)) for n in range(3000))
    assert one.admin.post("/api/v1/admin/events/import", lines, content_type="application/x-ndjson").status == 200
    headers = {"X-Request-ID": "the-cut-one", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    with one.connect(receive_buffer=65536) as connection:
        connection.send(encode_request("GET", "/api/v1/admin/events/export", None, headers, one.admin_token))
        assert connection.read_head()[0] == 200
        connection.read_chunk()
        postgres_server.query(
            one.settings["DATABASE_URL"],
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        with pytest.raises(Closed):
            while connection.read_chunk():
                pass
    line = one.wait_log(lambda line: line if line["msg"].startswith("export: ") else None, what="the failed export")
    assert line["level"] == "error" and line["request_id"] == "the-cut-one" and line["trace_id"] == TRACE
    assert one.admin.get(EVENTS).status == 200, "the service goes on"
