"""What a training can find itself in: a cgroup with little memory, a file system that does not answer, a FIFO."""

import contextlib
import ctypes
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from faults_lib.case import UnavailableError

from epochwatchd.inputs.oom import cgroups

LIMIT_MIB = 64
_MNT_DETACH = 2


@contextlib.contextmanager
def little_memory(_: Path) -> Iterator[Path]:
    """A cgroup whose processes may use 64 MiB; whoever wants to be in it writes its pid to ``cgroup.procs`` there."""
    group, limit = _memory_controller()
    group /= f"epochwatch-bench-{uuid.uuid4().hex}"
    try:
        group.mkdir()
        (group / limit).write_text(str(LIMIT_MIB << 20))
    except OSError as e:
        raise UnavailableError(f"no memory cgroup can be made: {e}") from e
    try:
        yield group
    finally:
        _remove(group)


def _memory_controller() -> tuple[Path, str]:
    """Where memory cgroups can be made, and the name of their limit."""
    for mount in cgroups.parse_mounts(Path("/proc/self/mountinfo").read_text()):
        controllers = mount.point / "cgroup.subtree_control"
        if mount.version == 1:
            return mount.point, "memory.limit_in_bytes"
        if controllers.exists() and "memory" in controllers.read_text().split():
            return mount.point, "memory.max"
    raise UnavailableError("there is no cgroup hierarchy with the memory controller")


def _remove(group: Path) -> None:
    """The kernel empties a cgroup a little after its processes have died."""
    for _ in range(500):
        with contextlib.suppress(OSError):  # still somebody in it
            group.rmdir()
            return
        time.sleep(0.01)


@contextlib.contextmanager
def open_to_all(place: Path) -> Iterator[Path]:
    """The watchdog's world as another user has to find it: with heartbeats that all may leave there."""
    if os.geteuid() != 0:
        raise UnavailableError("only root can start a training as another user")
    world = place.parents[1]
    world.chmod(0o711)
    (world / "beats").chmod(0o1777)
    yield place


@contextlib.contextmanager
def namespaces(place: Path) -> Iterator[Path]:
    """A machine on which pid namespaces can be made."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        raise UnavailableError("a pid namespace needs root and unshare(1)")
    yield place


@contextlib.contextmanager
def dead_file_system(place: Path) -> Iterator[Path]:
    """A FUSE mount whose server never answers: whoever looks at it waits in the kernel, in state D."""
    mount = place / "dead"
    mount.mkdir()
    try:
        fuse = os.open("/dev/fuse", os.O_RDWR)
        _mount(mount, f"fd={fuse},rootmode=40000,user_id=0,group_id=0")
    except OSError as e:
        raise UnavailableError(f"no FUSE file system can be mounted: {e}") from e
    try:
        yield mount
    finally:
        _libc.umount2(os.fsencode(mount), _MNT_DETACH)
        os.close(fuse)


_libc = ctypes.CDLL(None, use_errno=True)


def _mount(point: Path, options: str) -> None:
    if _libc.mount(b"epochwatch-bench", os.fsencode(point), b"fuse", ctypes.c_ulong(0), options.encode()) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def fifo(place: Path) -> Iterator[Path]:
    """A named pipe that nobody writes to."""
    path = place / "fifo"
    os.mkfifo(path)
    yield path
