"""A daemon under siege: a real ``epochwatchd serve``, its webhook, systemd's side of its notify socket, and its jobs."""

import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import common
import yaml

from epochwatch import wire
from epochwatch.wire import Body, Head
from epochwatchd.inputs import processes

STRANGER = 54321
"""The uid of a hostile neighbour, where we may give files away."""
READY = "watching "


class Said(NamedTuple):
    """A message as it came: when, and under which key."""

    came: float
    key: str
    message: dict[str, Any]


class Hook:
    """The webhook. ``before_answer`` is called while a message is being posted; ``delay_s``: how long an answer takes."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.changed = threading.Condition()
        self.before_answer: Callable[[], None] = lambda: None
        self.delay_s = 0.0
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _handler(hook) -> type[http.server.BaseHTTPRequestHandler]:  # noqa: N805 - ``self`` is the handler's in here
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with hook.changed:
                    hook.said.append(Said(time.time(), self.headers["Idempotency-Key"], message))
                    hook.changed.notify_all()
                hook.before_answer()
                time.sleep(hook.delay_s)
                with contextlib.suppress(OSError):  # the daemon was killed meanwhile: that is what we are here for
                    self.send_response(200)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def about(self, **fields: object) -> list[Said]:
        """The messages so far with these fields."""
        with self.changed:
            return [s for s in self.said if fields.items() <= s.message.items()]

    def wait(self, within_s: float, **fields: object) -> Said | None:
        """The first message with these fields, None if it does not come in time."""
        with self.changed:
            self.changed.wait_for(lambda: any(fields.items() <= s.message.items() for s in self.said), within_s)
            return next((s for s in self.said if fields.items() <= s.message.items()), None)

    def close(self) -> None:
        """No more messages."""
        self._server.shutdown()
        self._server.server_close()


class Besieged:
    """A daemon and all that is its own, in ``place``; ``store`` is its database."""

    def __init__(self, place: Path, **settings: Any) -> None:
        self.place, self.beats, self.log = place, place / "beats", place / "log"
        self.beats.mkdir()
        self.beats.chmod(0o1777)
        self.store = place / "store" / "epochwatch.db"
        self.hook = Hook()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(place / "notify"))
        self.well = 0
        threading.Thread(target=self._listen, daemon=True).start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.udp = ("127.0.0.1", free.getsockname()[1])
        self.socket = str(place / "run" / "beats")
        config: dict[str, Any] = {
            "heartbeats": {"udp": f"{self.udp[0]}:{self.udp[1]}", "directories": [str(self.beats)]},
            "store": {"path": str(self.store)},
            "channels": {"hook": {"kind": "webhook", "url": self.hook.url}},
            "routes": [{"to": ["hook"]}],
            **settings,
        }
        (place / "config.yaml").write_text(yaml.safe_dump(config))
        self.process: subprocess.Popen[bytes] | None = None
        self.prefix: tuple[str, ...] = ()

    def _listen(self) -> None:
        """Count how often it says that it is well."""
        with contextlib.suppress(OSError):
            while True:
                self.well += b"WATCHDOG=1" in self._notify.recv(65536)

    def start(self, *, wait: bool = True) -> None:
        """Start it; ``wait`` until it watches."""
        (self.place / "run").mkdir(exist_ok=True)
        own = {
            "TMPDIR": str(self.place),
            "XDG_RUNTIME_DIR": str(self.place),
            "NOTIFY_SOCKET": str(self.place / "notify"),
        }
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("EPOCHWATCH", "JOURNAL"))}
        environment = {**ours, **own, "RUNTIME_DIRECTORY": str(self.place / "run"), "NO_PROXY": "*"}
        size = self.log.stat().st_size if self.log.exists() else 0
        line = [*self.prefix, sys.executable, "-m", "epochwatchd.cli", "serve", "-c", str(self.place / "config.yaml")]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(line, env=environment, stdout=output, stderr=output)
        if wait:
            process = self.process
            common.wait_until(lambda: READY in self.logged(size) or process.poll() is not None, "daemon")
            if process.poll() is not None:
                raise RuntimeError(f"the daemon did not start:\n{self.logged(size)[-2000:]}")

    def logged(self, since: int = 0) -> str:
        """What it has logged."""
        return self.log.read_bytes()[since:].decode("utf-8", "replace")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it by a signal."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None

    def is_well(self, within_s: float = 5.0) -> bool:
        """Whether it lives, and goes on saying so to systemd."""
        before, deadline = self.well, time.monotonic() + within_s
        while self.process is not None and self.process.poll() is None and time.monotonic() < deadline:
            if self.well > before + 1:
                return True
            time.sleep(0.02)
        return False

    def send(self, data: bytes, *, unix: bool = False) -> None:
        """Send it a datagram."""
        kind = socket.AF_UNIX if unix else socket.AF_INET
        with (
            socket.socket(kind, socket.SOCK_DGRAM) as sender,
            contextlib.suppress(OSError),
        ):  # too long, or a full queue
            sender.sendto(data, self.socket if unix else self.udp)

    def close(self) -> None:
        """End everything."""
        self.kill()
        self.hook.close()
        self._notify.close()


@contextlib.contextmanager
def besieged(**settings: Any) -> Iterator[Besieged]:
    """A daemon that was started, until the end of the block."""
    with common.folder() as place:
        place.chmod(0o755)
        daemon = Besieged(place, **settings)
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.close()


class Job:
    """A process that does nothing, whose heartbeats we write: so thousands of them cost next to nothing."""

    def __init__(self, daemon: Besieged, name: str, command: tuple[str, ...] = ("sleep", "600")) -> None:
        self.name, self.ended_at, self.kind = name, 0.0, ""
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.path = daemon.beats / f"{name}.beat"
        self.seq = 0
        self.beat()

    def beat(self, **head: Any) -> None:
        """Write a heartbeat."""
        self.seq += 1
        head.setdefault("epoch", float(self.seq))
        write(self.path, body_of(self.name, self.process.pid), seq=self.seq, time_ns=time.time_ns(), **head)

    def end(self, how: str) -> None:
        """End it in one of ENDS; what has to be told of that is ``kind``."""
        self.kind = ENDS[how]
        if how in ("finished", "failed"):
            self.beat(state=wire.FINISHED if how == "finished" else wire.FAILED)
        self.ended_at = time.time()
        self.process.kill() if how != "exited" else self.process.communicate(b"\n")
        self.process.communicate()

    def close(self) -> None:
        """Whatever became of it, leave no process behind."""
        self.process.kill()
        self.process.communicate()


ENDS = {"finished": "finished", "failed": "crashed", "killed": "crashed", "exited": "crashed"}
EXITS = ("sh", "-c", "read x; exit 3")


def body_of(job: str, pid: int, **fields: Any) -> bytes:
    """The body of a heartbeat of a process."""
    stat = processes.read_stat(pid)
    body = Body(job, run=job, pid=pid, start=stat.start if stat else 1, boot=processes.boot_id(), **fields)
    return wire.encode_body(body)


def heartbeat(data: bytes, **head: Any) -> bytes:
    """A heartbeat around a body, whatever that is, with checksums that are right."""
    placed = {"body_at": wire.HEAD_SIZE, "body_len": len(data), "body_crc": zlib.crc32(data), **head}
    return wire.encode_head(Head(**placed)) + data


def write(path: Path, data: bytes, *, uid: int | None = None, **head: Any) -> None:
    """Have a heartbeat appear whole; with ``uid`` it is somebody else's, where we may give it away."""
    hidden = path.with_name(f".{path.name}")
    hidden.write_bytes(heartbeat(data, **head))
    if uid is not None and os.geteuid() == 0:
        os.chown(hidden, uid, uid)
    hidden.chmod(0o644)
    hidden.replace(path)
