"""XGBoost: ``xgb.train(..., callbacks=[Epochwatch(total=100)])``. It tells its callbacks no number of rounds."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    from xgboost.callback import TrainingCallback
except ImportError:
    raise ImportError("epochwatch.integrations.xgboost needs xgboost: pip install xgboost") from None


class Epochwatch(TrainingCallback):
    """Beats at each round; the loss is the last metric of the last data set.

    job: the run's name. total: how many rounds are to come.
    """

    def __init__(self, job: Optional[str] = None, total: Optional[int] = None) -> None:
        super().__init__()
        self._job, self._total = job, total
        self._earlier = 0

    def before_training(self, model: Any) -> Any:
        """It gets its model back, whatever happens here. The earlier rounds of one that is trained further count."""
        with guarded():
            self._earlier = model.num_boosted_rounds()
            agent.start(self._job, steps=self._total and self._earlier + self._total)
        return model

    def after_iteration(self, _model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, Any]]) -> bool:
        """Never true: that would end the training."""
        with guarded():
            agent.beat(step=self._earlier + epoch + 1, loss=_last(evals_log))
        return False


def _last(evals_log: Mapping[str, Mapping[str, Any]]) -> Any:
    for metrics in reversed(list((evals_log or {}).values())):
        for values in reversed(list(metrics.values())):
            latest = values[-1]
            return latest[0] if isinstance(latest, tuple) else latest  # of a cross-validation its mean
    return None
