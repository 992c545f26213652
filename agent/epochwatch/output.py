"""What a command writes, passed on unchanged while someone listens. Linux and macOS."""

import _thread
import contextlib
import errno
import fcntl
import os
import select
import struct
import termios
from typing import Callable, Iterator, List, NamedTuple, Tuple

GRACE_S = 0.2
"""How long after the command's end a stream may stay quiet, while another process still holds it open."""
_DRAIN_MAX = 1 << 20
"""The largest pipe an ordinary user can make: more than this after the command's end is another process's output."""
_CHUNK = 1 << 16

Keep = Callable[[int, bytes], None]


class Channel(NamedTuple):
    """A pipe or pty for some of the command's standard descriptors; ``source`` is our end, ``inlet`` the command's."""

    source: int
    inlet: int
    descriptors: Tuple[int, ...]


def open_channels() -> List[Channel]:
    """A channel for standard output and one for standard error, or one for both where they are the same file.

    One for both keeps the order in which ``2>&1`` was written. Raises OSError.
    """
    _fill_standard_descriptors()
    groups = [(1, 2)] if os.path.sameopenfile(1, 2) else [(1,), (2,)]
    return [Channel(*(_pty(group[0]) if os.isatty(group[0]) else os.pipe()), group) for group in groups]


def _fill_standard_descriptors() -> None:
    """Keep pipes off the numbers 0 to 2: where the caller closed one of them, /dev/null takes its place."""
    descriptor = 0
    while descriptor < 3:  # noqa: PLR2004 - the first that is not a standard one
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


def _pty(terminal: int) -> Tuple[int, int]:
    """A pty like ``terminal``, except that it leaves line ends as they are: the real one translates them."""
    source, inlet = os.openpty()
    settings = termios.tcgetattr(terminal)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(inlet, termios.TCSANOW, settings)
    _copy_size(terminal, source)
    return source, inlet


def follow_window_size(channels: List[Channel]) -> None:
    """Give every pty the size its terminal has now."""
    for channel in channels:
        if os.isatty(channel.source):
            _copy_size(channel.descriptors[0], channel.source)


def _copy_size(terminal: int, pty: int) -> None:
    size = fcntl.ioctl(terminal, termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
    fcntl.ioctl(pty, termios.TIOCSWINSZ, size)


def start_pumps(channels: List[Channel], keep: Keep, ended: int) -> List[_thread.LockType]:
    """A thread for each channel that copies it to our own output and hands every chunk to ``keep``.

    A thread ends with its stream, or soon after the descriptor ``ended`` has become readable; its lock can be had then.
    Raises RuntimeError where no thread can be had.
    """
    busy = []
    for channel in channels:
        busy.append(_thread.allocate_lock())
        busy[-1].acquire()
        # Not by `threading`, which would wait for the thread to come up: the command is to start at once.
        _thread.start_new_thread(_pump, (channel, keep, ended, busy[-1]))
    return busy


def _pump(channel: Channel, keep: Keep, ended: int, busy: _thread.LockType) -> None:
    sink = channel.descriptors[0]
    complained = False
    try:
        for chunk in _chunks(channel.source, ended):
            keep(sink, chunk)
            try:
                _write(sink, chunk)
            except OSError as error:
                if error.errno in (errno.EPIPE, errno.EIO):
                    return  # nobody reads any more: closing our end lets the command notice as it would without us
                if not complained:
                    complained = True
                    say(f"output is lost: {error.strerror}")
    finally:
        os.close(channel.source)
        busy.release()


def _chunks(source: int, ended: int) -> Iterator[bytes]:
    """What comes out of ``source``; after the command's end only what is there, not what others go on writing."""
    left = _DRAIN_MAX
    while left > 0:
        ready, _, _ = select.select([source, ended], [], [])
        ending = ended in ready
        if ending:
            ready, _, _ = select.select([source], [], [], GRACE_S)
        chunk = _read(source) if source in ready else b""
        if not chunk:
            return
        left -= len(chunk) if ending else 0
        yield chunk


def _read(source: int) -> bytes:
    try:
        return os.read(source, _CHUNK)
    except OSError as error:
        if error.errno == errno.EIO:  # how a pty says that its last user has left
            return b""
        raise


def _write(sink: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        try:
            rest = rest[os.write(sink, rest) :]
        except BlockingIOError:  # someone made our output non-blocking
            select.select([], [sink], [])


def say(message: str) -> None:
    """One line on standard error, if there is still somebody to read it."""
    with contextlib.suppress(OSError):  # a closed or full standard error must not harm the command
        os.write(2, f"epochwatch: {message}\n".encode("utf-8", "replace"))
