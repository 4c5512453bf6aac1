"""openapi.json is true: valid OpenAPI 3.1, and held to the routes, the problems and the answers of the binary, both ways.
"""

import json
import re

import jsonschema
import pytest

from harness.service import ROOT, evently

DOCUMENT = json.loads((ROOT / "src" / "api" / "openapi.json").read_text())
SCHEMA = ROOT / "node_modules" / "@apidevtools" / "openapi-schemas" / "schemas" / "v3.1" / "schema.json"
METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}
ACCESS = {"anyone", "user", "admin"}


def bare(path):
    """Every path works with and without its trailing slash."""
    return path.rstrip("/") or "/"


def operations():
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS & item.keys():
            yield path, method, item[method]


def routes():
    """{("GET", "/path"): access} as the binary prints them."""
    lines = evently("routes").stdout.decode().splitlines()
    table = {}
    for line in lines:
        method, path, access = line.split()[:3]
        assert access in ACCESS, line
        table[method, bare(path)] = access
    assert table
    return table


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolved(value):
    while "$ref" in value:
        *_, kind, name = value["$ref"].split("/")
        value = DOCUMENT["components"][kind][name]
    return value


def validate(instance, schema):
    """Against a schema of the document; formats are not checked, everything else is."""
    jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(instance)


def test_document_is_valid_openapi():
    schema = json.loads(SCHEMA.read_text())
    problems = [f"{list(error.path)}: {error.message}"
                for error in jsonschema.Draft202012Validator(schema).iter_errors(DOCUMENT)]
    assert problems == []


def test_every_reference_leads_somewhere_and_every_component_is_used():
    used = set(references(DOCUMENT))
    there = {f"#/components/{kind}/{name}" for kind, items in DOCUMENT["components"].items() for name in items
             if kind != "securitySchemes"}
    assert used == there


def test_every_schema_is_sound_and_its_examples_keep_it():
    for name, schema in DOCUMENT["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", []):
            validate(example, schema)


def test_every_example_of_an_answer_keeps_its_schema():
    for response in DOCUMENT["components"]["responses"].values():
        for media in response.get("content", {}).values():
            examples = [media["example"]] if "example" in media else []
            examples += [example["value"] for example in media.get("examples", {}).values()]
            for example in examples:
                validate(example, media["schema"])


def test_paths_and_methods_are_the_routes_of_the_binary():
    documented = {(method.upper(), bare(path)) for path, method, _ in operations()}
    assert documented == set(routes())


def test_rights_are_those_of_the_routes():
    for path, method, operation in operations():
        access = routes()[method.upper(), bare(path)]
        assert (operation.get("security") == []) == (access == "anyone"), (path, method)
        assert ("401" in operation["responses"]) == (access != "anyone"), (path, method)
        assert ("403" in operation["responses"]) == (access == "admin"), (path, method)


