"""A Unix datagram socket in the file system that everybody may send to, and of which the kernel names the senders."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from contextlib import suppress
from pathlib import Path

_CREDENTIALS = struct.Struct("=iII")
"""struct ucred: pid, uid, gid."""
_ROOM = socket.CMSG_LEN(_CREDENTIALS.size)
"""For the credentials and nothing behind them: descriptors that somebody sends along find no place and are dropped."""
_Inode = tuple[int, int]


def bind(sock: socket.socket, path: Path) -> _Inode:
    """Bind, in place of a socket to which nobody listens any more, and let everybody send; gives the file's inode.

    Raises OSError; EADDRINUSE where somebody listens, or something else is there.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # before anybody can send: else a sender were unknown
    with suppress(FileExistsError):
        path.parent.mkdir()
        path.parent.chmod(0o755)
    _clear(path, sock.type)
    sock.bind(str(path))
    path.chmod(0o666)
    return _inode(path)


def _clear(path: Path, kind: int) -> None:
    """Remove a socket to which nobody listens."""
    with socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()
                return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), str(path))


def receive(sock: socket.socket, size: int) -> tuple[bytes, int | None]:
    """One datagram, at most so many bytes of it, and the uid of the process that sent it. Raises OSError."""
    data, ancillary, _, _ = sock.recvmsg(size, _ROOM)
    for level, kind, raw in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            _, uid, _ = _CREDENTIALS.unpack(raw)
            return data, int(uid)
    return data, None


def remove(path: Path, inode: _Inode) -> None:
    """Remove the file of a socket, if it still is the one that was bound."""
    with suppress(OSError):  # gone, or no longer for us: what is left over is removed by the next who binds
        if _inode(path) == inode:
            path.unlink()


def _inode(path: Path) -> _Inode:
    about = path.lstat()
    return about.st_dev, about.st_ino
