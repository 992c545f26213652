"""Heartbeat files: finding them as they appear, and reading those that changed.

Nothing in a directory that everybody may write to is trusted. A directory is opened once, and all that follows speaks
of that very directory, whatever its name comes to mean. Only regular files are read, never through symbolic links,
never more than a heartbeat can be long, and what cannot be read is a WireError that names the reason.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from epochwatch import wire
from epochwatch.transport import RUN_DIRECTORY
from epochwatch.wire import Beat, Body, WireError
from epochwatchd.inputs.inotify import Inotify

SUFFIX = ".beat"
FILES_MAX = 50_000
"""Names looked at in one directory: more is an accident or an attack."""
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Sighting(NamedTuple):
    """A heartbeat as it stands in its file, and the uid of the file's owner."""

    path: str
    beat: Beat
    uid: int


class Folder(NamedTuple):
    """A directory to watch. ``owner``: it lies where everybody may put one, so it must be a real one of this uid."""

    path: Path
    owner: int | None = None


class _Known(NamedTuple):
    raw_head: bytes
    sighting: Sighting


class BeatFiles:
    """The heartbeat files of some directories. ``fileno()`` becomes readable when files appear.

    With ``only_uid`` the files of all others are let be, as if they were not for us to read.
    """

    def __init__(self, only_uid: int | None = None) -> None:
        self._only_uid = only_uid
        self._inotify = Inotify()
        self._directories: dict[str, int] = {}
        self._inodes: dict[str, tuple[int, int]] = {}
        self._known: dict[str, _Known] = {}

    def fileno(self) -> int:
        """The descriptor to wait on; then call ``appeared``."""
        return self._inotify.fileno()

    def close(self) -> None:
        """Let go of all descriptors."""
        for directory in list(self._directories):
            self._let_go(directory)
        self._inotify.close()

    def watch(self, folders: Iterable[Folder]) -> list[str]:
        """Watch those that exist and are not watched yet; gives the files already in them.

        A directory that another one of the same inode stands for is watched once.
        """
        found: list[str] = []
        for folder in folders:
            directory = str(folder.path)
            try:
                about = os.stat(directory)  # noqa: PTH116 - half the cost, every second for every directory
                inode = about.st_dev, about.st_ino
                if self._inodes.get(directory) != inode and inode not in self._inodes.values():
                    self._let_go(directory)
                    found += self._open(directory, folder.owner)
            except FileNotFoundError:
                self._let_go(directory)
            except OSError:  # not a directory, not for us, no descriptor left: it is tried again at the next call
                continue
        return found

    def _open(self, directory: str, owner: int | None) -> list[str]:
        """Hold a directory from now on; gives the files in it. Raises OSError."""
        fd = os.open(directory, _DIRECTORY | (os.O_NOFOLLOW if owner is not None else 0))
        try:
            about = os.fstat(fd)
            if owner is not None and (about.st_uid != owner or about.st_mode & _OTHERS_WRITE):
                raise PermissionError(errno.EACCES, "not a folder of its user alone")
            self._inotify.watch(Path(f"/proc/self/fd/{fd}"), Path(directory))
        except OSError:
            os.close(fd)
            raise
        self._directories[directory], self._inodes[directory] = fd, (about.st_dev, about.st_ino)
        return self._list(directory)

    def _let_go(self, directory: str) -> None:
        fd = self._directories.pop(directory, None)
        if fd is not None:
            del self._inodes[directory]
            self._inotify.forget(Path(directory))
            os.close(fd)

    @property
    def directories(self) -> list[Path]:
        """The directories that are watched now."""
        return list(map(Path, self._directories))

    def appeared(self) -> list[str]:
        """Heartbeat files that appeared, or were written and closed, since the last call."""
        events = self._inotify.drain()
        for directory in events.gone:
            self._let_go(str(directory))
        if events.overflow:
            return [path for directory in list(self._directories) for path in self._list(directory)]
        return [str(path) for path in events.files if path.suffix == SUFFIX and path.name[0] != "."]

    def read(self, path: str) -> Sighting | None:
        """The heartbeat in a file; None if it has not changed since the last reading.

        Raises WireError for what is no heartbeat, FileNotFoundError if the file is gone, PermissionError.
        """
        fd = self._open_file(path)
        try:
            raw_head = os.pread(fd, wire.HEAD_SIZE, 0)
            known = self._known.get(path)
            if known is not None and known.raw_head == raw_head:
                return None
            sighting = self._sighting(path, fd, raw_head, known and known.sighting)
        except PermissionError:
            raise
        except OSError as e:  # a directory, or a file system that fails
            raise WireError("kind", f"cannot be read ({e.strerror})") from None
        finally:
            os.close(fd)
        self._known[path] = _Known(raw_head, sighting)
        return sighting

    def _open_file(self, path: str) -> int:
        directory, _, name = path.rpartition("/")
        try:
            return os.open(name, _FLAGS, dir_fd=self._directories[directory])
        except KeyError:
            raise FileNotFoundError(f"{directory} is not watched") from None
        except (FileNotFoundError, PermissionError):
            raise
        except OSError as e:
            if e.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise
            raise WireError("kind", f"cannot be opened ({e.strerror})") from None

    def remove(self, path: str) -> None:
        """Remove a file from the directory that is watched. Raises OSError.

        A user's own daemon removes nothing where the machine's watchdog reads: that one has to see the end, too.
        """
        directory, _, name = path.rpartition("/")
        if self._only_uid is not None and directory == RUN_DIRECTORY:
            raise PermissionError(errno.EACCES, "it is for the machine's watchdog to remove")
        if directory not in self._directories:
            raise FileNotFoundError(f"{directory} is not watched")
        os.unlink(name, dir_fd=self._directories[directory])

    def forget(self, path: str) -> None:
        """No longer remember what a file said."""
        self._known.pop(path, None)

    def _sighting(self, path: str, fd: int, raw_head: bytes, before: Sighting | None) -> Sighting:
        about = os.fstat(fd)
        if self._only_uid not in (None, about.st_uid):
            raise PermissionError(errno.EACCES, "it belongs to another user")
        if not path.isprintable():
            raise WireError("name", "its name is not UTF-8, or does not print: give it another")
        if not stat.S_ISREG(about.st_mode):
            raise WireError("kind", "not a regular file")
        if before is not None and before.uid != about.st_uid:
            raise WireError("owner", "the file now belongs to somebody else")
        head = wire.decode_head(raw_head)
        is_new = before is None or before.beat.head[-3:] != head[-3:]  # the place, length and checksum of the body
        body = _read_body(fd, head) if before is None or is_new else before.beat.body
        return Sighting(path, Beat(head, body), about.st_uid)

    def _list(self, directory: str) -> list[str]:
        paths = []
        with os.scandir(self._directories[directory]) as entries:
            for count, entry in enumerate(entries):
                if count >= FILES_MAX:
                    break
                if entry.name.endswith(SUFFIX) and entry.name[0] != ".":
                    paths.append(f"{directory}/{entry.name}")
        return paths


def _read_body(fd: int, head: wire.Head) -> Body:
    if head.body_at not in wire.BODY_SLOTS or head.body_len > wire.BODY_MAX:
        raise WireError("body", "the head points to no body")
    return wire.decode_body(os.pread(fd, head.body_len, head.body_at), head.body_crc)
