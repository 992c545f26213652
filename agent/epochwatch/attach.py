"""``epochwatch attach``: a process of ours that runs already comes under the watchdog's eye, from outside. Linux.

It is told how it ended, what its GPU does, and when it waits for what cannot come. It never promised a beat.
"""

from __future__ import annotations

import os
import re
import time
from typing import List, NamedTuple, Optional

from epochwatch import command, identity, listing, script, transport, wire
from epochwatch.masking import masked
from epochwatch.processes import start_ticks

_GPU = re.compile(r"/dev/(?:nvidia\d+|kfd)\Z")
"""What a process opens that computes on a GPU; the drivers' control devices are opened by any look at them."""


class Attached(NamedTuple):
    """A process that is watched; ``is_new``: from now on, and not already before."""

    pid: int
    job: str
    run: str
    command: str
    is_new: bool


class AttachError(Exception):
    """A process that cannot be watched; the text says why."""


def attach(pid: int, job: Optional[str] = None) -> Attached:
    """Write a heartbeat that names a live process of ours. Raises AttachError, or OSError where no file can be written.

    job: the run's name; else that of the script which it runs.
    """
    start, argv = start_ticks(pid), _argv(pid)
    if start is None or not argv:
        raise AttachError(f"there is no process {pid}" if start is None else f"process {pid} runs no command")
    owner = _owner(pid)
    if owner != os.getuid():
        raise AttachError(f"process {pid} is another user's ({owner}): only they can attach to it")
    known = _known(pid, start)
    if known is not None:
        return Attached(pid, known.job, known.run or "", " ".join(masked(argv)), is_new=False)
    here = identity.describe(job or command.job_of(argv))
    body = wire.Body(
        job=here.job, run=os.urandom(6).hex(), pid=pid, start=start, boot=here.boot, pidns=here.pidns, host=here.host,
        user=here.user, argv=masked(argv), cwd=_cwd(pid), began_ns=time.time_ns(), attached=True,
    )  # fmt: skip
    script.write(wire.Head(), body)
    return Attached(pid, body.job, body.run or "", " ".join(body.argv), is_new=True)


def with_gpu() -> List[int]:
    """The processes of ours that have a GPU open."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdecimal())
    return sorted(pid for pid in pids if any(map(_GPU.match, _open_files(pid))))


def _open_files(pid: int) -> List[str]:
    """What a process has open; nothing of one that is gone, or another's."""
    folder, found = f"/proc/{pid}/fd", []
    try:
        if _owner(pid) != os.getuid():
            return []
        names = os.listdir(folder)
    except (OSError, AttachError):
        return []
    for name in names:
        try:
            found.append(os.readlink(f"{folder}/{name}"))
        except OSError:  # it was closed
            continue
    return found


def _known(pid: int, start: int) -> Optional[wire.Body]:
    """The heartbeat of ours that names this process, or the command that it is; others may claim what they like."""
    found, _ = listing.entries(transport.directories(os.environ))
    bodies = (entry.beat.body for entry in found if entry.state == "running" and _is_ours(entry.path))
    return next((body for body in bodies if (body.pid, body.start) == (pid, start) or body.command_pid == pid), None)


def _is_ours(path: str) -> bool:
    try:
        return os.lstat(path).st_uid == os.getuid()
    except OSError:  # it was removed
        return False


def _owner(pid: int) -> int:
    """Whose a process is. Raises AttachError if it is gone."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        raise AttachError(f"there is no process {pid}") from None


def _argv(pid: int) -> List[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(wire.BODY_MAX // 2).split(b"\0")
    except OSError:
        return []
    return [word.decode("utf-8", "replace") for word in words if word]


def _cwd(pid: int) -> Optional[str]:
    try:
        return os.readlink(f"/proc/{pid}/cwd")[-1024:]
    except OSError:
        return None
