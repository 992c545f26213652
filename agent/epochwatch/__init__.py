"""epochwatch, the agent: one line in the training loop, and the watchdog knows how it goes.

    from epochwatch import agent
    agent.beat(epoch, loss)

``epochwatch.beat`` is the same call, and ``for batch in epochwatch.track(loader):`` a loop that beats by itself.
Importing ``epochwatch`` costs next to nothing: the agent is loaded on first use.
"""

TYPE_CHECKING = False  # the name is known to type checkers; to import it from typing takes longer than all the rest
if TYPE_CHECKING:
    from epochwatch import agent
    from epochwatch.agent import beat
    from epochwatch.tracking import track

__all__ = ["agent", "beat", "track"]


def load_ipython_extension(shell: object) -> None:
    """``%load_ext epochwatch`` in a notebook: gives it ``%%epochwatch NAME``."""
    from epochwatch.notebook import add_magic  # noqa: PLC0415 - see above

    add_magic(shell)


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import epochwatch.agent as module  # noqa: PLC0415 - see above

    found: object = module if name == "agent" else module.beat
    if name == "track":
        from epochwatch.tracking import track as found  # noqa: PLC0415
    globals()[name] = found
    return found
