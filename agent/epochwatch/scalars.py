"""Numbers of any make as Python's own: those that convert at once, and those that may cost a GPU its rhythm."""

from __future__ import annotations

import math
import re
from typing import Any, Callable, Dict, Tuple, TypeVar

from epochwatch import checks
from epochwatch.guard import pass_on, report

_CHEAP = frozenset({"builtins", "numpy", "decimal", "fractions"})
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_SPAN_PART = re.compile(r"([\d.]+)([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}

T = TypeVar("T")


def split(values: Dict[str, Any]) -> Tuple[Dict[str, float], Dict[str, Any]]:
    """What of ``values`` converts at once, converted, and what does not. What is no number is reported and left out."""
    costly = {name: value for name, value in values.items() if _is_costly(value)}
    return numbers({name: value for name, value in values.items() if name not in costly}), costly


def numbers(values: Dict[str, Any]) -> Dict[str, float]:
    """``values`` as Python numbers, however long it takes. What is no number is reported and left out."""
    found: Dict[str, float] = {}
    for name, value in values.items():
        try:
            found[name] = number(name, value)
        except ValueError as error:
            report(error)
    return found


def _is_costly(value: Any) -> bool:
    """Whether converting ``value`` may wait for a device: so does any tensor that does not say it is the CPU's."""
    if isinstance(value, (int, float)) or type(value).__module__.partition(".")[0] in _CHEAP:
        return False
    device = getattr(value, "device", None)
    return bool(getattr(device, "type", None) != "cpu")


def number(name: str, value: Any) -> float:
    """``value`` as what ``name`` takes: a whole step, an epoch in range, any other a float. Raises ValueError."""
    found = of_user(_scalar, value, name)
    if name == "epoch" and not abs(found) <= checks.EPOCH_MAX:  # also if it is NaN
        raise ValueError(f"epoch is {found}")
    return whole(name, found) if name == "step" else float(found) if name != "epoch" else found


def _scalar(value: Any) -> float:
    if hasattr(value, "detach"):  # a tensor that needs gradients warns when it is converted
        value = value.detach()
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int):
        float(value)  # raises OverflowError for what the wire cannot hold
        return int(value)
    return float(value)


def whole(name: str, value: Any, least: int = checks.INT_MIN, most: int = checks.INT_MAX) -> int:
    """``value`` as a whole number in a range, by default of 64 bits. Raises ValueError."""
    found = of_user(int, value, name)
    if not least <= found <= most:
        raise ValueError(f"{name} is not from {least} to {most}")
    return found


def text(value: Any, limit: int) -> str:
    """``value`` as a text of at most ``limit`` characters. Raises ValueError."""
    return of_user(str, value, "a text")[:limit]


def of_user(convert: Callable[[Any], T], value: Any, name: str) -> T:
    """What ``convert`` makes of a user's object, whose own code may run and raise anything: then ValueError."""
    try:
        return convert(value)
    except Exception as error:
        pass_on(error)
        raise ValueError(f"{name} cannot be read: {type(error).__name__} from a {type(value).__name__}") from None


def seconds(within: Any) -> float:
    """Seconds of a time span: a number of seconds, or ``90s``, ``10m``, ``1h30m``, ``2d``. Raises ValueError.

    What is longer than the wire can say is as long as it can say.
    """
    if not isinstance(within, str):
        found = number("within", within)
    elif _SPAN.fullmatch(within.strip()):
        found = sum(float(amount) * _UNITS_S[unit] for amount, unit in _SPAN_PART.findall(within))
    else:
        raise ValueError(f"{within!r:.40} is no time span (90s, 10m, 1h30m, 2d)")
    if not 0 <= found < math.inf:
        raise ValueError(f"within is {found}")
    return min(found, checks.BUDGET_MAX_S)
