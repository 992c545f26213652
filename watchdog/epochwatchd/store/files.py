"""The files of the store: the lock, who may read them, and databases that were set aside."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from epochwatchd.store.faults import StoreRefused

FILE_MODE, FOLDER_MODE = 0o640, 0o750
"""Job names and paths are not for everybody: the group may read."""
PARTS = ("", "-wal", "-shm")
DAMAGED_KEPT = 3


def make_private(path: Path) -> None:
    """Make the database file and its folder where they are missing; files that all may read are so no more.

    SQLite gives its ``-wal`` and ``-shm`` the mode of the database.
    """
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    create(path)
    for part in PARTS:
        with suppress(FileNotFoundError):
            file = beside(path, part)
            mode = file.stat().st_mode & 0o777
            if mode & ~FILE_MODE:
                file.chmod(mode & FILE_MODE)


def create(path: Path) -> None:
    """Make an empty file that only we and our group may read, where there is none."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, FILE_MODE))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """The database is ours alone until the end of the block. Raises StoreRefused if another daemon has it."""
    lock = os.open(lock_of(path), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
    try:
        os.fchmod(lock, os.fstat(lock).st_mode & FILE_MODE)
        _take(lock, path)
        yield
    finally:
        os.close(lock)


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        message = f"{path}: another epochwatchd is using this database; stop it or set store.path"
        raise StoreRefused(message) from None


def lock_of(path: Path) -> Path:
    """The file whose lock says that a daemon is at work."""
    return beside(path, ".lock")


def beside(path: Path, ending: str) -> Path:
    """The file of the same name with another ending behind it."""
    return path.with_name(path.name + ending)


def is_in_use(path: Path) -> bool:
    """Whether a daemon has the database open. To try its lock might keep a daemon from starting: the kernel is asked.

    Raises OSError where there is no lock, or /proc does not tell.
    """
    inode = lock_of(path).stat().st_ino
    locks = (line.split() for line in Path("/proc/locks").read_text("utf-8").splitlines())
    return any(lock[1] == "FLOCK" and lock[5].rpartition(":")[2] == str(inode) for lock in locks)


def identity(path: Path) -> tuple[int, int] | None:
    """Which file this is; None if there is none, or one that was emptied."""
    with suppress(FileNotFoundError):
        stat = path.stat()
        return (stat.st_dev, stat.st_ino) if stat.st_size else None
    return None


def set_aside(path: Path) -> Path:
    """Give a damaged database, with its log, a name of its own; gives that. Only the latest few are kept."""
    ending = time.strftime(".damaged-%Y%m%d-%H%M%S", time.gmtime())
    names = (beside(path, ending + (f"-{n}" if n > 1 else "")) for n in count(1))
    target = next(name for name in names if not name.exists())
    earlier = sorted(_set_aside_before(path))
    for part in PARTS:  # the database first: SQLite throws away the log of an empty one
        with suppress(FileNotFoundError):
            beside(path, part).rename(beside(target, part))
    for name in earlier[: len(earlier) - (DAMAGED_KEPT - 1)]:
        for part in PARTS:
            beside(name, part).unlink(missing_ok=True)
    return target


def _set_aside_before(path: Path) -> list[Path]:
    start = f"{path.name}.damaged-"
    return [file for file in path.parent.iterdir() if file.name.startswith(start) and not file.name.endswith(PARTS[1:])]
