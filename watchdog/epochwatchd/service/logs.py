"""The log: one line a record, whatever somebody has written into a name; and nobody waits for whoever reads it."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from epochwatch.wire import clean

INDENT = "    | "
WAITING_MAX = 10_000
"""Lines that wait for their reader; what comes then is counted, and let go."""


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


class _Said(NamedTuple):
    text: str
    level: int = logging.INFO
    fields: Mapping[str, str] = {}


Write = Callable[[str, int, Mapping[str, str]], None]
"""Writes a text with its level and fields, as long as that takes. Raises OSError."""


def about(**fields: str | None) -> dict[str, Any]:
    """The ``extra`` of a record that is about something: fields of the journal, ``EPOCHWATCH_JOB`` for ``job``."""
    return {"fields": {f"EPOCHWATCH_{name.upper()}": clean(value) for name, value in fields.items() if value}}


class Aside(logging.Handler):
    """Writes from a thread of its own: a pipe that nobody reads, or a journal that hangs, holds up no tick."""

    def __init__(self, write: Write | None = None) -> None:
        super().__init__()
        self._write_one = write or to_descriptor
        self._lines: queue.Queue[_Said | None] = queue.Queue(WAITING_MAX)
        self._lost = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Have a record written soon."""
        try:
            self._lines.put_nowait(_Said(self.format(record), record.levelno, getattr(record, "fields", {})))
        except queue.Full:
            self._lost += 1
        except Exception:  # noqa: BLE001 - a mistake in a call that logs is said, and costs no more
            self.handleError(record)

    def finish(self, wait_s: float) -> None:
        """Write what waits, for at most so long: then the process may end."""
        try:
            self._lines.put(None, timeout=wait_s)
        except queue.Full:
            return
        self._thread.join(wait_s)

    def _write(self) -> None:
        while (said := self._lines.get()) is not None:
            lost, self._lost = self._lost, 0
            try:
                self._write_one(*said)
                if lost:
                    self._write_one(f"{lost} lines of the log were lost: nobody read it", logging.WARNING, {})
            except OSError:  # whoever read it is gone: there is nobody to say it to
                self._lost += 1 + lost


def to_descriptor(text: str, _level: int, _fields: Mapping[str, str], descriptor: int = 2) -> None:
    """Write a text to standard error, as long as that takes. Raises OSError.

    Not by ``sys.stderr``: it is locked while it waits, and Python's own end would wait for it.
    """
    data = f"{text}\n".encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(descriptor, data) :]
