"""The journal's own protocol: entries with fields, so that ``journalctl EPOCHWATCH_JOB=x`` finds a job's.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL. Where it does not take an entry, the text goes the usual way.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Mapping

from epochwatchd.service.logs import to_descriptor

SOCKET = "/run/systemd/journal/socket"
_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""syslog's: error, warning, information; below is 7, debugging."""


def is_ours(env: Mapping[str, str]) -> bool:
    """Whether standard error is the journal's, which takes more than text: ``$JOURNAL_STREAM`` in systemd.exec(5)."""
    device, _, inode = env.get("JOURNAL_STREAM", "").partition(":")
    try:
        about = os.fstat(2)
    except OSError:
        return False
    return (device, inode) == (str(about.st_dev), str(about.st_ino))


class Journal:
    """Sends entries to the journal."""

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def write(self, text: str, level: int, fields: Mapping[str, str]) -> None:
        """Write an entry. Raises OSError."""
        try:
            self._socket.sendto(entry(text, level, fields), self._path)
        except OSError:  # too long for a datagram, or no such journal
            to_descriptor(text, level, fields)


def entry(text: str, level: int, fields: Mapping[str, str]) -> bytes:
    """A journal entry: of each field its name and value, those with line ends with their length."""
    priority = next((number for least, number in _PRIORITIES if level >= least), 7)
    told = {"MESSAGE": text, "PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "epochwatchd", **fields}
    parts = []
    for name, value in told.items():
        data = value.encode("utf-8", "backslashreplace")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)
