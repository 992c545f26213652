"""Signals: what they are called, and who sends them."""

from __future__ import annotations

import signal

from epochwatchd.model import SHELL_SIGNAL

BY_REQUEST = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""Signals with which a person, a scheduler or a closing terminal ends a program."""


def signal_name(number: int) -> str:
    """The name of a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


_PASSED_ON = frozenset({4, 6, 7, 8, 9, 11, 15, 24})
"""Of these, ``sys.exit(process.returncode)`` makes 256 - n. (255, 254 and 253 are mostly a program's own.)"""


def passed_on(status: int) -> int | None:
    """The signal of a child for which a program left with 256 - n; None: it is no such status."""
    number = 256 - status
    return number if number in _PASSED_ON else None


def signal_of(status: int) -> int | None:
    """The signal that a return code speaks of: its own (negative), or that of one waited for (128 + n, 256 - n)."""
    if status < 0:
        return -status
    number = status - SHELL_SIGNAL
    return number if number in set(signal.Signals) else passed_on(status)
