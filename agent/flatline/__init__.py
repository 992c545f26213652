"""flatline, the agent: one line in the training loop, and the watchdog knows how it goes.

    from flatline import agent
    agent.beat(epoch, loss)

``flatline.beat`` is the same call. Importing ``flatline`` costs next to nothing: the agent is loaded when first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatline import agent
    from flatline.agent import beat

__all__ = ["agent", "beat"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - as late as the rest

    module = import_module("flatline.agent")
    found = module.beat if name == "beat" else module
    globals()[name] = found
    return found
