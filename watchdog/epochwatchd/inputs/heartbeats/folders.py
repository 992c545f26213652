"""The folders that heartbeat files lie in, each held open: what is listed, watched and read is one and the same folder.

A name in a shared place may be a symbolic link tomorrow, or another's folder; what a descriptor stands for stays. A
folder that is gone or replaced is let go at the next ``watch``, and what then has its name is taken.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from epochwatchd.inputs import missed
from epochwatchd.inputs.heartbeats.inotify import Inotify

SUFFIX = ".beat"
FILES_MAX = 20_000
"""Files of one user that are looked at in one directory: more is an accident or an attack."""
NAMES_MAX = 200_000
"""Names in one directory, of all users together: half a second's work."""
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_Inode = tuple[int, int]


class Folder(NamedTuple):
    """A folder to watch. ``owner``: it lies where everybody may put one, so it must be a real one of this uid alone."""

    path: Path
    owner: int | None = None


class _Held(NamedTuple):
    """An open folder. ``watch`` is None where no watch was to be had: then it is listed again and again."""

    inode: _Inode
    watch: int | None


class Folders:
    """Folders by path. ``fileno()`` becomes readable when files appear in one; then call ``appeared``.

    ``descriptors`` are those of the folders that are held now.
    """

    def __init__(self) -> None:
        self._inotify = Inotify()
        self.descriptors: dict[str, int] = {}
        self._held: dict[str, _Held] = {}
        self._by_watch: dict[int, str] = {}
        self._inodes: set[_Inode] = set()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._inotify.fileno()

    @property
    def watched(self) -> list[Path]:
        """The folders that are held now."""
        return [Path(folder) for folder in self._held]

    def watch(self, folders: Iterable[Folder]) -> list[str]:
        """Hold these and no others, of those that are there; gives the heartbeat files in those that are new."""
        wanted = {str(path): owner for path, owner in folders}
        for folder in [folder for folder in self._held if folder not in wanted]:
            self._let_go(folder)
        found: list[str] = []
        for folder in filter(_prints, wanted):
            try:
                found += self._look_at(folder, wanted[folder])
            except (FileNotFoundError, NotADirectoryError, PermissionError):  # not there, a link, or not for us
                self._let_go(folder)
            except OSError as e:  # no descriptor is left, say: what is held is kept
                missed.note("folder.open", folder, e)
        return found

    def _look_at(self, folder: str, owner: int | None) -> list[str]:
        """The files of a folder that is new, or has no watch. Raises OSError."""
        inode = _inode(os.stat(folder))  # noqa: PTH116 - a thousand of them every second
        held = self._held.get(folder)
        if held is not None and held.inode != inode:
            self._let_go(folder)
            held = None
        if (held is None and inode in self._inodes) or (held is not None and held.watch is not None):
            return []
        if held is None:
            held = self._hold(folder, owner)
        self._begin_watch(folder, held)
        return self._listed(folder)

    def _hold(self, folder: str, owner: int | None) -> _Held:
        fd = os.open(folder, _FLAGS if owner is None else _FLAGS | os.O_NOFOLLOW)
        about = os.fstat(fd)
        if owner is not None and (about.st_uid != owner or about.st_mode & _OTHERS_WRITE):
            os.close(fd)
            missed.note("folder.owner", folder, f"not a folder that only its user {owner} may write to: left alone")
            raise PermissionError(errno.EACCES, "not a folder of its user alone", folder)
        self.descriptors[folder] = fd
        held = self._held[folder] = _Held(_inode(about), None)
        self._inodes.add(held.inode)
        return held

    def _begin_watch(self, folder: str, held: _Held) -> None:
        try:
            watch = self._inotify.watch(self.descriptors[folder])
        except OSError as e:
            missed.note("folder.watch", folder, f"{e}: it is listed every second (raise fs.inotify.max_user_watches)")
            return
        self._held[folder] = held._replace(watch=watch)
        self._by_watch[watch] = folder

    def _let_go(self, folder: str) -> None:
        held = self._held.pop(folder, None)
        if held is None:
            return
        if held.watch is not None:
            self._inotify.forget(held.watch)
            self._by_watch.pop(held.watch, None)
        self._inodes.discard(held.inode)
        os.close(self.descriptors.pop(folder))

    def appeared(self) -> list[str]:
        """Heartbeat files that appeared, or were written and closed, since the last call."""
        events = self._inotify.drain()
        for folder in [self._by_watch[watch] for watch in events.ended if watch in self._by_watch]:
            self._let_go(folder)
        if events.overflow:
            missed.note("folder.overflow", "inotify", "too much was written at once: all folders are listed anew")
            return self._list_all()
        seen = ((self._by_watch[watch], name) for watch, name in events.files if watch in self._by_watch)
        return [f"{folder}/{name}" for folder, name in seen if _is_heartbeat(folder, name)]

    def _listed(self, folder: str) -> list[str]:
        """The files of a held folder. Raises OSError: then it is let go, and so listed again when it is next taken."""
        try:
            return _list(folder, self.descriptors[folder])
        except OSError:
            self._let_go(folder)
            raise

    def _list_all(self) -> list[str]:
        found: list[str] = []
        for folder in list(self._held):
            try:
                found += self._listed(folder)
            except OSError as e:
                missed.note("folder.list", folder, e)
        return found

    def close(self) -> None:
        """Let go of every descriptor."""
        for folder in list(self._held):
            self._let_go(folder)
        self._inotify.close()


def _inode(about: os.stat_result) -> _Inode:
    return about.st_dev, about.st_ino


def _list(folder: str, fd: int) -> list[str]:
    """The heartbeat files of a folder: of each owner so many, so that nobody hides those of others."""
    paths = []
    files_of: Counter[int] = Counter()
    with os.scandir(fd) as entries:
        for count, entry in enumerate(entries):
            if count >= NAMES_MAX:
                missed.note("folder.full", folder, f"of more than {NAMES_MAX} names the rest is not looked at")
                break
            if _is_heartbeat(folder, entry.name) and (owner := _owner(entry)) is not None:
                files_of[owner] += 1
                if files_of[owner] <= FILES_MAX:
                    paths.append(f"{folder}/{entry.name}")
    for owner in [owner for owner, files in files_of.items() if files > FILES_MAX]:
        missed.note("folder.full", folder, f"of more than {FILES_MAX} files of user {owner} the rest is not looked at")
    return paths


def _owner(entry: os.DirEntry[str]) -> int | None:
    """Whose a file is; None if it is gone, or its file system fails: then it is nobody's."""
    try:
        return entry.stat(follow_symlinks=False).st_uid
    except OSError:
        return None


def _is_heartbeat(folder: str, name: str) -> bool:
    """Whether a name is that of a heartbeat file, and fit to be told and stored."""
    if not name.endswith(SUFFIX) or name[0] == ".":
        return False
    return _prints(name, "file.name", folder)


def _prints(name: str, code: str = "folder.name", place: str = "a folder") -> bool:
    if not name.isprintable():
        missed.note(code, place, f"a name that is not UTF-8, or does not print: {name}")
    return name.isprintable()
