"""What may become a fault: shown, never alerted. Cheap, as it is asked of every worker at every tick."""

from __future__ import annotations

from epochwatch.wire import RUNNING
from epochwatchd.detection import silence
from epochwatchd.detection.silence import SilenceHistory
from epochwatchd.detection.throughput import slowdown
from epochwatchd.detection.timeout import is_suspect, suspect_from
from epochwatchd.model import Pending, Worker

STAND_FACTOR = 2.0
"""A step is suspect when it stood so many times longer than ever before, as a silence is."""


def pending(worker: Worker, now: float) -> Pending | None:
    """What the worker is suspected of, the worst first; nothing before its first beat or in an announced phase."""
    if is_suspect(worker, now):
        return _if_training(worker, _silent(worker))
    pace = worker.pace
    if pace.stood_at is not None or pace.windows.slow:
        return _if_training(worker, _stalled(worker) or _slow(worker))
    return None


def _if_training(worker: Worker, suspected: Pending | None) -> Pending | None:
    head = worker.head
    is_training = (
        worker.body.command_pid is None
        and head.seq > 0
        and head.phase is None
        and head.state == RUNNING
        and worker.exit is None
    )
    return suspected if is_training else None


def _silent(worker: Worker) -> Pending:
    text = f"no beat for longer than ever: the longest gap was {worker.rhythm.longest_s:,.1f} s"
    return Pending("silent", suspect_from(worker), text)


def _stalled(worker: Worker) -> Pending | None:
    pace = worker.pace
    if pace.stood_at is None or not pace.advances:
        return None
    suspect_at = max(pace.news_at, worker.phase_at) + _longest_stand_s(worker.history)
    if worker.beat_at <= suspect_at:
        return None
    return Pending("stalled", suspect_at, f"beats come, but step {worker.head.step} stays the same")


def _longest_stand_s(known: SilenceHistory) -> float:
    return max(silence.FLOOR_S, STAND_FACTOR * known.stands.longest_s)


def _slow(worker: Worker) -> Pending | None:
    windows = worker.pace.windows
    times = slowdown(windows)
    return None if times is None else Pending("slow", windows.slow_at, f"{times:.1f} times slower than before")
