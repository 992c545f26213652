"""One run: its beats, its phases, its end."""

from __future__ import annotations

import contextlib
import os
import struct
import time
from contextvars import ContextVar
from itertools import count
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple, Union

from flatline import endings, identity, scalars, transport, wire
from flatline.guard import guarded, report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Type

METRICS_INTERVAL_S = 1.0
CONVERSION_INTERVAL_S = 1.0
CONVERSION_SHARE = 10
"""A conversion that took long is not repeated before this many times its duration."""
METRICS_MAX = 256
_SETTLE_TRIES = 50
_DRAIN_S = 0.5
_NO_PHASE: Tuple[Optional[str], int, Optional[float]] = (None, 0, None)

current: ContextVar[Optional[Run]] = ContextVar("flatline_run", default=None)
"""The run whose ``with`` block this is."""

_monotonic = time.monotonic
_time_ns = time.time_ns


class Run:
    """One run of a job in this process. It is registered by its first call, or by ``open``; no call ever raises.

    As a context manager it makes itself the run that ``agent.beat`` speaks of, and ends with the block: as finished,
    or as failed with the exception, which goes on its way.

    Any number of threads may call it, and none ever waits for another: one that finds a write going on leaves its
    numbers to the writer, who writes again. Of beats that come faster than the transport bears (``interval_s``,
    ``burst``) only the numbers are kept, for the next beat that is written, but a changed epoch and a loss that is no
    finite number are always written.
    """

    def __init__(
        self,
        job: Optional[str] = None,
        *,
        epochs: Optional[int] = None,
        steps: Optional[int] = None,
        tags: Optional[Dict[str, str]] = None,
        body: Optional[wire.Body] = None,
        transport: Optional[transport.Transport] = None,
    ) -> None:
        self.ended = False
        self.job = ""
        self._body = body
        self._transport = transport
        self._fields: Dict[str, Any] = {}
        self._off = os.environ.get("FLATLINE_OFF") == "1" or endings.has_left()
        self._inherited = False
        self._outer: Optional[Run] = None
        self._reset()
        with guarded():
            self.job = body.job if body else identity.job_name(job)
            self._fields = identity.plan(epochs, steps, tags)

    def _reset(self) -> None:
        self._beats = count()
        self._looks = 0  # at _beats, each of which takes a number
        self._epoch: Optional[float] = None
        self._step: Optional[int] = None
        self._loss: Optional[float] = None
        self._metrics: Dict[str, float] = {}
        self._state = wire.RUNNING
        self._phase = _NO_PHASE
        self._beat_seq = -1
        self._beat_ns = 0
        self._gate = self._urgent_gate = self._metrics_at = self._convert_at = float("-inf")
        self._dirty = self._rare_dirty = self._body_dirty = True
        self._writer: Dict[str, object] = {}

    def open(self) -> Run:
        """Register the run now, and give it back."""
        with guarded():
            self._flush()
        return self

    def beat(
        self,
        epoch: Optional[float] = None,
        loss: Any = None,
        *,
        step: Optional[int] = None,
        **metrics: Any,
    ) -> None:
        """One heartbeat, as ``agent.beat``."""
        try:
            self.record(epoch, loss, step, metrics)
        except Exception as error:
            report(error)

    def record(self, epoch: Any, loss: Any, step: Any, metrics: Dict[str, Any]) -> None:
        """One heartbeat, with the guard left to the caller. The common types take the short way."""
        if self.ended:
            return
        next(self._beats)
        now = _monotonic()
        urgent, others = False, metrics
        if epoch is not None and epoch is not self._epoch:
            if type(epoch) is int:
                urgent = epoch != self._epoch
                self._epoch = epoch
            else:
                others = {**others, "epoch": epoch}
        if step is not None:
            if type(step) is int:
                self._step = step
            else:
                others = {**others, "step": step}
        if type(loss) is float:
            self._loss = loss
            urgent = urgent or loss - loss != 0.0  # NaN, or infinite
        elif loss is not None:
            others = {**others, "loss": loss}
        if others:
            self._record_others(others, now, urgent=urgent)
        elif now >= self._gate or (urgent and now >= self._urgent_gate):
            self._flush()

    def _record_others(self, values: Dict[str, Any], now: float, *, urgent: bool) -> None:
        """The long way: numbers of any type. What may wait for a device is converted after the beat was written."""
        numbers, costly = scalars.split(values)
        urgent = self._accept(numbers) or urgent
        if now >= self._gate or (urgent and now >= self._urgent_gate) or (self._metrics and now >= self._metrics_at):
            self._flush()
        if costly and now >= self._convert_at:
            begun = _monotonic()
            numbers = scalars.numbers(costly)
            spent = _monotonic() - begun
            self._convert_at = begun + max(CONVERSION_INTERVAL_S, CONVERSION_SHARE * spent)
            self._accept(numbers)
            self._flush()

    def _accept(self, numbers: Dict[str, float]) -> bool:
        """Keep numbers for the next write. Gives whether they are of those that must be written."""
        before, loss = self._epoch, numbers.get("loss", 0.0)
        self._epoch = numbers.pop("epoch", self._epoch)
        self._step = numbers.pop("step", self._step)
        self._loss = numbers.pop("loss", self._loss)
        if numbers:
            self._metrics = dict(list({**self._metrics, **numbers}.items())[:METRICS_MAX])
        return self._epoch != before or loss - loss != 0.0

    def phase(self, name: str, within: Union[float, str, None] = None) -> contextlib.AbstractContextManager[None]:
        """Announce a stretch without beats, as ``agent.phase``."""
        return self._in_phase(name, within)

    @contextlib.contextmanager
    def _in_phase(self, name, within):
        outer = self._phase
        with guarded():
            self._enter((scalars.text(name, wire.PHASE_MAX), _time_ns(), scalars.seconds(within)))
        try:
            yield
        finally:
            with guarded():
                self._enter(outer)
