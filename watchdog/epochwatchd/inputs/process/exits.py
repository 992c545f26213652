"""Deaths as events: a pidfd for each watched process, and the wait status of processes that are not our children."""

from __future__ import annotations

import fcntl
import os
import select
import struct
from typing import NamedTuple

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


class Death(NamedTuple):
    """The end of the process watched under ``key``."""

    key: str
    exit: Exit


class Deaths:
    """Watches processes by pidfd. ``fileno()`` becomes readable when one has died; then call ``drain``.

    ``exits``: the kernel's word on how processes end, where pidfds do not say it, or not before they are reaped.
    """

    def __init__(self, exits: ExitEvents | None = None) -> None:
        self._exits = exits
        self._epoll = select.epoll()
        self._by_fd: dict[int, tuple[str, int]] = {}
        self._by_key: dict[str, int] = {}
        self._unreaped: dict[int, float] = {}
        self._told: set[int] = set()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._epoll.fileno()

    def watch(self, key: str, pid: int, start: int) -> bool:
        """Begin to watch; False if that process is already gone. Raises OSError where pidfds cannot be had."""
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            stat = procfs.stat_of(pid)
            if stat is None or stat.start != start:  # the pid was used again before the pidfd was open
                os.close(fd)
                return False
            self._epoll.register(fd, select.EPOLLIN)
        except OSError:
            os.close(fd)
            raise
        self.forget(key)
        self._by_fd[fd] = (key, pid)
        self._by_key[key] = fd
        if self._exits:
            self._exits.watch(pid)
        return True

    def met_dead(self, key: str, at: float) -> Exit | None:
        """The end, ``at`` that time, of one that is dead already now that it is watched; None if it lives.

        A status that only its parent can learn is not waited for here: it comes with ``drain`` when it is reaped.
        """
        fd = self._by_key[key]
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(0):
            return None
        end = self._exit_of(fd, at, reaped=False)
        if end is not None:
            return self._done(fd, end).exit
        self._wait_for_reaping(fd, at)
        return self._unknown(fd, at).exit

    def forget(self, key: str) -> None:
        """Stop watching."""
        fd = self._by_key.pop(key, None)
        if fd is None:
            return
        self._epoll.unregister(fd)
        _, pid = self._by_fd.pop(fd)
        self._unreaped.pop(fd, None)
        self._told.discard(fd)
        if self._exits:
            self._exits.forget(pid)
        os.close(fd)

    def drain(self, now: float) -> list[Death]:
        """The deaths since the last call. A process whose parent has not reaped it yet comes a little later.

        One that was given as ``unreaped`` comes a second time when it was reaped, unless it is forgotten before.
        """
        deaths = []
        for fd, events in self._epoll.poll(0, 1024):
            died_at = self._unreaped.get(fd, now)
            end = self._exit_of(fd, died_at, reaped=bool(events & select.EPOLLHUP))
            if end is not None:
                deaths.append(self._done(fd, end))
            else:
                self._wait_for_reaping(fd, now)
        return deaths

    def _wait_for_reaping(self, fd: int, died_at: float) -> None:
        self._unreaped[fd] = died_at
        self._epoll.modify(fd, 0)  # only the hang-up that reaping brings

    def overdue(self, now: float) -> list[Death]:
        """Deaths whose exit status did not come in time, each once; call it now and then."""
        if self._exits:
            self._exits.drain()
        late = [fd for fd, at in self._unreaped.items() if now - at >= UNREAPED_GRACE_S and fd not in self._told]
        return [self._unknown(fd, self._unreaped[fd]) for fd in late]

    def _unknown(self, fd: int, died_at: float) -> Death:
        """A death without its status, which may still come."""
        key, pid = self._by_fd[fd]
        self._told.add(fd)
        stat = procfs.read_stat(pid)
        return Death(key, Exit(died_at, unreaped_by=stat.parent if stat else 0))

    def _exit_of(self, fd: int, died_at: float, *, reaped: bool) -> Exit | None:
        """How the process ended; None if it has to be asked again after its parent reaped it."""
        end = _exit_by_pidfd(fd, died_at)
        if end is not None:
            return end
        _, pid = self._by_fd[fd]
        wait_status = None if reaped else procfs.exit_status_of_zombie(pid)
        if wait_status is None and self._exits:
            wait_status = self._exits.status_of(pid)
        if wait_status is not None:
            return _exit(died_at, wait_status)
        return Exit(died_at) if reaped else None

    def _done(self, fd: int, end: Exit) -> Death:
        key, _ = self._by_fd[fd]
        self.forget(key)
        return Death(key, end)

    def close(self) -> None:
        """Let go of every descriptor."""
        for key in list(self._by_key):
            self.forget(key)
        self._epoll.close()
        if self._exits:
            self._exits.close()


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
