"""Where beats go: a heartbeat file, or datagrams."""

from __future__ import annotations

import contextlib
import os
import stat
import zlib
from typing import TYPE_CHECKING, Any, Callable, List, Mapping, Optional, Tuple

from epochwatch import identity, wire
from epochwatch.descriptors import inode_of, is_same, lifted
from epochwatch.guard import pass_on

if TYPE_CHECKING:
    from typing import Protocol

    class Transport(Protocol):
        """What a run needs to be heard. ``now`` is the monotonic clock in seconds. ``write`` may raise OSError."""

        interval_s: float
        slack_s: float
        urgent_interval_s: float
        head: bytearray

        def put_body(self, body: wire.Body) -> None:
            """Have the next ``write`` go with ``body``."""

        def write(self, now: float, *, final: bool = False) -> None:
            """Send the head as it is now. ``final``: it may be the last."""

        def stop(self) -> None:
            """The run has ended."""

        def drain(self, timeout_s: float) -> bool:
            """Whether what was written is on its way, now or after a wait."""

        def close(self) -> None:
            """Let go of what is open."""


RUN_DIRECTORY = "/run/epochwatch"
JOB_BYTES_MAX = 180
CHECK_INTERVAL_S = 1.0
HOME_AGAIN_S = 60.0
"""How long a better place that did not take the file is left alone."""
_pack_crc, _CRC_AT, _crc32 = wire.CRC.pack_into, wire.CRC_AT, zlib.crc32
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL
_SAFETY = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))


def open_transport(body: wire.Body, env: Mapping[str, str], each_second: Callable[[], None]) -> Transport:
    """The transport that ``env`` asks for; nothing is written yet. ``each_second`` is called when a keep-alive is due.

    Raises ValueError for a malformed ``EPOCHWATCH_UDP`` or an empty key, OSError for an ``EPOCHWATCH_KEY_FILE`` that
    cannot be read.
    """
    if env.get("EPOCHWATCH_UDP"):
        from epochwatch.datagram import Datagrams  # noqa: PLC0415 - sockets and threads are not free to load

        return Datagrams(env["EPOCHWATCH_UDP"], _key(env.get("EPOCHWATCH_KEY_FILE")), each_second)
    return BeatFile(file_name(body, shared=identity.is_shared(body, env)), directories(env))


def _key(path: Optional[str]) -> Optional[bytes]:
    if not path:
        return None
    with open(path, "rb") as file:
        key = file.read().strip()
    if not key:
        raise ValueError(f"the key in {path} is empty")
    return key


def directories(env: Mapping[str, str]) -> List[str]:
    """Where heartbeat files may lie, best first. Not all of them exist; the last is this user's own."""
    user = str(os.getuid()) if hasattr(os, "getuid") else env.get("USERNAME", "user")
    runtime = env.get("XDG_RUNTIME_DIR")
    temporary = env.get("TMPDIR") or env.get("TEMP") or "/tmp"  # noqa: S108 - its subfolder is checked before use
    places = (
        env.get("EPOCHWATCH_DIR"),
        RUN_DIRECTORY if os.name == "posix" else None,
        os.path.join(runtime, "epochwatch") if runtime else None,
        os.path.join(temporary, f"epochwatch-{user}"),
    )
    return [os.path.abspath(place) for place in places if place]


def file_name(body: wire.Body, *, shared: bool) -> str:
    """``JOB.RUN.beat``, the job made fit for any file system; with the pid where several processes share the run."""
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in body.job)
    if safe.startswith("."):
        safe = "_" + safe[1:]
    safe = safe.encode("utf-8", "replace")[:JOB_BYTES_MAX].decode("utf-8", "ignore")
    return f"{safe}.{body.run}-{body.pid}.beat" if shared else f"{safe}.{body.run}.beat"