def test_path_parameters_are_declared():
    for path, method, operation in operations():
        declared = {resolved(parameter)["name"] for parameter in operation["parameters"]
                    if resolved(parameter)["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path)), (path, method)


def test_problem_types_are_those_of_the_source():
    source = (ROOT / "src" / "http" / "problem.h").read_text()
    slugs = re.findall(r'X\(PROBLEM_\w+, \d+, "([a-z-]+)"', source)
    assert slugs
    documented = DOCUMENT["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert set(documented) == {"urn:evently:problem:" + slug for slug in slugs}


def test_binary_prints_and_serves_this_document(anonymous):
    assert json.loads(evently("openapi").stdout) == DOCUMENT
    assert anonymous.get("/openapi.json").json() == DOCUMENT


def test_version_is_the_programs():
    assert DOCUMENT["info"]["version"] in evently("version").stdout.decode()


ANSWERS = ["/api/v1/events/", "/api/v1/events/upcoming", "/api/v1/events/{id}", "/api/v1/events/{id}/capacity",
           "/api/v1/events/changes", "/api/v1/admin/events/{id}/history", "/api/v1/admin/audit",
           "/api/v1/admin/users/{id}", "/health", "/health/live", "/health/ready", "/info", "/"]
EVENT = {"title": "Jazz Night", "venue": "Blue Hall", "event_date": "2099-03-01T19:30:00Z", "status": "published"}


def schema_of(path, method, status):
    response = resolved(DOCUMENT["paths"][path][method]["responses"][str(status)])
    (media,) = response["content"].values()
    return resolved(media["schema"]), response


def check_answer(answer, path, method):
    schema, response = schema_of(path, method, answer.status)
    body = answer.json()
    validate(body, schema)
    if "properties" in schema and not schema.get("additionalProperties"):
        assert body.keys() <= schema["properties"].keys(), f"{path} answers more than is documented"
    for name in response.get("headers", {}):
        if name not in ("Allow", "Age", "RateLimit", "RateLimit-Policy"):  # sent only when there is something to say
            assert answer.header(name) is not None, (path, method, name)


def test_answers_keep_their_schemas(admin):
    created = admin.post("/api/v1/admin/events/", EVENT)
    check_answer(created, "/api/v1/admin/events/", "post")
    event_id = created.json()["id"]
    for path in ANSWERS:
        number = created.json()["created_by"] if "/users/" in path else event_id
        answer = admin.get(path.replace("{id}", str(number)))
        assert answer.status == 200, (path, answer)
        check_answer(answer, path, "get")
    updated = admin.put(f"/api/v1/admin/events/{event_id}", {"capacity": 5})
    check_answer(updated, "/api/v1/admin/events/{id}", "put")
    deleted = admin.delete(f"/api/v1/admin/events/{event_id}")
    check_answer(deleted, "/api/v1/admin/events/{id}", "delete")


@pytest.mark.parametrize("method, path, body, status", [
    ("get", "/api/v1/events/999999999", None, 404),
    ("get", "/api/v1/events/?size=0", None, 422),
    ("post", "/api/v1/admin/events/", {"title": "", "venu": "x"}, 422),
    ("post", "/api/v1/admin/events/", b"{", 400),
])
def test_problems_keep_their_schema(admin, method, path, body, status):
    answer = getattr(admin, method)(path, body) if body is not None else getattr(admin, method)(path)
    assert answer.status == status, answer
    assert answer.header("Content-Type") == "application/problem+json"
    validate(answer.json(), DOCUMENT["components"]["schemas"]["Problem"])


def test_import_answers_keep_their_schemas(admin):
    path = "/api/v1/admin/events/import"
    good, bad = json.dumps(EVENT), json.dumps({"title": "no venue"})
    done = admin.post(path, f"{good}\n", content_type="application/x-ndjson")
    assert done.status == 200, done
    check_answer(done, path, "post")
    partly = admin.post(path + "?mode=partial", f"{good}\n{bad}\n", content_type="application/x-ndjson")
    assert partly.json()["failed"] == 1
    check_answer(partly, path, "post")
    refused = admin.post(path, f"{good}\n{bad}\n", content_type="application/x-ndjson")
    assert refused.status == 422, refused
    validate(refused.json(), DOCUMENT["components"]["schemas"]["ImportProblem"])
    check_answer(admin.get(path), path, "get")


def test_document_and_page_are_revalidated_and_compressed(anonymous):
    for path in ("/openapi.json", "/docs", "/docs/swagger-ui-bundle.js"):
        plain = anonymous.get(path)
        packed = anonymous.get(path, headers={"Accept-Encoding": "gzip"})
        assert plain.status == packed.status == 200
        assert packed.header("Content-Encoding") == "gzip" and len(packed.body) < len(plain.body)
        assert plain.etag != packed.etag, "two representations, two strong tags"
        again = anonymous.get(path, headers={"If-None-Match": plain.etag})
        assert again.status == 304 and again.body == b""
        refused = anonymous.get(path, headers={"Accept-Encoding": "gzip;q=0, *"})
        assert refused.header("Content-Encoding") is None
    assert anonymous.get("/docs/no-such-file").status == 404
    assert anonymous.get("/docs/..%2f..%2fetc%2fpasswd").status == 404


def test_page_may_load_only_from_here(anonymous):
    policy = anonymous.get("/docs").header("Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    page = anonymous.get("/docs").text
    assert not re.search(r"https?://", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page)
    for link in re.findall(r'(?:src|href)="(/docs/[^"]+)"', page):
        assert anonymous.get(link).status == 200, link
