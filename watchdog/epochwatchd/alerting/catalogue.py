"""Every message that there is, as an example, so that a change of words is seen. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timezone
from typing import Any

from epochwatchd.alerting.rendering import render
from epochwatchd.config.settings import Language, Style
from epochwatchd.model import CauseCode, Kind, Notification, Status
from epochwatchd.phrase import Phrase, kept
from epochwatchd.verdicts import VERDICTS

_GPU = {"gpus": [2], "idle_s": 960.0, "memory_mib": 39936.0, "xid": 79, "waiting_s": 60.0}
_HANG = {"at": "train.py:212 in train_step"}
_EARLY = {"epoch": 41, "epochs": 90}

EXAMPLES: Mapping[CauseCode, tuple[Kind, Mapping[str, Any]]] = {
    "exception": ("crashed", {"type": "ValueError", "message": "batch 1041 is empty"}),
    "exit_code": ("crashed", {"status": 3}),
    "signal": ("crashed", {"signal": "SIGSEGV", "core": True}),
    "oom_kill": ("crashed", {"signal": "SIGKILL"}),
    "reboot": ("crashed", {}),
    "reported": ("crashed", {"reason": "validation failed"}),
    "unseen_status": ("finished", _EARLY),
    "unknown": ("crashed", {}),
    "terminated": ("interrupted", {"signal": "SIGTERM"}),
    "keyboard_interrupt": ("interrupted", _EARLY),
    "preempted": ("interrupted", {}),
    "time_limit": ("interrupted", {}),
    "shutdown": ("interrupted", {}),
    "hangup": ("interrupted", {}),
    "stopped_early": ("finished", _EARLY),
    "too_fast": ("finished", {"least_s": 600.0}),
    "retried": ("finished", {"times": 2}),
    "error_in_output": ("crashed", {}),
    "still_there": ("finished", {"gpus": [2]}),
    "deadlock": ("silent", _HANG),
    "exec": ("silent", {"program": "bash upload.sh"}),
    "busy": ("silent", _HANG),
    "io_wait": ("silent", {}),
    "network_wait": ("silent", _HANG),
    "polling": ("silent", _HANG),
    "peer_wait": ("silent", _HANG),
    "stopped": ("silent", {}),
    "gpu_spin": ("silent", _GPU),
    "step_frozen": ("stalled", {"step": 480, "stood_s": 1260.0}),
    "unreachable": ("lost", {}),
    "gpu_idle": ("stalled", _GPU),
    "gpu_lost": ("stalled", _GPU),
    "gpu_error": ("stalled", _GPU),
    "gpu_driver": ("stalled", _GPU),
    "loss_nan": ("diverged", {}),
    "loss_inf": ("diverged", {}),
    "loss_exploded": ("diverged", {}),
    "overdue": ("overdue", {"limit_s": 172_800.0}),
    "past_estimate": ("overdue", {"estimate_s": 20_220.0}),
    "not_begun": ("missing", {"within_s": 900.0}),
    "run_set_aside": ("watchdog", {"run": "resnet50 (run b71c09aa42d1)"}),
    "too_many_runs": ("watchdog", {"user": "mina"}),
    "store_unwritable": ("watchdog", {"problem": "/var/lib/epochwatch is full"}),
    "store_replaced": ("watchdog", {"file": "epochwatch.db.damaged-1"}),
    "config_refused": ("watchdog", {}),
    "channel_parked": ("watchdog", {"channel": "team"}),
    "daemon_ended": ("watchdog", {"result": "oom-kill", "status": "KILL"}),
    "login_ends": ("watchdog", {"channel": "kakao", "day": "2026-11-27"}),
    "test": ("started", {}),
    "summary": (
        "digest",
        {"finished": 14, "failed": 3, "running": 5, "lost_s": 11_520.0, "gpu_hours": "12.8", "period_s": 86_400.0},
    ),
}
"""Of each cause a verdict that it is told with, and details as they may be."""

_PROOFS: Mapping[CauseCode, tuple[str, ...]] = {
    "summary": (
        Phrase("{job} ({user}): {cause}{often}", job="resnet50", user="mina", cause="oom_kill", often=" x3"),
        Phrase("{job} ({user}): stuck for {hours:.1f} h with {gpus} GPUs", job="vit", user="jiho", hours=3.2, gpus=4),
    ),
    "exception": ('  File "train.py", line 212, in train_step', "ValueError: batch 1041 is empty"),
    "exit_code": (Phrase("exit status {status}", status=3),),
    "signal": (Phrase("killed by signal {number} {name} (core dumped)", number=11, name="SIGSEGV"),),
    "oom_kill": (
        "Out of memory: Killed process 4242 (python) total-vm:71303168kB, anon-rss:62914560kB",
        Phrase("the machine had {mib:.0f} MiB available", mib=212.0),
    ),
    "terminated": (
        Phrase("it ran in Slurm's job {id}: `sacct -j {id}` tells of a time limit, preemption or scancel", id="88123"),
    ),
    "deadlock": (
        Phrase(
            "no beat for {silent_s:,.0f} s; the longest gap before was {longest_s:,.1f} s",
            silent_s=960.0,
            longest_s=41.0,
        ),
        Phrase("process state {state}, waiting in {wchan}", state="S", wchan="futex_wait_queue"),
        Phrase("main thread: {at}", at="train.py:212 in train_step"),
    ),
    "gpu_idle": (
        Phrase(
            "GPU {gpu} {name}: {figures}",
            gpu=2,
            name="NVIDIA H100",
            figures=[Phrase("{pct:.0f} % used", pct=0.0), Phrase("{mib:.0f} MiB held", mib=39936.0)],
        ),
    ),
    "loss_exploded": (
        Phrase("loss = {loss:.4g}; usual is {mean:.4g} ± {deviation:.2g}", loss=912.4, mean=2.31, deviation=0.12),
    ),
}
"""What is shown of some, as it may be."""

_RUN = Notification(
    id="6f1c2d", kind="crashed", status="firing", reason="first", severity="critical", job="resnet50",
    run="b71c09aa42d1", host="gpu01", user="mina", pid=4242, rank=None, since="2026-11-20T02:00:00.000Z",
    detected_at="2026-11-20T02:16:00.000Z", cause=None,
    progress={"epoch": 41, "epochs": 90, "step": 15360, "loss": 0.313, "best_loss": 0.298, "best_at": {"epoch": 38}},
    checkpoint={"path": "runs/ckpt-40.pt", "at": "2026-11-20T01:48:00.000Z"}, elapsed_s=20_220.0,
    argv=["python", "train.py", "--lr", "0.1"], cwd="/home/mina/resnet",
)  # fmt: skip


def example(kind: Kind, code: CauseCode | None, *, resolved: bool = False) -> Notification:
    """A notification of this verdict with this cause, not yet in words."""
    verdict = VERDICTS[kind]
    details = dict(EXAMPLES[code][1]) if code else {}
    cause = {"code": code, "details": details, "evidence": [*map(kept, _PROOFS.get(code, ()))]} if code else None
    status: Status = "resolved" if resolved else "notice" if verdict.is_notice else "firing"
    about = replace(_RUN, kind=kind, status=status, reason="resolved" if resolved else "first", cause=cause)
    return (
        replace(about, job=None, run=None, pid=None, progress={}, argv=())
        if verdict.is_ours and kind != "missing"
        else about
    )


def typical(kind: Kind) -> CauseCode | None:
    """The first cause that this verdict has an example with."""
    return next((code for code, (of, _) in EXAMPLES.items() if of == kind), None)


def catalogue(language: Language, style: Style = "full") -> Iterator[str]:
    """Every message, in words: each cause with a verdict of its own, then each fault as it ends."""
    for code, (kind, _) in EXAMPLES.items():
        yield _said(example(kind, code), language, style)
    for kind in ("started", "finished"):
        yield _said(example(kind, None), language, style)
    for kind, verdict in VERDICTS.items():
        if verdict.is_alert and not verdict.is_notice:
            yield _said(example(kind, None, resolved=True), language, style)


def _said(notification: Notification, language: Language, style: Style) -> str:
    return render(notification, language, timezone.utc, style).text
