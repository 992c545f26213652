"""A summary of the last day, or of the time since the last one: how many ended how, and what hangs have cost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from epochwatchd.alerting.composing import stamp
from epochwatchd.model import Kind, Notification
from epochwatchd.phrase import Phrase, kept

FAILED_NAMED, STUCK_NAMED, HOUR_S = 10, 3, 3600.0


class Ended(NamedTuple):
    """A run that has ended: of whom, how and why."""

    job: str
    user: str
    verdict: Kind
    cause: str | None


class Stuck(NamedTuple):
    """A stretch in which a run was silent or stalled, in Unix seconds; it may have begun before. gpus: that it held."""

    run_key: str
    job: str
    user: str
    from_wall: float
    until_wall: float
    gpus: int


class Summary(NamedTuple):
    """What the store says of a time. running: how many go on at its end."""

    from_wall: float
    until_wall: float
    ended: Sequence[Ended]
    stuck: Sequence[Stuck]
    running: int


def digest(channel: str, about: Summary, host: str) -> Notification:
    """The message on this time."""
    ended = about.ended
    lost = list(_lost(about))
    gpu_hours = sum(seconds * gpus for _, seconds, gpus in lost) / HOUR_S
    details: dict[str, Any] = {
        "period_s": about.until_wall - about.from_wall,
        "finished": sum(run.verdict == "finished" for run in ended),
        "failed": sum(run.verdict == "crashed" for run in ended),
        "interrupted": sum(run.verdict == "interrupted" for run in ended) or None,
        "running": about.running,
        "lost_s": sum(seconds for _, seconds, _ in lost) or None,
        "gpu_hours": f"{gpu_hours:.1f}" if gpu_hours else None,
    }
    return Notification(
        id=f"digest-{channel}-{about.until_wall:.0f}",
        kind="digest",
        status="notice",
        reason="first",
        severity="info",
        job=None,
        run=None,
        host=host,
        user=None,
        pid=None,
        rank=None,
        since=stamp(about.from_wall),
        detected_at=stamp(about.until_wall),
        cause={"code": "summary", "details": details, "evidence": [*map(kept, _lines(ended, lost))]},
        progress={},
        elapsed_s=0.0,
    )


def _lost(about: Summary) -> Iterable[tuple[Stuck, float, int]]:
    """For how long each run was stuck in this time, with how many GPUs: a run may be so in two ways at once."""
    by_run: dict[str, list[Stuck]] = {}
    for stuck in sorted(about.stuck, key=lambda one: one.from_wall):
        by_run.setdefault(stuck.run_key, []).append(stuck)
    for stretches in by_run.values():
        seconds, last = 0.0, about.from_wall
        for one in stretches:
            begin, end = max(one.from_wall, last), min(one.until_wall, about.until_wall)
            seconds += max(0.0, end - begin)
            last = max(last, end)
        if seconds:
            yield stretches[0], seconds, max(one.gpus for one in stretches)


def _lines(ended: Sequence[Ended], lost: Sequence[tuple[Stuck, float, int]]) -> Iterable[str]:
    """What failed, and what was stuck the longest: a line each."""
    failed = Counter(run for run in ended if run.verdict == "crashed")
    for run, times in failed.most_common(FAILED_NAMED):
        cause, often = run.cause or Phrase("crashed"), f" x{times}" if times > 1 else ""
        yield Phrase("{job} ({user}): {cause}{often}", job=run.job, user=run.user, cause=cause, often=often)
    more = failed.total() - sum(times for _, times in failed.most_common(FAILED_NAMED))
    if more:
        yield Phrase("and {count} more that failed", count=more)
    for stuck, seconds, gpus in sorted(lost, key=lambda one: -one[1] * max(1, one[2]))[:STUCK_NAMED]:
        known = {"job": stuck.job, "user": stuck.user, "hours": seconds / HOUR_S}
        if gpus:
            yield Phrase("{job} ({user}): stuck for {hours:.1f} h with {gpus} GPUs", gpus=gpus, **known)
        else:
            yield Phrase("{job} ({user}): stuck for {hours:.1f} h", **known)
