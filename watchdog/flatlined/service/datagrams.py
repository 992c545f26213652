"""Which worker a datagram speaks of, and what a plain JSON datagram leaves unsaid."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flatline.wire import Beat, Body, Head, WireError
from flatlined.inputs.beat_socket import Datagram
from flatlined.model import Worker
from flatlined.service.adoption import derived_run

RUNS_MAX = 50_000
"""Runs that datagrams alone may bring up: more is a flood of invented names."""
_JSON_CHANGES = ("epochs", "metrics", "reason")


class Datagrams:
    """The keys of workers that datagrams tell of, and the order their senders sealed them in."""

    def __init__(self, has_ended: Callable[[str], bool]) -> None:
        self._has_ended = has_ended
        self._over: dict[str, None] = {}
        self._life: dict[str, int] = {}
        self._sealed_ns: dict[str, int] = {}

    def place(self, datagram: Datagram, known: Mapping[str, object]) -> tuple[str, str] | None:
        """The worker's key and its run's name; None for a late word of a run that is over.

        Raises WireError ``replayed`` for a sealed datagram not newer than the last, ``flood`` for too many runs.
        """
        body = datagram.beat.body
        base = f"udp:{body.host or datagram.sender}|{body.job}|{body.run or ''}|{body.pid or ''}"
        key = base if body.run else self._living(base, known)
        if datagram.sealed_ns:
            if datagram.sealed_ns <= self._sealed_ns.get(key, 0):
                raise WireError("replayed", f"a datagram of {body.job!r} that came before")
            self._sealed_ns[key] = datagram.sealed_ns
        if key in self._over:
            return None
        if key not in known and len(known) >= RUNS_MAX:
            raise WireError("flood", f"more than {RUNS_MAX} runs by datagram; {body.job!r} is not taken up")
        return key, body.run or derived_run(key)

    def _living(self, base: str, known: Mapping[str, object]) -> str:
        """The key of the present life of a run that names no run: after an end, the same words begin another."""
        life = self._life.get(base, 0)
        key = f"{base}#{life}"
        while key not in known and (key in self._over or self._has_ended(key)):
            life += 1
            key = f"{base}#{life}"
        self._life[base] = life
        return key

    def completed(self, datagram: Datagram, worker: Worker) -> Beat:
        """The beat with what JSON leaves to the receiver: the count, and the numbers that were not said again."""
        if not datagram.is_json:
            return datagram.beat
        said, before = datagram.beat.head, worker.head
        head = Head(
            said.state,
            before.seq + 1,
            0,
            before.epoch if said.epoch is None else said.epoch,
            before.step if said.step is None else said.step,
            before.loss if said.loss is None else said.loss,
            said.phase,
            0,
            said.within_s,
        )
        return Beat(head, _completed_body(datagram.beat.body, worker.body))

    def over(self, key: str) -> None:
        """The worker under this key has ended; those of files are nothing to us."""
        if key[0] == "/":
            return
        self._over[key] = None
        self._sealed_ns.pop(key, None)
        if len(self._over) > RUNS_MAX // 2:
            del self._over[next(iter(self._over))]


def _completed_body(said: Body, before: Body) -> Body:
    """What was known of the sender, with what it says anew."""
    if said.epochs is None and said.metrics is None and said.reason is None:
        return before
    news = {name: value for name in _JSON_CHANGES if (value := getattr(said, name)) is not None}
    return before._replace(**news)
