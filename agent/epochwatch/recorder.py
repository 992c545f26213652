"""What is known of a run, and the writing of it: at once, later, or by whoever is writing already."""

from __future__ import annotations

import os
import struct
import time
from itertools import count
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple

from epochwatch import checks, scalars, wire
from epochwatch.guard import guarded, raised_by_signal_handler
from epochwatch.transport import open_transport

if TYPE_CHECKING:
    from typing import Callable

    from epochwatch.transport import Transport

METRICS_INTERVAL_S = 1.0
CONVERSION_INTERVAL_S = 1.0
CONVERSION_SHARE = 10
"""A conversion that took long is not repeated before this many times its duration."""
METRICS_MAX, METRIC_NAME_MAX = checks.METRICS_MAX, 64
"""As many, and as long names, as the wire has room for."""
Phase = Tuple[Optional[str], int, Optional[float]]
"""A phase's name, since when (wall clock in nanoseconds), and for how many seconds at most."""
NO_PHASE: Phase = (None, 0, None)
_SETTLE_TRIES, _SETTLE_S = 50, 0.001

_monotonic, _time_ns = time.monotonic, time.time_ns
_pack_numbers, _NUMBERS_AT = wire.NUMBERS.pack_into, wire.NUMBERS_AT
_RUNNING = wire.RUNNING
_HAS_EPOCH, _HAS_STEP, _HAS_LOSS = wire.HAS_EPOCH, wire.HAS_STEP, wire.HAS_LOSS
_EPOCH_MAX, _EPOCH_MIN = checks.EPOCH_MAX, -checks.EPOCH_MAX


