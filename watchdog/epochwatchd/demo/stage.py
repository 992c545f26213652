"""The stage of the demo: a real daemon, real trainings and a webhook, and one queue of what happens on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from signal import Signals
from tempfile import TemporaryDirectory
from typing import NamedTuple

import yaml

from epochwatchd.demo.scenarios import Alert, Scenario

TRAINING = Path(__file__).with_name("training.py")
DAEMON = "the daemon"
SILENT_AFTER = "3s"
"""What the frozen training is allowed; the limit that a run teaches by itself would take longer than a demo may."""
_ALIEN = ("EPOCHWATCH", "NOTIFY_SOCKET", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM")
"""Variables that would tie our processes to somebody else's daemon, service or journal."""


class Line(NamedTuple):
    """A line that a process wrote, and when by the monotonic clock; ``text`` is None when it has ended."""

    at: float
    source: str
    text: str | None


@dataclass
class Stage:
    """The processes of the demo, by name, in a folder of their own; what they do comes out of ``next``."""

    folder: Path
    events: SimpleQueue[Alert | Line]
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def start_daemon(self, url: str) -> None:
        """Start ``epochwatchd serve`` with ``url`` as its only channel."""
        config = self.folder / "config.yaml"
        config.write_text(yaml.safe_dump(_config(self.folder, url)), encoding="utf-8")
        self._launch(DAEMON, ["-m", "epochwatchd.cli", "serve", "-c", str(config)])

    def start_training(self, scenario: Scenario) -> None:
        """Start the training of a scenario."""
        arguments = [str(TRAINING), "--epochs", str(scenario.epochs), *scenario.arguments]
        self._launch(scenario.job, arguments, EPOCHWATCH_JOB=scenario.job)

    def _launch(self, name: str, arguments: Sequence[str], **env: str) -> None:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and scripts
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**_environment(self.folder), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C is for the demo, which ends them itself
        )
        self.processes[name] = process
        threading.Thread(target=self._listen, args=(name, process), daemon=True).start()

    def _listen(self, name: str, process: subprocess.Popen[str]) -> None:
        """Put what a process writes into the queue, and wait for it as any parent does who wants to know its end."""
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.events.put(Line(time.monotonic(), name, line.rstrip()))
        process.wait()
        self.events.put(Line(time.monotonic(), name, None))

    def send(self, job: str, number: Signals) -> None:
        """Send a training a signal."""
        self.processes[job].send_signal(number)

    def next(self, deadline: float) -> Alert | Line | None:
        """What happens next; None if nothing does before ``deadline`` of the monotonic clock."""
        try:
            return self.events.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            return None

    def clear(self) -> None:
        """End every process that is still there."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()


@contextmanager
def set_up() -> Iterator[Stage]:
    """A stage on which the daemon starts; afterwards nothing is left of it, however the block ends."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="demo-epochwatch-")))
        (folder / "beats").mkdir()
        stage = Stage(folder, SimpleQueue())
        url = stack.enter_context(_webhook(stage.events))
        stack.callback(stage.clear)
        stage.start_daemon(url)
        yield stage


@contextmanager
def _webhook(events: SimpleQueue[Alert | Line]) -> Iterator[str]:
    """The URL of a server that puts every message posted to it into the queue."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            events.put(Alert(time.monotonic(), message))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            """Say nothing: the alerts are shown already."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def _config(folder: Path, url: str) -> dict[str, object]:
    return {
        "heartbeats": {"udp": "off"},
        "jobs": [{"match": "iris-frozen", "silent_after": SILENT_AFTER}],
        "channels": {"demo": {"kind": "webhook", "url": url}},
        "routes": [{"match": {"job": "iris-*"}, "to": "demo"}, {"to": []}],
        "store": {"path": str(folder / "epochwatch.db")},
    }


def _environment(folder: Path) -> dict[str, str]:
    """Our environment, with every place that epochwatch looks at moved into ``folder``, and no proxy before us."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(_ALIEN)}
    places = {"EPOCHWATCH_DIR": str(folder / "beats"), "TMPDIR": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    return {**ours, **places, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1", "PYTHONIOENCODING": "utf-8"}
