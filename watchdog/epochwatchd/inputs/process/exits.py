"""Deaths as events: a pidfd for each watched process, and the wait status of processes that are not our children."""

from __future__ import annotations

import fcntl
import os
import select
import struct
from typing import Any, NamedTuple, Protocol

from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.process.proc_connector import ExitEvents
from epochwatchd.model import Exit

# PIDFD_GET_INFO (Linux 6.13; the exit status since 6.15): struct pidfd_info of 72 bytes, in linux/pidfd.h.
_GET_INFO = 0xC048FF0B
_INFO = struct.Struct("<QQ11IiIi")
_WANT_EXIT, _WANT_COREDUMP = 1 << 3, 1 << 4
_CORE_DUMPED = 1 << 0
UNREAPED_GRACE_S = 1.0
"""How long to wait for the parent of a dead process to reap it before judging without its exit status."""
APART_S = 1e-6
"""Of deaths that are seen at once, each is so much later than the one before: epoll keeps their order."""


class Kept(Protocol):
    """Keeps descriptors for the next daemon, by name."""

    def take(self, name: str) -> int | None:
        """What the last daemon left under this name."""

    def has(self, name: str) -> bool:
        """Whether it left one."""

    def keep(self, name: str, fd: int) -> bool:
        """Leave one to the next daemon; whether there will be one."""

    def drop(self, name: str) -> None:
        """The next daemon does not need it."""


class ExitWatch:
    """A process whose end is waited for until ``close``. ``owner`` is whoever waits: it comes back with the end."""

    __slots__ = ("_watcher", "fd", "is_told", "name", "owner", "pid", "unreaped_at")

    def __init__(self, watcher: Exits, fd: int, pid: int, name: str, owner: Any) -> None:
        self._watcher = watcher
        self.fd = fd
        self.name = name
        self.pid = pid
        self.owner = owner
        self.unreaped_at: float | None = None
        self.is_told = False

    def met_dead(self, at: float) -> Exit | None:
        """The end, ``at`` that time, of one that is dead already now that it is watched; None if it lives.

        A status that only its parent can learn is not waited for here: it comes with ``drain`` when it is reaped.
        """
        return self._watcher.met_dead(self, at)

    def close(self) -> None:
        """Stop waiting."""
        self._watcher.close_one(self)


class Death(NamedTuple):
    """The end of a process, for whoever waited for it."""

    owner: Any
    exit: Exit


