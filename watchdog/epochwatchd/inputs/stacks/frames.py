"""Python stacks, whoever wrote them, as a few lines of evidence and as one short place. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import PurePath
from typing import NamedTuple

from epochwatch.wire import clean
from epochwatchd.model import Stack
from epochwatchd.phrase import Phrase

LINES_MAX, INNER, OUTER = 10, 5, 2
"""Lines of evidence in all; of a longer stack, the frames shown of its inner and of its outer end."""
_THREAD = re.compile(r"^(Current thread|Thread|Stack)\b.* \(most recent call first\):$")
_FRAME = re.compile(r'^  File "(.*)", line (\S+) in (.*)$')
_INSTALLED = re.compile(r"/(site|dist)-packages/")
_PYTHONS = re.compile(r"/lib(64)?/python\d[^/]*/(?!(site|dist)-packages/)|^<")

_PROMPTS = re.compile(
    r"/(pdb|cmd|code|getpass)\.py:.* in [\w.]*(cmdloop|interaction|raw_input|getpass)$"
    r"|/_pyrepl/.* in [\w.]+$"
    r"|/IPython/terminal/.* in [\w.]*(cmdloop|prompt_for_code)$|/ipykernel/.* in [\w.]*_input_request$"
    r"|/(debugpy|pydevd|_pydevd\w*)\b.* in [\w.]*do_wait_suspend$"
)
"""The functions in which debuggers and prompts wait for a person. ``input`` is C code, and no frame of a stack.
``py-spy`` puts the class before a method's name."""

_POOLS = re.compile(
    r"/(multiprocessing/pool|concurrent/futures/process|loky/process_executor)\.py:.* in (worker|_process_worker)$"
)
"""The functions in which a pool's workers wait for tasks, and call them."""


class Frame(NamedTuple):
    """A line of code that is being run."""

    file: str
    line: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.name}"

    @property
    def short(self) -> str:
        """Without the folder."""
        return str(self._replace(file=PurePath(self.file).name))


class Thread(NamedTuple):
    """A thread's frames, the innermost first."""

    is_main: bool
    frames: Sequence[Frame]


def parse(text: str) -> list[Thread]:
    """The threads in a text as ``faulthandler`` writes it; the one that wrote it is the main thread."""
    threads: list[tuple[bool, list[Frame]]] = []
    for line in map(clean, text.split("\n")):  # whoever writes it may write anything
        if thread := _THREAD.match(line):
            threads.append((thread[1] != "Thread", []))
        elif threads and (frame := _FRAME.match(line)):
            threads[-1][1].append(Frame(*frame.groups()))
    return [Thread(*thread) for thread in threads]


def stack(threads: Iterable[Thread]) -> Stack:
    """The main thread's frames, then where the others are. Without a main thread nothing is known."""
    known = [thread for thread in threads if thread.frames]
    main = next((thread.frames for thread in known if thread.is_main), None)
    if main is None:
        return Stack()
    frames = [str(frame) for frame in main]
    shown = frames if len(frames) <= INNER + OUTER + 1 else [*frames[:INNER], "…", *frames[-OUTER:]]
    others = Counter(", from ".join(map(str, thread.frames[:2])) for thread in known if not thread.is_main)
    lines: list[str] = [Phrase("main thread: {at}", at=shown[0]), *(f"    {frame}" for frame in shown[1:])]
    lines += [
        Phrase("{count} other threads: {at}" if n > 1 else "another thread: {at}", count=n, at=at)
        for at, n in others.items()
    ]
    return Stack(tuple(lines[:LINES_MAX]), _place(main), _led_to(_PROMPTS, main), _led_to(_POOLS, main))


def with_workers(stack: Stack, workers: Mapping[int, Stack | None]) -> Stack:
    """A stack with where the workers below the process stand: those at one place together, the fewest first."""
    places: dict[str, list[int]] = {}
    for pid, found in workers.items():
        if found is not None and found.at:
            places.setdefault(found.at, []).append(pid)
    lines = [
        Phrase(
            "{count} worker processes: {at}" if len(pids) > 1 else "worker process {pid}: {at}",
            count=len(pids),
            pid=pids[0],
            at=at,
        )
        for at, pids in sorted(places.items(), key=lambda place: len(place[1]))
    ]
    return stack._replace(lines=(*stack.lines, *lines))


def _is_own(frame: Frame) -> bool:
    return not _PYTHONS.search(frame.file) and not _INSTALLED.search(frame.file)


def _led_to(place: re.Pattern[str], frames: Sequence[Frame]) -> bool:
    """Whether it is such a place that the user's own code has led to; what started that code is further out."""
    return any(place.search(str(frame)) for frame in takewhile(lambda frame: not _is_own(frame), frames))


def _place(frames: Sequence[Frame]) -> str:
    """The innermost frame of the user's own code, and what it led to: an installed library, or else Python's own."""
    foreign = [frame for frame in frames if not _PYTHONS.search(frame.file)]
    own = next(filter(_is_own, frames), None)
    inner = foreign[0] if foreign and foreign[0] is not own else frames[0]
    return inner.short if own in (None, inner) else f"{own.short} → {inner.short}"
