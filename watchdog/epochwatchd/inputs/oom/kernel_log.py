"""The kernel's own log, as far as it speaks of processes: whom the out-of-memory killer killed, and what they did."""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from epochwatch.wire import clean
from epochwatchd.inputs import missed
from epochwatchd.inputs.process import procfs

_DEVICE = os.makedev(1, 11)
_RECORD_MAX = 8192
_KILLS_KEPT = 1024
_CLOCKS_DIFFER_S, _CLOCKS_DRIFT = 5.0, 1e-4
"""The log's clock is the monotonic one, but not corrected by NTP, so that they drift apart."""
_RECORDS_PER_DRAIN = 5000
"""A machine that writes more than this between two looks has its log skipped, not the watchdog held up."""

# A process's name may hold anything, so what is around a pid is anchored at the side away from the name.
_CHOSEN = re.compile(r"oom-kill:constraint=.*,pid=(\d+),uid=\d+$")
_REMARK = re.compile(
    r"(?:traps: )?.{1,16}?\[(\d+)\]:? (?:segfault at |general protection|trap )"
    r"|NVRM: Xid \(PCI:[0-9a-f:.]+\): \d+, pid='?(\d+)"
)
"""A fault of a process (by the id of its main thread), or an error that the GPU's driver blames on it."""
_REMARK_MAX = 160
_KILLED = re.compile(r"(?:(?:Memory cgroup out|Out) of memory[^:]*: )?Killed process (\d+) \(")


class _Kill(NamedTuple):
    """When the kernel killed a process, by its log's clock, and the log's words on it."""

    at: float
    lines: tuple[str, ...]


class KernelLog:
    """``/dev/kmsg``. Its pids are the first pid namespace's, so only there can it be used.

    What was written before it was opened is read too: who was killed while nobody watched.
    """

    def __init__(self, now: float) -> None:
        """Raises OSError where the log may not be read, or speaks of pids that are not ours."""
        if not procfs.sees_namespace(0):  # any other than our own
            raise PermissionError("the kernel log has other pids than this container")
        self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if os.fstat(self._fd).st_rdev != _DEVICE:
            self.close()
            raise OSError("/dev/kmsg is not the kernel log")
        self._chosen: dict[int, str] = {}
        self._kills: dict[int, _Kill] = {}
        self._remarks: dict[int, str] = {}
        for record in self._records(now):
            self._note(record)
        self.whole_since = now

    def drain(self, now: float) -> None:
        """Take in what was written since the last call. ``whole_since`` is the last time some of it was lost."""
        for count, record in enumerate(self._records(now)):
            self._note(record)
            if count >= _RECORDS_PER_DRAIN:
                self._skip(now)
                return

    def _skip(self, now: float) -> None:
        self.whole_since = now
        try:
            os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as e:
            missed.note("kernel_log.skip", "/dev/kmsg", e)

    def kill_of(self, pids: Iterable[int]) -> tuple[str, ...]:
        """What the log says of the out-of-memory killer's killing one of ``pids``, verbatim; empty if it does not."""
        return next((self._kills[pid].lines for pid in pids if pid in self._kills), ())

    def wait_for_kill_of(self, pids: Collection[int], until: float) -> tuple[str, ...]:
        """The same, waiting for it up to a monotonic time: the kernel kills first and writes then."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while not self.kill_of(pids) and (left_s := until - time.monotonic()) > 0:
            if poll.poll(left_s * 1000):
                self.drain(time.monotonic())
        return self.kill_of(pids)

    def past_kill_of(self, pid: int, since: float) -> tuple[str, ...]:
        """The same, of a process that had this pid until it died, some time after ``since`` (monotonic)."""
        kill = self._kills.get(pid)
        slack_s = _CLOCKS_DIFFER_S + _CLOCKS_DRIFT * time.monotonic()
        return kill.lines if kill and kill.at > since - slack_s else ()

    def remark_on(self, pid: int) -> str | None:
        """What the log last said of a process's own fault: where it faulted, or which Xid it brought about."""
        return self._remarks.get(pid)

    def forget(self, pid: int) -> None:
        """From here on the pid is another process's."""
        self._kills.pop(pid, None)
        self._remarks.pop(pid, None)

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self._fd)

    def _note(self, record: str) -> None:
        message = kernel_message(record)
        if message is None:
            return
        if (pid := chosen_pid(message)) is not None:
            self._chosen = {pid: message}  # the kill of this one follows before the next is chosen
        elif (pid := killed_pid(message)) is not None:
            self._kills.pop(pid, None)
            self._kills[pid] = _Kill(seconds_of(record), (*filter(None, [self._chosen.get(pid)]), message))
            if len(self._kills) > _KILLS_KEPT:
                del self._kills[next(iter(self._kills))]
        elif (pid := remarked_pid(message)) is not None:
            self._remarks.pop(pid, None)
            self._remarks[pid] = message[:_REMARK_MAX]
            if len(self._remarks) > _KILLS_KEPT:
                del self._remarks[next(iter(self._remarks))]

    def _records(self, now: float) -> Iterator[str]:
        while True:
            try:
                record = os.read(self._fd, _RECORD_MAX)
            except BlockingIOError:
                return
            except BrokenPipeError:  # overwritten before it was read; the next read goes on behind the gap
                self.whole_since = now
                continue
            except OSError as e:
                missed.note("kernel_log.read", "/dev/kmsg", e)
                self.whole_since = now
                return
            yield record.decode("utf-8", "replace")


def seconds_of(record: str) -> float:
    """When a record ``priority,sequence,time,flags;text`` was written, in seconds of the kernel's own clock."""
    return int(record.split(",", 3)[2]) / 1e6


def kernel_message(record: str) -> str | None:
    """The text of a record ``priority,sequence,time,flags;text``, made to print; None if a program wrote it."""
    head, _, body = record.partition(";")
    priority = head.partition(",")[0]
    is_kernels = priority.isdecimal() and int(priority) >> 3 == 0
    return clean(body.partition("\n")[0]) if is_kernels else None


def chosen_pid(message: str) -> int | None:
    """Whom the kernel chose to kill for want of memory; it may yet find that one dying already."""
    chosen = _CHOSEN.match(message)
    return int(chosen[1]) if chosen else None


def killed_pid(message: str) -> int | None:
    """Whom the kernel has killed for want of memory."""
    killed = _KILLED.match(message)
    return int(killed[1]) if killed else None


def remarked_pid(message: str) -> int | None:
    """Of whose own fault the kernel or the GPU's driver speaks."""
    remarked = _REMARK.match(message)
    return int(remarked[1] or remarked[2]) if remarked else None


def open_kernel_log(now: float) -> KernelLog | None:
    """The kernel log, or None where there is none for us."""
    try:
        return KernelLog(now)
    except OSError:
        return None
