"""How long a silence may last: what a job's beats have taught, and the limit that follows. See ``docs/silence.md``.

Training is silent at places, not at random: at the end of an epoch, every so many steps, where an earlier run was. A
silence is therefore held against what is due at its place: longer where a pause is due, short everywhere else. What one
run has taught, the next run of its job begins with.

``spread`` says how long the next of a kind may last, ``recurring`` where pauses come again, ``limits`` what that allows
now, ``learning`` what a gap teaches, ``keeping`` how all this is stored.
"""

from epochwatchd.detection.silence.history import PAUSE_S, Life, SilenceHistory
from epochwatchd.detection.silence.keeping import dump, load, next_run
from epochwatchd.detection.silence.learning import learn, learn_end, learn_phase, learn_stand, teaches
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
    "dump",
    "floor_s",
    "learn",
    "learn_end",
    "learn_phase",
    "learn_stand",
    "least_limit_s",
    "limit_s",
    "load",
    "next_run",
    "phase_limit_s",
    "stand_limit_s",
    "teaches",
]
