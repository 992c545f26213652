"""Keras 3, on any backend: ``model.fit(..., callbacks=[Epochwatch()])``."""

from __future__ import annotations

from collections import deque
from typing import Any, Deque, Mapping, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    from keras.callbacks import Callback
except ImportError:
    raise ImportError("epochwatch.integrations.keras needs Keras 3: pip install keras") from None


THREADS_MAX = 64
"""With JAX, Keras calls for batches from some of its threads, and so not always in their order."""


class Epochwatch(Callback):
    """Beats at each batch; evaluation is a phase.

    job: the run's name. within: how long an evaluation may take at most, as ``"10m"``.
    """

    async_safe = True
    """Without it Keras waits for JAX after each batch."""

    def __init__(self, job: Optional[str] = None, within: Optional[str] = None) -> None:
        super().__init__()
        self._job, self._within = job, within
        self._epoch, self._epochs = 0, None
        self._latest: Deque[int] = deque(maxlen=THREADS_MAX)
        self._steps: Optional[int] = None

    @guarded()
    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002, D102 - the framework says what it is
        self._epochs = self.params.get("epochs")
        self._plan(self.params.get("steps"))

    def _plan(self, steps: Optional[int]) -> None:
        """How many steps an epoch has; of a generator that is known after the first."""
        self._steps = steps
        agent.start(self._job, epochs=self._epochs, steps=steps and self._epochs and steps * self._epochs)

    @guarded()
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002, D102
        self._epoch = epoch
        self._latest.clear()

    @guarded()
    def on_train_batch_end(self, batch: int, logs: Optional[Mapping[str, Any]] = None) -> None:  # noqa: D102
        step = self._epoch * self._steps + batch + 1 if self._steps else None
        agent.beat(self._epoch, (logs or {}).get("loss"), step=step)
        self._latest.append(batch)

    @guarded()
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002, D102
        done = max(self._latest, default=-1) + 1
        if self._steps is None:
            self._plan(done)
        elif done:  # that of the last batch is perhaps not the last beat
            agent.beat(self._epoch, step=self._epoch * self._steps + done)

    @guarded()
    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002, D102
        agent.enter("eval", self._within)

    @guarded()
    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002, D102
        agent.beat()

    @guarded()
    def on_test_end(self, logs: Any = None) -> None:  # noqa: ARG002, D102
        agent.leave()
