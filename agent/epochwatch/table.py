"""Heartbeats as a table for people and as JSON for programs. Pure: the time is an argument."""

import unicodedata
from typing import Any, Collection, Dict, List, Optional, Sequence

from epochwatch.checks import clean, json_number
from epochwatch.listing import Entry
from epochwatch.wire import Body, Head

HEADINGS = ("JOB", "RUN", "PID", "STATE", "EPOCH", "STEP", "LOSS", "PHASE", "BEAT", "USER")
_STATE = HEADINGS.index("STATE")
_RIGHT = {HEADINGS.index(name) for name in ("PID", "EPOCH", "STEP", "LOSS", "BEAT")}
_CELL_MAX = 40
_COLOURS = {"running": 32, "finished": 34, "failed": 31, "gone": 31, "exiting": 33, "exited": 34, "unknown": 33}
_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


def render(entries: Sequence[Entry], now_ns: int, *, colour: bool = False) -> str:
    """An aligned table with one line an entry. ``now_ns`` is Unix time in nanoseconds."""
    lines = aligned([HEADINGS, *(_row(entry, now_ns) for entry in entries)], _RIGHT)
    if colour:
        for line, entry in enumerate(entries, 1):
            lines[line][_STATE] = f"\x1b[{_COLOURS[entry.state]}m{lines[line][_STATE]}\x1b[0m"
    return "\n".join("  ".join(line).rstrip() for line in lines)


def width_of(text: str) -> int:
    """Columns on a terminal: Korean, Chinese and Japanese characters take two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def aligned(rows: Sequence[Sequence[str]], right: Collection[int]) -> List[List[str]]:
    """The cells of a table made as wide as their columns; in the columns ``right`` they end at the same place."""
    widths = [max(map(width_of, column)) for column in zip(*rows)]
    return [[_pad(cell, widths[i], right=i in right) for i, cell in enumerate(row)] for row in rows]


def _row(entry: Entry, now_ns: int) -> List[str]:
    head, body = entry.beat
    cells = (
        body.job,
        body.run,
        body.pid,
        entry.state,
        _progress(_epoch_shown(head, body), body.epochs),
        _progress(head.step, body.steps),
        number(head.loss),
        head.phase,
        duration((now_ns - head.time_ns) / 1e9) if head.time_ns else None,  # it never beat
        entry.owner,
    )
    return [_cell(cell) for cell in cells]


def _epoch_shown(head: Head, body: Body) -> Optional[float]:
    """A command's epochs are those that it prints: of so many it means the n-th."""
    is_nth = body.command_pid is not None and body.epochs is not None and head.epoch is not None
    return head.epoch + 1 if is_nth and head.epoch is not None else head.epoch


def as_json(entry: Entry, now_ns: int) -> Dict[str, Any]:
    """One entry as an object whose keys are always the same; what is not known is null."""
    head, body = entry.beat
    return {
        "job": body.job,
        "run": body.run,
        "pid": body.pid,
        "command_pid": body.command_pid,
        "state": entry.state,
        "epoch": head.epoch,
        "epochs": body.epochs,
        "step": head.step,
        "steps": body.steps,
        "loss": None if head.loss is None else json_number(head.loss),
        "metrics": {name: json_number(value) for name, value in (body.metrics or {}).items()},
        "phase": head.phase,
        "within_s": head.within_s,
        "beat_age_s": round((now_ns - head.time_ns) / 1e9, 3) if head.time_ns else None,
        "host": body.host,
        "user": clean(entry.owner),
        "rank": body.rank,
        "reason": body.reason,
        "exit_status": body.exit_status,
        "file": clean(entry.path),
    }


def number(value: Optional[float]) -> str:
    """A number in at most five significant digits, empty for None."""
    return "" if value is None else f"{value:.5g}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units: ``0.4s``, ``12s``, ``3m20s``, ``1h30m``, ``2d``; never negative."""
    if seconds < 1:
        return f"{max(seconds, 0.0):.1f}s"
    whole = int(seconds)
    for size, unit, smaller, smaller_unit in _UNITS:
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size}{unit}" + (f"{rest}{smaller_unit}" if rest else "")
    return f"{whole}s"


def _progress(done: Optional[float], planned: Optional[int]) -> str:
    if done is None:
        return "" if planned is None else f"-/{planned}"
    return f"{done:.15g}" if planned is None else f"{done:.15g}/{planned}"


def _cell(value: Any) -> str:
    """One line of printable text; the file may be anybody's."""
    text = "" if value is None else " ".join(clean(str(value)).split())
    return text if len(text) <= _CELL_MAX else text[: _CELL_MAX - 1] + "…"


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - width_of(text))
    return space + text if right else text + space
