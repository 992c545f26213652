"""Memory cgroups: which one a process belongs to, how often the kernel killed in it, who is in it, what it may use.

Both versions, and both at once, also as they look from within a container. A process whose cgroup cannot be seen counts
as one of the machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from epochwatch.wire import clean
from epochwatchd.inputs import missed

_COUNTERS = ("memory.events.local", "memory.events", "memory.oom_control")
"""Where the kernel counts its kills: version 2 (``local``: without the cgroups below, since Linux 5.2), version 1."""
_LIMITS = ("memory.max", "memory.limit_in_bytes")
_PEAKS = ("memory.peak", "memory.max_usage_in_bytes")
_UNLIMITED = 1 << 60
_MIB = 1 << 20
_KILLS = re.compile(rb"^oom_kill (\d+)$", re.MULTILINE)
_ESCAPED = re.compile(r"\\([0-7]{3})")
MEMBERS_MAX = 512


class Mount(NamedTuple):
    """Where a hierarchy of cgroups is mounted, and which of its cgroups is the topmost there."""

    version: int
    root: str
    point: Path


class MemoryGroup(NamedTuple):
    """A memory cgroup: its name, the files of its kills and members, and those of every limit on it."""

    name: str
    counter: Path
    members: Path | None = None
    limits: tuple[Path, ...] = ()


MACHINE = MemoryGroup("the machine", Path("/proc/vmstat"))


def memberships(pid: int) -> str:
    """The cgroups of a process, as ``/proc/PID/cgroup`` lists them, in text that prints; empty if it is gone."""
    try:
        listed = Path(f"/proc/{pid}/cgroup").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(map(clean, listed.split("\n")))  # whoever may make cgroups may call them anything but a newline


def group_by(listed: str) -> MemoryGroup:
    """The memory cgroup of a process, by its ``memberships``."""
    return _group_by(listed, _mounts())


@lru_cache(maxsize=1024)
def _group_by(listed: str, mounts: tuple[Mount, ...]) -> MemoryGroup:
    groups = (_group(folder, top) for folder, top in folders(listed, mounts))
    return next((group for group in groups if group), MACHINE)


def folders(listed: str, mounts: tuple[Mount, ...]) -> Iterator[tuple[Path, Path]]:
    """Where a process's memory cgroup may be, by its ``/proc/PID/cgroup``: the folder, and the top of its hierarchy."""
    lines = (line.split(":", 2) for line in listed.split("\n") if line.count(":") > 1)
    paths = {controllers: path for _, controllers, path in lines}
    version_1 = next((path for names, path in paths.items() if "memory" in names.split(",")), None)
    version, path = (1, version_1) if version_1 is not None else (2, paths.get(""))
    for mount in mounts:
        below = _below(path, mount.root) if path and mount.version == version else None
        if below is not None:
            yield mount.point / below, mount.point


def _below(path: str, root: str) -> str | None:
    """The path relative to a root above it; None if it is elsewhere."""
    inside = path == root or path.startswith(root.rstrip("/") + "/")
    below = path[len(root) :].lstrip("/")
    return below if inside and ".." not in below.split("/") else None


def _group(folder: Path, top: Path) -> MemoryGroup | None:
    """The cgroup of a folder, or the nearest above it of which memory is accounted."""
    above = [place for place in (folder, *folder.parents) if place.is_relative_to(top)]
    for place in above:
        counter = next((place / name for name in _COUNTERS if os.path.exists(place / name)), None)  # noqa: PTH110
        if counter is not None:
            members = place / "cgroup.procs" if place == folder else None  # it has members in the folders below too
            limits = tuple(a / name for a in above for name in _LIMITS if os.path.exists(a / name))  # noqa: PTH110
            return MemoryGroup("cgroup /" + "/".join(place.relative_to(top).parts), counter, members, limits)
    return None


def kills(group: MemoryGroup) -> int | None:
    """How often the kernel's out-of-memory killer has struck in a cgroup; None where that is not counted."""
    try:
        counted = _KILLS.search(group.counter.read_bytes())
    except OSError:  # the cgroup is gone
        return None
    return int(counted[1]) if counted else None


def members(group: MemoryGroup) -> frozenset[int] | None:
    """The processes of a cgroup, as pids; None if they cannot be listed or are too many to be."""
    if group.members is None:
        return None
    try:
        pids = frozenset(map(int, group.members.read_bytes().split()))
    except OSError:  # gone, or of threads instead of processes
        return None
    return pids if len(pids) <= MEMBERS_MAX and 0 not in pids else None  # 0: somebody our pid namespace does not show


def limit_mib(group: MemoryGroup) -> float | None:
    """The tightest limit on a cgroup's memory in MiB, its own or one above; None if there is none."""
    limits = [limit for limit in map(_limit, group.limits) if limit is not None]
    return min(limits, default=None)


def peak_mib(group: MemoryGroup) -> float | None:
    """The most memory that a cgroup ever held, in MiB; None where the kernel does not say (version 2: Linux 5.19)."""
    peaks = (_limit(group.counter.parent / name) for name in _PEAKS)
    return next((peak for peak in peaks if peak is not None), None)


def _limit(path: Path) -> float | None:
    try:
        text = path.read_text().strip()
    except OSError:  # the cgroup is gone
        return None
    return int(text) / _MIB if text.isdecimal() and int(text) < _UNLIMITED else None


def _mounts() -> tuple[Mount, ...]:
    """None at all where they cannot be read now; then they are read again for the next process."""
    try:
        return _mounts_here()
    except OSError as e:
        missed.note("cgroups.mounts", "/proc/self/mountinfo", e)
        return ()


@cache
def _mounts_here() -> tuple[Mount, ...]:
    return parse_mounts(Path("/proc/self/mountinfo").read_bytes().decode("utf-8", "surrogateescape"))


def parse_mounts(mountinfo: str) -> tuple[Mount, ...]:
    """The hierarchies that can hold memory cgroups, from ``/proc/PID/mountinfo``."""
    mounts = []
    for line in filter(None, mountinfo.split("\n")):  # users may mount something under any name, but for these two
        fields, _, filesystem = line.partition(" - ")
        kind, _, options = filesystem.split(" ", 2)
        root, point = (_unescaped(field) for field in fields.split(" ")[3:5])
        if kind == "cgroup2":
            mounts.append(Mount(2, root, Path(point)))
        elif kind == "cgroup" and "memory" in options.split(","):
            mounts.append(Mount(1, root, Path(point)))
    return tuple(mounts)


def _unescaped(field: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)
