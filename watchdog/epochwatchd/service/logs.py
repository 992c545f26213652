"""The log: one line a record, whatever somebody has written into a name; and nobody waits for whoever reads it."""

from __future__ import annotations

import logging
import os
import queue
import threading

from epochwatch.wire import clean

INDENT = "    | "
WAITING_MAX = 10_000
"""Lines that wait for their reader; what comes then is counted, and let go."""
_END = ""


class OneLine(logging.Formatter):
    """What a record says on one line that prints; a traceback behind it, each of its lines set in."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record."""
        first, *more = super().format(record).split("\n")
        return "\n".join([clean(first), *(INDENT + clean(line) for line in more)])

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The message with its time and level; line ends in it are spaces."""
        record.message = clean(record.message)
        return super().formatMessage(record)


class Aside(logging.Handler):
    """Writes from a thread of its own: a pipe that nobody reads, or a journal that hangs, holds up no tick."""

    def __init__(self, descriptor: int = 2) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lines: queue.Queue[str] = queue.Queue(WAITING_MAX)
        self._lost = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Have a record written soon."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._lost += 1
        except Exception:  # noqa: BLE001 - a mistake in a call that logs is said, and costs no more
            self.handleError(record)

    def finish(self, wait_s: float) -> None:
        """Write what waits, for at most so long: then the process may end."""
        try:
            self._lines.put(_END, timeout=wait_s)
        except queue.Full:
            return
        self._thread.join(wait_s)

    def _write(self) -> None:
        while (line := self._lines.get()) != _END:
            lost, self._lost = self._lost, 0
            more = f"\n{lost} lines of the log were lost: nobody read it" if lost else ""
            try:
                _write_all(self._descriptor, f"{line}{more}\n".encode("utf-8", "backslashreplace"))
            except OSError:  # whoever read it is gone: there is nobody to say it to
                self._lost += 1 + lost


def _write_all(descriptor: int, data: bytes) -> None:
    """Not by ``sys.stderr``: it is locked while it waits, and Python's own end would wait for it."""
    while data:
        data = data[os.write(descriptor, data) :]
