"""PyTorch-Ignite: ``Epochwatch().attach(trainer, evaluator)`` before ``trainer.run(...)``."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    from ignite.engine import Events
except ImportError:
    raise ImportError("epochwatch.integrations.ignite needs Ignite: pip install pytorch-ignite") from None


def _loss_of(output: Any) -> Any:
    """The loss of an engine's output: all of it, or what is named so."""
    return output.get("loss") if isinstance(output, Mapping) else None if isinstance(output, (tuple, list)) else output


class Epochwatch:
    """Beats at each iteration of the trainer; the evaluators are phases.

    It never handles EXCEPTION_RAISED: where somebody does, Ignite takes the exception as dealt with.

    job: the run's name. within: how long an evaluation may take at most, as ``"10m"``.
    output_transform: the loss of the trainer's output, where that is neither the loss nor a dict with one.
    """

    def __init__(
        self,
        job: Optional[str] = None,
        within: Optional[str] = None,
        output_transform: Callable[[Any], Any] = _loss_of,
    ) -> None:
        self._job, self._within, self._loss_of = job, within, output_transform

    def attach(self, trainer: Any, *evaluators: Any) -> None:
        """Listen to a trainer, and to the engines that evaluate."""
        trainer.add_event_handler(Events.STARTED, self.started)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self.iteration_completed)
        for evaluator in evaluators:
            evaluator.add_event_handler(Events.STARTED, self.evaluation_started)
            evaluator.add_event_handler(Events.ITERATION_COMPLETED, self.evaluated)
            evaluator.add_event_handler(Events.COMPLETED, self.evaluation_completed)

    @guarded()
    def started(self, engine: Any) -> None:
        """The trainer begins, or goes on."""
        epochs, length = engine.state.max_epochs, engine.state.epoch_length
        agent.start(self._job, epochs=epochs, steps=epochs and length and epochs * length)

    @guarded()
    def iteration_completed(self, engine: Any) -> None:
        """Of the trainer."""
        agent.beat(engine.state.epoch - 1, self._loss_of(engine.state.output), step=engine.state.iteration)

    @guarded()
    def evaluation_started(self, _engine: Any) -> None:
        """An evaluator begins."""
        agent.enter("eval", self._within)

    @guarded()
    def evaluated(self, _engine: Any) -> None:
        """A batch of an evaluator."""
        agent.beat()

    @guarded()
    def evaluation_completed(self, _engine: Any) -> None:
        """An evaluator has done."""
        agent.leave()
