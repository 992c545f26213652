"""MMEngine: ``custom_hooks=[dict(type="Epochwatch")]``, once this module is imported.

In a configuration: ``custom_imports = dict(imports=["epochwatch.integrations.mmengine"])``.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    from mmengine.hooks import Hook
    from mmengine.registry import HOOKS
except ImportError:
    raise ImportError("epochwatch.integrations.mmengine needs MMEngine: pip install mmengine") from None


@HOOKS.register_module()
class Epochwatch(Hook):
    """Beats at each iteration; validation and checkpoints are phases.

    job: the run's name. within: how long a validation may take at most, as ``"10m"``.
    """

    priority = "VERY_LOW"

    def __init__(self, job: Optional[str] = None, within: Optional[str] = None) -> None:
        self._job, self._within = job, within
        self._is_saving = False

    @guarded()
    def before_train(self, runner: Any) -> None:  # noqa: D102 - the framework says what it is
        agent.start(self._job, steps=runner.max_iters)

    @guarded()
    def after_train_iter(self, runner: Any, outputs: Optional[Mapping[str, Any]] = None, **_: Any) -> None:
        """The runner counts the iteration after it has called us."""
        self._saved()
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else None
        agent.beat(runner.epoch, loss, step=runner.iter + 1)

    @guarded()
    def before_val(self, _runner: Any) -> None:  # noqa: D102
        self._saved()
        agent.enter("eval", self._within)

    @guarded()
    def after_val_iter(self, *_: Any, **__: Any) -> None:  # noqa: D102
        agent.beat()

    @guarded()
    def after_val(self, _runner: Any) -> None:  # noqa: D102
        agent.leave()

    @guarded()
    def before_save_checkpoint(self, *_: Any, **__: Any) -> None:
        """It comes before the file is written, and nothing after: the next hook ends the phase."""
        if not self._is_saving:
            self._is_saving = True
            agent.enter("checkpoint")

    @guarded()
    def before_train_epoch(self, _runner: Any) -> None:  # noqa: D102
        self._saved()

    @guarded()
    def after_train(self, _runner: Any) -> None:  # noqa: D102
        self._saved()

    def _saved(self) -> None:
        if self._is_saving:
            self._is_saving = False
            agent.leave()
            agent.checkpoint()
