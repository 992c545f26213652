"""Stable-Baselines3: ``model.learn(..., callback=Epochwatch())``."""

from __future__ import annotations

from typing import Any, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    from stable_baselines3.common.callbacks import BaseCallback
except ImportError:
    raise ImportError("epochwatch.integrations.sb3 needs stable-baselines3: pip install stable-baselines3") from None


class Epochwatch(BaseCallback):
    """Beats at each step of the environment; between rollouts, where the model learns, is a phase.

    job: the run's name. within: how long the learning between two rollouts may take at most, as ``"10m"``.
    """

    def __init__(self, job: Optional[str] = None, within: Optional[str] = None) -> None:
        super().__init__()
        self._job, self._within = job, within
        self._is_learning = False

    @guarded()
    def _on_training_start(self) -> None:
        agent.start(self._job, steps=self.model._total_timesteps)  # noqa: SLF001 - it is said nowhere else

    def _on_step(self) -> bool:
        """Never false: that would end the training."""
        with guarded():
            agent.beat(step=self.num_timesteps)
        return True

    @guarded()
    def _on_rollout_end(self) -> None:
        self._is_learning = True
        agent.enter("update", self._within)

    @guarded()
    def _on_rollout_start(self) -> None:
        self._learned()

    @guarded()
    def _on_training_end(self) -> None:
        self._learned()

    def _learned(self) -> None:
        if self._is_learning:
            self._is_learning = False
            agent.leave()
            agent.beat(loss=_loss(self.model))


def _loss(model: Any) -> Any:
    """The loss of the last update; the logger has it until it prints it."""
    return model.logger.name_to_value.get("train/loss")