class Exits:
    """Waits for the ends of processes, by pidfd. ``fileno()`` becomes readable at one; then call ``drain``.

    ``events``: the kernel's word on how processes end, where pidfds do not say it, or not before they are reaped.
    ``kept``: where pidfds outlive this daemon: then how a process ended is known that dies while none is there.
    """

    def __init__(self, events: ExitEvents | None = None, kept: Kept | None = None) -> None:
        self._events = events
        self._kept = kept
        self._epoll = select.epoll()
        self._by_fd: dict[int, ExitWatch] = {}
        self._unreaped: dict[int, ExitWatch] = {}

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._epoll.fileno()

    def watch(self, pid: int, start: int, owner: Any) -> ExitWatch | None:
        """Begin to wait; None if that process is already gone. Raises OSError where pidfds cannot be had."""
        name = _name(pid, start)
        left = self._kept.take(name) if self._kept else None
        fd = _opened(pid, start) if left is None else left
        if fd is None:
            return None
        try:
            self._epoll.register(fd, select.EPOLLIN)
        except OSError:
            os.close(fd)
            raise
        watch = self._by_fd[fd] = ExitWatch(self, fd, pid, name, owner)
        if self._kept and left is None:
            self._kept.keep(name, fd)
        if self._events:
            self._events.watch(pid)
        return watch

    def was_left(self, pid: int, start: int) -> bool:
        """Whether the last daemon left the pidfd of this process: it can be watched though it is dead and gone."""
        return self._kept is not None and self._kept.has(_name(pid, start))

    def met_dead(self, watch: ExitWatch, at: float) -> Exit | None:
        """See ``ExitWatch``."""
        poll = select.poll()
        poll.register(watch.fd, select.POLLIN)
        if not poll.poll(0):
            return None
        end = self._exit_of(watch, at, reaped=False)
        if end is not None:
            watch.close()
            return end
        self._wait_for_reaping(watch, at)
        return _unknown(watch, at)

    def close_one(self, watch: ExitWatch) -> None:
        """See ``ExitWatch``."""
        if self._by_fd.get(watch.fd) is not watch:  # closed before
            return
        self._epoll.unregister(watch.fd)
        del self._by_fd[watch.fd]
        self._unreaped.pop(watch.fd, None)
        if self._events:
            self._events.forget(watch.pid)
        if self._kept:
            self._kept.drop(watch.name)
        os.close(watch.fd)

    def drain(self, now: float) -> list[Death]:
        """The ends since the last call. A process whose parent has not reaped it yet comes a little later.

        One that was given as ``unreaped`` comes a second time when it was reaped, unless it is closed before.
        """
        deaths = []
        for place, (fd, events) in enumerate(self._epoll.poll(0, 1024)):
            watch = self._by_fd[fd]
            died_at = now + place * APART_S if watch.unreaped_at is None else watch.unreaped_at
            end = self._exit_of(watch, died_at, reaped=bool(events & select.EPOLLHUP))
            if end is not None:
                watch.close()
                deaths.append(Death(watch.owner, end))
            else:
                self._wait_for_reaping(watch, died_at)
        return deaths

    def _wait_for_reaping(self, watch: ExitWatch, died_at: float) -> None:
        watch.unreaped_at = died_at
        self._unreaped[watch.fd] = watch
        self._epoll.modify(watch.fd, 0)  # only the hang-up that reaping brings

    def overdue(self, now: float) -> list[Death]:
        """Deaths whose exit status did not come in time, each once; call it now and then."""
        if self._events:
            self._events.drain()
        return [
            Death(watch.owner, _unknown(watch, watch.unreaped_at))
            for watch in self._unreaped.values()
            if watch.unreaped_at is not None and now - watch.unreaped_at >= UNREAPED_GRACE_S and not watch.is_told
        ]

    def _exit_of(self, watch: ExitWatch, died_at: float, *, reaped: bool) -> Exit | None:
        """How the process ended; None if it has to be asked again after its parent reaped it."""
        end = _exit_by_pidfd(watch.fd, died_at)
        if end is not None:
            return end
        wait_status = None if reaped else procfs.exit_status_of_zombie(watch.pid)
        if wait_status is None and self._events:
            wait_status = self._events.status_of(watch.pid)
        if wait_status is not None:
            return _exit(died_at, wait_status)
        return Exit(died_at) if reaped else None

    def close(self) -> None:
        """Let go of every descriptor; what was left to the next daemon stays there."""
        self._kept = None
        for watch in list(self._by_fd.values()):
            watch.close()
        self._epoll.close()
        if self._events:
            self._events.close()


def _name(pid: int, start: int) -> str:
    return f"pid.{pid}.{start}"


def _opened(pid: int, start: int) -> int | None:
    """The pidfd of a process that began at this time; None if it is gone. Raises OSError."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    try:
        stat = procfs.stat_of(pid)
    except OSError:
        os.close(fd)
        raise
    if stat is None or stat.start != start:  # the pid was used again before the pidfd was open
        os.close(fd)
        return None
    return fd


def _unknown(watch: ExitWatch, died_at: float) -> Exit:
    """An end without its status, which may still come."""
    watch.is_told = True
    stat = procfs.read_stat(watch.pid)
    return Exit(died_at, unreaped_by=stat.parent if stat else 0)


def _exit_by_pidfd(fd: int, died_at: float) -> Exit | None:
    buffer = bytearray(_INFO.pack(_WANT_EXIT | _WANT_COREDUMP, *[0] * (14 + 1)))
    try:
        fcntl.ioctl(fd, _GET_INFO, buffer)
    except OSError:  # an older kernel, or not yet reaped
        return None
    mask, *_, wait_status, coredump_mask, _spare = _INFO.unpack(buffer)
    if not mask & _WANT_EXIT:
        return None
    dumped = bool(mask & _WANT_COREDUMP and coredump_mask & _CORE_DUMPED)
    return _exit(died_at, wait_status, core_dumped=dumped)


def _exit(at: float, wait_status: int, *, core_dumped: bool = False) -> Exit:
    return Exit(at, os.waitstatus_to_exitcode(wait_status), core_dumped or os.WCOREDUMP(wait_status))
