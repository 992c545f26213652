"""The datagram sockets: a bounded drain, and how many datagrams the kernel had to drop.

Of a sender that is known and says nothing but new numbers, only the newest datagram is kept, and looked at once a tick,
as heartbeat files are. What is new, an end, plain JSON or sealed is given at once. Nothing is kept of a datagram that
the daemon has not taken up.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from epochwatch import wire
from epochwatch.wire import Beat, Body, WireError, clean
from epochwatchd.inputs.heartbeats import unix_socket

BATCH = 2000
"""Datagrams taken in one go, some milliseconds of work: then deaths and the tick get their turn."""
RECEIVE_BUFFER = 64 * 1024 * 1024
REPLAY_WINDOW_NS = 60 * 10**9
_SO_MEMINFO, _MEMINFO = 55, struct.Struct("9I")  # linux/sock_diag.h; the last counter is SK_MEMINFO_DROPS
_SO_RCVBUFFORCE = 33
_RUNNING_HEAD = wire.PREFIX.pack(wire.MAGIC, wire.VERSION, wire.RUNNING)
_LARGEST = wire.JSON_DATAGRAM_MAX + len(wire.seal(b"", b"any key", 0))
"""One of which more is read is too long, whatever is in it."""

Receive = Callable[[int], tuple[bytes, Any]]
"""Takes one datagram of at most so many bytes, and gives its origin: an address, or the uid of its sender."""


def _stay() -> None:
    """Nothing is to be removed."""


class Datagram(NamedTuple):
    """A beat that came by datagram: from where, and at which time its sender sealed it (0: not sealed).

    ``uid``: whose process sent it; None: not known. ``raw_body``: the bytes of a body that is not remembered.
    """

    beat: Beat
    sender: str
    sealed_ns: int
    is_json: bool
    uid: int | None = None
    raw_body: bytes = b""


class Fault(NamedTuple):
    """A datagram that is no beat: where it came from, a short stable code, and what is wrong with it."""

    sender: str
    code: str
    text: str


class BeatSocket:
    """A bound socket that gives beats; ``bind_udp`` and ``bind_unix`` make one. ``name`` is for people."""

    def __init__(
        self,
        sock: socket.socket,
        name: str,
        receive: Receive,
        key: bytes | None = None,
        closed: Callable[[], None] = _stay,
    ) -> None:
        """With a ``key`` every datagram must be sealed with it. ``closed`` is called when the socket is closed."""
        self.name = name
        self._socket = sock
        self._receive = receive
        self._key = key
        self._closed = closed
        self._raw_of: dict[str, bytes] = {}
        self._bodies: dict[bytes, Body] = {}
        self._uids: dict[bytes, int] = {}
        self._held: dict[bytes, tuple[bytes, Any]] = {}
        self._dropped_before = 0

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    @property
    def port(self) -> int:
        """The port it is bound to, of UDP."""
        return int(self._socket.getsockname()[1])

    def leave(self) -> None:
        """Another daemon goes on with it: its address stays when it is closed."""
        self._closed = _stay

    def close(self) -> None:
        """Let go of the address."""
        self._closed()
        self._socket.close()

    def known(self, key: str, datagram: Datagram) -> None:
        """The daemon has taken up a datagram for the worker under ``key``: its body is remembered, one a worker."""
        if datagram.raw_body:
            self.forget(key)
            self._raw_of[key] = datagram.raw_body
            self._bodies[datagram.raw_body] = datagram.beat.body
            if datagram.uid is not None:
                self._uids[datagram.raw_body] = datagram.uid

    def forget(self, key: str) -> None:
        """The worker is no longer watched."""
        raw_body = self._raw_of.pop(key, None)
        if raw_body is not None:
            self._bodies.pop(raw_body, None)
            self._uids.pop(raw_body, None)

    def receive(self, now_ns: int) -> tuple[list[Datagram], list[Fault], bool]:
        """Beats to look at now, faults, and whether more may be waiting. ``now_ns`` is the wall clock."""
        beats: list[Datagram] = []
        faults: list[Fault] = []
        receive, bodies, uids, held = self._receive, self._bodies, self._uids, self._held
        for _ in range(BATCH):
            try:
                data, origin = receive(_LARGEST + 1)
            except BlockingIOError:
                return beats, faults, False
            except OSError:  # an error queued by an earlier packet: it is now taken off
                continue
            if (
                data[:6] == _RUNNING_HEAD
                and (raw_body := data[wire.HEAD_SIZE :]) in bodies
                and (not uids or uids.get(raw_body) == origin)  # another's copy must not take the place of the original
                and self._key is None
            ):
                held[raw_body] = data, origin
            else:
                self._take(data, origin, now_ns, beats, faults)
        return beats, faults, True

    def held(self, now_ns: int) -> tuple[list[Datagram], list[Fault]]:
        """The newest datagram of every sender that was heard since the last call, and faults."""
        held = list(self._held.values())
        self._held.clear()
        return self._taken(held, now_ns)

    def held_of(self, key: str, now_ns: int) -> tuple[list[Datagram], list[Fault]]:
        """The same of one worker alone."""
        held = self._held.pop(self._raw_of.get(key, b""), None)
        return self._taken([held] if held else [], now_ns)

    def _taken(self, held: list[tuple[bytes, Any]], now_ns: int) -> tuple[list[Datagram], list[Fault]]:
        beats: list[Datagram] = []
        faults: list[Fault] = []
        for data, origin in held:
            self._take(data, origin, now_ns, beats, faults)
        return beats, faults

    def _take(self, data: bytes, origin: Any, now_ns: int, beats: list[Datagram], faults: list[Fault]) -> None:
        sender, uid = _sender(origin)
        try:
            beats.append(self._decode(data, sender, uid, now_ns))
        except WireError as e:  # only its words are kept: it holds on to this frame, and so to all faults
            faults.append(Fault(sender, e.code, str(e)))
        except Exception as e:  # noqa: BLE001 - a bug of ours must not lose the others of this batch
            faults.append(Fault(sender, "bug", clean(f"{type(e).__name__}: {e}")))

    def _decode(self, data: bytes, sender: str, uid: int | None, now_ns: int) -> Datagram:
        if len(data) > _LARGEST:
            raise WireError("size", f"a datagram of more than {_LARGEST} bytes")
        sealed_ns = 0
        if self._key is not None:
            data, sealed_ns = wire.unseal(data, self._key)
            if abs(now_ns - sealed_ns) > REPLAY_WINDOW_NS:
                raise WireError("stale", "sealed more than 60 s ago or ahead: replayed, or the sender's clock is wrong")
        if data[:4] == wire.MAGIC:
            if len(data) > wire.DATAGRAM_MAX:
                raise WireError("size", f"a datagram of {len(data)} bytes, at most {wire.DATAGRAM_MAX} are read")
            head, raw_body = wire.decode_head(data), data[wire.HEAD_SIZE :]
            body = self._bodies.get(raw_body)
            if body is not None:
                return Datagram(Beat(head, body), sender, sealed_ns, False, uid)
            return Datagram(Beat(head, _decode_body(head, raw_body)), sender, sealed_ns, False, uid, raw_body)
        if data[:4] == wire.SEALED:
            raise WireError("sealed", "a sealed datagram, but this daemon has no key (heartbeats.key_file)")
        return Datagram(wire.decode_json_datagram(data), sender, sealed_ns, True, uid)

    def newly_dropped(self) -> int:
        """How many datagrams the kernel dropped since the last call because its buffer was full."""
        try:
            data = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        except OSError:
            return 0
        dropped = int(_MEMINFO.unpack(data)[-1])
        new, self._dropped_before = dropped - self._dropped_before, dropped
        return new


def _sender(origin: Any) -> tuple[str, int | None]:
    """Where a datagram came from, for people, and whose process sent it, if that is known."""
    if isinstance(origin, tuple):
        return origin[0], None
    return "this machine" if origin is None else f"uid {origin}", origin


def _decode_body(head: wire.Head, raw_body: bytes) -> Body:
    if head.body_at != wire.HEAD_SIZE or head.body_len != len(raw_body):
        raise WireError("body", "the datagram was cut")
    return wire.decode_body(raw_body, head.body_crc)


def bind_udp(host: str, port: int, key: bytes | None = None, left: Sequence[socket.socket] = ()) -> BeatSocket:
    """A socket for datagrams from anywhere, whose senders are not known. Raises OSError.

    ``left``: sockets of the last daemon; one with this address is taken up, with what was sent to it meanwhile.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = _found(left, family, lambda name: tuple(name[:2]) == (host, port))
    if sock is None:
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            _enlarge(sock)
            sock.bind((host, port))
        except OSError:
            sock.close()
            raise
    shown = f"[{host}]" if ":" in host else host
    return BeatSocket(sock, f"{shown}:{sock.getsockname()[1]}", sock.recvfrom, key)


