"""What loss is usual for a run, and what is far above it.

An exponentially weighted mean and variance (West 1979, in the incremental form of Finch 2009) of the finite losses that
were not themselves far above. A loss that stays there long enough is the run's new level.
"""

from __future__ import annotations

import math

from epochwatchd.model import Spread

MEMORY = 50
"""Losses that the mean and the variance remember, about."""
ENOUGH = 20
"""Losses to have seen before any is called unusual."""
DEVIATIONS = 8.0
"""Standard deviations; losses of some trainings have heavy tails."""
TIMES = 2.0
"""And so many times the usual loss above it, so that a small change of a steady loss is none."""
NEW_LEVEL = 200


def learn(spread: Spread, loss: float, now: float) -> Spread:
    """The spread after one more loss."""
    if loss - loss != 0.0:  # NaN or infinite: another finding's
        return spread
    if is_far_above(spread, loss):
        if spread.above >= NEW_LEVEL:
            return Spread(1, loss)
        return spread._replace(above=spread.above + 1, above_at=spread.above_at if spread.above else now)
    weight = 1.0 / min(spread.seen + 1, MEMORY)
    step = loss - spread.mean
    mean = spread.mean + weight * step
    return Spread(spread.seen + 1, mean, (1.0 - weight) * (spread.variance + weight * step * step))


def is_far_above(spread: Spread, loss: float) -> bool:
    """Whether a loss is far above what is usual."""
    if spread.seen < ENOUGH:
        return False
    return loss - spread.mean > max(DEVIATIONS * math.sqrt(spread.variance), TIMES * abs(spread.mean))
