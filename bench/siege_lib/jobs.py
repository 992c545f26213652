"""Trainings that cost next to nothing: processes that only sleep, whose heartbeats are written for them."""

import os
import subprocess
import time
import zlib
from pathlib import Path
from typing import Any

from epochwatch import wire
from epochwatch.wire import Body, Head
from epochwatchd.inputs.process import procfs

STRANGER = 54321
"""The uid of a hostile neighbour."""
SLEEPS = ("sleep", "600")
EXITS = ("sh", "-c", "read x; exit 3")
ENDS = {"finished": "finished", "failed": "crashed", "killed": "crashed", "exited": "crashed"}
"""How a job may end, and what has to be told of it."""


def neighbour() -> int | None:
    """The uid under which hostile things are done; None where only root could do them as somebody else."""
    return STRANGER if os.geteuid() == 0 else None


class Job:
    """A training. ``uid``: whose it is, ours unless given. ``kind``: what has to be told of it, once it has ended."""

    def __init__(
        self, beats: Path, name: str, *, command: tuple[str, ...] = SLEEPS, uid: int | None = None, **body: Any
    ) -> None:
        self.name, self.uid = name, uid
        self.kind, self.ended_at, self._seq = "", 0.0, 0
        who: dict[str, Any] = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, **who)
        self.path = beats / f"{name}.beat"
        self.body = body_of(name, self.process.pid, **body)
        self.beat()

    def beat(self, **head: Any) -> None:
        """Write the next heartbeat."""
        self._seq += 1
        given = {"seq": self._seq, "epoch": float(self._seq), "time_ns": time.time_ns(), **head}
        write(self.path, heartbeat(self.body, **given), uid=self.uid)

    def end(self, how: str) -> None:
        """End it in one of ENDS."""
        self.kind = ENDS[how]
        if how in ("finished", "failed"):
            self.beat(state=wire.FINISHED if how == "finished" else wire.FAILED)
        if how == "exited":
            self.process.communicate(b"\n")
        self.close()
        self.ended_at = time.time()

    def close(self) -> None:
        """Leave no process behind."""
        self.process.kill()
        self.process.communicate()


def body_of(job: str, pid: int, **fields: Any) -> bytes:
    """The body of a heartbeat in the name of a process."""
    stat = procfs.read_stat(pid)
    given = {"run": job, "pid": pid, "start": stat.start if stat else 1, "boot": procfs.boot_id(), **fields}
    return wire.encode_body(Body(job, **given))


def heartbeat(body: bytes, **head: Any) -> bytes:
    """A heartbeat around a body, whatever that is, with checksums that are right."""
    placed = {"body_at": wire.HEAD_SIZE, "body_len": len(body), "body_crc": zlib.crc32(body), **head}
    return wire.encode_head(Head(**placed)) + body


def write(path: Path | bytes, data: bytes, *, uid: int | None = None) -> None:
    """Have a file appear whole; ``uid``: whose it is, ours unless given."""
    folder, name = os.path.split(os.fsencode(path))
    hidden = os.path.join(folder, b"." + name)
    with open(hidden, "wb") as file:
        file.write(data)
        if uid is not None:
            os.fchown(file.fileno(), uid, uid)
    os.chmod(hidden, 0o644)
    os.replace(hidden, path)
