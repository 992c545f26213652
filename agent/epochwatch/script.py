"""``epochwatch beat``: one heartbeat in the name of the shell script that calls it."""

import glob
import hashlib
import os
import time
from typing import Dict, NamedTuple, Optional

from epochwatch import identity, listing, transport, wire
from epochwatch.processes import start_ticks

_STATES = {"beat": wire.RUNNING, "finished": wire.FINISHED, "failed": wire.FAILED}
_DRAIN_S = 0.5


class Said(NamedTuple):
    """What the command line of ``epochwatch beat`` says; None: nothing new."""

    job: str
    epoch: Optional[float] = None
    epochs: Optional[int] = None
    step: Optional[int] = None
    loss: Optional[float] = None
    metrics: Optional[Dict[str, float]] = None
    phase: Optional[str] = None
    within_s: Optional[float] = None
    event: str = "beat"
    reason: Optional[str] = None


def beat(said: Said) -> None:
    """Write what was said into the script's heartbeat file, or send it. Raises OSError or ValueError if it cannot."""
    if os.environ.get("EPOCHWATCH_OFF") == "1":
        return
    last = _last_beat(_script(said.job))
    write(next_head(last.head, said, time.time_ns()), next_body(last.body, said), final=said.event != "beat")


def write(head: wire.Head, body: wire.Body, *, final: bool = False) -> None:
    """Write or send one heartbeat in another process's name. Raises OSError or ValueError if it cannot."""
    out = transport.open_transport(body, os.environ, each_second=lambda: None)
    out.head[:] = wire.encode_head(head)
    out.put_body(body)
    out.write(time.monotonic(), final=final)
    out.stop()
    out.drain(_DRAIN_S)


def _script(job: str) -> wire.Body:
    """The calling script as the body of a heartbeat: it is our parent."""
    pid = os.getppid()
    here = identity.describe(job, **identity.with_wishes(job, {}))
    return here._replace(pid=pid, start=start_ticks(pid), argv=(), python=None, announces_end=False)


def _last_beat(script: wire.Body) -> wire.Beat:
    """The script's beat before this one, or one that says nothing yet. After an end, another run begins."""
    given = identity.given_run_id()
    if given or os.environ.get("EPOCHWATCH_UDP"):
        told_apart = f"{script.job}\0{script.pid}\0{script.start}\0{script.boot}".encode("utf-8", "replace")
        script = script._replace(run=given or hashlib.blake2b(told_apart).hexdigest()[:12])
    name = transport.file_name(script if given else script._replace(run="*"), shared=given is not None)
    for directory in transport.directories(os.environ):
        for path in glob.glob(os.path.join(glob.escape(directory), name)):
            try:
                last, _ = listing.read_beat(path)
            except (OSError, wire.WireError):  # gone, or not ours to read: then it is not this script's
                continue
            if _is_of(last, script):
                return last
    return wire.Beat(wire.Head(), script)


def _is_of(last: wire.Beat, script: wire.Body) -> bool:
    same = (last.body.job, last.body.pid, last.body.start) == (script.job, script.pid, script.start)
    return same and last.head.state == wire.RUNNING


def next_head(last: wire.Head, said: Said, now_ns: int) -> wire.Head:
    """The head after ``last``: what is not said again stays, but a phase, which any further beat ends.

    Its number is the time, which also grows where no file remembers the number before.
    """
    return wire.Head(
        state=_STATES[said.event],
        seq=max(last.seq + 1, now_ns),
        time_ns=now_ns,
        epoch=last.epoch if said.epoch is None else said.epoch,
        step=last.step if said.step is None else said.step,
        loss=last.loss if said.loss is None else said.loss,
        phase=said.phase,
        phase_time_ns=now_ns if said.phase else 0,
        within_s=said.within_s,
    )


def next_body(last: wire.Body, said: Said) -> wire.Body:
    """The body after ``last``: new metrics are laid over the old."""
    return last._replace(
        epochs=last.epochs if said.epochs is None else said.epochs,
        metrics={**(last.metrics or {}), **(said.metrics or {})} or None,
        reason=said.reason,
    )
