"""The datagram socket: a bounded drain, and how many datagrams the kernel had to drop.

Of a sender that is known and says nothing but new numbers, only the newest datagram is kept, and looked at once a tick,
as heartbeat files are. What is new, an end, plain JSON or sealed is given at once.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import NamedTuple

from epochwatch import wire
from epochwatch.wire import Beat, Body, WireError

BATCH = 2000
"""Datagrams taken in one go, some milliseconds of work: then deaths and the tick get their turn."""
RECEIVE_BUFFER = 64 * 1024 * 1024
REPLAY_WINDOW_NS = 60 * 10**9
_SO_MEMINFO, _MEMINFO = 55, struct.Struct("9I")  # linux/sock_diag.h; the last counter is SK_MEMINFO_DROPS
_BODIES_MAX = 20_000
_SO_RCVBUFFORCE = 33
_RUNNING_HEAD = wire.PREFIX.pack(wire.MAGIC, wire.VERSION, wire.RUNNING)


class Datagram(NamedTuple):
    """A beat that came by datagram: from which host, and at which time its sender sealed it (0: not sealed)."""

    beat: Beat
    sender: str
    sealed_ns: int
    is_json: bool
    uid: int | None = None


class Fault(NamedTuple):
    """A datagram that is no beat: where it came from, a short stable code, and what is wrong with it."""

    sender: str
    code: str
    text: str


class BeatSocket:
    """A bound UDP socket that gives beats."""

    def __init__(self, host: str, port: int, key: bytes | None) -> None:
        """Bind. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._key = key
        self._bodies: dict[bytes, Body] = {}
        self._held: dict[bytes, tuple[bytes, str]] = {}
        self._dropped_before = 0
        try:
            _enlarge(self._socket)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    @property
    def port(self) -> int:
        """The port it is bound to."""
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Let go of the port."""
        self._socket.close()

    def known(self, key: str, datagram: Datagram) -> None: ...

    def forget(self, key: str) -> None: ...

    @property
    def name(self) -> str:
        return str(self.port)

    def receive(self, now_ns: int) -> tuple[list[Datagram], list[Fault], bool]:
        """Beats to look at now, faults, and whether more may be waiting. ``now_ns`` is the wall clock."""
        beats: list[Datagram] = []
        faults: list[Fault] = []
        receive, bodies, held = self._socket.recvfrom, self._bodies, self._held
        for _ in range(BATCH):
            try:
                data, address = receive(65536)
            except BlockingIOError:
                return beats, faults, False
            except OSError:  # an error queued by an earlier packet: it is now taken off
                continue
            if data[:6] == _RUNNING_HEAD and (raw_body := data[wire.HEAD_SIZE :]) in bodies and self._key is None:
                held[raw_body] = (data, address[0])
            else:
                self._take(data, address[0], now_ns, beats, faults)
        return beats, faults, True

    def held(self, now_ns: int) -> tuple[list[Datagram], list[Fault]]:
        """The newest datagram of every sender that was heard since the last call, and faults."""
        beats: list[Datagram] = []
        faults: list[Fault] = []
        for data, sender in self._held.values():
            self._take(data, sender, now_ns, beats, faults)
        self._held.clear()
        return beats, faults

    def _take(self, data: bytes, sender: str, now_ns: int, beats: list[Datagram], faults: list[Fault]) -> None:
        try:
            beats.append(self._decode(data, sender, now_ns))
        except WireError as e:
            faults.append(Fault(sender, e.code, str(e)))

    def _decode(self, data: bytes, sender: str, now_ns: int) -> Datagram:
        sealed_ns = 0
        if self._key is not None:
            data, sealed_ns = wire.unseal(data, self._key)
            if abs(now_ns - sealed_ns) > REPLAY_WINDOW_NS:
                raise WireError("stale", "sealed more than 60 s ago or ahead: replayed, or the sender's clock is wrong")
        if data[:4] == wire.MAGIC:
            head = wire.decode_head(data)
            raw_body = data[wire.HEAD_SIZE :]
            body = self._bodies.get(raw_body) or self._decode_body(head, raw_body)
            return Datagram(Beat(head, body), sender, sealed_ns, False)
        if data[:4] == wire.SEALED:
            raise WireError("sealed", "a sealed datagram, but this daemon has no key (heartbeats.key_file)")
        return Datagram(wire.decode_json_datagram(data), sender, sealed_ns, True)

    def _decode_body(self, head: wire.Head, raw_body: bytes) -> Body:
        """A body not seen before; bodies rarely change, so they are remembered by their bytes."""
        if head.body_at != wire.HEAD_SIZE or head.body_len != len(raw_body):
            raise WireError("body", "the datagram was cut")
        body = wire.decode_body(raw_body, head.body_crc)
        if len(self._bodies) >= _BODIES_MAX:
            self._bodies.clear()
        self._bodies[raw_body] = body
        return body

    def newly_dropped(self) -> int:
        """How many datagrams the kernel dropped since the last call because its buffer was full."""
        try:
            data = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        except OSError:
            return 0
        dropped = int(_MEMINFO.unpack(data)[-1])
        new, self._dropped_before = dropped - self._dropped_before, dropped
        return new


def _enlarge(sock: socket.socket) -> None:
    """Ask for a large receive buffer; the forced form goes past the system's limit where we may."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    with suppress(OSError):  # not root: what the system allows will do, and drops are counted
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)


def bind_udp(host: str, port: int, key: bytes | None) -> BeatSocket:
    return BeatSocket(host, port, key)


def bind_unix(path: object) -> BeatSocket:
    raise OSError(1, "not yet")
