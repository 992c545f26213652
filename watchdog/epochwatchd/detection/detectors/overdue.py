"""``overdue``: the run has gone on for longer than its ``max_runtime``, or for far longer than its first pace said."""

from __future__ import annotations

from epochwatchd.detection.observing import eta_s
from epochwatchd.detection.progress import progress_of
from epochwatchd.model import Cause, Facts, Finding, Policy, Worker
from epochwatchd.phrase import Phrase

FACTOR = 2.0
"""Trainings slow down by half and more: a loaded machine, larger images later on, evaluations that begin late."""
SLACK_S = 1800.0
"""And a short run may be late by this much before it is worth a word."""
_HOUR_S = 3600.0
NEAR_FACTOR = 1.1
"""A run that will be done at so many times that limit is near its end, and nobody is to be bothered."""


def detect(worker: Worker, facts: Facts, policy: Policy, now: float) -> Finding | None:
    """A warning from the moment the allowed time is over, or twice what the run's first pace made one expect."""
    limit_s = policy.max_runtime_s
    if limit_s is not None and now - worker.started_at >= limit_s:
        return Finding("overdue", "warning", worker.started_at + limit_s, Cause("overdue", {"limit_s": limit_s}))
    estimate_s, pace_from = worker.estimate_s, worker.pace_from
    if estimate_s is None or pace_from is None or now - pace_from[1] < FACTOR * estimate_s:
        return None
    return _past(estimate_s, worker, pace_from[1], now)


def _past(estimate_s: float, worker: Worker, from_at: float, now: float) -> Finding | None:
    """By the time since the run's first progress: a slow start, or what was done before a checkpoint, is not in it.

    Who does more than was planned, counted from 1 at that, was not held to the plan.
    """
    progress, left_s = progress_of(worker), eta_s(worker)
    if progress is None or left_s is None or progress.done > progress.planned + 1:
        return None
    limit_s = max(FACTOR * estimate_s, estimate_s + SLACK_S)
    if now - from_at < limit_s or worker.beat_at - from_at + left_s < NEAR_FACTOR * limit_s:
        return None
    evidence = (
        Phrase(
            "by the pace of the first fifth {all_h:,.1f} h in all; so far {so_far_h:,.1f} h",
            all_h=estimate_s / _HOUR_S,
            so_far_h=(now - from_at) / _HOUR_S,
        ),
        Phrase(
            "{done:,.4g} of {planned:,.10g} done; at the pace so far about {left_h:,.1f} h to go",
            done=progress.done,
            planned=progress.planned,
            left_h=left_s / _HOUR_S,
        ),
    )
    cause = Cause("past_estimate", {"estimate_s": estimate_s}, evidence)
    return Finding("overdue", "warning", from_at + limit_s, cause)
