"""LightGBM: ``lgb.train(..., callbacks=[Epochwatch()])``."""

from __future__ import annotations

from typing import Any, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    import lightgbm  # noqa: F401 - the callback needs nothing of it: so it is said at once that it is missing
except ImportError:
    raise ImportError("epochwatch.integrations.lightgbm needs lightgbm: pip install lightgbm") from None


class Epochwatch:
    """Beats at each round; the loss is the last metric of the last data set.

    job: the run's name.
    """

    order = 25
    """After those that log and record, before early stopping, which leaves by an exception."""
    before_iteration = False

    def __init__(self, job: Optional[str] = None) -> None:
        self._job = job

    @guarded()
    def __call__(self, env: Any) -> None:
        """After a round. A model that is trained further has its earlier rounds counted."""
        if env.iteration == env.begin_iteration:
            agent.start(self._job, steps=env.end_iteration)
        results = env.evaluation_result_list
        agent.beat(step=env.iteration + 1, loss=_value(results[-1]) if results else None)


def _value(result: Any) -> Any:
    """Results were tuples (data set, metric, value, …) before 4.7."""
    return result[2] if isinstance(result, tuple) else result.value
