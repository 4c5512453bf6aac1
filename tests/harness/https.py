"""A CA of one's own and small HTTPS servers on loopback, as stand-ins for services that are reached over the internet."""

import http.server
import json
import socketserver
import ssl
import subprocess
import threading


class Authority:
    """A CA whose certificate clients are given, and a server certificate for 127.0.0.1 and localhost."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.key, self.certificate = folder / "server.key", folder / "server.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=Test CA", "-keyout", folder / "ca.key", "-out", self.ca)
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                      "-keyout", self.key, "-out", folder / "server.csr")
        names = folder / "names"
        names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:core.tryzero.com\n")
        self._openssl("x509", "-req", "-in", folder / "server.csr", "-CA", self.ca, "-CAkey", folder / "ca.key", "-days", "2",
                      "-CAcreateserial", "-extfile", names, "-out", self.certificate)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # a client that does not trust us, or left


class HttpsServer:
    """answer(method, path, body) gives (status, value), value being bytes or something for JSON; None cuts the line.

    stop() and start() are an outage: the port stays the same.
    """

    def __init__(self, authority, answer):
        self.authority, self.answer = authority, answer
        self.port = 0
        self.requests = []
        self.server = None

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 30

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.requests.append((self.command, self.path, dict(self.headers), body))
                given = outer.answer(self.command, self.path, body)
                if given is None:
                    self.close_connection = True
                    return
                status, value = given
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority.certificate, self.authority.key)
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join(10)
            self.server = None
