"""Accelerate: ``Accelerator(log_with=Epochwatch())``. What ``accelerator.log`` is told comes from the main process."""

from __future__ import annotations

from numbers import Number
from typing import Any, Mapping, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    from accelerate.tracking import GeneralTracker
    from torch.optim.optimizer import register_optimizer_step_post_hook
except ImportError:
    raise ImportError("epochwatch.integrations.accelerate needs accelerate: pip install accelerate") from None


class Epochwatch(GeneralTracker):
    """Beats at each step of the first optimizer, on all ranks; the loss and the metrics are those that are logged.

    job: the run's name. steps: how many steps of the optimizer are planned.
    """

    name = "epochwatch"
    requires_logging_directory = False
    main_process_only = False

    def __init__(self, job: Optional[str] = None, steps: Optional[int] = None) -> None:
        super().__init__()
        self._job, self._steps = job, steps
        self._step = 0
        self._optimizer: Optional[int] = None
        register_optimizer_step_post_hook(self.stepped)

    @property
    def tracker(self) -> Any:
        """What ``accelerator.get_tracker("epochwatch", unwrap=True)`` gives."""
        return agent

    @guarded()
    def stepped(self, optimizer: Any, *_: Any) -> None:
        """After a step of any optimizer of this process."""
        if self._optimizer is None:
            self._optimizer = id(optimizer)
            agent.start(self._job, steps=self._steps)
        if id(optimizer) == self._optimizer:
            self._step += 1
            agent.beat(step=self._step)

    @guarded()
    def log(self, values: Mapping[str, Any], step: Optional[int] = None, **_: Any) -> None:
        """A step that is given is the step from then on: after a resume the optimizer's begin anew."""
        self._step = self._step if step is None else step
        metrics = {name: value for name, value in values.items() if isinstance(value, Number)}
        loss = metrics.pop("loss", metrics.pop("train_loss", None))
        for name in ("epoch", "step"):
            metrics.pop(name, None)
        agent.beat(values.get("epoch"), loss, step=step, **metrics)
