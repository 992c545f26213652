"""Processes of this machine: who they are, what they do, and whether a beat speaks of one of them."""

from __future__ import annotations

import errno
import math
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import psutil

from epochwatch.wire import Body, clean
from epochwatchd.inputs import missed

_FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""PROC_PID_INIT_INO of linux/proc_ns.h: the namespace of the whole machine, which sees all others."""
_CAP_SYS_PTRACE = 1 << 19
_MOVED = re.compile(rb"^(?:rchar|wchar|read_bytes): (\d+)$", re.MULTILINE)
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
START_PRECISION_S = 2.0 / _TICKS_PER_S


_READ = {"x86_64": "0", "aarch64": "63"}
"""The number of the system call, by machine."""


class Stat(NamedTuple):
    """What ``/proc/PID/stat`` says: state letter, parent, start in ticks since boot, CPU used, wait status, name."""

    state: str
    parent: int
    start: int
    cpu_s: float
    wait_status: int
    name: str = ""


def read_stat(pid: int) -> Stat | None:
    """The stat of a process, or None if there is none, or if it cannot be read now."""
    try:
        return stat_of(pid)
    except OSError:  # no descriptor is left, say
        return None


def stat_of(pid: int) -> Stat | None:
    """The stat of a process, or None if there surely is none. Raises OSError where that cannot be known."""
    try:
        data = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        return _parsed(data)
    except (ValueError, IndexError):
        raise OSError(errno.EIO, "not what the kernel writes there", f"/proc/{pid}/stat") from None


def _parsed(data: bytes) -> Stat:
    name_end = data.rindex(b")")
    name = clean(data[data.index(b"(") + 1 : name_end].decode("utf-8", "replace"))
    fields = data[name_end + 2 :].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return Stat(fields[0].decode(), int(fields[1]), int(fields[19]), cpu_s, int(fields[49]), name)


def owners(pid: int) -> set[int]:
    """The real and effective uid of a process; empty if it is gone. Raises OSError where that cannot be known."""
    for line in _status_lines(pid):
        if line.startswith("Uid:"):
            return {int(uid) for uid in line.split()[1:3]}
    return set()


@cache
def boot_id() -> str:
    """The kernel's name for this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@cache
def _own_pid_namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 - the link is followed to the namespace itself


def sees_namespace(inode: int | None) -> bool:
    """Whether living processes of a pid namespace (by inode; None: not said) are surely in our process table."""
    return inode in (None, _own_pid_namespace()) or _own_pid_namespace() == _FIRST_PID_NAMESPACE


def find(body: Body) -> int | None:
    """The pid, as seen from here, of the process that a beat speaks of; None if it is not on this machine or gone.

    It is the same process only if its start time agrees; one that is dead and not yet reaped is still there. A process
    in a container knows another pid of itself; it is found by the pid in its innermost namespace. Raises OSError where
    that cannot be known now.
    """
    if body.pid is None or body.start is None or body.boot not in (None, boot_id()):
        return None
    is_ours = body.pidns in (None, _own_pid_namespace())
    candidates = [body.pid] if is_ours else _INNER_PIDS.of(body.pid, started_at(body.start))
    for pid in candidates:
        stat = stat_of(pid)
        is_it = stat is not None and stat.start == body.start and stat.state != "X"
        if is_it and (is_ours or _may_be_in(pid, body.pidns)):
            return pid
    return None


def _may_be_in(pid: int, namespace: int | None) -> bool:
    """Whether a process may be of a pid namespace: two containers may start a process 1 in the same tick."""
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino == namespace  # noqa: PTH116 - the link is followed to the namespace
    except OSError:  # another user's, or dead: that cannot be seen
        return True


def outer_pid(body: Body) -> int | None:
    """The pid that the process of a beat had here, dead or alive (of a wrapper: its command); None if not known."""
    is_ours = body.pidns in (None, _own_pid_namespace()) and body.boot == boot_id()
    return (body.command_pid or body.pid) if is_ours else None


def own_pid(body: Body) -> int | None:
    """The pid that the process which beats had here, dead or alive; None if not known."""
    is_ours = body.pidns in (None, _own_pid_namespace()) and body.boot == boot_id()
    return body.pid if is_ours else None


def command_of(body: Body, pid: int) -> int | None:
    """The pid, as seen from here, of the command that a process with this ``pid`` here wraps; None if not known."""
    if not body.command_pid or body.pidns in (None, _own_pid_namespace()):
        return body.command_pid or None
    try:
        return next((child for child in children_of(pid) if _inner_pid(child) == body.command_pid), None)
    except OSError as e:
        missed.note("process.command", f"process {pid}", e)
        return None


class _InnerPids:
    """The processes of other pid namespaces, by the pid that they know themselves by."""

    def __init__(self) -> None:
        self._found: dict[int, list[int]] = {}
        self._looked_at = -math.inf

    def of(self, inner: int, began_at: float) -> list[int]:
        """Those that may be it; the whole table is looked through once a second, and for one that began since."""
        now = time.monotonic()
        if now - self._looked_at >= 1.0 or began_at > self._looked_at - START_PRECISION_S:
            self._look(now)
        return self._found.get(inner, [])

    def _look(self, now: float) -> None:
        self._found, self._looked_at = {}, now
        for pid in psutil.pids():
            inner = _inner_pid(pid)
            if inner is not None:
                self._found.setdefault(inner, []).append(pid)


