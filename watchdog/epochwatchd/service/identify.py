"""From a heartbeat to a watched worker: whose it is, and which process it speaks of.

A beat names a process by pid, start time and boot; only if all three agree is it that process. Where it lives decides
what can be known: a process of this machine is watched itself, anything else only by what it sends.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import socket
from functools import lru_cache
from typing import NamedTuple

from epochwatch.wire import Beat, Body, WireError
from epochwatchd.detection.observing import meet
from epochwatchd.inputs.heartbeats.files import BeatFile, Sighting
from epochwatchd.inputs.heartbeats.sockets import BeatSocket, Datagram
from epochwatchd.inputs.process import procfs
from epochwatchd.model import Moment, Worker

LONGEST_RUN_S = 10 * 365 * 86400.0
"""Who claims to run for longer has a wrong clock."""


class Place(NamedTuple):
    """Where a datagram belongs: the keys of its worker and of its run, and the run's name."""

    key: str
    run_key: str
    run: str


class Identified(NamedTuple):
    """A worker met for the first time, the run it is of, and where its beats come from: a file, or a socket."""

    run_key: str
    run: str
    worker: Worker
    file: BeatFile | None = None
    via: BeatSocket | None = None


def vouched(sighting: Sighting) -> Sighting:
    """What a file says, without the command that it claims to wrap if that is another user's process."""
    body = sighting.beat.body
    if not body.command_pid or procfs.owners(body.command_pid) <= {sighting.uid}:
        return sighting
    return sighting._replace(beat=sighting.beat._replace(body=body._replace(command_pid=0)))


def of_file(file: BeatFile, sighting: Sighting, moment: Moment) -> Identified:
    """The worker of a heartbeat file.

    Raises WireError ``owner`` if the file belongs to another user than the process it names.
    """
    body = sighting.beat.body
    local = _is_local(body)
    pid = procfs.find(body) if local else None
    if pid is not None and not may_speak_of(sighting.uid, pid) and procfs.find(body) == pid:
        raise WireError("owner", f"the file belongs to {user_name(sighting.uid)}, but process {body.pid} does not")
    worker = meet(
        sighting.path,
        sighting.beat,
        moment.mono,
        user=user_name(sighting.uid),
        local=local,
        started_at=_started_at(body, sighting.beat, moment, local=local),
        uid=sighting.uid,
    )
    run = body.run or derived_run(sighting.path)
    return Identified(f"{sighting.uid}:{run}", run, worker, file)


def of_datagram(datagram: Datagram, place: Place, via: BeatSocket, moment: Moment) -> Identified:
    """The worker of a datagram that belongs at ``place``.

    Where its sender is not known, its user is only what it says, and it may speak of no process but our own user's.
    Raises WireError ``owner`` if it speaks of another's.
    """
    beat = datagram.beat
    body = beat.body if beat.body.host else beat.body._replace(host=_host_of(datagram))
    if datagram.is_json and body.pid is not None and body.host == socket.gethostname():
        body = _with_start(body)
    local = _is_local(body)
    pid = procfs.find(body) if local else None
    if pid is not None and not may_speak_of(datagram.uid, pid):
        raise WireError("owner", f"process {pid} is not the sender's to speak of (see docs/wire.md: who may speak)")
    worker = meet(
        place.key,
        Beat(beat.head._replace(seq=1) if datagram.is_json else beat.head, body),
        moment.mono,
        user=(body.user or "") if datagram.uid is None else user_name(datagram.uid),
        local=local,
        started_at=_started_at(body, beat, moment, local=local),
        keeps_alive=not datagram.is_json,
        uid=datagram.uid,
    )
    return Identified(place.run_key, place.run, worker, via=via)


def may_speak_of(uid: int | None, pid: int) -> bool:
    """Whether a sender may speak of a process: it must be theirs; of senders not known, our own user's."""
    return (os.geteuid() if uid is None else uid) in procfs.owners(pid)


def alive_at(worker: Worker, moment: Moment, watched_wall: float | None) -> float:
    """When a worker that died unseen is last known to have lived: at its last beat, or when it was last watched."""
    alive_wall = max(worker.head.time_ns / 1e9, watched_wall or 0.0)
    return min(moment.mono, moment.mono - (moment.wall - alive_wall)) if alive_wall else moment.mono


def is_file(key: str) -> bool:
    """Whether a worker's key is that of a heartbeat file: its path. Those of datagrams begin with their kind."""
    return key.startswith("/")


def file_of(key: str) -> BeatFile | None:
    """The heartbeat file of a worker; None if it sends datagrams."""
    return BeatFile(key) if is_file(key) else None


def derived_run(text: str) -> str:
    """A run's name where the sender gave none."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest()


@lru_cache(maxsize=1024)
def user_name(uid: int) -> str:
    """The name of a user, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _is_local(body: Body) -> bool:
    """Whether the process is, or before a reboot was, one that this machine's process table shows to us."""
    if body.pid is None or body.start is None:
        return False
    if body.boot in (None, procfs.boot_id()):
        return procfs.sees_namespace(body.pidns)
    return body.host == socket.gethostname()


def _with_start(body: Body) -> Body:
    assert body.pid is not None
    stat = procfs.read_stat(body.pid)
    return body if stat is None else body._replace(start=stat.start, boot=procfs.boot_id())


def _host_of(datagram: Datagram) -> str:
    is_here = datagram.uid is not None or datagram.sender.startswith("127.") or datagram.sender == "::1"
    return socket.gethostname() if is_here else datagram.sender


def _started_at(body: Body, beat: Beat, moment: Moment, *, local: bool) -> float:
    """When the run began, by its own word, and not before its process: a process may have several, one by one."""
    said_ns = body.began_ns or beat.head.time_ns
    said = min(moment.mono, moment.mono - (moment.wall - said_ns / 1e9)) if said_ns else moment.mono
    if local and body.start is not None and body.boot in (None, procfs.boot_id()):
        process_at = min(moment.mono, procfs.started_at(body.start))
        return max(process_at, said) if body.began_ns else process_at
    return max(said, moment.mono - LONGEST_RUN_S)
