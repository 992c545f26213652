"""A real daemon, and a webhook that keeps what it says of each job, with the time it came."""

import contextlib
import http.server
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import common
from common import Served

IMPATIENT = "impatient"
"""Jobs of this name are called silent after 5 s, so that a row takes seconds and not an hour."""
JOBS = [{"match": f"{IMPATIENT}*", "silent_after": "5s"}]
EVERYTHING = ({"to": ["hook"]},)
NO_STARTS = ({"match": {"kind": "started"}, "to": []}, *EVERYTHING)
Routes: TypeAlias = Sequence[dict[str, Any]]


class Message(NamedTuple):
    """A notification, and the Unix time of its arrival."""

    came: float
    said: dict[str, Any]

    def __str__(self) -> str:
        cause = self.said["cause"] or {"code": "", "text": ""}
        return f"{self.said['kind']} {self.said['status']} {cause['code']}: {cause['text']}".rstrip(": ")


class Inbox:
    """The other end of the webhook: keeps the messages of each job, starts apart from the others."""

    def __init__(self) -> None:
        self._started: dict[str, Message] = {}
        self._told: dict[str, list[Message]] = defaultdict(list)
        self._changed = threading.Condition()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._take))
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def _take(self, said: dict[str, Any]) -> None:
        message = Message(time.time(), said)
        with self._changed:
            if said["kind"] == "started":
                self._started[said["job"]] = message
            else:
                self._told[said["job"]].append(message)
            self._changed.notify_all()

    @property
    def count(self) -> int:
        """How many messages came, starts apart."""
        with self._changed:
            return sum(map(len, self._told.values()))

    def start_of(self, job: str, within_s: float) -> Message | None:
        """The message that ``job`` began, None if it does not come in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._started.get(job), within_s)

    def wait(self, job: str, count: int, within_s: float) -> list[Message]:
        """What was said of ``job``, once it is so many messages or the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._told[job]) >= count, within_s)
            return list(self._told[job])


def _handler(take: Any) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            take(message)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


class Watchdog:
    """``epochwatchd serve`` in a folder of its own, that can be killed and started again.

    ``faults`` gets what it logs of its own faults, at the latest when it is killed.
    """

    def __init__(self, place: Path, inbox: Inbox, faults: list[str], routes: Routes) -> None:
        self.place = place
        self.inbox = inbox
        self.faults = faults
        self._routes = routes
        self._life = contextlib.ExitStack()
        self._served: Served | None = None

    @property
    def served(self) -> Served:
        """The daemon that runs now."""
        assert self._served is not None
        return self._served

    def start(self) -> None:
        """Start it, and wait until it watches."""
        channels = {"hook": {"kind": "webhook", "url": self.inbox.url}}
        serving = common.serving(self.place, channels=channels, routes=list(self._routes), jobs=JOBS)
        self._served = self._life.enter_context(serving)

    def kill(self) -> None:
        """End it without a chance to say anything."""
        self._life.close()
        lines = (self.place / "log").read_text().splitlines()
        self.faults += [line for line in lines if "Traceback" in line or " broke on " in line]


@contextlib.contextmanager
def watching(faults: list[str], routes: Routes = EVERYTHING) -> Iterator[Watchdog]:
    """A daemon that watches, until the end of the block."""
    with common.folder() as place, contextlib.closing(Inbox()) as inbox:
        watchdog = Watchdog(place, inbox, faults, routes)
        watchdog.start()
        try:
            yield watchdog
        finally:
            watchdog.kill()
