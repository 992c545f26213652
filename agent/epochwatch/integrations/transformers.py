"""Hugging Face's ``Trainer``, and TRL's: ``Trainer(..., callbacks=[Epochwatch()])``."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    from transformers import TrainerCallback
except ImportError:
    raise ImportError("epochwatch.integrations.transformers needs transformers: pip install transformers") from None


class Epochwatch(TrainerCallback):
    """Beats at each step; evaluation and checkpoints are phases; the loss is that of the logs.

    job: the run's name. within: how long an evaluation may take at most, as ``"10m"``.
    """

    def __init__(self, job: Optional[str] = None, within: Optional[str] = None) -> None:
        self._job, self._within = job, within
        self._phase: Optional[str] = None

    @guarded()
    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:  # noqa: D102 - the framework's
        agent.start(self._job, steps=state.max_steps if state.max_steps and state.max_steps > 0 else None)

    @guarded()
    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """What comes next has no hook at its beginning: the flow has been decided when we are called."""
        self._leave()
        agent.beat(state.epoch, step=state.global_step)
        self._enter("eval" if control.should_evaluate else "checkpoint" if control.should_save else None)

    on_epoch_end = on_step_end

    @guarded()
    def on_log(self, _args: Any, state: Any, _control: Any, logs: Optional[Mapping[str, Any]] = None, **_: Any) -> None:
        """The loss comes here, and nowhere else."""
        if logs and "loss" in logs:
            agent.beat(state.epoch, logs["loss"], step=state.global_step)

    @guarded()
    def on_prediction_step(self, *_: Any, **__: Any) -> None:  # noqa: D102
        agent.beat()

    @guarded()
    def on_evaluate(self, _args: Any, _state: Any, control: Any, **_: Any) -> None:  # noqa: D102
        self._leave()
        self._enter("checkpoint" if control.should_save else None)

    @guarded()
    def on_save(self, args: Any, state: Any, _control: Any, **_: Any) -> None:  # noqa: D102
        self._leave()
        agent.checkpoint(f"{args.output_dir}/checkpoint-{state.global_step}")

    @guarded()
    def on_train_end(self, *_: Any, **__: Any) -> None:  # noqa: D102
        self._leave()

    def _enter(self, phase: Optional[str]) -> None:
        self._phase = phase
        if phase is not None:
            agent.enter(phase, self._within if phase == "eval" else None)

    def _leave(self) -> None:
        if self._phase is not None:
            self._phase = None
            agent.leave()