def bind_unix(path: Path, left: Sequence[socket.socket] = ()) -> BeatSocket:
    """A socket for datagrams from this machine, of which the kernel says whose process sent them; ``left`` as above.

    Raises OSError; EADDRINUSE where another daemon is at work.
    """
    sock = _found(left, socket.AF_UNIX, lambda name: name == str(path)) if path.is_socket() else None
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        return BeatSocket(sock, str(path), partial(unix_socket.receive, sock))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        _enlarge(sock)
        inode = unix_socket.bind(sock, path)
    except OSError:
        sock.close()
        raise
    return BeatSocket(
        sock, str(path), partial(unix_socket.receive, sock), closed=partial(unix_socket.remove, path, inode)
    )


def _found(
    left: Sequence[socket.socket], family: socket.AddressFamily, fits: Callable[[Any], bool]
) -> socket.socket | None:
    """The datagram socket among them that is bound so."""
    for sock in left:
        if (sock.family, sock.type) == (family, socket.SOCK_DGRAM) and fits(sock.getsockname()):
            sock.setblocking(False)
            return sock
    return None


def _enlarge(sock: socket.socket) -> None:
    """Ask for a large receive buffer; the forced form goes past the system's limit where we may."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    with suppress(OSError):  # not root: what the system allows will do, and drops are counted
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
