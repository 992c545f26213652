"""Beats as datagrams, for a watchdog on another machine."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import zlib
from typing import Any, Callable, Optional, Tuple

from epochwatch import wire
from epochwatch.descriptors import inode_of, is_same, lifted
from epochwatch.guard import guarded, report

KEEP_ALIVE_S = 1.0
RESOLVE_AGAIN_S = 30.0


class Datagrams:
    """Datagrams to ``HOST:PORT``, sealed with ``key`` if there is one.

    A thread resolves a host name, since a resolver may take seconds, and sends the newest datagram again every second:
    a watchdog that hears nothing knows that the process, not just its progress, has stopped. Raises ValueError.
    """

    interval_s = 1 / 20
    slack_s = 19 / 20  # a burst of 20
    urgent_interval_s = 1 / 200

    def __init__(self, address: str, key: Optional[bytes], each_second: Callable[[], None]) -> None:
        self.head = bytearray(wire.HEAD_SIZE)
        self._checked_head = memoryview(self.head)[: wire.CRC_AT]
        self._host, self._port = _split(address)
        self._key = key
        self._each_second = each_second
        self._body = b""
        self._sealed_ns = 0
        self._socket: Optional[socket.socket] = None
        self._inode: Optional[Tuple[int, int]] = None
        self._stopping = threading.Event()
        self._sent = threading.Event()
        self._ended = False
        family = _family_of(self._host)
        if family is not None:
            with contextlib.suppress(OSError):  # no network yet: the thread's business, as is a name
                self._connect(family, (self._host, self._port))
        with guarded():  # without a thread there are no keep-alives, and no names
            threading.Thread(target=self._live, name="epochwatch", daemon=True).start()

    def _resolve(self) -> None:
        """Resolve the host and connect. Raises OSError, or UnicodeError for what can be no host's name."""
        family, _, _, _, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
        self._connect(family, address)

    def _connect(self, family: int, address: Tuple[Any, ...]) -> None:
        with socket.socket(family, socket.SOCK_DGRAM) as raw:
            raw.connect(address)
            descriptor = lifted(raw.detach())
        self._inode = inode_of(descriptor)
        connected = socket.socket(fileno=descriptor)
        connected.setblocking(False)
        self._socket = connected

    def put_body(self, body: wire.Body) -> None:
        """Have the next datagram carry ``body``, as far as it fits."""
        self._body = wire.encode_datagram(wire.Head(), body)[wire.HEAD_SIZE :]
        wire.BODY_REF.pack_into(self.head, wire.BODY_REF_AT, wire.HEAD_SIZE, len(self._body), zlib.crc32(self._body))

    def write(self, now: float, *, final: bool = False) -> None:  # noqa: ARG002 - files go by the time
        """Send the head and the body, a final one twice: nobody acknowledges it. Raises OSError."""
        wire.CRC.pack_into(self.head, wire.CRC_AT, zlib.crc32(self._checked_head))
        if self._socket is not None:
            for _ in range(2 if final else 1):
                self._send(self._socket)
            self._sent.set()

    def _send(self, connected: socket.socket) -> None:
        """Send one datagram, or none where the network has no room: the next says it all again."""
        with contextlib.suppress(BlockingIOError):
            try:
                connected.send(self._datagram())
            except ConnectionRefusedError:  # of the datagram before: this one has not been sent
                self._send_again(connected)

    def _send_again(self, connected: socket.socket) -> None:
        with contextlib.suppress(ConnectionRefusedError):  # nobody listens: the usual case of no watchdog
            connected.send(self._datagram())

    def _datagram(self) -> bytes:
        payload = bytes(self.head) + self._body
        if self._key is None:
            return payload
        self._sealed_ns = max(time.time_ns(), self._sealed_ns + 1)
        return wire.seal(payload, self._key, self._sealed_ns)

    def _live(self) -> None:
        pause = KEEP_ALIVE_S if self._socket else 0.0
        while not self._stopping.wait(pause):
            pause = KEEP_ALIVE_S if self._is_connected() else RESOLVE_AGAIN_S
            if self._socket is not None:
                self._each_second()
                if self._ended:
                    return

    def _is_connected(self) -> bool:
        """Whether there is a socket, after an attempt to have one; one that the training closed is no longer ours."""
        if self._socket is not None and not is_same(self._socket.fileno(), self._inode):
            self._socket.detach()
            self._socket = None
        if self._socket is None:
            try:
                self._resolve()
            except (OSError, UnicodeError) as error:
                report(OSError(f"no way to {self._host}: {error}"))
        return self._socket is not None

    def stop(self) -> None:
        """Send no more keep-alives; but what could not be sent yet still is."""
        self._ended = True
        if self._sent.is_set():
            self._stopping.set()

    def drain(self, timeout_s: float) -> bool:
        """Whether anything was sent yet, after a moment for the resolver."""
        return self._sent.is_set() or self._sent.wait(timeout_s)

    def close(self) -> None:
        """Close the socket, if it still is ours to close."""
        if self._socket is not None:
            if not is_same(self._socket.fileno(), self._inode):
                self._socket.detach()
            self._socket.close()
            self._socket = None


def _family_of(host: str) -> Optional[int]:
    """The family of an address that no resolver need be asked for: even for those, getaddrinfo may wait for a lock."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, host)
            return family
    return None


def _split(address: str) -> Tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port[:6]) < 65536):  # noqa: PLR2004 - the ports of UDP
        raise ValueError(f"EPOCHWATCH_UDP is {address!r:.80}, not HOST:PORT")
    return host.strip("[]"), int(port)
