"""Where a silent process hangs: its Python stacks, by asking its agent with a signal that cannot end it.

A signal ends a process that does not catch it. So each is sent through a pidfd, after a look that the process is the
one that offered it, catches it now and can answer now (``may_ask``). The agent answers the first of its two signals
wherever Python gets to run; only when it did not, the second, which is for a main thread in C code, is sent.
"""

from __future__ import annotations

import os
import re
import signal
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from flatline.wire import STACKS_NAME, Body
from flatlined.inputs import processes

AGAIN_AFTER_S = 60.0
ANSWER_S = 0.5
"""How long an answer may take; even a busy interpreter gives it in a few milliseconds."""
TEXT_MAX = 16 * 1024
LINES_MAX, INNER, OUTER = 11, 6, 2
"""Lines of evidence in all; of a longer stack, the frames shown of its inner and of its outer end."""
_REAL_TIME = range(signal.SIGRTMIN, signal.SIGRTMAX + 1)
_CANNOT_ANSWER = ("T", "t", "Z", "X")
_WAITS_FOR_SIGNALS = ("pause", "sigsuspend")
"""In kernel functions of these names any signal ends the wait, and the program goes on as if it had got its own."""
_MASK = re.compile(rb"^(SigPnd|ShdPnd|SigBlk|SigCgt):\t([0-9a-f]+)$", re.MULTILINE)
_THREAD = re.compile(r"^(Current thread|Thread|Stack)\b.* \(most recent call first\):$")
_FRAME = re.compile(r'^  File "(.*)", line (\S+) in (.*)$')


class Seen(NamedTuple):
    """A process as it is right now: start and state as in ``processes.Stat``, wait channel, and masks of signals."""

    start: int
    state: str
    wchan: str
    caught: int
    blocked: int
    pending: int


class _Asked(NamedTuple):
    """When a process was asked, whether as one that is in C code, and its answer: None while that is awaited."""

    at: float
    in_c: bool = False
    stack: tuple[str, ...] | None = None


