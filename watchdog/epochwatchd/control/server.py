"""HTTP/1.1 over a Unix socket: one request a connection, each in time and size, the caller's uid by SO_PEERCRED.

The framing is h11's. What is asked and answered is JSON; ``answer`` decides, on the loop's thread, in a bulkhead of the
caller's: whoever sends nonsense, or nothing, harms nobody else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h11

from epochwatchd.inputs.heartbeats import unix_socket

log = logging.getLogger("epochwatchd")

BODY_MAX, REQUEST_S = 64 * 1024, 5.0
CONNECTIONS_MAX, OF_ONE_MAX = 64, 8
"""Callers at once, and those of one user: an idle one is gone after ``REQUEST_S``."""
_CREDENTIALS = struct.Struct("3i")


class Request(NamedTuple):
    """What somebody wants. ``body``: the JSON object that was sent."""

    uid: int
    method: str
    path: str
    body: Mapping[str, Any]


class Refused(Exception):  # noqa: N818 - it is no error of ours
    """What was asked cannot be done; the text says why, and what to do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


Answer = Callable[[Request], Any]


class Server:
    """Listens from ``start`` to ``close``."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self.path = path
        self._answer = answer
        self._callers: Counter[int] = Counter()
        self._server: asyncio.Server | None = None
        self._inode: tuple[int, int] | None = None

    async def start(self) -> None:
        """Raises OSError where another daemon listens there, or the folder is not ours."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._inode = unix_socket.bind(sock, self.path)
            self._server = await asyncio.start_unix_server(self._serve, sock=sock)
        except BaseException:
            sock.close()
            raise

    def close(self) -> None:
        """Listen no longer; who is being answered is left alone."""
        if self._server is not None:
            self._server.close()
        if self._inode is not None:
            unix_socket.remove(self.path, self._inode)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = _peer(writer.get_extra_info("socket"))
        self._callers[uid] += 1
        try:
            if self._callers[uid] <= OF_ONE_MAX and self._callers.total() <= CONNECTIONS_MAX:
                await asyncio.wait_for(self._exchange(uid, reader, writer), REQUEST_S)
        except (OSError, TimeoutError, asyncio.TimeoutError, h11.ProtocolError) as e:
            log.debug("control: user %d: %s", uid, e)
        finally:
            self._callers[uid] -= 1
            if not self._callers[uid]:
                del self._callers[uid]
            writer.close()

    async def _exchange(self, uid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=BODY_MAX)
        try:
            request = await _received(uid, connection, reader)
            status, said = 200, self._answer(request)
        except Refused as e:
            status, said = e.status, {"error": str(e)}
        except h11.RemoteProtocolError as e:
            status, said = 400, {"error": f"this is no request: {e}"}
        except OSError:
            raise
        except Exception:
            log.exception("a request of user %d broke the watchdog's answer", uid)
            status, said = 500, {"error": "this broke the watchdog's answer; its log says how"}
        body = json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
        response = h11.Response(status_code=status, headers=headers)
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            writer.write(connection.send(event) or b"")
        await writer.drain()


async def _received(uid: int, connection: h11.Connection, reader: asyncio.StreamReader) -> Request:
    """The request, whole. Raises Refused, h11.RemoteProtocolError; OSError where the peer is gone."""
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(BODY_MAX))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_MAX:
                raise Refused(400, f"the body is longer than {BODY_MAX} bytes")
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return Request(uid, head.method.decode(), head.target.decode("ascii", "replace"), _object(body))
        else:
            raise ConnectionResetError("it went away")


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body or b"{}")
        json.dumps(said, ensure_ascii=False).encode()  # halves of characters can be escaped, and stored nowhere
    except (ValueError, RecursionError):
        raise Refused(400, "the body is no JSON") from None
    if not isinstance(said, dict):
        raise Refused(400, "the body is no JSON object")
    return said


def _peer(sock: Any) -> int:
    """The uid of whoever called, when he did: unix(7)."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(raw)[1])