_INNER_PIDS = _InnerPids()


def _inner_pid(pid: int) -> int | None:
    """The pid that a process of another pid namespace knows itself by; None if it is of ours, or gone."""
    for line in _status_lines(pid):
        if line.startswith("NSpid:") and len(line.split()) > 2:  # noqa: PLR2004 - more than one namespace
            return int(line.split()[-1])
    return None


def _status_lines(pid: int) -> list[str]:
    """Its lines end in newlines and nothing else: a process may have any other sign in its name, to forge a line."""
    try:
        return Path(f"/proc/{pid}/status").read_bytes().decode("utf-8", "replace").split("\n")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def started_at(start_ticks: int) -> float:
    """The monotonic time of a start given in clock ticks since boot."""
    boot_age_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic() - (boot_age_s - start_ticks / _TICKS_PER_S)


def lineage(pid: int) -> Iterator[int]:
    """A process and those above it, up to the first of the machine."""
    while pid > 0:
        yield pid
        stat = read_stat(pid)
        pid = stat.parent if stat else 0


def name_of_parent(pid: int) -> str | None:
    """What the program is called that started a process, if that still lives."""
    stat = read_stat(pid)
    parent = read_stat(stat.parent) if stat else None
    return parent.name if parent else None


def children() -> dict[int, list[int]]:
    """The children of every process, from one look at the whole process table. Raises OSError."""
    result: dict[int, list[int]] = {}
    for pid in psutil.pids():
        stat = read_stat(pid)
        if stat is not None:
            result.setdefault(stat.parent, []).append(pid)
    return result


def children_of(pid: int) -> tuple[int, ...]:
    """The children that the main thread of a process has started; empty where the kernel does not list them."""
    try:
        return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_bytes().split()))
    except OSError:  # it is gone, or the kernel was built without
        return ()


def wchan(pid: int) -> str | None:
    """The kernel function a process waits in, where the kernel shows it to us."""
    return wchan_of(f"/proc/{pid}")


def wchan_of(folder: str) -> str | None:
    """The same of a process or thread by its folder in /proc."""
    try:
        name = clean(Path(f"{folder}/wchan").read_bytes().decode("utf-8", "replace"))
    except OSError:
        return None
    return name if name not in ("", "0") else None


def reads_input(pid: int) -> bool:
    """Whether a process is in a ``read`` of its standard input, as one that its terminal has stopped for asking."""
    try:
        number, _, rest = Path(f"/proc/{pid}/syscall").read_text("ascii").partition(" ")
    except OSError:  # gone, or not for us to see
        return False
    return number == _READ.get(os.uname().machine) and rest.startswith("0x0 ")


def moved_bytes(pid: int) -> int:
    """What a process has read and written since it began; 0 where that is kept from us.

    ``rchar`` and ``wchar`` are what its calls moved, also through pipes; the pages of mapped files are in
    ``read_bytes`` alone.
    """
    try:
        data = Path(f"/proc/{pid}/io").read_bytes()
    except OSError:
        return 0
    return sum(map(int, _MOVED.findall(data)))


_MASKS = ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")


class Signals(NamedTuple):
    """What becomes of signals that a process gets, as masks with bit ``n - 1`` for signal ``n``."""

    caught: int
    ignored: int
    blocked: int
    pending: int


def signals(pid: int) -> Signals | None:
    """What a process does with signals (``blocked``: by its main thread); None if it is gone, or cannot be seen now."""
    try:
        masks = dict(line.split(":\t") for line in _status_lines(pid) if line.startswith(_MASKS))
    except OSError as e:
        missed.note("process.signals", f"process {pid}", e)
        return None
    if len(masks) < len(_MASKS):
        return None
    own, shared, blocked, ignored, caught = (int(masks[name], 16) for name in _MASKS)
    return Signals(caught, ignored, blocked, own | shared)


def is_killed(pid: int) -> bool:
    """Whether SIGKILL was sent to a process that cannot take it yet."""
    seen = signals(pid)
    return seen is not None and bool(seen.pending >> (signal.SIGKILL - 1) & 1)


def command_line(pid: int) -> str:
    """The command line of a process on one line that prints, or else its name; empty if it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ")
    except OSError:
        return ""
    stat = read_stat(pid)
    return clean(words.decode("utf-8", "replace")) or (stat.name if stat else "")


def exit_status_of_zombie(pid: int) -> int | None:
    """The wait status of a process that has exited but was not yet reaped, where the kernel shows it to us."""
    with suppress(OSError):  # no descriptor is left, say: then it is asked again when the parent has reaped it
        stat = stat_of(pid)
        if stat is not None and stat.state == "Z" and may_inspect(pid):
            return stat.wait_status
    return None


def may_inspect(pid: int) -> bool:
    """Whether the kernel shows us what it guards of a process; if not, it says 0 in ``stat``, a good exit status."""
    return owners(pid) == {os.geteuid()} or _may_trace_any()


@cache
def _may_trace_any() -> bool:
    lines = _status_lines(os.getpid())
    return any(line.startswith("CapEff:") and int(line.split()[1], 16) & _CAP_SYS_PTRACE for line in lines)
