"""``py-spy``, where it is installed: reads the Python stacks of a process without touching it.

With ``--nonblocking`` it neither attaches nor stops nor signals: it only reads the process's memory.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

from epochwatch.wire import clean
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.stacks.frames import Frame, Thread

AT_ONCE = 4
"""Where a file system hangs, many trainings do: their watchdog must not become a burden."""
ROOT = 0
BYTES_MAX = 2**22
"""A hundred threads with a hundred frames each take about as much."""
_PARTS = ("filename", "line", "name")
_turns = threading.BoundedSemaphore(AT_ONCE)


@cache
def _program() -> str | None:
    """The one beside our own Python, else that of the PATH; as root, none that another user may have put there."""
    beside = shutil.which("py-spy", path=str(Path(sys.executable).parent)) if sys.executable else None
    return beside or _on_path(os.environ.get("PATH", ""), os.geteuid())


def _on_path(path: str, uid: int) -> str | None:
    """The first ``py-spy`` on the PATH that this user may run. A relative or empty entry means the current folder."""
    for folder in filter(os.path.isabs, path.split(os.pathsep)):
        found = shutil.which("py-spy", path=folder)
        if found and uid != ROOT:
            return found
        if found and _is_roots_alone(found):
            return os.path.realpath(found)  # not by links on the way, which may be anybody's
    return None


def _is_roots_alone(program: str) -> bool:
    """Whether only root can change what runs under this name: the program, the link, the folders that lead there."""
    try:
        real = Path(program).resolve(strict=True)
        folders = {*Path(program).parents, *real.parents}
        return all(map(_is_closed, (real, Path(program).parent, real.parent))) and all(map(_keeps_names, folders))
    except OSError:
        return False


def _is_closed(path: Path) -> bool:
    status = path.stat()
    return status.st_uid == ROOT and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _keeps_names(folder: Path) -> bool:
    """Whether nobody but root can put something else in the place of what lies there, as in ``/tmp``."""
    status = folder.stat()
    return status.st_uid == ROOT and (_is_closed(folder) or bool(status.st_mode & stat.S_ISVTX))


class Reading:
    """A look at one process that is under way. Raises OSError if it cannot begin, or not now."""

    def __init__(self, pid: int) -> None:
        program = _program()
        if program is None or not procfs.may_inspect(pid):
            raise PermissionError(f"there is no py-spy, or it may not read process {pid}")
        if not _turns.acquire(blocking=False):
            raise BlockingIOError("enough processes are being read")
        self._found: list[Thread] | None = None
        command = [program, "dump", "--nonblocking", "--json", "--pid", str(pid)]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - nothing of it is anybody's text
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:
            _turns.release()
            raise
        try:
            threading.Thread(target=self._read, args=(pid,), name="py-spy", daemon=True).start()
        except RuntimeError as error:
            self.close()
            raise BlockingIOError("no thread is left to read with") from error

    def _read(self, pid: int) -> None:
        """In a thread of its own: all the output, or what shows that it is too much; and wait for its end."""
        with self._process as process:
            assert process.stdout is not None
            output = process.stdout.read(BYTES_MAX + 1)
            process.kill()  # it has said everything, or too much
        self._found = parse(output, pid)

    def threads(self) -> list[Thread] | None:
        """The threads of the process, none if they could not be read; None while that is under way."""
        return self._found

    def close(self) -> None:
        """End it, if it is still under way; to be called once. That it is gone is not waited for here."""
        self._process.kill()
        _turns.release()


def parse(output: bytes, pid: int) -> list[Thread]:
    """The threads that ``py-spy dump --json`` tells of; none if it failed, or told of more than can be taken in.

    The main one has the process's own id.
    """
    try:
        told = json.loads(output) if len(output) <= BYTES_MAX else []
        return [
            Thread(
                thread["os_thread_id"] == pid or thread["thread_name"] == "MainThread",
                [Frame(*(clean(str(frame[part])) for part in _PARTS)) for frame in thread["frames"]],
            )
            for thread in told
        ]
    except (ValueError, KeyError, TypeError, RecursionError):  # nothing at all, or what another version of it says
        return []
