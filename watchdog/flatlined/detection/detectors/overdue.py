"""``overdue``: the run has gone on for longer than its ``max_runtime``."""

from __future__ import annotations

from flatlined.model import Cause, Facts, Finding, Policy, Worker


def detect(worker: Worker, facts: Facts, policy: Policy, now: float) -> Finding | None:
    """A warning from the moment the allowed time is over."""
    limit_s = policy.max_runtime_s
    if limit_s is None or now - worker.started_at < limit_s:
        return None
    return Finding("overdue", "warning", worker.started_at + limit_s, Cause("overdue", {"limit_s": limit_s}))
