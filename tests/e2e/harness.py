"""What end-to-end tests share: a real daemon in a world of its own, real trainings, a webhook that keeps what comes.

with Daemon({"defaults": {"silent_after": "2s"}}) as daemon:
    training = daemon.train("from epochwatch import agent; agent.beat(1, 0.5); input()", job="lenet")
    training.kill()
    crash = daemon.wait_for(job="lenet", kind="crashed")
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

DEADLINE_S = 30.0
"""Long enough for the most loaded machine; nothing that works ever waits for it."""
_READY = "watching "


class Daemon:
    """``epochwatchd serve`` with a configuration laid over the harness's own, from ``with`` to the end of the block.

    ``messages`` are the notifications received so far, oldest first; ``env`` is what makes a process part of this
    daemon's world; ``log`` is what the daemon wrote. Trainings that still live at the end are killed. Unless the
    configuration has routes of its own, starts are told too, but count as messages only where they are asked for.
    """

    def __init__(self, config=None, **env):
        self._config = config or {}
        self._given_env = env
        self._changed = threading.Condition()
        self.messages = []
        self.log = []
        self.process = None

    def __enter__(self):
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="e2e-")))
            self.beats = self.folder / "beats"
            self.beats.mkdir()
            stack.callback(end_world, self.beats)
            self.env = {**world(self.folder), "EPOCHWATCH_DIR": str(self.beats), **self._given_env}
            self.hook = stack.enter_context(Hook(self._take))
            self.store = self.folder / "epochwatch.db"
            self.config_file = self.folder / "config.yaml"
            self.configure(self._config)
            self._trainings = stack.enter_context(ExitStack())
            stack.callback(lambda: self.process and self.kill())
            self.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind, *_):
        try:
            if self.process is not None:
                status = self.stop()
                assert kind or status == 0, f"the daemon left with status {status}"
            assert kind or not any("Traceback" in line for line in self.log), "the daemon logged a fault of its own"
        finally:
            sys.stdout.writelines(self.log)  # pytest shows it where the test failed
            self._stack.close()

    def configure(self, config):
        """Write the configuration for the next start."""
        ours = {
            "heartbeats": {"udp": "off"},
            "store": {"path": str(self.store)},
            "routes": [{"to": "hook"}],
            **config,
            "channels": {"hook": {"kind": "webhook", "url": self.hook.url}, **config.get("channels", {})},
        }
        self.config_file.write_text(yaml.safe_dump(ours, sort_keys=False))

    def start(self, prefix=()):
        """Start the daemon, by the command ``prefix`` if one is given, and wait until it watches."""
        line = [*prefix, sys.executable, "-m", "epochwatchd.cli", "serve", "-c", self.config_file]
        self.process = subprocess.Popen(
            line, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read_log, args=(self.process.stderr, ready), daemon=True)
        self._reader.start()
        assert ready.wait(DEADLINE_S), "the daemon is not ready:\n" + "".join(self.log)
        assert self.process.poll() is None, "the daemon did not start:\n" + "".join(self.log)

    def stop(self):
        """End the daemon as systemd does; gives its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self):
        """End the daemon without a chance to say anything."""
        return self._end(signal.SIGKILL)

    def restart(self, number=signal.SIGTERM):
        """End the daemon by a signal and start it anew."""
        self._end(number)
        self.start()

    def _end(self, number):
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(DEADLINE_S)
        finally:
            process.kill()
            process.wait()
            self._reader.join(DEADLINE_S)

    def _read_log(self, stream, ready):
        """Keep what the daemon writes; ``ready`` is set when it watches, or when it is gone."""
        with stream:
            for line in stream:
                self.log.append(line)
                if _READY in line:
                    ready.set()
        ready.set()

    def _take(self, message):
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def wait_for(self, predicate=lambda _: True, *, timeout=DEADLINE_S, **fields):
        """The first message, old or new, with these fields that ``predicate`` holds for."""

        def found():
            return next((m for m in self.about(**fields) if predicate(m)), None)

        with self._changed:
            message = self._changed.wait_for(found, timeout)
        assert message, f"no message with {fields} after {timeout} s; there were {self.told()}"
        return message

    def about(self, **fields):
        """The messages received so far with these fields; no starts unless by ``kind="started"``."""
        starts = fields.get("kind") == "started"
        return [m for m in list(self.messages) if (m["kind"] == "started") is starts and fields.items() <= m.items()]

    def told(self, job=None):
        """What was said so far, in short: ``[(job, kind, status), …]``, of all jobs or one."""
        return [(m["job"], m["kind"], m["status"]) for m in self.about() if job in (None, m["job"])]

    def wait_until_watched(self, job):
        """Wait until the daemon knows this job: whatever happens to it from now on must be told."""
        return self.wait_for(job=job, kind="started")

    def settle(self):
        """Wait until all is said that is to be said by now: a run that ends now is told after everything before it."""
        job = f"settled-{time.monotonic_ns()}"
        self.train("from epochwatch import agent; agent.beat(0, 0.0)", job=job)
        self.wait_for(job=job, kind="finished")

    def train(self, code_or_path, *arguments, job=None, **env):
        """Start a training in this daemon's world: see ``training``. It is killed with the block's end."""
        names = {"EPOCHWATCH_JOB": job} if job else {}
        process = training(code_or_path, *arguments, **{**self.env, **names, **env})
        self._trainings.callback(_kill, process)
        return process

    def run(self, *line, **options):
        """Run a command in this daemon's world to its end; gives the CompletedProcess."""
        options = {"env": self.env, "capture_output": True, "text": True, "timeout": DEADLINE_S, **options}
        return subprocess.run(list(map(str, line)), check=False, **options)


