"""Durations as people write them: ``90s``, ``10m``, ``1h30m``, ``2d``."""

from __future__ import annotations

import re
from typing import Any

from epochwatchd.config.problems import BadValueError

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
LONGEST_S = 36_500 * 86_400.0
"""A century: beyond it a time stamp no longer fits a calendar."""

_DURATION = re.compile("".join(rf"(?:(?P<{unit}>[0-9]+(?:\.[0-9]+)?){unit})?" for unit in UNITS))
_HINT = "write it as 90s, 10m, 1h30m or 2d"


def parse_duration(value: Any) -> float:
    """The seconds of a duration such as ``1h30m``. Raises BadValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise BadValueError("has no unit", _HINT)
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise BadValueError("not a duration", _HINT)
    seconds = sum(float(amount) * UNITS[unit] for unit, amount in match.groupdict(default="0").items())
    if not 0 < seconds <= LONGEST_S:
        raise BadValueError("must be longer than nothing and at most 36500d", _HINT)
    return seconds


def format_duration(seconds: float) -> str:
    """Seconds as a duration that ``parse_duration`` reads back, to the millisecond: ``1h30m``."""
    left_ms, parts = round(seconds * 1000), []
    for unit in ("d", "h", "m"):
        amount, left_ms = divmod(left_ms, UNITS[unit] * 1000)
        parts += [f"{amount}{unit}"] if amount else []
    if left_ms or not parts:
        parts.append(f"{left_ms / 1000:.3f}".rstrip("0").rstrip(".") + "s")
    return "".join(parts)
