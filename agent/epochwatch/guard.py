"""The one guard between epochwatch and the training: whatever fails in here, the training goes on."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_logged = False


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Let no fault of ours out of a ``with`` block: see ``report``."""
    try:
        yield
    except Exception as error:
        report(error)


def report(error: Exception) -> None:
    """Log the first fault of this process as a warning, and no other; none with ``EPOCHWATCH_OFF=1``.

    Raises ``error`` itself if it is not ours but was raised by a signal handler of the user's that happened to run
    while we were at work, and with ``EPOCHWATCH_DEBUG=1``.
    """
    global _logged  # noqa: PLW0603 - once a process is what it means
    pass_on(error)
    if os.environ.get("EPOCHWATCH_DEBUG") == "1":
        raise error
    if _logged or os.environ.get("EPOCHWATCH_OFF") == "1":
        return
    _logged = True
    with contextlib.suppress(Exception):  # a user's log handler that raises must not end the training either
        import logging  # noqa: PLC0415 - dear to load, and hardly ever needed

        note = "the training is not affected; EPOCHWATCH_DEBUG=1 raises this, further faults are not logged"
        text = f"epochwatch: %s: %s ({note})"
        logging.getLogger("epochwatch").warning(text, type(error).__name__, error)


def pass_on(error: Exception) -> None:
    """Raise ``error`` again if it only looks like one that was expected here: TimeoutError, say, is an OSError."""
    if raised_by_signal_handler(error):
        raise error


def raised_by_signal_handler(error: BaseException) -> bool:
    """Whether a Python signal handler is among the frames that ``error`` passed.

    A handler is the only function that is handed the very frame it was called from.
    """
    trace = error.__traceback__
    while trace is not None:
        caller = trace.tb_frame.f_back
        if caller is not None and any(_holds(value, caller) for value in trace.tb_frame.f_locals.values()):
            return True
        trace = trace.tb_next
    return False


def _holds(value: object, caller: object) -> bool:
    return value is caller or (isinstance(value, tuple) and any(item is caller for item in value))
