"""The log: one line a record, whatever somebody has written into a name."""

from __future__ import annotations

import logging

from epochwatch.wire import clean

INDENT = "    | "


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
