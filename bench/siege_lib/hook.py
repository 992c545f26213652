"""The other end of a webhook: keeps what comes, and answers as it is told to."""

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Said(NamedTuple):
    """A message as it came: at which Unix time, and under which ``Idempotency-Key``."""

    came: float
    key: str
    message: dict[str, Any]


class Hook:
    """A webhook on loopback. ``answer`` is called while a message is posted, and gives the status."""

    def __init__(self, answer: Callable[[], int] = lambda: 200) -> None:
        self.answer = answer
        self._said: list[Said] = []
        self._changed = threading.Condition()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """No more messages."""
        self._server.shutdown()
        self._server.server_close()

    def take(self, said: Said) -> None:
        """A message came."""
        with self._changed:
            self._said.append(said)
            self._changed.notify_all()

    def about(self, **fields: object) -> list[Said]:
        """The messages so far with these fields, the oldest first."""
        with self._changed:
            return [s for s in self._said if fields.items() <= s.message.items()]

    def ends(self, job: str) -> list[Said]:
        """The messages on a job that are not of its start."""
        return [s for s in self.about(job=job) if s.message["kind"] != "started"]

    def wait(self, within_s: float, **fields: object) -> Said | None:
        """The first message with these fields; None if it does not come in time."""
        with self._changed:
            return self._changed.wait_for(lambda: next(iter(self.about(**fields)), None), within_s)


def _handler(hook: Hook) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(size := int(self.headers["Content-Length"]))
            if len(data) < size:  # the daemon was killed while it posted: nothing was said
                return
            hook.take(Said(time.time(), self.headers["Idempotency-Key"] or "", json.loads(data)))
            status = hook.answer()
            with contextlib.suppress(OSError):  # it was killed while it waited for the answer
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
