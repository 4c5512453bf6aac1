"""A small HTTP/1.1 client over a plain socket, for tests that must see and say every byte.

It keeps connections alive, never follows redirects, never retries, and never repairs what a server sent: an answer that
breaks the framing rules of RFC 9112 raises Malformed.
"""

import json
import select
import socket
import threading

TIMEOUT_S = 30


class Malformed(Exception):
    """The server's bytes are not an HTTP answer."""


class Closed(Exception):
    """The server closed the connection; `sent` says how many bytes of an answer had come."""

    def __init__(self, received):
        super().__init__(f"connection closed after {len(received)} bytes of an answer")
        self.received = received


class Answer:
    def __init__(self, status, reason, headers, body):
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body

    def header(self, name):
        """The value of a header that may come at most once, or None."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def json(self):
        def unique(pairs):
            names = [name for name, _ in pairs]
            assert len(names) == len(set(names)), f"duplicate members in {self.body!r}"
            return dict(pairs)

        return json.loads(self.body.decode("utf-8"), object_pairs_hook=unique)

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def etag(self):
        return self.header("ETag")

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:600]!r}>"


class Connection:
    """One connection. Used by one thread at a time."""

    def __init__(self, port, host="127.0.0.1", timeout_s=TIMEOUT_S, receive_buffer=None):
        self.port = port
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout_s)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.closing = False  # the server said Connection: close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def is_readable(self, timeout_s=0):
        return bool(self.buffer) or bool(select.select([self.socket], [], [], timeout_s)[0])

    def is_closed(self, timeout_s=0):
        """True when the server has closed and nothing unread is left; waits up to timeout_s for that."""
        if self.buffer:
            return False
        if not select.select([self.socket], [], [], timeout_s)[0]:
            return False
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except ConnectionResetError:
            return True

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        if not data:
            raise Closed(self.buffer)
        self.buffer += data

    def read_line(self):
        while b"\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise Malformed(f"a line ends in a bare LF: {line!r}")
        return line[:-1]

    def read_exactly(self, count):
        parts, held = [self.buffer], len(self.buffer)  # joined once: bodies may have many megabytes
        try:
            while held < count:
                self.buffer = b""
                self._more()
                parts.append(self.buffer)
                held += len(self.buffer)
        except Closed:
            raise Closed(b"".join(parts)) from None
        finally:
            self.buffer = b"".join(parts)
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_head(self):
        """Status, reason and headers of the next answer; interim answers (1xx) are passed over."""
        while True:
            line = self.read_line()
            parts = line.split(b" ", 2)
            if len(parts) < 2 or parts[0] not in (b"HTTP/1.1", b"HTTP/1.0") or not parts[1].isdigit():
                raise Malformed(f"status line {line!r}")
            headers = []
            while True:
                line = self.read_line()
                if not line:
                    break
                name, separator, value = line.partition(b":")
                if not separator or not name or name != name.strip():
                    raise Malformed(f"header line {line!r}")
                headers.append((name.decode("ascii"), value.strip().decode("latin-1")))
            status = int(parts[1])
            if status >= 200:
                return status, parts[2].decode("ascii") if len(parts) > 2 else "", headers

    def read_chunk(self):
        """The next chunk of a chunked body; b"" is the end."""
        size = int(self.read_line().split(b";")[0], 16)
        data = self.read_exactly(size)
        if self.read_line() != b"":
            raise Malformed("a chunk does not end in CRLF")
        return data

    def read_answer(self, method="GET"):
        status, reason, headers = self.read_head()

        def values(name):
            return [value for key, value in headers if key.lower() == name]

        self.closing = any("close" in value.lower() for value in values("connection"))
        lengths, codings = values("content-length"), values("transfer-encoding")
        if method == "HEAD" or status in (204, 304):
            body = b""
        elif codings:
            if codings != ["chunked"] or lengths:
                raise Malformed(f"framing {codings} {lengths}")
            body = b""
            while chunk := self.read_chunk():
                body += chunk
        elif lengths:
            if len(lengths) != 1 or not lengths[0].isdigit():
                raise Malformed(f"Content-Length {lengths}")
            body = self.read_exactly(int(lengths[0]))
        else:
            self.closing = True
            body = b""
            try:
                while True:
                    self._more()
            except Closed:
                body, self.buffer = self.buffer, b""
        return Answer(status, reason, headers, body)

    def request(self, method, path, body=None, headers=(), token=None, content_type=None):
        try:
            self.send(encode_request(method, path, body, headers, token, content_type))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server may refuse a body before it has read it all; its answer is waiting
        return self.read_answer(method)


def encode_request(method, path, body=None, headers=(), token=None, content_type=None):
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body is not None:
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            content_type = content_type or "application/json"
        if isinstance(body, str):
            body = body.encode("utf-8")
        lines.append(f"Content-Length: {len(body)}")
        if content_type:
            lines.append(f"Content-Type: {content_type}")
    elif method in ("POST", "PUT"):
        lines.append("Content-Length: 0")
    pairs = headers.items() if isinstance(headers, dict) else headers
    lines += [f"{name}: {value}" for name, value in pairs]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


class Client:
    """Requests on one kept-alive connection a thread, with a default token."""

    def __init__(self, port, token=None):
        self.port = port
        self.token = token
        self.local = threading.local()

    def connection(self):
        connection = getattr(self.local, "connection", None)
        if connection is None or connection.closing or connection.is_closed():
            if connection:
                connection.close()
            connection = self.local.connection = Connection(self.port)
        return connection

    def forget(self):
        """Closes this thread's connection, so that the next request opens another."""
        connection = getattr(self.local, "connection", None)
        if connection:
            connection.close()
        self.local.connection = None

    def request(self, method, path, body=None, headers=(), token=..., content_type=None):
        if token is ...:
            token = self.token
        try:
            return self.connection().request(method, path, body, headers, token, content_type)
        except Exception:
            self.forget()
            raise

    def get(self, path, headers=(), token=...):
        return self.request("GET", path, None, headers, token)

    def head(self, path, headers=(), token=...):
        return self.request("HEAD", path, None, headers, token)

    def post(self, path, body=None, headers=(), token=..., content_type=None):
        return self.request("POST", path, body, headers, token, content_type)

    def put(self, path, body=None, headers=(), token=..., content_type=None):
        return self.request("PUT", path, body, headers, token, content_type)

    def delete(self, path, headers=(), token=...):
        return self.request("DELETE", path, None, headers, token)


