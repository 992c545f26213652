"""``py-spy``, where it is installed: reads the Python stacks of a process without touching it.

With ``--nonblocking`` it neither attaches nor stops nor signals: it only reads the process's memory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

from epochwatchd.inputs import processes
from epochwatchd.inputs.frames import Frame, Thread

AT_ONCE = 4
"""Where a file system hangs, many trainings do: their watchdog must not become a burden."""
BYTES_MAX = 2**22
"""A hundred threads with a hundred frames each take about as much."""
_turns = threading.BoundedSemaphore(AT_ONCE)


@cache
def _program() -> str | None:
    """The one beside our own Python, else that of the PATH."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("py-spy", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))


class Reading:
    """A look at one process that is under way. Raises OSError if it cannot begin, or not now."""

    def __init__(self, pid: int) -> None:
        program = _program()
        if program is None or not processes.may_inspect(pid):
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
                [Frame(frame["filename"], str(frame["line"]), frame["name"]) for frame in thread["frames"]],
            )
            for thread in told
        ]
    except (ValueError, KeyError, TypeError):  # nothing at all, or what another version of it says
        return []
