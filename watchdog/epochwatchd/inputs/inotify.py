"""New files as events, by inotify(7) through libc; the standard library has no call for it."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import NamedTuple

_EVENT = struct.Struct("iIII")
_CLOSE_WRITE, _MOVED_TO, _ONLYDIR = 0x8, 0x80, 0x01000000
_OVERFLOW, _IGNORED, _DELETE_SELF, _MOVE_SELF = 0x4000, 0x8000, 0x400, 0x800


class Events(NamedTuple):
    """Files that appeared or were written; directories that are gone; whether events were lost on the way."""

    files: list[Path]
    gone: list[Path]
    overflow: bool


class Inotify:
    """Watches directories. ``fileno()`` becomes readable when something happened; then call ``drain``."""

    def __init__(self) -> None:
        """Raises OSError where inotify cannot be had."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._directories: dict[int, Path] = {}

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._fd

    def watch(self, directory: Path, name: Path | None = None) -> None:
        """Begin to watch a directory; its files are given under ``name``, its own unless given. Raises OSError."""
        flags = _CLOSE_WRITE | _MOVED_TO | _ONLYDIR | _MOVE_SELF | _DELETE_SELF
        watch = self._checked(self._libc.inotify_add_watch(self._fd, os.fsencode(directory), flags))
        self._directories[watch] = name or directory

    def forget(self, name: Path) -> None:
        """Stop watching a directory."""
        for watch in [watch for watch, known in self._directories.items() if known == name]:
            del self._directories[watch]
            self._libc.inotify_rm_watch(self._fd, watch)  # it may be gone by itself: then there is nothing to remove

    def drain(self) -> Events:
        """What happened since the last call."""
        events = Events([], [], overflow=False)
        while True:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return events
            events = self._parse(data, events)

    def _parse(self, data: bytes, events: Events) -> Events:
        at, overflow = 0, events.overflow
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            name = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
            at += _EVENT.size + length
            overflow = overflow or bool(mask & _OVERFLOW)
            if mask & (_IGNORED | _MOVE_SELF | _DELETE_SELF) and watch in self._directories:
                events.gone.append(self._directories.pop(watch))
            elif name and watch in self._directories:
                events.files.append(self._directories[watch] / os.fsdecode(name))
        return events._replace(overflow=overflow)

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self._fd)

    def _checked(self, result: int) -> int:
        if result < 0:
            errno = ctypes.get_errno()
            raise OSError(errno, f"inotify: {os.strerror(errno)}")
        return result
