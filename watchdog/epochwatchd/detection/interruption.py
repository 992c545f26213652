"""Ends that people or the machine's order brought about: nothing fell, somebody stopped it. Pure."""

from __future__ import annotations

import signal
from pathlib import PurePath

from epochwatch.wire import Body
from epochwatchd.detection.signals import signal_of
from epochwatchd.model import Cause, CauseCode, Exit

TIMED_OUT, KILLED = (124, -signal.SIGTERM), (137, -signal.SIGKILL)
"""How one ends that ``timeout`` of coreutils ended, or ``timeout`` itself; and with ``-k``, if it had to kill."""
_BY_FAILURE: dict[str, CauseCode] = {
    "keyboard_interrupt": "keyboard_interrupt",
    "preempted": "preempted",
    "time_limit": "time_limit",
    "cancelled": "terminated",
}
_BY_SIGNAL: dict[int, CauseCode] = {
    signal.SIGINT: "keyboard_interrupt",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "hangup",
    signal.SIGXCPU: "time_limit",
}


def interruption(cause: Cause, body: Body, end: Exit | None) -> CauseCode | None:
    """As what an end was an interruption; None: it was none."""
    status = end.status if end is not None and end.status is not None else body.exit_status
    code = _code(cause, body, status, end)
    return "shutdown" if code == "terminated" and end is not None and end.goes_down else code


def _code(cause: Cause, body: Body, status: int | None, end: Exit | None) -> CauseCode | None:
    failure = _BY_FAILURE.get(cause.details.get("failure", ""))
    if failure is not None:
        return failure
    if cause.code == "exception":
        is_interrupt = str(cause.details.get("type", "")).rpartition(".")[2] == "KeyboardInterrupt"
        return "keyboard_interrupt" if is_interrupt else None
    if cause.code not in ("exit_code", "signal", "terminated") or status is None:
        return None
    if _is_under_timeout(body, end) and (status in TIMED_OUT or (status in KILLED and _kills(body))):
        return "time_limit"
    number = signal_of(status)
    return _BY_SIGNAL.get(number) if number is not None else None


def _is_under_timeout(body: Body, end: Exit | None) -> bool:
    """Whether ``timeout`` started it, or is in the line of a wrapped command."""
    if end is not None and end.parent == "timeout":
        return True
    words = [word for text in body.argv for word in text.split()] if body.command_pid is not None else []
    return any(PurePath(word).name == "timeout" for word in words)


def _kills(body: Body) -> bool:
    words = [word for text in body.argv for word in text.split()]
    return any(word.startswith(("-k", "--kill-after")) for word in words)


def upon_signal(body: Body) -> CauseCode | None:
    """The interruption of a run that left in order after a signal whose handler ran; None: there was none."""
    return _BY_SIGNAL.get(body.signal) if body.signal else None
