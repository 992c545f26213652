"""Heartbeat files: finding them as they appear, and reading those that changed.

Nothing in a directory that everybody may write to is trusted: only regular files are read, never through symbolic
links, never more than a heartbeat can be long, and what cannot be read is a WireError that names the reason.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from epochwatch import wire
from epochwatch.wire import Beat, Body, WireError
from epochwatchd.inputs.inotify import Inotify

SUFFIX = ".beat"
FILES_MAX = 50_000
"""Names looked at in one directory: more is an accident or an attack."""
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Sighting(NamedTuple):
    """A heartbeat as it stands in its file, and the uid of the file's owner."""

    path: str
    beat: Beat
    uid: int


class _Known(NamedTuple):
    raw_head: bytes
    sighting: Sighting


class BeatFiles:
    """The heartbeat files of some directories. ``fileno()`` becomes readable when files appear."""

    def __init__(self) -> None:
        self._inotify = Inotify()
        self._directories: dict[Path, int] = {}
        self._known: dict[str, _Known] = {}

    def fileno(self) -> int:
        """The descriptor to wait on; then call ``appeared``."""
        return self._inotify.fileno()

    def close(self) -> None:
        """Let go of the descriptor."""
        self._inotify.close()

    def watch(self, directories: Iterable[Path]) -> list[str]:
        """Watch those of ``directories`` that exist and are not watched yet; gives the files already in them.

        A directory that another one of the same inode stands for is watched once.
        """
        found: list[str] = []
        for directory in directories:
            try:
                inode = os.stat(directory).st_ino  # noqa: PTH116 - one call for both questions
                if directory in self._directories or inode in self._directories.values():
                    continue
                self._inotify.watch(directory)
                found += _list(directory)
            except OSError:  # not there, not a directory or not for us: it is tried again at the next call
                continue
            self._directories[directory] = inode
        return found

    @property
    def directories(self) -> list[Path]:
        """The directories that are watched now."""
        return list(self._directories)

    def appeared(self) -> list[str]:
        """Heartbeat files that appeared, or were written and closed, since the last call."""
        events = self._inotify.drain()
        for directory in events.gone:
            self._directories.pop(directory, None)
        if events.overflow:
            return [path for directory in self._directories for path in _list(directory)]
        return [str(path) for path in events.files if path.suffix == SUFFIX and path.name[0] != "."]

    def read(self, path: str) -> Sighting | None:
        """The heartbeat in a file; None if it has not changed since the last reading.

        Raises WireError for what is no heartbeat, FileNotFoundError if the file is gone, PermissionError.
        """
        try:
            fd = os.open(path, _FLAGS)
        except (FileNotFoundError, PermissionError):
            raise
        except OSError as e:
            raise WireError("kind", f"cannot be opened ({e.strerror})") from None
        try:
            raw_head = os.pread(fd, wire.HEAD_SIZE, 0)
            known = self._known.get(path)
            if known is not None and known.raw_head == raw_head:
                return None
            sighting = _sighting(path, fd, raw_head, known and known.sighting)
        except OSError as e:  # a directory, or a file system that fails
            raise WireError("kind", f"cannot be read ({e.strerror})") from None
        finally:
            os.close(fd)
        self._known[path] = _Known(raw_head, sighting)
        return sighting

    def forget(self, path: str) -> None:
        """No longer remember what a file said."""
        self._known.pop(path, None)


def _sighting(path: str, fd: int, raw_head: bytes, before: Sighting | None) -> Sighting:
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode):
        raise WireError("kind", "not a regular file")
    if before is not None and before.uid != about.st_uid:
        raise WireError("owner", "the file now belongs to somebody else")
    head = wire.decode_head(raw_head)
    is_new = before is None or before.beat.head[-3:] != head[-3:]  # the place, length and checksum of the body
    body = _read_body(fd, head) if before is None or is_new else before.beat.body
    return Sighting(path, Beat(head, body), about.st_uid)


def _read_body(fd: int, head: wire.Head) -> Body:
    if head.body_at not in wire.BODY_SLOTS or head.body_len > wire.BODY_MAX:
        raise WireError("body", "the head points to no body")
    return wire.decode_body(os.pread(fd, head.body_len, head.body_at), head.body_crc)


def _list(directory: Path) -> list[str]:
    paths = []
    with os.scandir(directory) as entries:
        for count, entry in enumerate(entries):
            if count >= FILES_MAX:
                break
            if entry.name.endswith(SUFFIX) and entry.name[0] != ".":
                paths.append(entry.path)
    return paths
