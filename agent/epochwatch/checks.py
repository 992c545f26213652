"""What a field of a heartbeat may hold, whoever sent it. Pure.

A value that passes here makes nothing raise later: no date, no signal, no process id, no sum. Every function gives the
checked value, or raises WireError ``type`` with the name of the field.
"""

import math
from typing import Any, Dict, Tuple

EPOCH_MAX = 2.0**53
COUNT_MAX = 2**53
"""As far as a double counts in ones."""
BUDGET_MAX_S = 1e9
TIME_MAX_NS = 2**62 - 1
"""The year 2116."""
PID_MAX = 2**22
RANK_MAX = 10_000_000
METRICS_MAX, NAME_MAX, TAG_MAX = 256, 256, 4096
INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class WireError(Exception):
    """A heartbeat that cannot be read. ``code`` is a short stable word to count by, the text is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def text(name: str, value: Any, limit: int, *, lines: bool = False) -> str:
    """A text of at most ``limit`` characters, made fit to print; of one line, unless ``lines`` are wanted."""
    if not isinstance(value, str) or len(value) > limit:
        raise WireError("type", f"{name} must be a text of at most {limit} characters")
    return clean(value, lines=lines)


def clean(value: str, *, lines: bool = False) -> str:
    """Text from outside, made fit for a log, a terminal and a message: what does not print becomes U+FFFD.

    That is control characters, among them those that turn the direction of writing, and broken UTF-8. Line ends and
    tabs become spaces, unless ``lines`` are wanted. The one function of both halves for this.
    """
    if value.isprintable():
        return value
    return "".join(c if c.isprintable() else _kept(c, lines=lines) for c in value)


def _kept(char: str, *, lines: bool) -> str:
    if char in "\n\t":
        return char if lines else " "
    return " " if char.isspace() else "\ufffd"


def whole(name: str, value: Any, least: int = INT_MIN, most: int = INT_MAX) -> int:
    """A whole number in a range, by default of 64 bits."""
    if type(value) is not int or not least <= value <= most:
        raise WireError("type", f"{name} must be a whole number from {least} to {most}")
    return value


def number(name: str, value: Any, least: float, most: float) -> float:
    """A finite number in a range."""
    if type(value) not in (int, float) or not least <= value <= most:
        raise WireError("type", f"{name} must be a number from {least:.16g} to {most:.16g}")
    return float(value)


def measured(name: str, value: Any) -> float:
    """Any number, also NaN and infinity, and those as texts: see ``json_number``."""
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if type(value) not in (int, float):
        raise WireError("type", f"{name} must be a number")
    try:
        return float(value)
    except OverflowError:
        raise WireError("type", f"{name} is too large") from None


def json_number(value: float) -> Any:
    """A number as JSON takes it: JSON has no NaN and no infinity, they become texts."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def metrics(name: str, value: Any) -> Dict[str, float]:
    """An object of numbers."""
    if not isinstance(value, dict) or len(value) > METRICS_MAX:
        raise WireError("type", f"{name} must be an object of at most {METRICS_MAX} numbers")
    return {text(name, k, NAME_MAX): measured(f"{name}.{clean(k[:40])}", v) for k, v in value.items()}


def flag(name: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise WireError("type", f"{name} must be true or false")
    return value


def texts(name: str, value: Any, limit: int) -> Tuple[str, ...]:
    """A list of texts of one line each."""
    if not isinstance(value, list):
        raise WireError("type", f"{name} must be a list of texts")
    return tuple(text(name, item, limit) for item in value)


def tags(name: str, value: Any) -> Dict[str, str]:
    """An object of texts."""
    if not isinstance(value, dict):
        raise WireError("type", f"{name} must be an object of texts")
    return {text(name, k, NAME_MAX): text(name, v, TAG_MAX) for k, v in value.items()}
