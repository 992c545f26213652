"""fastai 2: ``Learner(..., cbs=[Epochwatch()])``, or ``learn.fit(..., cbs=[Epochwatch()])``."""

from __future__ import annotations

from typing import Any, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    from fastai.callback.core import Callback
except ImportError:
    raise ImportError("epochwatch.integrations.fastai needs fastai 2: pip install fastai") from None


class Epochwatch(Callback):
    """Beats at each batch; validation is a phase. A second fit goes on counting where the first has ended.

    job: the run's name. within: how long a validation may take at most, as ``"10m"``.
    """

    order = 60
    """After those that change the batch and the loss."""

    def __init__(self, job: Optional[str] = None, within: Optional[str] = None) -> None:
        super().__init__()
        self.watched_as, self.watched_within = job, within
        self.steps_before = 0

    @guarded()
    def before_fit(self) -> None:
        """A search for a learning rate, or predictions, are no training."""
        learn: Any = self.learn
        self.run = not (hasattr(learn, "lr_finder") or hasattr(learn, "gather_preds"))
        if self.run:
            agent.start(self.watched_as, steps=self.steps_before + learn.n_epoch * len(learn.dls.train))

    @guarded()
    def after_batch(self) -> None:  # noqa: D102 - the framework says what it is
        learn: Any = self.learn
        if learn.training:
            step = self.steps_before + learn.epoch * learn.n_iter + learn.iter + 1
            agent.beat(learn.epoch, learn.loss, step=step)
        else:
            agent.beat()

    @guarded()
    def before_validate(self) -> None:  # noqa: D102
        agent.enter("eval", self.watched_within)

    @guarded()
    def after_validate(self) -> None:  # noqa: D102
        agent.leave()

    @guarded()
    def after_fit(self) -> None:  # noqa: D102
        self.steps_before += self.learn.n_epoch * len(self.learn.dls.train)
