"""``lost``: a run that only datagrams tell of has fallen quiet: its process, its host or the network."""

from __future__ import annotations

from epochwatchd.detection.timeout import silent_from
from epochwatchd.model import Cause, Facts, Finding, Policy, Worker
from epochwatchd.phrase import Phrase

KEEP_ALIVE_LIMIT_S = 30.0
"""The agent sends a keep-alive every second; a switch that restarts takes less than this."""


def detect(worker: Worker, facts: Facts, policy: Policy, now: float) -> Finding | None:
    """A critical finding when nothing at all is heard any more; a local process is watched itself."""
    if worker.local:
        return None
    quiet_from = worker.heard_at + KEEP_ALIVE_LIMIT_S if worker.keeps_alive else silent_from(worker, None, policy, now)
    if now < quiet_from:
        return None
    evidence = (Phrase("nothing heard for {quiet_s:.0f} s", quiet_s=now - worker.heard_at),)
    return Finding("lost", "critical", worker.heard_at, Cause("unreachable", {}, evidence))
