"""Real servers on loopback for channels to talk to."""

import socket
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from telling import told
from vendors import serving

from epochwatchd.alerting.rendering import render
from epochwatchd.model import Notification


@pytest.fixture
def crash_told():
    """A notification of a crash, not yet in words."""
    return Notification(
        id="6f1c2d",
        kind="crashed",
        status="firing",
        reason="first",
        severity="critical",
        job="resnet50 <é>",
        run="b71c09aa42d1",
        host="gpu01",
        user="mina",
        pid=4242,
        rank=None,
        since="2026-11-20T12:00:00.120Z",
        detected_at="2026-11-20T12:00:00.121Z",
        cause={"code": "signal", "details": {"signal": "SIGKILL"}, "evidence": ["exit status -9"]},
        progress={"epoch": 12, "epochs": 90, "step": 15360, "loss": "NaN", "metrics": {}, "eta_s": None},
        elapsed_s=5123.4,
    )


@pytest.fixture
def crash(crash_told):
    """The same in words."""
    return render(crash_told, "en")


@pytest.fixture
def message(crash):
    """The same as a channel gets it."""
    return told(crash)


@dataclass
class Receiver:
    """An HTTP server that keeps what it is sent and answers what it is told to: ``(status, headers, body)``."""

    url: str
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, asked):
        self.requests.append((asked.path, asked.headers, asked.body))
        return self.answers.pop(0) if self.answers else (200, {}, b"ok")


@pytest.fixture
def serve_http():
    """See vendors.serving."""
    with serving() as serve:
        yield serve


@pytest.fixture
def receiver(serve_http):
    receiver = Receiver("")
    receiver.url = serve_http(receiver.answer)
    return receiver


@pytest.fixture
def refused_port():
    """A port of this machine on which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


@pytest.fixture
def mute_port():
    """A port on which connections are made and nothing is ever said."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]