def end_world(beats):
    """Kill whatever still lives in the world of this folder: ranks, and children that left their parent's session."""
    mark = f"EPOCHWATCH_DIR={beats}".encode()
    for process in Path("/proc").iterdir():
        with suppress(OSError):  # it is gone, or another user's
            if process.name.isdecimal() and mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


class Hook:
    """An HTTP server on loopback that hands every JSON object posted to it to ``take``, and answers ``status``."""

    def __init__(self, take, port=0):
        self.status = 200
        self._take = take
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(hook):  # noqa: N805 - `self` is the handler's in here
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = hook.status
                if status < 300:
                    hook._take(message)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Say nothing."""

        return Handler


def training(code_or_path, *arguments, **env):
    """Start Python on a script (a Path) or on code (a text) with exactly this environment.

    Its end is waited for at once, as a shell would, so that the kernel can tell others how it ended. ``input()`` makes
    it wait until it is killed or its ``stdin`` is written to or closed.
    """
    script = [str(code_or_path)] if isinstance(code_or_path, Path) else ["-c", code_or_path]
    line = [sys.executable, *script, *map(str, arguments)]
    process = subprocess.Popen(line, env=env, stdin=subprocess.PIPE, start_new_session=True)
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def world(folder):
    """This process's environment with every place that epochwatch looks at moved into ``folder``."""
    alien = ("EPOCHWATCH", "NOTIFY_SOCKET", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(alien)}
    own = dict.fromkeys(("TMPDIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "IPYTHONDIR"), str(folder))
    path = os.pathsep.join((str(Path(sys.executable).parent), ours.get("PATH", os.defpath)))
    own["EPOCHWATCH_CONTROL"] = str(folder / "epochwatchd/control")
    return {**ours, **own, "PATH": path, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}


def free_udp_port():
    """A port of loopback on which nobody receives datagrams."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def eventually(condition, timeout=DEADLINE_S):
    """Wait until ``condition()`` is true, for what no event tells of; gives what it gave."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.005)
    raise AssertionError(f"still not so after {timeout} s: {condition}")


def _kill(process):
    """End a training and whatever it started."""
    with process:  # closes its stdin
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
