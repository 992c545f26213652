"""Ray Tune: ``tune.RunConfig(callbacks=[Epochwatch()])``: each trial is a run, told by the driver.

For a training function that beats by itself it is not needed: in Ray's workers ``agent.beat`` does all of this.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    from ray.tune import Callback
except ImportError:
    raise ImportError("epochwatch.integrations.ray needs Ray Tune: pip install 'ray[tune]'") from None


class Epochwatch(Callback):
    """A run a trial: its beats are the results that it reports, its tags the parameters.

    job: the runs' name. metric: the loss among the results.
    """

    def __init__(self, job: Optional[str] = None, metric: str = "loss") -> None:
        self._job, self._metric = job, metric
        self._runs: Dict[str, agent.Run] = {}

    @guarded()
    def on_trial_start(self, *, trial: Any, **_: Any) -> None:  # noqa: D102 - the framework says what it is
        if trial.trial_id in self._runs:
            return  # it is tried again
        tags = {str(name): str(value) for name, value in (trial.evaluated_params or {}).items()}
        run = agent.run(self._job or trial.trainable_name, tags={**tags, "trial": trial.trial_id})
        self._runs[trial.trial_id] = run.open()

    @guarded()
    def on_trial_result(self, *, trial: Any, result: Any, **_: Any) -> None:  # noqa: D102
        self._runs[trial.trial_id].beat(loss=result.get(self._metric), step=result.get("training_iteration"))

    @guarded()
    def on_trial_complete(self, *, trial: Any, **_: Any) -> None:  # noqa: D102
        self._runs.pop(trial.trial_id).finish()

    @guarded()
    def on_trial_error(self, *, trial: Any, **_: Any) -> None:
        """It failed for good. Why it did Ray writes into a file, after it has called us."""
        self._runs.pop(trial.trial_id).fail(f"the trial failed: see error.txt in {trial.local_path}")
