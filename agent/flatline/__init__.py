"""flatline, the agent: one line in the training loop, and the watchdog knows how it goes.

    from flatline import agent
    agent.beat(epoch, loss)

``flatline.beat`` is the same call. Importing ``flatline`` costs next to nothing: the agent is loaded when first used.
"""

TYPE_CHECKING = False  # the name is known to type checkers; to import it from typing takes longer than all the rest
if TYPE_CHECKING:
    from flatline import agent
    from flatline.agent import beat

__all__ = ["agent", "beat"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import flatline.agent as module  # noqa: PLC0415 - see above

    found = globals()[name] = module if name == "agent" else module.beat
    return found
