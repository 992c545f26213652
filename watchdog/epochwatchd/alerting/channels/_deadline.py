"""One limit on the whole of an exchange with a peer: from the first connection to the last byte read.

A time-out of a socket limits one read only: a peer that sends a byte now and then is waited for without end. Here a
thread shuts the sockets down when the time is over, which wakes whoever reads or writes, within TLS as well.

What cannot be limited: the look-up of a host's name. ``getaddrinfo`` heeds the resolver's own limits only (5 s for each
try unless ``/etc/resolv.conf`` says otherwise). Its time counts: after a long look-up none may be left to connect in.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

TOTAL_S = 20.0
CONNECT_S = 5.0
"""One address that does not answer must leave time for the host's others."""


class _Exchange:
    """What must end in time: the sockets through which it goes."""

    def __init__(self, total_s: float) -> None:
        self.total_s = total_s
        self.ends_at = time.monotonic() + total_s
        self._watched: list[socket.socket] = []

    def left_s(self) -> float:
        """The seconds that are left. Raises TimeoutError when none are."""
        left_s = self.ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(errno.ETIMEDOUT, f"no whole answer within {self.total_s:g} s")
        return left_s

    def watch(self, connection: socket.socket) -> None:
        """Have the connection shut down in time.

        By a descriptor of our own: ``ssl`` takes the connection's from it. First listed, then the time is read: a
        watchman that comes by in between finds it.
        """
        self._watched.append(connection.dup())
        self.left_s()

    def shut_down(self) -> None:
        for connection in list(self._watched):
            with contextlib.suppress(OSError):  # the peer has closed it already: nobody waits for it
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for connection in self._watched:
            connection.close()


class _Watchman:
    """One thread for all exchanges, begun with the first: it shuts each down when its time is over."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: set[_Exchange] = set()
        self._thread: threading.Thread | None = None

    def begin(self, exchange: _Exchange) -> None:
        """Watch it. Raises OSError where no thread is to be had for that."""
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._work, name="deadlines", daemon=True)
                try:
                    thread.start()
                except RuntimeError as e:
                    raise OSError(errno.EAGAIN, "no thread is left to watch the time with") from e
                self._thread = thread
            self._open.add(exchange)
            self._changed.notify()

    def end(self, exchange: _Exchange) -> None:
        """It is over: its sockets are not touched after this."""
        with self._changed:
            self._open.discard(exchange)

    def _work(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                for exchange in [e for e in self._open if e.ends_at <= now]:
                    exchange.shut_down()
                    self._open.discard(exchange)
                next_at = min((e.ends_at for e in self._open), default=None)
                self._changed.wait(None if next_at is None else max(0.0, next_at - now))


_watchman = _Watchman()
_current: ContextVar[_Exchange] = ContextVar("exchange")


@contextlib.contextmanager
def deadline() -> Iterator[None]:
    """Within it, what goes over connections made by ``connect`` ends after ``TOTAL_S`` seconds.

    Raises TimeoutError in place of any OSError that comes after that time. Nothing of it is left behind.
    """
    exchange = _Exchange(TOTAL_S)
    _watchman.begin(exchange)
    token = _current.set(exchange)
    try:
        yield
    except OSError:
        exchange.left_s()
        raise
    finally:
        _current.reset(token)
        _watchman.end(exchange)
        exchange.close()


def check_time() -> None:
    """Raises TimeoutError after the deadline: what a peer was saying then was cut off, and may look whole."""
    _current.get().left_s()


def connect(host: str, port: int) -> socket.socket:
    """A connection to the first address of the host that answers. Raises OSError, the last address's."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "this cannot be the name of a host") from None
    *others, last = found
    for address in others:
        with contextlib.suppress(OSError):
            return _connected(*address)
    return _connected(*last)


def _connected(family: int, kind: int, protocol: int, _: str, address: Any) -> socket.socket:
    exchange = _current.get()
    connection = socket.socket(family, kind, protocol)
    try:
        limit_s = min(CONNECT_S, exchange.left_s())
        connection.settimeout(limit_s)
        _reach(connection, address, limit_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(exchange.total_s)
        exchange.watch(connection)
    except OSError:
        connection.close()
        raise
    return connection


def _reach(connection: socket.socket, address: Any, limit_s: float) -> None:
    try:
        connection.connect(address)
    except TimeoutError:
        raise TimeoutError(errno.ETIMEDOUT, f"no connection within {limit_s:g} s") from None
