from dataclasses import replace

import pytest

from epochwatchd.model import Notification

CRASHED = Notification(
    id="6f1c2d",
    kind="crashed",
    status="firing",
    reason="first",
    severity="critical",
    job="resnet50",
    run="b71c09aa42d1",
    host="gpu01",
    user="mina",
    pid=4242,
    rank=None,
    since="2026-11-20T12:00:00.120Z",
    detected_at="2026-11-20T12:15:00.121Z",
    cause={"code": "oom_kill", "details": {"signal": "SIGKILL"}, "evidence": ["exit status -9"]},
    progress={"epoch": 12, "epochs": 90, "step": 15360, "loss": 0.31, "metrics": {"acc": 0.912}, "eta_s": 40210.0},
    elapsed_s=5123.4,
)


@pytest.fixture
def notification():
    """What makes a notification: a crash, but for the changes asked for."""
    return lambda **changes: replace(CRASHED, **changes)
