"""Numbers, times and templates as people read them. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from string import Formatter
from typing import Any

_MIB_PER_GIB = 1024
_FRACTIONS_BELOW_S = 10
_ROW_MIN = 3
_NUMBER = re.compile(r"[0-9]{1,9}\Z")


def say(variants: Iterable[str], words: Mapping[str, str]) -> str | None:
    """The first template whose placeholders are all among ``words``, filled with them; None if there is none.

    Only templates are interpreted: braces inside a word stay what they are.
    """
    return next((template.format_map(words) for template in variants if placeholders(template) <= words.keys()), None)


def placeholders(template: str) -> set[str]:
    """The names a template asks for."""
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def duration(seconds: float, units: Mapping[str, str]) -> str:
    """``seconds`` in their two largest units, as ``1 h 25 min``; ``units`` are a language's ``DURATIONS``."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < _FRACTIONS_BELOW_S:
        return units["s"].format(n=f"{max(0.0, round(seconds, 1)):g}")
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    d, h = divmod(hours, 24)
    amounts = [(n, unit) for n, unit in ((d, "d"), (h, "h"), (m, "m"), (s, "s"))]
    largest = next(i for i, (n, _) in enumerate(amounts) if n)
    return " ".join(units[unit].format(n=n) for n, unit in amounts[largest : largest + 2] if n)


def memory(mib: float) -> str:
    """An amount of memory given in MiB."""
    return f"{mib / _MIB_PER_GIB:.1f} GiB" if mib >= _MIB_PER_GIB else f"{mib:.0f} MiB"


def figure(value: float | str) -> str:
    """A loss or metric in four digits; also one that was NaN or infinite and is a text for JSON's sake."""
    number = float(value)
    return f"{number:.4g}" if math.isfinite(number) else "NaN" if math.isnan(number) else "∞" if number > 0 else "-∞"


def span(first: str, last: str) -> str:
    """From the one to the other, where they differ."""
    return first if first == last else f"{first} … {last}"


def folded(names: Iterable[str]) -> list[tuple[str, int]]:
    """The names in order, shortened, each with how many it stands for.

    Three or more that count on are ``sweep-1 … sweep-40``; one that is there more than once is ``sweep (x40)``.
    """
    counts = Counter(names)
    rows: list[list[str]] = []
    for name in sorted(counts, key=_numbered):
        if rows and counts[name] == counts[rows[-1][-1]] == 1 and name == _successor(rows[-1][-1]):
            rows[-1].append(name)
        else:
            rows.append([name])
    found: list[tuple[str, int]] = []
    for row in rows:
        if len(row) >= _ROW_MIN:
            found.append((span(row[0], row[-1]), len(row)))
        else:
            found += [(name if counts[name] == 1 else f"{name} (x{counts[name]})", counts[name]) for name in row]
    return found


def _numbered(name: str) -> tuple[str, int, str]:
    """A name without the number at its end, that number (-1: none), and the whole."""
    found = _NUMBER.search(name)
    return (name[: found.start()], int(found[0]), name) if found else (name, -1, name)


def _successor(name: str) -> str:
    """The name that counts on, written alike: ``a09`` is followed by ``a10``."""
    stem, number, _ = _numbered(name)
    return f"{stem}{number + 1:0{len(name) - len(stem)}}" if number >= 0 else ""


def moment(stamp: str) -> datetime:
    """The time a notification's RFC 3339 stamp means."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00"))


def one_line(text: str, limit: int) -> str:
    """``text`` on one line of at most ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def middle_cut(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters, its middle left out."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def detail(name: str, value: Any, units: Mapping[str, str]) -> str:
    """A cause's detail as text, by the unit in its name: ``_s`` seconds, ``_mib`` memory; a list is enumerated."""
    if name.endswith("_s"):
        return duration(float(value), units)
    if name.endswith("_mib"):
        return memory(float(value))
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