class Recorder:
    """Writes the beats of one run to its transport.

    Any number of threads may call it, and none ever waits for another: one that finds a write going on leaves its
    numbers to the writer, who writes again. Of beats that come faster than the transport bears (``interval_s``,
    ``slack_s``) only the numbers are kept, for the next write; but a changed epoch, and a loss that is no finite
    number, are always written (as far as ``urgent_interval_s`` allows).

    ``describe`` gives the body when it is first needed.
    """

    def __init__(self, describe: Callable[[], wire.Body], transport: Optional[Transport] = None) -> None:
        self.transport = transport
        self.state = wire.RUNNING
        self.phase: Phase = NO_PHASE
        self.fields: Dict[str, Any] = {}
        self._describe = describe
        self._body: Optional[wire.Body] = None
        self._beats = count()
        self._looks = 0  # at _beats: each takes a number
        self._seq = -1
        self._beat_ns = 0
        self._epoch: Optional[float] = None
        self._step: Optional[int] = None
        self._loss: Optional[float] = None
        self._metrics: Dict[str, float] = {}
        self._written_metrics = self._metrics
        self._gate = self._urgent_gate = self._metrics_gate = self._conversion_gate = float("-inf")
        self._has_within = 0
        self._dirty = self._rest_is_dirty = self._body_is_dirty = True
        self._writer: Dict[str, object] = {}
        self._broken = False

    def beat(self, epoch: Any, loss: Any, step: Any, metrics: Dict[str, Any]) -> None:
        """Record one heartbeat. The common types take the short way."""
        next(self._beats)
        now = _monotonic()
        urgent, others = False, metrics
        if epoch is not None and epoch is not self._epoch:
            if (type(epoch) is int or type(epoch) is float) and _EPOCH_MIN <= epoch <= _EPOCH_MAX:
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
            if loss - loss != 0.0:  # NaN, or infinite
                urgent = True
        elif loss is not None:
            others = {**others, "loss": loss}
        if others:
            self._beat_with(others, now, urgent=urgent)
        elif now >= self._gate or (urgent and now >= self._urgent_gate):
            self.flush(now)

    def _beat_with(self, values: Dict[str, Any], now: float, *, urgent: bool) -> None:
        """The long way: numbers of any type. What may wait for a device is converted after the beat was written."""
        numbers, costly = scalars.split(values)
        urgent = self._accept(numbers) or urgent
        if now >= self._gate or (urgent and now >= self._urgent_gate) or self._has_new_metrics(now):
            self.flush(now)
        if costly and now >= self._conversion_gate:
            numbers = scalars.numbers(costly)
            spent = _monotonic() - now
            self._conversion_gate = now + max(CONVERSION_INTERVAL_S, CONVERSION_SHARE * spent)
            self._accept(numbers)
            self.flush()

    def _accept(self, numbers: Dict[str, float]) -> bool:
        """Keep numbers for the next write. Gives whether they are of those that must be written."""
        before, loss = self._epoch, numbers.get("loss", 0.0)
        self._epoch = numbers.pop("epoch", self._epoch)
        if "step" in numbers:
            self._step = int(numbers.pop("step"))
        self._loss = numbers.pop("loss", self._loss)
        if numbers:
            named = {name[:METRIC_NAME_MAX]: value for name, value in numbers.items()}
            self._metrics = dict(list({**self._metrics, **named}.items())[:METRICS_MAX])
            self._rest_is_dirty = True
        return self._epoch != before or loss - loss != 0.0

    def _has_new_metrics(self, now: float) -> bool:
        return self._metrics is not self._written_metrics and now >= self._metrics_gate

    def enter(self, phase: Phase) -> None:
        """Keep a phase for the next write."""
        self.phase = phase
        self._has_within = 0 if phase[2] is None else wire.HAS_WITHIN
        self._rest_is_dirty = True

    def update(self, fields: Dict[str, Any]) -> None:
        """Keep fields of the body for the next write."""
        self.fields.update(fields)
        self._rest_is_dirty = self._body_is_dirty = True

    def conclude(self, state: int, fields: Dict[str, Any]) -> None:
        """Write the run's end."""
        self.state = state
        self.update(fields)
        self._seq = -1  # the time is that of the end
        self.flush()
        for _ in range(_SETTLE_TRIES):  # another thread may be writing it for us, and exit would cut it short
            if self._is_written():
                break
            time.sleep(_SETTLE_S)

    def _is_written(self) -> bool:
        return self._broken or not (self._dirty or self._writer)

    def has_beaten(self) -> bool:
        """Whether there was a beat; not while one is written."""
        return self._count() > 0

    def _count(self) -> int:
        seq = next(self._beats) - self._looks
        self._looks += 1
        return seq

    @property
    def step(self) -> Optional[int]:
        """The last that was told."""
        return self._step

    def stop(self) -> None:
        """Nothing more will come."""
        if self.transport is not None:
            self.transport.stop()

    def is_sent(self, within_s: float) -> bool:
        """Whether all is on its way, now or after a wait of at most ``within_s``."""
        if not self._is_written():  # a signal handler ended the run in the middle of a write, and then the program
            self.flush()
        return self._is_written() and (self.transport is None or self.transport.drain(within_s))

    def close(self) -> None:
        """Let go of what is open, without a word."""
        if self.transport is not None:
            self.transport.close()

    def flush(self, now: Optional[float] = None) -> None:
        """Write what there is, or leave it to whoever is writing.

        The writer is known by a token, not by a lock: a KeyboardInterrupt may come at any point, and between taking a
        lock and entering the ``try`` that releases it, it would leave the lock taken for ever.
        """
        if self._broken:
            return
        self._dirty = True
        token = object()
        try:
            while self._dirty and self._writer.setdefault("", token) is token:
                self._dirty = False
                self._write(_monotonic() if now is None else now)
                del self._writer[""]
        except BaseException as error:
            if self._writer.get("") is token:
                del self._writer[""]
            if not isinstance(error, Exception) or raised_by_signal_handler(error):  # what that cut short is done again
                self._rest_is_dirty = self._body_is_dirty = True
                self._gate = float("-inf")
            raise

    def _write(self, now: float) -> None:
        link = self.transport or self._connect()
        seq = self._count()
        if seq != self._seq:
            self._seq, self._beat_ns = seq, _time_ns()
        epoch, step, loss = self._epoch, self._step, self._loss
        flags = self._has_within
        if epoch is not None:
            flags |= _HAS_EPOCH
        if step is not None:
            flags |= _HAS_STEP
        if loss is not None:
            flags |= _HAS_LOSS
        try:
            _pack_numbers(link.head, _NUMBERS_AT, flags, seq, self._beat_ns, step or 0, epoch or 0.0, loss or 0.0)
        except struct.error:
            self._step = None  # too large for the wire
            raise
        try:
            if self._rest_is_dirty:
                self._write_rest(link, now)
        finally:
            link.write(now, final=self.state != _RUNNING)
        if now >= self._gate:  # the generic cell rate algorithm: its theoretical arrival time, less the tolerance
            earliest = now - link.slack_s
            self._gate = (earliest if earliest > self._gate else self._gate) + link.interval_s  # noqa: FURB136 - max is slow
        self._urgent_gate = now + link.urgent_interval_s

    def _write_rest(self, link: Transport, now: float) -> None:
        """All that rarely changes; new metrics at most once a second."""
        self._rest_is_dirty = False
        name, since_ns, within_s = self.phase
        wire.PREFIX.pack_into(link.head, 0, wire.MAGIC, wire.VERSION, self.state)
        wire.PHASE.pack_into(link.head, wire.PHASE_AT, since_ns, within_s or 0.0, wire.encode_phase(name))
        if self._body_is_dirty or self._has_new_metrics(now):
            self._body_is_dirty = False
            self._written_metrics = self._metrics
            self._metrics_gate = now + METRICS_INTERVAL_S
            body = self._body = self._body or self._describe()
            link.put_body(body._replace(**self.fields, metrics=self._metrics or None))
        self._rest_is_dirty = self._metrics is not self._written_metrics

    def _connect(self) -> Transport:
        try:
            self._body = self._describe()
            self.transport = open_transport(self._body, os.environ, self._keep_alive)
        except Exception:
            self._broken = True  # a setting makes no sense: that is reported once, and not tried again
            raise
        return self.transport

    def _keep_alive(self) -> None:
        with guarded():
            self.flush()