class Stream:
    """A Server-Sent Events subscription. Iterate with `next`; comments are kept apart."""

    def __init__(self, port, path, token, headers=(), receive_buffer=None):
        self.connection = Connection(port, receive_buffer=receive_buffer)
        self.connection.send(encode_request("GET", path, None, headers, token))
        self.status, _, self.headers = self.connection.read_head()
        self.chunked = any(k.lower() == "transfer-encoding" for k, _ in self.headers)
        self.text = b""
        self.comments = []
        self.retry = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    def _read(self):
        if self.chunked:
            chunk = self.connection.read_chunk()
            if not chunk:
                raise Closed(b"")
            self.text += chunk
        else:
            self.connection._more()
            self.text += self.connection.buffer
            self.connection.buffer = b""

    def next_block(self, timeout_s=TIMEOUT_S):
        """The next block of lines (between blank lines)."""
        self.connection.socket.settimeout(timeout_s)
        while b"\n\n" not in self.text:
            self._read()
        block, self.text = self.text.split(b"\n\n", 1)
        return block.decode("utf-8")

    def next(self, timeout_s=TIMEOUT_S):
        """(id, event name, data) of the next event that has data."""
        while True:
            fields = {}
            for line in self.next_block(timeout_s).split("\n"):
                if line.startswith(":"):
                    self.comments.append(line)
                    continue
                name, _, value = line.partition(":")
                value = value[1:] if value.startswith(" ") else value
                fields[name] = fields[name] + "\n" + value if name == "data" and name in fields else value
            if "retry" in fields:
                self.retry = int(fields["retry"])
            if "data" in fields:
                return fields.get("id"), fields.get("event"), json.loads(fields["data"])

    def wait_comment(self, timeout_s):
        self.connection.socket.settimeout(timeout_s)
        while True:
            for line in self.next_block(timeout_s).split("\n"):
                if line.startswith(":"):
                    return line
