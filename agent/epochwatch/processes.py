"""Processes of this machine, as far as a heartbeat needs to know them."""

import os
from typing import Optional, Union

from epochwatch.wire import Body

_STATE, _START = 0, 19
"""Places in ``/proc/PID/stat`` behind the name, which may hold anything: proc(5) counts them as 3 and 22."""


def start_ticks(pid: Union[int, str]) -> Optional[int]:
    """When a live process began, in clock ticks since boot; None if it is gone, or a zombie, or there is no /proc.

    ``self`` is this process, also where /proc is that of another pid namespace.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[_STATE] in (b"Z", b"X") else int(fields[_START])


def is_alive(body: Body, here: Body) -> Optional[bool]:
    """Whether the process that ``body`` speaks of is alive, seen from the process ``here``; None: not to be seen."""
    if body.pid is None or (body.host, body.pidns) != (here.host, here.pidns):
        return None
    if body.boot != here.boot:
        return False
    if here.start is not None:
        return body.start == start_ticks(body.pid)
    return _answers(body.pid) if os.name == "posix" else None


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's, but there
    return True
