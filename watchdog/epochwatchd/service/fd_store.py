"""Descriptors that outlive the daemon: systemd keeps them, and gives them to the next one.

A pidfd still tells how a process ended that died and was reaped while no daemon was there; a socket keeps what was sent
to it. See ``FileDescriptorStoreMax=`` in systemd.service(5), and sd_listen_fds_with_names(3).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from epochwatchd.service.sd_notify import notify

FIRST = 3
"""SD_LISTEN_FDS_START."""


class FdStore:
    """What the last daemon left, by name, and what this one leaves; where there is no systemd, nothing."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._left = _left_to_us(env)
        self._wanted: set[str] = set()

    def take(self, name: str) -> int | None:
        """A descriptor of what was left under this name, for each who asks: a process may have several runs."""
        if name not in self._left:
            return None
        self._wanted.add(name)
        return os.dup(self._left[name])

    def has(self, name: str) -> bool:
        """Whether one was left."""
        return name in self._left

    def sockets(self) -> dict[str, socket.socket]:
        """Take the sockets that were left, also those of a socket unit, whatever their names."""
        found: dict[str, socket.socket] = {}
        for name, fd in list(self._left.items()):
            with suppress(OSError):  # no socket
                found[name] = socket.socket(fileno=fd)
                del self._left[name]
        return found

    def keep(self, name: str, fd: int) -> bool:
        """Leave a descriptor to the next daemon; whether there will be one.

        It is not to be polled: a dead process's would be thrown away.
        """
        return notify(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", self._env, [fd])

    def drop(self, name: str) -> None:
        """The next daemon does not need it."""
        notify(f"FDSTOREREMOVE=1\nFDNAME={name}", self._env)

    def close(self) -> None:
        """No more is taken; what nobody wanted is forgotten."""
        for name, fd in self._left.items():
            os.close(fd)
            if name not in self._wanted:
                self.drop(name)
        self._left.clear()


def _left_to_us(env: Mapping[str, str]) -> dict[str, int]:
    """The descriptors that this very process was given."""
    if env.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = int(env.get("LISTEN_FDS", "0"))
    names = env.get("LISTEN_FDNAMES", "").split(":")
    left: dict[str, int] = {}
    for at, fd in enumerate(range(FIRST, FIRST + count)):
        os.set_inheritable(fd, False)
        name = names[at] if at < len(names) else "unknown"
        left[name if name not in left else f"{name}#{at}"] = fd
    return left
