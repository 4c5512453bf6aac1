"""Request smuggling (RFC 9112 section 11.2): whatever is ambiguous is refused, and what follows it is never obeyed.

Every vector carries a second request that would delete an event. After the vector the event must still be there, and the
server must have closed the connection or answered the second bytes as what they are: part of nothing.
"""

import pytest

from harness.catalogue import ADMIN_EVENTS, EVENTS, create
from harness.http import Closed, Malformed

INNER = "DELETE {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"
HEAD = "POST {admin} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"

# Each vector: the bytes up to the smuggled request. `n` is its length, `h` that in hexadecimal.
VECTORS = {
    "CL.TE": HEAD + "Content-Length: {cl}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE.CL": HEAD + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "two lengths": HEAD + "Content-Length: 0\r\nContent-Length: {n}\r\n\r\n",
    "two lengths reversed": HEAD + "Content-Length: {n}\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": HEAD + "Content-Length: 0, {n}\r\n\r\n",
    "length with plus": HEAD + "Content-Length: +0\r\n\r\n",
    "negative length": HEAD + "Content-Length: -1\r\n\r\n",
    "length in hex": HEAD + "Content-Length: 0x0\r\n\r\n",
    "length with rest": HEAD + "Content-Length: 0 x\r\n\r\n",
    "length empty": HEAD + "Content-Length:\r\n\r\n",
    "length overflows": HEAD + "Content-Length: 18446744073709551616\r\n\r\n",
    "length with space before colon": HEAD + "Content-Length : {n}\r\n\r\n",
    "TE with space before colon": HEAD + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "TE identity": HEAD + "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
    "TE unknown": HEAD + "Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n",
    "TE gzip, chunked": HEAD + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "TE chunked, identity": HEAD + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "TE twice": HEAD + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "TE vertical tab": HEAD + "Transfer-Encoding: \x0bchunked\r\nContent-Length: 0\r\n\r\n",
    "TE in HTTP/1.0": "POST {admin} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nAuthorization: Bearer {token}\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE quoted": HEAD + 'Transfer-Encoding: "chunked"\r\nContent-Length: 0\r\n\r\n',
    "obs-fold": HEAD + "Content-Length: 0\r\nX: y\r\n Content-Length: {n}\r\n\r\n",
    "obs-fold TE": HEAD + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 0\r\n\r\n",
    "folded first": "POST {admin} HTTP/1.1\r\n X: y\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n",
    "bare LF in head": HEAD + "Content-Length: 0\nX: y\r\n\r\n",
    "bare LF ends head": HEAD + "Content-Length: 0\r\n\n",
    "bare CR": HEAD + "X: y\rContent-Length: {n}\r\n\r\n",
    "NUL in value": HEAD + "X: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "NUL in name": HEAD + "X\x00y: a\r\nContent-Length: 0\r\n\r\n",
    "no name": HEAD + ": x\r\nContent-Length: 0\r\n\r\n",
    "no colon": HEAD + "nonsense\r\nContent-Length: 0\r\n\r\n",
    "chunk size with plus": HEAD + "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
    "chunk size 0x": HEAD + "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "chunk size overflows": HEAD + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
    "chunk size negative": HEAD + "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "chunk longer than said": HEAD + "Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
    "chunk ends in LF": HEAD + "Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n",
    "chunk without size": HEAD + "Transfer-Encoding: chunked\r\n\r\n\r\n",
    "version 2": "POST {admin} HTTP/2.0\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "version nonsense": "POST {admin} HTTP/1.x\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "no version": "POST {admin}\r\n",
    "two Hosts": "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no Host": "GET /health HTTP/1.1\r\n\r\n",
    "space in target": "GET /health x HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", VECTORS)
def test_ambiguous_framing_is_refused_or_closed(service, name):
    event = create(service.admin)
    values = {"path": f"{ADMIN_EVENTS}{event['id']}", "token": service.admin_token, "admin": ADMIN_EVENTS}
    inner = INNER.format(**values)
    vector = VECTORS[name].format(n=len(inner), h=f"{len(inner):x}", cl=len(inner) + 5, **values)
    answers = []
    with service.connect(timeout_s=3) as connection:
        try:
            connection.send((vector + inner).encode("latin-1"))
            connection.finish_sending()
            while True:
                answers.append(connection.read_answer())
        except (Closed, BrokenPipeError, ConnectionResetError, TimeoutError, ValueError):
            pass
        except Malformed as problem:
            pytest.fail(f"{problem}; answers {answers}")
    there = service.admin.get(f"{EVENTS}{event['id']}", {"Cache-Control": "no-cache"}).status == 200
    assert there, f"the smuggled request was obeyed; answers {answers}"
    assert all(answer.status >= 400 for answer in answers), answers
    assert len(answers) <= 1, f"bytes after an ambiguous request were taken as another: {answers}"
    assert service.user.get(EVENTS).status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 100,
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\xff" * 5000,
        b"GET / HTTP/1.1\r\n" + b"A" * 100000,
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_garbage_is_refused(service, data):
    with service.connect(timeout_s=1) as connection:
        try:
            connection.send(data)
            connection.finish_sending()
            answer = connection.read_answer()
            assert answer.status >= 400 or data.startswith((b"\r\n", b"GET  /")), answer
        except (Closed, OSError):
            pass  # closed, or waiting for the rest of a line until its time is over
    assert service.user.get(EVENTS).status == 200


def test_an_empty_line_before_a_request_is_skipped(service):
    with service.connect() as connection:  # RFC 9112 section 2.2
        connection.send(b"\r\nGET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.read_answer().status == 200
