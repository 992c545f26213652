"""Optuna: ``study.optimize(objective, n_trials=100, callbacks=[Epochwatch(n_trials=100)])``."""

from __future__ import annotations

from typing import Any, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    import optuna  # noqa: F401 - the callback needs nothing of it: so it is said at once that it is missing
except ImportError:
    raise ImportError("epochwatch.integrations.optuna needs optuna: pip install optuna") from None


class Epochwatch:
    """Beats after each trial; the loss is its value, where there is one objective.

    job: the run's name. n_trials: how many are to come.
    """

    def __init__(self, job: Optional[str] = None, n_trials: Optional[int] = None) -> None:
        self._job, self._n_trials = job, n_trials
        self._done = 0

    @guarded()
    def __call__(self, _study: Any, trial: Any) -> None:
        """After a trial, which may have failed or been pruned."""
        if not self._done:
            agent.start(self._job, steps=self._n_trials)
        self._done += 1
        values = trial.values
        agent.beat(step=self._done, loss=values[0] if values and len(values) == 1 else None)