class BeatFile:
    """A heartbeat file, kept alive: one that was deleted, cut, replaced or closed under us is made anew.

    A training that closes descriptors it does not own, and opens a file of its own, must never find our beats in it.
    So ours is high above where new descriptors come from, and once a second, before a write, it is compared with the
    file that we opened: not before every write, since that would double what a beat costs. Then it also goes home: a
    better place that can be used again gets the file, for of the one we fled to the watchdog may see nothing.
    """

    interval_s = 1 / 500
    slack_s = 99 / 500  # a burst of 100
    urgent_interval_s = 0.0

    def __init__(self, name: str, places: List[str]) -> None:
        self.head = bytearray(wire.HEAD_SIZE)
        self._checked_head = memoryview(self.head)[: wire.CRC_AT]
        self._name = name.encode("utf-8", "replace")  # bytes: the locale may know no such letters
        self._places = places
        self._body = b""
        self._fd = -1
        self._inode: Optional[Tuple[int, int]] = None
        self._path = b""
        self._rank = 0
        self._slot = 0
        self._size = 0
        self._check_at = 0.0
        self._restore_at = 0.0
        self._home_at = 0.0

    def put_body(self, body: wire.Body) -> None:
        """Write ``body`` where the file's current one is not, and have the head point to it. Raises OSError."""
        self._body = wire.encode_body(body)
        if self._fd >= 0 and is_same(self._fd, self._inode):
            slot = 1 - self._slot
            at = wire.BODY_SLOTS[slot]
            _write_at(self._fd, self._body, at)
            _point_to(self.head, at, self._body)
            self._slot, self._size = slot, max(self._size, at + len(self._body))
        else:
            self._fd = -1  # the next write restores the file

    def write(self, now: float, *, final: bool = False) -> None:
        """Write the head. Raises OSError where a lost file cannot be made anew; then the next second tries again."""
        _pack_crc(self.head, _CRC_AT, _crc32(self._checked_head))
        try:
            if now >= self._check_at or final:
                self._check()
                self._go_home(now)
                self._check_at = now + CHECK_INTERVAL_S
            _pwrite(self._fd, self.head, 0)
        except OSError as error:
            pass_on(error)
            if now >= self._restore_at or final:
                self._restore(now)

    def _check(self) -> None:
        about = os.fstat(self._fd)
        if (about.st_dev, about.st_ino) != self._inode or not about.st_nlink or about.st_size < self._size:
            raise OSError("the heartbeat file is not what it was")

    def _go_home(self, now: float) -> None:
        """Move to a better place if there is one again. Where it does not take the file, nothing has changed."""
        rank = next((rank for rank in range(self._rank) if os.access(self._places[rank], os.W_OK | os.X_OK)), None)
        if rank is None or now < self._home_at:
            return
        left, inode, path = self._fd, self._inode, self._path
        try:
            self._create(rank)
        except OSError as error:
            pass_on(error)
            self._home_at = now + HOME_AGAIN_S
        else:
            _close(left, inode)
            self._remove_other(path)

    def _restore(self, now: float) -> None:
        """Make the file anew in the first place that takes it. Raises the last place's OSError."""
        self.close()
        lost, fault = self._path, OSError("no place for a heartbeat file")
        for rank in range(len(self._places)):
            try:
                self._create(rank)
                break
            except OSError as error:
                pass_on(error)
                fault = error
        self._restore_at = now + CHECK_INTERVAL_S
        if self._fd < 0:
            raise fault
        if lost:
            self._remove_other(lost)

    def _create(self, rank: int) -> None:
        """Write the file whole under a hidden name and then give it its own: nobody sees it half."""
        place = self._places[rank]
        _prepare(place, private=place == self._places[-1])
        head, at = bytearray(self.head), wire.BODY_SLOTS[0]
        _point_to(head, at, self._body)
        _pack_crc(head, _CRC_AT, _crc32(head[:_CRC_AT]))
        folder = os.fsencode(place)
        path, hidden = (os.path.join(folder, name) for name in (self._name, b"." + os.urandom(6).hex().encode()))
        try:
            _create_file(hidden, bytes(head) + self._body, 0o640 if _shares_group(folder) else 0o644)
            try:
                os.replace(hidden, path)
            except PermissionError:  # somebody else has a file of this name there: then by one that nobody can guess
                path = os.path.join(folder, os.urandom(6).hex().encode() + b"." + self._name)
                os.replace(hidden, path)
            descriptor = lifted(os.open(path, os.O_RDWR | _SAFETY))
        except BaseException:
            _remove(hidden)
            _remove(path)
            raise
        self.head[:] = head
        self._rank, self._slot, self._size = rank, 0, at + len(self._body)
        self._fd, self._path, self._inode = descriptor, path, inode_of(descriptor)

    def _remove_other(self, path: bytes) -> None:
        """Remove the file that we had, unless it is the one we have: a folder may have two names."""
        with contextlib.suppress(OSError):  # it may be gone, or the folder with it: all we want is not to leave it
            about = os.lstat(path)
            if (about.st_dev, about.st_ino) != self._inode:
                os.unlink(path)

    def stop(self) -> None:
        """The file stays: the watchdog removes it once it has recorded the end."""

    def drain(self, timeout_s: float) -> bool:  # noqa: ARG002 - files need no time
        """What is written is written."""
        return True

    def close(self) -> None:
        """Close the descriptor, if it still is ours to close."""
        _close(self._fd, self._inode)
        self._fd = -1


def _close(descriptor: int, inode: Optional[Tuple[int, int]]) -> None:
    if descriptor >= 0 and is_same(descriptor, inode):
        os.close(descriptor)


def _point_to(head: bytearray, at: int, body: bytes) -> None:
    wire.BODY_REF.pack_into(head, wire.BODY_REF_AT, at, len(body), zlib.crc32(body))


def _prepare(place: str, *, private: bool) -> None:
    """Make the folder for heartbeats if it is missing. Raises OSError for one that somebody else put up in our name."""
    if place != RUN_DIRECTORY:  # that one is the daemon's to make
        with contextlib.suppress(FileExistsError):
            os.mkdir(place, 0o700 if private else 0o755)
    if private and hasattr(os, "getuid"):
        about = os.lstat(place)
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
            raise PermissionError(f"{place} is not a folder of ours")


def _shares_group(folder: bytes) -> bool:
    """Whether the folder passes its group on to files: then that group reads them, and nobody else."""
    return bool(os.stat(folder).st_mode & 0o2000)


def _create_file(path: bytes, data: bytes, mode: int) -> None:
    descriptor = os.open(path, _CREATE | _SAFETY, 0o600)
    try:
        _write_at(descriptor, data, 0)
        if hasattr(os, "fchmod"):  # whatever the umask
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _remove(path: bytes) -> None:
    with contextlib.suppress(OSError):  # as above
        os.unlink(path)


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    if _pwrite(descriptor, data, offset) < len(data):
        raise OSError("the disk is full")


def _seek_and_write(descriptor: int, data: Any, offset: int) -> int:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, data)


_pwrite: Callable[[int, Any, int], int] = getattr(os, "pwrite", _seek_and_write)  # Windows has no pwrite
