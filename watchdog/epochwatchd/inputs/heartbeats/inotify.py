"""New files as events, by inotify(7) through libc; the standard library has no call for it."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import NamedTuple

_EVENT = struct.Struct("iIII")
_CLOSE_WRITE, _MOVED_TO, _ONLYDIR = 0x8, 0x80, 0x01000000
_OVERFLOW, _IGNORED = 0x4000, 0x8000
_READS = 32
"""Reads in one go, each of a thousand events: who writes without end must not keep us here."""


class Events(NamedTuple):
    """Files that appeared or were written, by watch and name; watches that ended; whether events were lost."""

    files: list[tuple[int, str]]
    ended: list[int]
    overflow: bool


class Inotify:
    """Watches directories. ``fileno()`` becomes readable when something happened; then call ``drain``."""

    def __init__(self) -> None:
        """Raises OSError where inotify cannot be had."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._fd

    def watch(self, directory: int) -> int:
        """Begin to watch a directory, by an open descriptor; gives the number of the watch. Raises OSError."""
        flags = _CLOSE_WRITE | _MOVED_TO | _ONLYDIR
        return self._checked(self._libc.inotify_add_watch(self._fd, b"/proc/self/fd/%d" % directory, flags))

    def forget(self, watch: int) -> None:
        """End a watch; one that has ended by itself is no matter."""
        self._libc.inotify_rm_watch(self._fd, watch)

    def drain(self) -> Events:
        """What happened since the last call; of very much the rest is left for the next one."""
        events = Events([], [], overflow=False)
        for _ in range(_READS):
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                break
            events = _parse(data, events)
        return events

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self._fd)

    def _checked(self, result: int) -> int:
        if result < 0:
            errno = ctypes.get_errno()
            raise OSError(errno, f"inotify: {os.strerror(errno)}")
        return result


def _parse(data: bytes, events: Events) -> Events:
    at, overflow = 0, events.overflow
    while at < len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, at)
        name = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
        at += _EVENT.size + length
        overflow = overflow or bool(mask & _OVERFLOW)
        if mask & _IGNORED:
            events.ended.append(watch)
        elif name:
            events.files.append((watch, os.fsdecode(name)))
    return events._replace(overflow=overflow)
