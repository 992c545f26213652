"""Lightning 2, from ``lightning`` or ``pytorch_lightning``: ``Trainer(callbacks=[Epochwatch()])``."""

from __future__ import annotations

import sys
from typing import Any, Mapping, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    if "pytorch_lightning" in sys.modules and "lightning" not in sys.modules:
        from pytorch_lightning import Callback
    else:
        try:
            from lightning.pytorch import Callback
        except ImportError:
            from pytorch_lightning import Callback
except ImportError:
    raise ImportError("epochwatch.integrations.lightning needs Lightning 2: pip install lightning") from None


class Epochwatch(Callback):
    """Beats at each batch; evaluation, the sanity check and checkpoints are phases; an exception is the failure.

    job: the run's name. within: how long an evaluation may take at most, as ``"10m"``.
    """

    def __init__(self, job: Optional[str] = None, within: Optional[str] = None) -> None:
        super().__init__()
        self._job, self._within = job, within
        self._is_saving = False

    @guarded()
    def on_sanity_check_start(self, trainer: Any, _module: Any) -> None:  # noqa: D102 - the framework says what it is
        self._start(trainer)
        agent.enter("sanity check", self._within)

    @guarded()
    def on_sanity_check_end(self, _trainer: Any, _module: Any) -> None:  # noqa: D102
        agent.leave()

    @guarded()
    def on_train_start(self, trainer: Any, _module: Any) -> None:  # noqa: D102
        self._start(trainer)

    def _start(self, trainer: Any) -> None:
        batches, epochs = trainer.num_training_batches, trainer.max_epochs
        steps = batches * epochs if isinstance(batches, int) and epochs and epochs > 0 else None
        if trainer.max_steps and trainer.max_steps > 0 and trainer.accumulate_grad_batches == 1:
            steps = min(steps or trainer.max_steps, trainer.max_steps)
        rank, size = (trainer.global_rank, trainer.world_size) if trainer.world_size > 1 else (None, None)
        agent.start(self._job, steps=steps, rank=rank, world_size=size)

    @guarded()
    def on_train_batch_end(self, trainer: Any, _module: Any, outputs: Any, *_: Any) -> None:  # noqa: D102
        self._saved(trainer)
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        agent.beat(trainer.current_epoch, loss, step=trainer.fit_loop.total_batch_idx + 1)

    @guarded()
    def on_validation_start(self, trainer: Any, _module: Any) -> None:  # noqa: D102
        self._saved(trainer)
        agent.enter("eval", self._within)

    @guarded()
    def on_validation_batch_end(self, *_: Any) -> None:  # noqa: D102
        agent.beat()

    @guarded()
    def on_validation_end(self, _trainer: Any, _module: Any) -> None:  # noqa: D102
        agent.leave()

    on_test_start, on_test_batch_end, on_test_end = on_validation_start, on_validation_batch_end, on_validation_end

    @guarded()
    def on_save_checkpoint(self, _trainer: Any, _module: Any, _checkpoint: Any) -> None:
        """It comes before the file is written, and nothing after: the next hook ends the phase."""
        if not self._is_saving:
            self._is_saving = True
            agent.enter("checkpoint")

    def _saved(self, trainer: Any) -> None:
        if self._is_saving:
            self._is_saving = False
            agent.leave()
            agent.checkpoint(getattr(trainer.checkpoint_callback, "last_model_path", None) or _best(trainer))

    @guarded()
    def on_train_epoch_start(self, trainer: Any, _module: Any) -> None:  # noqa: D102
        self._saved(trainer)

    @guarded()
    def on_fit_end(self, trainer: Any, _module: Any) -> None:  # noqa: D102
        self._saved(trainer)

    @guarded()
    def on_exception(self, _trainer: Any, _module: Any, exception: BaseException) -> None:  # noqa: D102
        agent.fail(exception)


def _best(trainer: Any) -> Optional[str]:
    return getattr(trainer.checkpoint_callback, "best_model_path", None) or None
