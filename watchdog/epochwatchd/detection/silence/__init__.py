"""How long a silence may last: what a job's beats have taught, and the limit that follows. See ``docs/silence.md``.

Training is silent at places, not at random: at the end of an epoch, every so many steps, where an earlier run was. A
silence is therefore held against what is due at its place: longer where a pause is due, short everywhere else. What one
run has taught, the next run of its job begins with.

``durations`` says how long the next of a kind may last, ``pauses`` where they come again, ``limits`` what that allows
now, ``learning`` what a gap teaches, ``history`` what is known.
"""

from epochwatchd.detection.silence.history import PAUSE_S, Life, SilenceHistory
from epochwatchd.detection.silence.learning import (
    learn,
    learn_end,
    learn_phase,
    learn_stand,
    learn_wait,
    next_run,
    teaches,
)
from epochwatchd.detection.silence.limits import (
    FLOOR_S,
    floor_s,
    least_limit_s,
    limit_s,
    phase_limit_s,
    stand_limit_s,
)

__all__ = [
    "FLOOR_S",
    "PAUSE_S",
    "Life",
    "SilenceHistory",
    "floor_s",
    "learn",
    "learn_end",
    "learn_phase",
    "learn_stand",
    "learn_wait",
    "least_limit_s",
    "limit_s",
    "next_run",
    "phase_limit_s",
    "stand_limit_s",
    "teaches",
]
