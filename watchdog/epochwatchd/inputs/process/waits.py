"""Samples of what the threads of a process and of those below it wait in, and whom they are connected with."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from epochwatchd.detection.waits import Thread
from epochwatchd.inputs.process import procfs

THREADS_MAX = 1024
"""Of more threads nothing is said."""
FILES_MAX, CONNECTIONS_MAX = 4096, 65_536
"""Whoever has more is not looked through."""
_STATUS = re.compile(rb"^State:\t(.).*^voluntary_ctxt_switches:\t(\d+)$", re.MULTILINE | re.DOTALL)
_FUTEX = {"x86_64": "202", "aarch64": "98"}
"""The number of the system call, by machine."""
_ESTABLISHED = "01"


def threads(pids: Iterable[int], first: int) -> dict[int, Thread] | None:
    """The threads of a process (``first``) and of those below it; None where there are too many. Raises OSError."""
    found: dict[int, Thread] = {}
    for pid in pids:
        for thread in map(int, _names(f"/proc/{pid}/task")):
            seen = _thread(f"/proc/{pid}/task/{thread}", is_first=thread == first)
            if seen is not None:
                found[thread] = seen
            if len(found) > THREADS_MAX:
                return None
    return found


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - numbers, not paths
    except (FileNotFoundError, ProcessLookupError):
        return []


def _thread(folder: str, *, is_first: bool) -> Thread | None:
    try:
        found = _STATUS.search(Path(f"{folder}/status").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return None
    if found is None:
        return None
    channel = procfs.wchan_of(folder)
    is_timed = channel is not None and channel.startswith("futex") and _has_timeout(folder)
    return Thread(is_first, found[1].decode(), int(found[2]), channel, is_timed)


def _has_timeout(folder: str) -> bool:
    """Whether a thread waits in a futex for some time only; where we may not know, not."""
    try:
        number, *arguments = Path(f"{folder}/syscall").read_text("ascii").split()
    except (OSError, ValueError):
        return False
    return number == _FUTEX.get(os.uname().machine) and len(arguments) > 3 and arguments[3] != "0x0"  # noqa: PLR2004


def is_connected_outside(pids: Collection[int], inside: Iterable[int]) -> bool:
    """Whether one of these processes has a TCP connection with anybody but those ``inside``; if not to be seen, too."""
    try:
        own = {inode for pid in pids for inode in _sockets(pid)}
        known = own.union(*map(_sockets, inside))
        networks = {os.stat(f"/proc/{pid}/ns/net").st_ino: pid for pid in pids}  # noqa: PTH116 - the link is followed
        peers = {ends: inode for pid in networks.values() for ends, inode in _connections(pid)}
    except OSError:
        return True
    return any(inode in own and peers.get(ends[::-1]) not in known for ends, inode in peers.items())


def _sockets(pid: int) -> set[str]:
    """The sockets that a process holds. Raises OSError where it holds too many files, or that is not shown to us."""
    found, numbers = set(), _names(f"/proc/{pid}/fd")
    if len(numbers) > FILES_MAX:
        raise OSError(errno.E2BIG, f"process {pid} has {len(numbers)} files open")
    for number in numbers:
        with suppress(FileNotFoundError):  # closed meanwhile
            target = os.readlink(f"/proc/{pid}/fd/{number}")  # noqa: PTH115 - the link leads nowhere
            if target.startswith("socket:["):
                found.add(target[8:-1])
    return found


def _connections(pid: int) -> Iterator[tuple[tuple[str, str], str]]:
    """The TCP connections in the network of a process: both ends, and the socket's number."""
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/{pid}/net/{table}")  # not there: it is gone, or there is no IPv6
        with suppress(FileNotFoundError), path.open(encoding="ascii") as lines:
            for number, line in enumerate(lines):
                if number > CONNECTIONS_MAX:
                    raise OSError(errno.E2BIG, f"there are too many connections where process {pid} is")
                _, local, remote, state, *_, inode = line.split()[:10]
                if state == _ESTABLISHED:
                    yield (local, remote), inode
