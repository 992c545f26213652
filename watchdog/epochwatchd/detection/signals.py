"""Signals: what they are called, and who sends them."""

from __future__ import annotations

import signal

BY_REQUEST = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""Signals with which a person, a scheduler or a closing terminal ends a program."""


def signal_name(number: int) -> str:
    """The name of a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
