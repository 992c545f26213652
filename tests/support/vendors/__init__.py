"""Stand-ins for services that cannot be had here, one file a vendor, written from what each publishes.

They are small and strict: what the vendor would refuse they refuse, in its words. Each gives ``options`` of a channel
that reaches it, keeps what it took in ``taken``, and has in ``REFUSALS`` what the vendor answers where it does not take
a message: later, this message, this channel, until a time.
"""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Asked(NamedTuple):
    """A request. The names of headers are in lower case."""

    method: str
    path: str
    headers: dict
    body: bytes

    def json(self):
        """The JSON object of the body; None if there is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


def said(status, body=None, headers=None):
    """An answer; a body that is no text is JSON."""
    text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
    return status, headers or {}, text.encode()


class Vendor:
    """What all of them do: ``answers`` come first, one each, then the vendor's own judgement."""

    REFUSALS = {}

    def __init__(self):
        self.taken = []
        self.asked = []
        self.answers = []

    def answer(self, asked):
        """The answer to a request."""
        self.asked.append(asked)
        return self.answers.pop(0) if self.answers else self.judge(asked)


@contextmanager
def serving():
    """What starts a server whose answers come from ``answer(asked)``, and gives its URL; they go with the block."""
    servers = []

    def serve(answer):
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answer))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    try:
        yield serve
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def _handler(answer):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, headers, said = answer(Asked(self.command, self.path, headers, body))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(said)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        do_PATCH = do_GET = do_POST  # noqa: N815 - the base class asks for them

        def log_message(self, *_):
            pass

    return Handler
