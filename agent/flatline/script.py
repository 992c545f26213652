"""``flatline beat``: one heartbeat in the name of the shell script that calls it."""

import hashlib
import os
import time
from typing import Dict, NamedTuple, Optional

from flatline import identity, listing, transport, wire
from flatline.processes import start_ticks

_STATES = {"beat": wire.RUNNING, "finished": wire.FINISHED, "failed": wire.FAILED}
_DRAIN_S = 0.5


class Said(NamedTuple):
    """What the command line of ``flatline beat`` says; None: nothing new."""

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
    if os.environ.get("FLATLINE_OFF") == "1":
        return
    script = _script(said.job)
    last = _last_beat(script)
    final = said.event != "beat"
    out = transport.open_transport(script, os.environ, each_second=lambda: None)
    out.head[:] = wire.encode_head(next_head(last.head, said, time.time_ns()))
    out.put_body(next_body(last.body, said))
    out.write(time.monotonic(), final=final)
    out.stop()
    out.drain(_DRAIN_S)


def _script(job: str) -> wire.Body:
    """The calling script as the body of a heartbeat: it is our parent, and all its beats are one run."""
    pid = os.getppid()
    start = start_ticks(pid)
    here = identity.describe(job)
    told_apart = f"{here.job}\0{pid}\0{start}\0{here.boot}".encode("utf-8", "replace")
    run = identity.given_run_id() or hashlib.blake2b(told_apart).hexdigest()[:12]
    return here._replace(run=run, pid=pid, start=start, argv=(), python=None, announces_end=False)


def _last_beat(script: wire.Body) -> wire.Beat:
    """The script's beat before this one, or one that says nothing yet."""
    name = transport.file_name(script, shared=script.run == os.environ.get("FLATLINE_RUN"))
    for directory in transport.directories(os.environ):
        try:
            last, _ = listing.read_beat(os.path.join(directory, name))
        except (OSError, wire.WireError):  # not there, or not ours to read: it is written anew
            continue
        if (last.body.pid, last.body.start) == (script.pid, script.start):
            return last
    return wire.Beat(wire.Head(), script)


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
