"""Which worker a datagram speaks of, and what a plain JSON datagram leaves unsaid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from epochwatch.wire import Beat, Body, WireError
from epochwatchd.inputs.heartbeats.sockets import Datagram
from epochwatchd.model import Worker
from epochwatchd.service.identify import Place, derived_run
from epochwatchd.service.watch import Watch

REMEMBERED = 50_000
"""Runs that are over, of which a late word is still known for what it is."""
_T = TypeVar("_T")
_JSON_CHANGES = ("epochs", "metrics", "reason")


class Senders:
    """The keys of workers that datagrams tell of, and the order their senders sealed them in."""

    def __init__(self, has_ended: Callable[[str], bool]) -> None:
        self._has_ended = has_ended
        self._over: dict[str, None] = {}
        self._life: dict[str, int] = {}
        self._sealed_ns: dict[str, int] = {}

    def place(self, datagram: Datagram, known: Mapping[str, object]) -> Place | None:
        """The worker and the run that a datagram speaks of; None for a late word of a run that is over.

        Raises WireError ``replayed`` for a sealed datagram not newer than the last.
        """
        body, scope = datagram.beat.body, _scope(datagram)
        base = f"{scope}:{body.host or datagram.sender}|{body.job}|{body.run or ''}|{body.pid or ''}"
        if datagram.sealed_ns:
            if datagram.sealed_ns <= self._sealed_ns.get(base, 0):
                raise WireError("replayed", f"a datagram of {body.job!r} that came before")
            self._sealed_ns.pop(base, None)
            self._sealed_ns[base] = datagram.sealed_ns
            _forget_oldest(self._sealed_ns)
        key = base if body.run else self._living(base, known)
        if key in self._over:
            return None
        if not body.run:
            return Place(key, key, derived_run(key))
        # The processes of one run, wherever they are. Of a known sender those with heartbeat files are among them.
        run_key = f"udp:{body.job}|{body.run}" if datagram.uid is None else f"{datagram.uid}:{body.run}"
        return Place(key, run_key, body.run)

    def _living(self, base: str, known: Mapping[str, object]) -> str:
        """The key of the present life of a run that names no run: after an end, the same words begin another."""
        life = self._life.get(base, 0)
        key = f"{base}#{life}"
        while key not in known and (key in self._over or self._has_ended(key)):
            life += 1
            key = f"{base}#{life}"
        self._life.pop(base, None)
        self._life[base] = life
        _forget_oldest(self._life)
        return key

    def completed(self, datagram: Datagram, worker: Worker) -> Beat:
        """The beat with what JSON leaves to the receiver: the count, and the numbers that were not said again."""
        if not datagram.is_json:
            return datagram.beat
        said, before = datagram.beat.head, worker.head
        head = said._replace(
            seq=before.seq + 1,
            epoch=before.epoch if said.epoch is None else said.epoch,
            step=before.step if said.step is None else said.step,
            loss=before.loss if said.loss is None else said.loss,
        )
        return Beat(head, _completed_body(datagram.beat.body, worker.body))

    def over(self, watch: Watch) -> None:
        """A worker has ended: what comes of it now is late. Those of files are nothing to us."""
        if watch.file is None:
            self._over[watch.key] = None
            _forget_oldest(self._over)


def _scope(datagram: Datagram) -> str:
    """Who speaks: a known user, or somebody."""
    return "udp" if datagram.uid is None else f"unix:{datagram.uid}"


def _forget_oldest(remembered: dict[str, _T]) -> None:
    if len(remembered) > REMEMBERED:
        del remembered[next(iter(remembered))]


def _completed_body(said: Body, before: Body) -> Body:
    """What was known of the sender, with what it says anew."""
    if said.epochs is None and said.metrics is None and said.reason is None:
        return before
    news = {name: value for name in _JSON_CHANGES if (value := getattr(said, name)) is not None}
    return before._replace(**news)
