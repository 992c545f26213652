"""Every channel through every failure with marked secrets; then everything that was written is searched for them."""

import json
import signal
import threading
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from harness import DEADLINE_S, Daemon
from vendors.discord import Discord
from vendors.kakao import Kakao
from vendors.line import Line
from vendors.machines import SECRET, Hook
from vendors.ntfy import Ntfy
from vendors.rooms import NaverWorks, Teams
from vendors.slack import SlackBot, SlackWebhook
from vendors.telegram import Telegram

VENDORS = [SlackWebhook, SlackBot, Discord, Telegram, Line, Kakao, NaverWorks, Teams, Ntfy, Hook]
MARKS = ("geheim", "XXXXXXXX")
ANSWERS = [500, 400, 400, None, 429, 200, 401, 404]
"""What the tell-tale says, one after the other; None: it hangs up."""
TRAININGS = 6


class TellTale:
    """A peer that repeats everything it was told, as some do in their errors, and says each status in turn."""

    def __init__(self):
        self.count = 0
        self.changed = threading.Condition()
        tell_tale = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status = tell_tale.next()
                if status is None:
                    self.close_connection = True
                    return
                said = f"{self.path} {dict(self.headers)} {body.decode('utf-8', 'replace')}".encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def next(self):
        with self.changed:
            self.count += 1
            self.changed.notify_all()
            return ANSWERS[(self.count - 1) % len(ANSWERS)]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def tell_tales():
    with ExitStack() as stack:
        yield {kind.__name__.lower(): stack.enter_context(closing(TellTale())) for kind in VENDORS}


def everything_written(daemon):
    """Names and contents: the log, all files of the daemon's world but its configuration, what others see of it."""
    yield "the log", "".join(daemon.log)
    yield "the messages", json.dumps(daemon.messages)
    for path in daemon.folder.rglob("*"):
        if path.is_file() and path not in (daemon.config_file, kakao_memory(daemon)):
            yield str(path), path.read_bytes().decode("latin-1")
    yield "the process list", Path(f"/proc/{daemon.process.pid}/cmdline").read_text()
    for command in ("check", "status", "test-alert"):
        done = daemon.run("epochwatchd", command, "-c", daemon.config_file)
        yield f"epochwatchd {command}", done.stdout + done.stderr


def kakao_memory(daemon):
    """Where the channel keeps its tokens: the one file besides the configuration that may hold secrets."""
    return daemon.folder / "channels/to-kakao.json"


def test_no_secret_is_written_whatever_a_peer_says(tell_tales):
    pairs = zip(tell_tales.items(), VENDORS, strict=True)
    channels = {f"to-{name}": kind().options(tell_tale.url) for (name, tell_tale), kind in pairs}
    channels["mail"] = {
        "kind": "email", "host": "127.0.0.1", "port": 1, "user": "a@b.c", "password": SECRET, "to": "a@b.c",
    }  # fmt: skip
    with Daemon({"channels": channels, "routes": [{"to": ["hook", *channels]}]}) as daemon:
        kakao_memory(daemon).parent.mkdir()
        kakao_memory(daemon).write_text(json.dumps(Kakao().memory()))
        for number in range(TRAININGS):
            training = daemon.train("from epochwatch import agent; agent.beat(1, 0.5); input()", job=f"job {number}")
            daemon.wait_until_watched(f"job {number}")
            training.kill()
            daemon.wait_for(job=f"job {number}", kind="crashed")
            daemon.process.send_signal(signal.SIGHUP)  # what is parked is tried again
        for name, tell_tale in tell_tales.items():
            with tell_tale.changed:
                assert tell_tale.changed.wait_for(lambda t=tell_tale: t.count >= TRAININGS, DEADLINE_S), name
        for name, text in everything_written(daemon):
            assert not [mark for mark in MARKS if mark in text], name
        assert any(mark in yaml.safe_dump(channels) for mark in MARKS), "what was searched for was there to be found"
        assert [line for line in daemon.log if "channel to-slackwebhook: answered" in line]
