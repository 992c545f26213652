"""Where a silent process hangs: its Python stacks, in whichever way they can be had without a risk to it.

First ``py-spy`` reads its memory, which the process cannot notice. Where that is not possible its agent is asked by a
signal, which it answers wherever Python gets to run; then by the second one, which is for a main thread in C code.

A signal ends a process that does not catch it, and an interrupted system call that the kernel does not begin again
fails in C code that may not expect it. So each is sent through a pidfd, after a look that the process is the one that
offered it, catches it now, and either runs or waits in a call that goes on after it (``may_ask``).
"""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from epochwatch.wire import STACKS_NAME, Body
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.stacks import frames, py_spy
from epochwatchd.model import Stack

AGAIN_AFTER_S = 60.0
ANSWER_S = 0.5
"""How long an answer may take; even a busy interpreter gives it in a few milliseconds."""
READING_S = 5.0
"""How long ``py-spy`` may take; it mostly needs less than a second."""
AGAIN_WITHIN_S = 2.5
"""How long it is tried again to ask one in the next way, if that cannot be right now: since Linux 6.12 a busy machine
does not say at once what a process that has just fallen asleep waits in."""
TEXT_MAX = 16 * 1024
_REAL_TIME = range(signal.SIGRTMIN, signal.SIGRTMAX + 1)
_PIDFD_SIGNAL_THREAD = 1
"""Linux 6.9: the signal is for one thread, the main one where the pidfd is that of a process."""
_GOES_ON = (
    *("futex_do_wait", "futex_wait_queue", "futex_wait_queue_me"),  # locks, joins, conditions
    *("anon_pipe_read", "pipe_read"),
    *("do_wait", "locks_lock_inode_wait", "do_lock_file_wait"),  # wait4 and waitid; flock and fcntl
)
"""The kernel functions, by the names of various versions, of waits that begin again after a handler with
``SA_RESTART``: signal(7). Not among them are those that never do (poll, select, epoll, sleeps, ``sigtimedwait``, System
V's queues and semaphores), those that do not with a timeout of the socket, nor writes, which may come back with half
done. A futex's wait with a timeout ends too, but libc and Python, whose locks they mostly are, wait on for the rest of
it; of ``sem_timedwait`` in C code alone it can be seen (EINTR)."""


class Seen(NamedTuple):
    """A process as it is right now: start and state as in ``processes.Stat``, wait channel, and masks of signals."""

    start: int
    state: str
    wchan: str | None
    signals: procfs.Signals


class Question(Protocol):
    """A process that is being asked."""

    def threads(self) -> list[frames.Thread] | None:
        """What came of it, which may be nothing; None while more is to be awaited."""

    def close(self) -> None:
        """No answer is wanted any more."""


class _Whom(NamedTuple):
    """A process, its beat, and the uid of whoever wrote that; None: not known."""

    pid: int
    body: Body
    uid: int | None


class _Asked(NamedTuple):
    """When a process was asked, in which of the ways, and the answer: None while that is awaited.

    ``question`` is None when nothing came of it, and the next way is not possible yet.
    """

    at: float
    way: int
    question: Question | None
    stack: Stack | None = None


class Asking:
    """The last answer of one process, until ``close``."""

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        self._asked: _Asked | None = None

    def at(self, pid: int, body: Body, now: float, *, wanted: bool, uid: int | None) -> Stack | None:
        """Where the process hangs: nothing if it cannot be known, None while an answer is awaited.

        With ``wanted`` it is asked, at most once a minute, and only where it is of the user with this ``uid``; None:
        it is not known whose beats they are, and nobody is asked.
        """
        asked, whom = self._asked, _Whom(pid, body, uid)
        if asked is not None and asked.stack is None:
            self._asked = asked = _answered(asked, whom, now)
        elif wanted and (asked is None or now - asked.at >= AGAIN_AFTER_S):
            asked = _begun(0, whom, now)
            if asked is not None:
                self._asked = asked
        return asked.stack if asked is not None else Stack()

    def is_due(self, now: float, *, wanted: bool) -> bool:
        """Whether it would be asked now, and so woken."""
        asked = self._asked
        return wanted and (asked is None or asked.stack is None or now - asked.at >= AGAIN_AFTER_S)

    def close(self) -> None:
        """It goes on, or is gone."""
        if self._asked is not None and self._asked.question is not None:
            self._asked.question.close()
        self._asked = None


