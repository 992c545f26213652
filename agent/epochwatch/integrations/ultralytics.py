"""Ultralytics: ``Epochwatch().attach(model)`` before ``model.train(...)``."""

from __future__ import annotations

from typing import Any, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    import ultralytics  # noqa: F401 - the callbacks need nothing of it: so it is said at once that it is missing
except ImportError:
    raise ImportError("epochwatch.integrations.ultralytics needs ultralytics: pip install ultralytics") from None

EVENTS = (
    "on_train_start", "on_train_epoch_start", "on_train_batch_end", "on_model_save",
    "on_val_start", "on_val_batch_end", "on_val_end",
)  # fmt: skip


class Epochwatch:
    """Beats at each batch; validation is a phase, and a saved model a checkpoint. It goes to the ranks by pickle.

    job: the run's name. within: how long a validation may take at most, as ``"10m"``.
    """

    def __init__(self, job: Optional[str] = None, within: Optional[str] = None) -> None:
        self._job, self._within = job, within
        self._batch = 0

    def __deepcopy__(self, _memo: Any) -> Epochwatch:
        """Ultralytics compares copies of its callbacks: they are the same."""
        return self

    def attach(self, model: Any) -> None:
        """Listen to a model, or to a trainer."""
        for event in EVENTS:
            model.add_callback(event, getattr(self, event))

    @guarded()
    def on_train_start(self, trainer: Any) -> None:  # noqa: D102 - the framework says what it is
        agent.start(self._job, epochs=trainer.epochs, steps=trainer.epochs * len(trainer.train_loader))

    @guarded()
    def on_train_epoch_start(self, _trainer: Any) -> None:  # noqa: D102
        self._batch = 0

    @guarded()
    def on_train_batch_end(self, trainer: Any) -> None:  # noqa: D102
        self._batch += 1
        step = trainer.epoch * len(trainer.train_loader) + self._batch
        agent.beat(trainer.epoch, getattr(trainer, "loss", None), step=step)

    @guarded()
    def on_model_save(self, trainer: Any) -> None:
        """After the file was written."""
        agent.checkpoint(trainer.last)

    @guarded()
    def on_val_start(self, _validator: Any) -> None:  # noqa: D102
        agent.enter("eval", self._within)

    @guarded()
    def on_val_batch_end(self, _validator: Any) -> None:  # noqa: D102
        agent.beat()

    @guarded()
    def on_val_end(self, _validator: Any) -> None:  # noqa: D102
        agent.leave()
