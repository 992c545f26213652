"""A daemon under siege: a real ``epochwatchd serve`` with its webhook, and systemd's end of its notify socket."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import common
import yaml
from siege_lib.hook import Hook
from siege_lib.jobs import Job

READY = "watching "
FAULTS = ("Traceback", " broke, and is ")


class Besieged:
    """A daemon, and all that is its own in ``place``. ``stack`` closes what belongs to it."""

    def __init__(self, place: Path, stack: contextlib.ExitStack, **settings: Any) -> None:
        self.place, self.stack = place, stack
        self.beats, self.log, self.store = place / "beats", place / "log", place / "store" / "epochwatch.db"
        self.beats.mkdir()
        self.beats.chmod(0o1777)
        self.hook = Hook()
        stack.callback(self.hook.close)
        self._notify = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self._notify.bind(str(place / "notify"))
        self._notify.settimeout(0.5)
        self.udp, self.socket = ("127.0.0.1", _free_port()), place / "run" / "beats"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("EPOCHWATCH", "JOURNAL"))},
            **dict.fromkeys(("TMPDIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"), str(place)),
            "EPOCHWATCH_DIR": str(self.beats),  # the folders of other agents on this machine are not looked at
            "NOTIFY_SOCKET": str(place / "notify"),
            "NO_PROXY": "*",
        }
        self.prefix: tuple[str, ...] = ()
        self.process: subprocess.Popen[bytes] | None = None
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Write the configuration for the next start."""
        hook = {"hook": {"kind": "webhook", "url": self.hook.url}}
        config = {
            "heartbeats": {"udp": "{}:{}".format(*self.udp), "socket": str(self.socket)},
            "store": {"path": str(self.store)},
            "routes": [{"to": ["hook"]}],
            **settings,
            "channels": {**hook, **settings.get("channels", {})},
        }
        (self.place / "config.yaml").write_text(yaml.safe_dump(config))

    def start(self, *, wait: bool = True) -> None:
        """Start it; ``wait`` until it watches. Raises RuntimeError if it does not start."""
        line = [*self.prefix, sys.executable, "-m", "epochwatchd.cli", "serve", "-c", str(self.place / "config.yaml")]
        begun = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self.process = process = subprocess.Popen(
                line, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        if wait:
            common.wait_until(lambda: READY in self.logged(begun) or process.poll() is not None, "daemon that watches")
            if process.poll() is not None:
                raise RuntimeError(f"the daemon did not start: {self.logged(begun).strip()[-300:]}")

    def logged(self, since: int = 0) -> str:
        """What it has logged from this byte on."""
        return self.log.read_bytes()[since:].decode("utf-8", "replace")

    @property
    def faults(self) -> list[str]:
        """The lines of its log on faults of its own."""
        return [line for line in self.logged().splitlines() if any(words in line for words in FAULTS)]

    def end(self, number: int = signal.SIGKILL) -> int | None:
        """End it by a signal; gives its exit status, None if it does not run."""
        if self.process is None:
            return None
        self.process.send_signal(number)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        """End it as systemd does, and start it anew. Raises RuntimeError if it does not leave well, or start."""
        status = self.end(signal.SIGTERM)
        if status != 0:
            raise RuntimeError(f"the daemon left with status {status}: {self.logged()[-300:]}")
        self.start()

    def is_well(self, within_s: float = 6.0, times: int = 2) -> bool:
        """Whether it says to systemd so often from now on, in time, that it is well."""
        deadline, count = time.monotonic() + within_s, 0
        self._notify.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:  # what it said before does not count
                self._notify.recv(65536)
        self._notify.settimeout(0.5)
        while count < times and time.monotonic() < deadline and self.process and self.process.poll() is None:
            with contextlib.suppress(TimeoutError):
                count += b"WATCHDOG=1" in self._notify.recv(65536)
        return count >= times

    def job(self, name: str, **more: Any) -> Job:
        """A training that it watches, which is killed at the end of the siege."""
        job = Job(self.beats, name, **more)
        self.stack.callback(job.close)
        return job

    def send(self, data: bytes, *, unix: bool = False) -> None:
        """Send it a datagram; one that finds its queue full, or is too long, is lost."""
        family = socket.AF_UNIX if unix else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender, contextlib.suppress(OSError):
            sender.sendto(data, str(self.socket) if unix else self.udp)


@contextlib.contextmanager
def besieged(*, place: Path | None = None, **settings: Any) -> Iterator[Besieged]:
    """A daemon that is not started yet, in a folder of its own (in memory, or below ``place``)."""
    with common.folder(place) as own, contextlib.ExitStack() as stack:
        own.chmod(0o755)
        daemon = Besieged(own, stack, **settings)
        stack.callback(daemon.end)
        yield daemon


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def rss_kib(pid: int) -> int:
    """The memory that a process has in use."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])