def _begun(way: int, whom: _Whom, now: float) -> _Asked | None:
    """The process asked in the first way from this one on in which it can be; None if in none."""
    for number, begin in enumerate(_WAYS[way:], way):
        with suppress(OSError):  # it is gone, not ours to ask, or not as the agent left it
            if procfs.owners(whom.pid) == {whom.uid}:  # each time: it may have become another's
                return _Asked(now, number, begin(whom.pid, whom.body))
    return None


def _answered(asked: _Asked, whom: _Whom, now: float) -> _Asked:
    if now - asked.at < ANSWER_S:
        return asked
    threads = asked.question.threads() if asked.question is not None else []
    if threads is None and now - asked.at < READING_S:
        return asked
    if asked.question is not None:
        asked.question.close()
    stack = frames.stack(threads or ())
    if stack.lines:
        return asked._replace(question=None, stack=stack)
    again = _begun(asked.way + 1, whom, now)
    return again or asked._replace(question=None, stack=stack if now - asked.at >= AGAIN_WITHIN_S else None)


class Signalled(NamedTuple):
    """A process whose agent was asked by a signal."""

    pid: int
    body: Body

    def threads(self) -> list[frames.Thread]:
        """What it wrote so far."""
        return frames.parse(read(self.pid, self.body))

    def close(self) -> None:
        """Nothing is held."""


def may_ask(first: int, start: int | None, seen: Seen) -> bool:
    """Whether ``first`` and the signal after it surely make a process write its stacks, and do nothing else.

    It must still be that of the beat (by its ``start``), catch both, have neither of them blocked or still waiting for
    it, and run or wait in a call that goes on afterwards. One that runs might begin another call before the signal
    arrives, some microseconds later: that cannot be excluded.
    """
    if first not in _REAL_TIME[:-1]:
        return False
    both = 0b11 << (first - 1)
    signals = seen.signals
    is_ready = signals.caught & both == both and not (signals.blocked | signals.pending) & both
    goes_on = seen.state == "R" or (seen.state == "S" and (seen.wchan or "").partition(".")[0] in _GOES_ON)
    return is_ready and goes_on and seen.start == start


def ask(pid: int, body: Body, *, in_c: bool = False) -> Signalled:
    """Have a process write its stacks; ``in_c`` where it did not when asked without, since it is deep in C code.

    Raises OSError if it cannot be asked, or is not ours to ask.
    """
    if body.stack_signal is None:
        raise PermissionError("its agent offers no stacks")
    pidfd = os.pidfd_open(pid)
    try:
        with _output(pid, body, os.O_WRONLY) as file:
            os.ftruncate(file, 0)
        seen = _look_at(pid)
        if seen is None or not may_ask(body.stack_signal, body.start, seen):
            raise PermissionError(f"process {pid} cannot answer now")
        _send(pidfd, body.stack_signal + in_c)
    finally:
        os.close(pidfd)
    return Signalled(pid, body)


def _send(pidfd: int, number: int) -> None:
    """Signal the main thread, so that no other is interrupted. Raises OSError where that may not be."""
    try:
        signal.pidfd_send_signal(pidfd, number, None, _PIDFD_SIGNAL_THREAD)
    except OSError as e:
        if e.errno != errno.EINVAL:
            raise
        signal.pidfd_send_signal(pidfd, number)  # before Linux 6.9: the kernel chooses, and prefers the main thread


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
        if not (is_unnamed and is_agents and procfs.owners(pid) == {about.st_uid}):
            raise PermissionError(f"{link} is not what an agent writes its stacks to")
        file = os.open(f"/proc/self/fd/{handle}", access | os.O_CLOEXEC)
    finally:
        os.close(handle)
    try:
        yield file
    finally:
        os.close(file)


def _look_at(pid: int) -> Seen | None:
    about, signals = procfs.read_stat(pid), procfs.signals(pid)
    if about is None or signals is None:
        return None
    return Seen(about.start, about.state, procfs.wchan(pid), signals)


def _read_memory(pid: int, _: Body) -> Question:
    return py_spy.Reading(pid)


_WAYS: tuple[Callable[[int, Body], Question], ...] = (_read_memory, ask, partial(ask, in_c=True))
"""The second signal comes last: ``faulthandler`` reads frames as they lie, of the thread that it interrupts."""
