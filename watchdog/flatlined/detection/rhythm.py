"""How long is too long: the limit that a run's own rhythm sets to its silence.

The rule is simple on purpose and stands here alone, so that a better one replaces this file and nothing else:
a multiple of the longest gap between beats so far (NVIDIA's resiliency extension uses the same factor), a floor
below which nobody wants to be woken, and patience as long as little has been learned.
"""

from __future__ import annotations

from flatline.wire import EXITING
from flatlined.model import Policy, Process, Rhythm, Worker

LONGEST_FACTOR = 5.0
FLOOR_S = 60.0
GAPS_TO_TRUST = 8
WORKING_FACTOR = 6.0
"""A silent run whose CPU still works as one that computes is given this much longer."""
WORKING_WITHIN_S = 5.0
STOPPED_FACTOR = 3.0
STOPPED_FLOOR_S = 5.0
"""A stopped process (SIGSTOP, Ctrl-Z) cannot be computing: no doubt is left to wait for."""
EXITING_FLOOR_S = 60.0


def learn(rhythm: Rhythm, gap_s: float) -> Rhythm:
    """The rhythm after one more gap between two beats."""
    return Rhythm(rhythm.gaps + 1, max(rhythm.longest_s, gap_s))


def auto_limit_s(rhythm: Rhythm, policy: Policy) -> float:
    """The longest silence that is normal for this rhythm, in seconds."""
    learned = LONGEST_FACTOR * rhythm.longest_s
    if rhythm.gaps < GAPS_TO_TRUST:
        return max(policy.first_beat_within_s, learned)
    return max(FLOOR_S, learned)


def silent_from(worker: Worker, process: Process | None, policy: Policy, now: float) -> float:
    """The time from which on the worker counts as silent if nothing comes."""
    if worker.head.seq == 0 and worker.head.phase is None:
        return worker.beat_at + policy.first_beat_within_s
    usual = worker.beat_at + _limit_s(worker, process, policy, now)
    if worker.head.phase is None:
        return usual
    budget_s = worker.head.within_s if worker.head.within_s is not None else policy.first_beat_within_s
    announced = worker.phase_at + budget_s
    return announced if worker.beat_at <= worker.phase_at else max(announced, usual)


def _limit_s(worker: Worker, process: Process | None, policy: Policy, now: float) -> float:
    if policy.silent_after_s is not None:
        return policy.silent_after_s
    limit_s = auto_limit_s(worker.rhythm, policy)
    if worker.head.state == EXITING:
        return max(EXITING_FLOOR_S, LONGEST_FACTOR * worker.rhythm.longest_s)
    if process is None:
        return limit_s
    if process.state == "T":
        return min(limit_s, max(STOPPED_FLOOR_S, STOPPED_FACTOR * worker.rhythm.longest_s))
    return limit_s * WORKING_FACTOR if now - process.active_at < WORKING_WITHIN_S else limit_s


def is_suspect(worker: Worker, now: float) -> bool:
    """Whether a worker's silence is long enough to look at its process; cheap, asked of every worker every tick."""
    return now - worker.beat_at > max(2.0, 2.0 * worker.rhythm.longest_s)
