"""A trace: the beats of one run, how it ended, and the phases it announced; and the file format for them."""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np


class Phase(NamedTuple):
    """An announced stretch without beats, in seconds of the trace; ``ended_at`` is infinite for one that never did."""

    name: str
    began_at: float
    ended_at: float
    within_s: float | None


class Trace(NamedTuple):
    """One run of a job, begun at 0.

    ``numbers`` counts the beats, ``epochs`` and ``steps`` have NaN where a beat tells none; ``ended_at`` is when the
    hang began, or the run finished. ``planned_s``: how long the silence in which it hung would have been, where that is
    known.
    """

    name: str
    job: str
    times: np.ndarray
    numbers: np.ndarray
    epochs: np.ndarray
    steps: np.ndarray
    phases: tuple[Phase, ...]
    hangs: bool
    ended_at: float
    planned_s: float = 0.0


def read(path: Path) -> list[Trace]:
    """The traces in a JSON-lines file, in the order in which they begin. Raises ValueError naming the line."""
    lines: dict[str, list[dict[str, Any]]] = {}
    with path.open() as file:
        for number, text in enumerate(file, 1):
            try:
                line = json.loads(text)
                lines.setdefault(line["trace"], []).append({**line, "t": float(line["t"])})
            except (ValueError, KeyError, TypeError) as e:
                raise ValueError(f"{path}:{number}: not a line of a trace: {e}") from e
    return [_trace(name, one) for name, one in lines.items()]


def _trace(name: str, lines: list[dict[str, Any]]) -> Trace:
    beats = [line for line in lines if not line.keys() & {"phase", "phase_end", "end"}]
    if not beats or "end" not in lines[-1]:
        raise ValueError(f"trace {name}: it must have a beat, and its last line an end")
    begin = lines[0]["t"]
    for line in lines:
        line["t"] -= begin
    return Trace(
        name,
        next((line["job"] for line in lines if "job" in line), name),
        np.array([line["t"] for line in beats]),
        np.arange(1, len(beats) + 1),
        _column(beats, "epoch"),
        _column(beats, "step"),
        tuple(_phases(lines)),
        lines[-1]["end"] == "hang",
        lines[-1]["t"],
    )


def _column(beats: list[dict[str, Any]], key: str) -> np.ndarray:
    return np.array([np.nan if line.get(key) is None else line[key] for line in beats], dtype=float)


def _phases(lines: Iterable[dict[str, Any]]) -> Iterator[Phase]:
    begun: dict[str, Any] | None = None
    for line in lines:
        ends = begun is not None and (line.keys() & {"phase", "phase_end"} or line.get("end") == "finish")
        if ends:
            yield Phase(begun["phase"], begun["t"], line["t"], begun.get("within"))
            begun = None
        if "phase" in line:
            begun = line
    if begun is not None:
        yield Phase(begun["phase"], begun["t"], float("inf"), begun.get("within"))


def write(traces: Iterable[Trace], file: TextIO) -> None:
    """Write traces as JSON lines."""
    for trace in traces:
        lines = [*_beat_lines(trace), *_phase_lines(trace)]
        lines.sort(key=lambda line: line["t"])
        lines.append({"t": trace.ended_at, "end": "hang" if trace.hangs else "finish"})
        file.writelines(json.dumps({"trace": trace.name, **line, "t": round(line["t"], 3)}) + "\n" for line in lines)


def _beat_lines(trace: Trace) -> Iterator[dict[str, Any]]:
    for t, epoch, step in zip(trace.times.tolist(), trace.epochs.tolist(), trace.steps.tolist(), strict=True):
        told = {"epoch": epoch, "step": step}
        yield {
            "job": trace.job,
            "t": t,
            **{k: int(v) if v % 1 == 0 else v for k, v in told.items() if not math.isnan(v)},
        }


def _phase_lines(trace: Trace) -> Iterator[dict[str, Any]]:
    for phase in trace.phases:
        within = {} if phase.within_s is None else {"within": phase.within_s}
        yield {"t": phase.began_at, "phase": phase.name, **within}
        if phase.ended_at < float("inf"):
            yield {"t": phase.ended_at, "phase_end": True}


def polled(trace: Trace, every_s: float = 1.0) -> Trace:
    """The trace as one sees it who looks every so often: of several beats between two looks only the last."""
    looks = np.ceil(trace.times / every_s)
    last = np.diff(looks, append=np.inf) > 0
    phases = (p._replace(began_at=_up(p.began_at, every_s), ended_at=_up(p.ended_at, every_s)) for p in trace.phases)
    return trace._replace(
        times=looks[last] * every_s,
        numbers=trace.numbers[last],
        epochs=trace.epochs[last],
        steps=trace.steps[last],
        phases=tuple(p for p in phases if p.began_at < p.ended_at),
        ended_at=max(trace.ended_at, float(looks[last][-1] * every_s)),
    )


def _up(t: float, every_s: float) -> float:
    return t if t == float("inf") else float(np.ceil(t / every_s) * every_s)
