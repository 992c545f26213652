"""``epochwatch run --auto``: attach to frameworks by their own doors, without a line of code. Opt-in.

Torch calls a hook after each step of an optimizer; Hugging Face, fastai and Ultralytics have lists of callbacks that
every training gets; Lightning asks entry points. The first step registers the run: helper processes never take one.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, List, Optional

from epochwatch.guard import guarded

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "autoload")
"""Where the ``sitecustomize`` lies that a Python must load at its start."""


def is_wanted() -> bool:
    """Whether the environment asks for it."""
    return os.environ.get("EPOCHWATCH_AUTO") == "1"


def ask_for_it() -> None:
    """From now on processes that this one starts do so; what stood in ``PYTHONPATH`` stays behind it."""
    others = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder and folder != FOLDER]
    os.environ.update(EPOCHWATCH_AUTO="1", PYTHONPATH=os.pathsep.join([FOLDER, *others]))


def opened(name: str, module: Any) -> None:
    """A module was imported that is a framework's door."""
    if name == "torch.optim.optimizer":
        module.register_optimizer_step_post_hook(_Steps().stepped)
    elif name == "transformers.trainer":
        module.DEFAULT_CALLBACKS.append(_integration("transformers").Epochwatch)
    elif name == "fastai.learner":
        module.defaults.callbacks.append(_integration("fastai").Epochwatch)
    elif name == "ultralytics.utils.callbacks.base":
        ultralytics = _integration("ultralytics")
        callbacks = ultralytics.Epochwatch()
        for event in ultralytics.EVENTS:
            module.default_callbacks[event].append(getattr(callbacks, event))


def lightning_callbacks() -> List[Any]:
    """For Lightning's entry points: its callback, where it is wanted."""
    if is_wanted():
        with guarded():
            return [_integration("lightning").Epochwatch()]
    return []


def _integration(name: str) -> Any:
    return import_module(f"epochwatch.integrations.{name}")


class _Steps:
    """Counts the steps of the first optimizer, as long as nobody who knows more tells the step."""

    def __init__(self) -> None:
        self._optimizer: Optional[int] = None
        self._step: Optional[int] = None

    @guarded()
    def stepped(self, optimizer: Any, *_: Any) -> None:
        """After a step of any optimizer of this process."""
        from epochwatch import agent  # noqa: PLC0415 - not before a training steps: many import torch, and train nothing

        self._optimizer = self._optimizer or id(optimizer)
        if id(optimizer) != self._optimizer:
            return
        if agent.last_step() == self._step:
            self._step = (self._step or 0) + 1
            agent.beat(step=self._step)
        else:
            agent.beat()
