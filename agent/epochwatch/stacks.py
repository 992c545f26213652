"""Where it hangs: the Python stacks of this process, written when the watchdog asks for them by a signal.

Two real-time signals next to each other that nobody used. The first is handled by Python, between two bytecodes, and
so writes the stacks of all threads without any risk. It goes unanswered while the main thread is deep in C code: then
the second has ``faulthandler`` write the main thread's. That one must never be sent first. It reads frames as they lie
in memory, and a process that is running Python at that moment may die of it (all versions; with ``all_threads``, one
time in ten): only a main thread that did not answer the first is sure not to touch its frames.

A process that does not catch a signal dies of it: ``docs/wire.md`` says what a watchdog has to make sure of before it
sends one. Both let an interrupted system call begin again (``SA_RESTART``), as far as the kernel does that: Python
waits on by itself, but C code that polls or sleeps would be told of an interruption. Who waits so is not to be asked.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from epochwatch import wire
from epochwatch.descriptors import inode_of, is_same, lifted
from epochwatch.guard import guarded, pass_on

FRAMES_MAX = THREADS_MAX = 100
_FOLDER = "/dev/shm"  # noqa: S108 - in memory: a disk that hangs cannot hold up who writes here


class _Offer(NamedTuple):
    pid: int
    number: int
    descriptor: int
    inode: Tuple[int, int]


_offered: Optional[_Offer] = None


def offer() -> Dict[str, int]:
    """From now on answer the watchdog; gives the body's fields that say how to ask, none where it cannot be.

    Only for heartbeat files: they prove to the watchdog whose process it is. Only where the first beat comes from the
    main thread: no other may set a signal. And not with ``EPOCHWATCH_STACKS=0``.
    """
    global _offered  # noqa: PLW0603 - signals are the process's
    if os.environ.get("EPOCHWATCH_STACKS") == "0" or os.environ.get("EPOCHWATCH_UDP"):
        return {}
    try:
        if _offered is None or _offered.pid != os.getpid() or not is_same(_offered.descriptor, _offered.inode):
            _offered = _register(_offered.number if _offered else _free_pair())
    except (ImportError, OSError, ValueError) as error:  # no Linux, no such folder, no free signal, not the main thread
        pass_on(error)
        return {}
    return {"stack_signal": _offered.number, "stack_fd": _offered.descriptor}


def _free_pair() -> int:
    """The lower of two signals that are neither handled nor ignored. Raises OSError without /proc, else ValueError."""
    with open("/proc/self/status", "rb") as status:
        masks = [int(line.split()[1], 16) for line in status if line.startswith((b"SigCgt:", b"SigIgn:"))]
    import signal  # noqa: PLC0415 - with the first beat, not with the import

    for number in range(signal.SIGRTMAX - 4, signal.SIGRTMIN, -1):
        if not any(mask >> (number - 1) & 0b11 for mask in masks):
            return number
    raise ValueError("no real-time signals are free")


def _register(number: int) -> _Offer:
    import faulthandler  # noqa: PLC0415 - with the first beat, not with the import
    import signal  # noqa: PLC0415

    faulthandler.unregister(number + 1)  # in a forked child it is the parent's
    # What faulthandler sets it back to as the interpreter ends: a signal that comes too late must not end the process.
    signal.signal(number + 1, signal.SIG_IGN)
    descriptor = _open()
    faulthandler.register(number + 1, file=descriptor, all_threads=False)
    signal.signal(number, _answer)
    signal.siginterrupt(number, False)  # what the kernel can begin again goes on, and C code need not know
    return _Offer(os.getpid(), number, descriptor, inode_of(descriptor))


def _open() -> int:
    """A file in memory that has no name any more; the watchdog finds it by its descriptor, and empties it."""
    path = f"{_FOLDER}/{wire.STACKS_NAME}{os.urandom(6).hex()}"
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    os.unlink(path)
    return lifted(descriptor)


def withdraw() -> None:
    """The interpreter is about to exit, and would set the first signal back to what ends a process: now ignore it."""
    if _offered is not None:
        with guarded():
            import signal  # noqa: PLC0415 - loaded already

            signal.signal(_offered.number, signal.SIG_IGN)


def _answer(_number: int, frame: Any) -> None:
    """Write the stacks. Logs nothing: whom the signal interrupted may hold the locks that a log needs."""
    with contextlib.suppress(Exception):  # no memory, too deep a recursion: whom it interrupted must not hear of it
        if _offered is not None and is_same(_offered.descriptor, _offered.inode):
            os.write(_offered.descriptor, _stacks(frame))


def _stacks(interrupted: Any) -> bytes:
    """All threads as ``faulthandler`` writes them, the current one last. No frame outlives this function."""
    from _thread import get_ident  # noqa: PLC0415 - what threading has it from, without its cost

    others = [(ident, frame) for ident, frame in sys._current_frames().items() if ident != get_ident()]  # noqa: SLF001
    lines: List[str] = []
    for ident, frame in others[:THREADS_MAX]:
        lines += [f"Thread {ident:#x} (most recent call first):", *_frames(frame), ""]
    lines += [f"Current thread {get_ident():#x} (most recent call first):", *_frames(interrupted), ""]
    return "\n".join(lines).encode("utf-8", "backslashreplace")


def _frames(frame: Any) -> List[str]:
    lines: List[str] = []
    while frame is not None and len(lines) < FRAMES_MAX:
        code = frame.f_code
        lines.append(f'  File "{code.co_filename}", line {frame.f_lineno} in {code.co_name}')
        frame = frame.f_back
    return lines
