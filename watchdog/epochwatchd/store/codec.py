"""Stored values, read back by their types: what JSON made lists and texts of are named tuples and numbers again.

A named tuple may have been stored as an object or as a list; so new fields of one that is a list stand at its end.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from epochwatchd.model import At


def restored(kind: Any, value: Any, shift_s: float = 0.0) -> Any:
    """The value of this type that JSON was made of. Fields that are not known are left out, missing ones are as new.

    ``shift_s`` is added to every ``At``: after a reboot the monotonic clock begins anew. Raises TypeError or ValueError
    for what cannot be of this type.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        kind = next(part for part in parts if part is not types.NoneType)
        return None if value is None else restored(kind, value, shift_s)
    if kind in (At, float):  # NaN and infinity are texts in JSON
        return float(value) + (shift_s if kind is At else 0.0)
    if origin is tuple:
        return _tuple(parts, value, shift_s)
    if origin is dict:
        return {name: restored(parts[1], child, shift_s) for name, child in value.items()}
    return _named_tuple(kind, value, shift_s) if hasattr(kind, "_fields") else value


def _tuple(parts: tuple[Any, ...], value: Any, shift_s: float) -> tuple[Any, ...]:
    if parts[-1] is ...:
        return tuple(restored(parts[0], child, shift_s) for child in value)
    return tuple(restored(part, child, shift_s) for part, child in zip(parts, value, strict=True))


def _named_tuple(kind: Any, value: Any, shift_s: float) -> Any:
    given = value if isinstance(value, Mapping) else dict(zip(kind._fields, value, strict=False))
    hints = _hints(kind)
    return kind(**{name: restored(hints[name], child, shift_s) for name, child in given.items() if name in hints})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)
