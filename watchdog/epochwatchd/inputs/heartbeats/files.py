"""Heartbeat files: finding them as they appear, and reading those that changed.

Nothing in a directory that everybody may write to is trusted: only regular files are read, never through symbolic
links, never more than a heartbeat can be long, and what cannot be read is a WireError that names the reason. Each
folder is opened once, and all that is done in it goes by that descriptor: nobody can put another in its place.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from epochwatch import wire
from epochwatch.transport import RUN_DIRECTORY
from epochwatch.wire import Beat, Body, WireError
from epochwatchd.inputs.heartbeats.folders import Folder, Folders

__all__ = ["BeatFile", "BeatFiles", "Folder", "Sighting"]
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Sighting(NamedTuple):
    """A heartbeat as it stands in its file, and the uid of the file's owner."""

    path: str
    beat: Beat
    uid: int


class BeatFile:
    """One heartbeat file, and what it said last: it is read every second, and taken apart when it has changed."""

    __slots__ = ("folder", "name", "path", "raw_head", "sighting")

    def __init__(self, path: str) -> None:
        folder, _, self.name = path.rpartition("/")
        self.path = path
        self.folder = sys.intern(folder)
        self.raw_head = b""
        self.sighting: Sighting | None = None


class BeatFiles:
    """The heartbeat files of some directories. ``fileno()`` becomes readable when files appear.

    With ``only_uid`` the files of all others are not ours to read: PermissionError.
    """

    def __init__(self, only_uid: int | None = None) -> None:
        self._only_uid = only_uid
        self._folders = Folders()
        self._descriptors = self._folders.descriptors

    def fileno(self) -> int:
        """The descriptor to wait on; then call ``appeared``."""
        return self._folders.fileno()

    def close(self) -> None:
        """Let go of every descriptor."""
        self._folders.close()

    def watch(self, folders: Iterable[Folder]) -> list[str]:
        """Watch these folders and no others; gives the files in those that were not watched yet.

        One that is not there, not for us, or the same as another is left out, and tried again at the next call.
        """
        return self._folders.watch(folders)

    @property
    def directories(self) -> list[Path]:
        """The directories that are watched now."""
        return self._folders.watched

    def appeared(self) -> list[str]:
        """Heartbeat files that appeared, or were written and closed, since the last call."""
        return self._folders.appeared()

    def read(self, file: BeatFile) -> Sighting | None:
        """The heartbeat in a file; None if it has not changed since the last reading.

        Raises WireError for what is no heartbeat, FileNotFoundError if the file is gone or its folder is not watched,
        PermissionError.
        """
        try:
            fd = os.open(file.name, _FLAGS, dir_fd=self._descriptors[file.folder])
        except (KeyError, OSError) as e:
            raise _as_fault(e) from None
        try:
            raw_head = os.pread(fd, wire.HEAD_SIZE, 0)
            if raw_head == file.raw_head and file.sighting:
                return None
            sighting = _sighting(file.path, fd, raw_head, self._only_uid, file.sighting)
        except PermissionError:
            raise
        except OSError as e:  # a directory, or a file system that fails
            raise WireError("kind", f"cannot be read ({e.strerror})") from None
        finally:
            os.close(fd)
        file.raw_head, file.sighting = raw_head, sighting
        return sighting

    def remove(self, path: str) -> None:
        """Remove a file from the folder that is watched. Raises OSError.

        A user's own daemon removes nothing where the machine's watchdog reads: that one has to see the end, too.
        """
        folder, _, name = path.rpartition("/")
        if self._only_uid is not None and folder == RUN_DIRECTORY:
            raise PermissionError(errno.EACCES, "it is for the machine's watchdog to remove")
        if folder not in self._descriptors:
            raise FileNotFoundError(errno.ENOENT, "its folder is not watched", path)
        os.unlink(name, dir_fd=self._descriptors[folder])


def _as_fault(error: KeyError | OSError) -> OSError | WireError:
    """Why a file cannot be opened: it is gone, or its folder; not for us; no descriptor is left; or it is no file."""
    if isinstance(error, KeyError):
        return FileNotFoundError(errno.ENOENT, "its folder is not watched", error.args[0])
    if isinstance(error, (FileNotFoundError, PermissionError)):
        return error
    is_ours = error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
    return WireError("descriptors" if is_ours else "kind", f"cannot be opened ({error.strerror})")


def _sighting(path: str, fd: int, raw_head: bytes, only_uid: int | None, before: Sighting | None) -> Sighting:
    about = os.fstat(fd)
    if only_uid not in (None, about.st_uid):
        raise PermissionError(errno.EPERM, "another user's", path)
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
