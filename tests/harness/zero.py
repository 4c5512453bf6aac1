"""A stand-in for the Zero secrets manager over HTTPS; test_zero.py holds it to Zero's public client from npm."""

import json
import re

from .https import HttpsServer

PATHS = ("/graphql", "/v1/graphql")


def plain(query):
    """A GraphQL text without insignificant white space and commas."""
    return re.sub(r"\s*([{}():!\[\]])\s*", r"\1", re.sub(r"[\s,]+", " ", query)).strip()


QUERY = plain("""
    query Secrets($token: String!, $pick: [String!], $callerName: String) {
      secrets(zeroToken: $token, pick: $pick, callerName: $callerName) { name fields { name value } }
    }""")


class Zero(HttpsServer):
    """`secrets` is what it holds: {"evently": {"db-host": "…"}}. `fault`, when set, answers instead."""

    def __init__(self, authority, token="zero-token-5f2b91c07a"):
        super().__init__(authority, self._answer)
        self.token = token
        self.secrets = {}
        self.fault = None

    @property
    def settings(self):
        return {"ZERO_TOKEN": self.token, "ZERO_URL": self.url + "/graphql", "ZERO_CA_FILE": self.authority.ca}

    @property
    def fields(self):
        return self.secrets.setdefault("evently", {})

    def questions(self):
        return [json.loads(body) for _, _, _, body in self.requests]

    def _answer(self, method, path, body):
        if self.fault is not None:
            return self.fault(path)
        if method != "POST" or path not in PATHS:
            return 404, {}
        question = json.loads(body)
        if plain(question["query"]) != QUERY:
            return 400, {"errors": [{"message": "the query is not understood"}]}
        variables = question["variables"]
        assert set(variables) <= {"token", "pick", "callerName"}
        if variables["token"] != self.token:
            return 200, {"data": None, "errors": [{"message": f"Token {variables['token']} is not\nvalid"}]}
        picked = [variables["pick"]] if isinstance(variables["pick"], str) else variables["pick"]
        return 200, {"data": {"secrets": [
            {"name": name, "fields": [{"name": field, "value": value} for field, value in fields.items()]}
            for name, fields in self.secrets.items() if name in picked]}}