class Stacks:
    """The last answer of each process that was asked."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    def at(self, key: str, pid: int, body: Body, now: float, *, wanted: bool) -> tuple[str, ...] | None:
        """Where a process hangs, as lines of evidence: none if it cannot be known, None while an answer is awaited.

        With ``wanted`` it is asked, at most once a minute.
        """
        asked = self._asked.get(key)
        if asked is not None and asked.stack is None and now - asked.at >= ANSWER_S:
            asked = self._asked[key] = _answered(asked, pid, body, now)
        elif wanted and (asked is None or now - asked.at >= AGAIN_AFTER_S) and ask(pid, body):
            asked = self._asked[key] = _Asked(now)
        return asked.stack if asked is not None else ()

    def forget(self, key: str) -> None:
        """It goes on, or is gone."""
        self._asked.pop(key, None)


def _answered(asked: _Asked, pid: int, body: Body, now: float) -> _Asked:
    lines = evidence(read(pid, body))
    if not lines and not asked.in_c and ask(pid, body, in_c=True):
        return _Asked(now, in_c=True)
    return asked._replace(stack=lines)


def may_ask(first: int, start: int | None, seen: Seen) -> bool:
    """Whether ``first`` and the signal after it surely make a process write its stacks, and do nothing else.

    It must still be that of the beat (by its ``start``), catch both, have neither of them blocked or still waiting for
    it, and be neither stopped nor waiting for just any signal.
    """
    if first not in _REAL_TIME[:-1]:
        return False
    both = 0b11 << (first - 1)
    is_ready = seen.caught & both == both and not (seen.blocked | seen.pending) & both
    would_wake = any(name in seen.wchan for name in _WAITS_FOR_SIGNALS)
    return is_ready and not would_wake and seen.start == start and seen.state not in _CANNOT_ANSWER


def ask(pid: int, body: Body, *, in_c: bool = False) -> bool:
    """Have a process write its stacks; ``in_c`` where it did not when asked without, since it is deep in C code.

    False if it cannot be asked, or is not ours to ask.
    """
    if body.stack_signal is None:
        return False
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:  # gone
        return False
    try:
        with _output(pid, body, os.O_WRONLY) as file:
            os.ftruncate(file, 0)
        seen = _look_at(pid)
        if seen is None or not may_ask(body.stack_signal, body.start, seen):
            return False
        signal.pidfd_send_signal(pidfd, body.stack_signal + in_c)
    except OSError:  # another user's, or not as the agent left it
        return False
    finally:
        os.close(pidfd)
    return True


def read(pid: int, body: Body) -> str:
    """What a process wrote when it was asked, empty if nothing: the end of it, where the main thread stands."""
    try:
        with _output(pid, body, os.O_RDONLY) as file:
            size = os.fstat(file).st_size
            return os.pread(file, TEXT_MAX, max(0, size - TEXT_MAX)).decode("utf-8", "replace")
    except OSError:  # gone
        return ""


@contextmanager
def _output(pid: int, body: Body, access: int) -> Iterator[int]:
    """The file that the agent writes to, opened. Raises OSError if what the descriptor stands for is any other file.

    A process may have whatever it wants behind a descriptor, so that is only opened after it was seen to be an unnamed
    regular file of its own user.
    """
    link = f"/proc/{pid}/fd/{body.stack_fd}"
    handle = os.open(link, os.O_PATH | os.O_CLOEXEC)
    try:
        about = os.fstat(handle)
        is_unnamed = stat.S_ISREG(about.st_mode) and about.st_nlink == 0
        is_agents = Path(os.readlink(link)).name.startswith(STACKS_NAME)  # noqa: PTH115 - the link leads nowhere
        if not (is_unnamed and is_agents and processes.owners(pid) == {about.st_uid}):
            raise PermissionError(f"{link} is not what an agent writes its stacks to")
        file = os.open(f"/proc/self/fd/{handle}", access | os.O_CLOEXEC)
    finally:
        os.close(handle)
    try:
        yield file
    finally:
        os.close(file)


def _look_at(pid: int) -> Seen | None:
    about = processes.read_stat(pid)
    masks = {name: int(mask, 16) for name, mask in _MASK.findall(Path(f"/proc/{pid}/status").read_bytes())}
    if about is None or len(masks) < 4:  # noqa: PLR2004 - of those that _MASK looks for
        return None
    pending = masks[b"SigPnd"] | masks[b"ShdPnd"]
    wchan = processes.wchan(pid) or ""
    return Seen(about.start, about.state, wchan, masks[b"SigCgt"], masks[b"SigBlk"], pending)


def evidence(text: str) -> tuple[str, ...]:
    """``faulthandler``'s text as a few lines: the main thread, innermost frame first, then where the others are."""
    threads = _threads(text)
    main = next((frames for is_main, frames in threads if is_main and frames), [])
    if not main:
        return ()
    shown = main if len(main) <= INNER + OUTER + 1 else [*main[:INNER], "…", *main[-OUTER:]]
    others = Counter(", from ".join(frames[:2]) for is_main, frames in threads if frames and not is_main)
    lines = [f"main thread: {shown[0]}", *(f"    {frame}" for frame in shown[1:])]
    lines += [f"{n} other threads: {at}" if n > 1 else f"another thread: {at}" for at, n in others.items()]
    return tuple(lines[:LINES_MAX])


def _threads(text: str) -> list[tuple[bool, list[str]]]:
    """Of each thread whether it is the one that wrote, which is the main thread, and its frames."""
    threads: list[tuple[bool, list[str]]] = []
    for line in text.splitlines():
        if thread := _THREAD.match(line):
            threads.append((thread[1] != "Thread", []))
        elif threads and (frame := _FRAME.match(line)):
            threads[-1][1].append("{}:{} in {}".format(*frame.groups()))
    return threads
