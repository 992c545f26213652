"""How processes ended, by the kernel's process events: also before their parent reaps them, and before Linux 6.15.

A netlink socket that the kernel tells of every exit on the machine (cn_proc.h). A socket filter in the kernel lets
through only those of watched processes, so that a machine that starts a thousand programs a second costs us nothing.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import suppress

from epochwatchd.inputs import missed
from epochwatchd.inputs.process import procfs

WATCHED_MAX = 256
"""The filter compares one by one, and its size counts as socket memory; beyond this many others go without."""
_BUFFER = 1 << 20
_CONNECTOR, _CN_IDX_PROC, _NLMSG_DONE = 11, 1, 3
_LISTEN, _IGNORE = 1, 2
_ACKNOWLEDGED, _EXIT = 0, 0x80000000
_HEADS = struct.Struct("=IHHIIIIIIHH")
"""struct nlmsghdr, struct cn_msg."""
_EVENT = struct.Struct("=IIQ4I")
"""The beginning of struct proc_event, of an exit: what, cpu, time, pid (of the thread), tgid, code, signal."""
_WHAT_AT, _TGID_AT = _HEADS.size, _HEADS.size + 20
_SO_ATTACH_FILTER = 26
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALL, _NOTHING = 0xFFFFFFFF, 0


class ExitEvents:
    """The wait statuses of watched processes of this machine, as the kernel tells them when they exit."""

    def __init__(self) -> None:
        """Raises OSError where the kernel tells us nothing: without the right to hear it, or in a container."""
        if not procfs.sees_namespace(0):  # any other than our own
            raise PermissionError("the connector has other pids than this container")
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, _CONNECTOR)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.bind((0, _CN_IDX_PROC))
            self._ask(_LISTEN)
            self._await_acknowledgement()
            self._statuses: dict[int, int] = {}
            self._watched: dict[int, int] = {}
            self._filter()
        except OSError:
            self._socket.close()
            raise

    def _ask(self, operation: int) -> None:
        payload = struct.pack("=I", operation)
        heads = _HEADS.pack(
            _HEADS.size + len(payload), _NLMSG_DONE, 0, 0, os.getpid(), _CN_IDX_PROC, 1, 0, 0, len(payload), 0
        )
        self._socket.send(heads + payload)

    def _await_acknowledgement(self) -> None:
        """The kernel answers before ``send`` returns: with an error number, or not at all, where we may not listen."""
        while True:
            what, _, _, error, *_ = _EVENT.unpack_from(self._socket.recv(4096), _HEADS.size)
            if what == _ACKNOWLEDGED:
                if error:
                    raise OSError(error, os.strerror(error))
                return

    def watch(self, pid: int) -> None:
        """Begin to listen for the exit of a process, if there are not too many already; ``forget`` it as often."""
        self._statuses.pop(pid, None)
        if pid in self._watched:
            self._watched[pid] += 1
        elif len(self._watched) < WATCHED_MAX:
            self._watched[pid] = 1
            try:
                self._filter()
            except OSError as e:  # no memory for a longer one: this process goes without
                missed.note("exits.filter", f"process {pid}", e)
                del self._watched[pid]

    def forget(self, pid: int) -> None:
        """Take back one ``watch``; the filter lets its exit through until it is next changed."""
        left = self._watched.pop(pid, 0) - 1
        if left > 0:
            self._watched[pid] = left
        else:
            self._statuses.pop(pid, None)

    def status_of(self, pid: int) -> int | None:
        """The wait status of a process that surely has ended; None if it was not heard."""
        self.drain()
        return self._statuses.get(pid)

    def drain(self) -> None:
        """Take in what has come; call it now and then, so that the socket has room.

        Every thread that exits is heard. The last to go leaves with the status of the process: when a process ends as
        a whole, all its threads have the same, and a main thread that had left before them counts no more.
        """
        while True:
            try:
                _, _, _, _, pid, status, _ = _EVENT.unpack_from(self._socket.recv(4096), _HEADS.size)
            except BlockingIOError:
                return
            except OSError as e:
                missed.note("exits.lost", "the kernel's process events", e)
                self._forget_all()
                return
            if pid in self._watched:
                self._statuses[pid] = status

    def _forget_all(self) -> None:
        """Events were lost: what was heard last, or waits to be read, may not be the last there was."""
        with suppress(OSError):  # none is left, or the socket fails: the next drain tells
            while True:
                self._socket.recv(4096)
        self._statuses.clear()

    def _filter(self) -> None:
        """Have the kernel keep all from us but the exits of watched processes."""
        program = [(_LOAD, 0, 0, _WHAT_AT), (_JUMP_IF_EQUAL, 1, 0, _as_loaded(_EXIT)), (_RETURN, 0, 0, _NOTHING)]
        program.append((_LOAD, 0, 0, _TGID_AT))
        for pid in self._watched:
            program += [(_JUMP_IF_EQUAL, 0, 1, _as_loaded(pid)), (_RETURN, 0, 0, _ALL)]
        program.append((_RETURN, 0, 0, _NOTHING))
        code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
        held = ctypes.create_string_buffer(code, len(code))
        self._socket.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(held))
        )

    def close(self) -> None:
        """Stop listening: before Linux 6.6 the kernel would go on telling nobody."""
        with suppress(OSError):
            self._ask(_IGNORE)
        self._socket.close()


def _as_loaded(number: int) -> int:
    """A number of the kernel's as its filter loads it, which takes all for network byte order."""
    return int.from_bytes(struct.pack("=I", number), "big")


def open_exit_events() -> ExitEvents | None:
    """The kernel's word on exits, or None where it is not for us."""
    try:
        return ExitEvents()
    except OSError:
        return None
