"""From the outbox to the channels: every message until it was taken, users in turn, in the order of its incident.

Each channel has a task and, while it sends, a thread of its own: one that hangs delays nobody else. What is due is read
from the outbox, which the daemon fills with the verdict; when to try again is remembered here only, so that after a
restart everything is tried at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from epochwatchd.alerting.turns import Turns, Waiting
from epochwatchd.model import ChannelError, Delivery, Notification

BACK_OFF_FIRST_S = 2.0
BACK_OFF_MOST_S = 300.0
RETRY_AFTER_MOST_S = 3600.0
"""What a peer asks for is obeyed up to this: a mistaken header must not silence a channel for days."""

Send = Callable[[Notification], str]
_T = TypeVar("_T")

log = logging.getLogger(__name__)


class Outbox(Protocol):
    """What is still to be delivered. Called on the loop's thread, so every call must be fast."""

    def fresh(self, channel: str) -> list[Delivery]:
        """The deliveries of a channel that were not given before, the oldest first."""

    def notification(self, delivery_id: int) -> Notification | None:
        """The message of a delivery; None if it is gone. Raises ChannelError where it cannot be read right now."""

    def mark(self, delivery_id: int, state: str, error: str | None = None) -> None:
        """What became of an attempt: ``delivered``, ``dead`` (never to be tried again), or ``pending``."""


def retry_after(attempts: int) -> float:
    """The seconds to wait after so many failed attempts: 2 s, doubled each time, at most 5 min."""
    return min(BACK_OFF_MOST_S, BACK_OFF_FIRST_S * 2.0 ** min(attempts - 1, 16))


@dataclass
class Lane:
    """One channel: what waits for it, and how it fares.

    ``held_until``: when its peer lets us speak again. ``failures``: attempts that failed in a row.
    """

    name: str
    send: Send
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    turns: Turns = field(default_factory=Turns)
    attempts: dict[int, int] = field(default_factory=dict)
    held_until: float = 0.0
    failures: int = 0
    is_closed: bool = False


class Deliverer:
    """Delivers from an outbox over channels, from ``start`` to ``stop``. All methods belong to the loop's thread."""

    def __init__(
        self,
        outbox: Outbox,
        sends: Mapping[str, Send],
        *,
        clock: Callable[[], float] = time.monotonic,
        back_off: Callable[[int], float] = retry_after,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._back_off = back_off
        self._lanes = {name: Lane(name, send) for name, send in sends.items()}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin, with everything the outbox holds."""
        for lane in self._lanes.values():
            self._tasks[lane.name] = asyncio.create_task(self._deliver(lane), name=f"channel {lane.name}")

    def reconfigure(self, sends: Mapping[str, Send]) -> None:
        """Deliver over these channels from now on. What waits for a channel that is gone stays in the outbox."""
        for name in self._lanes.keys() - sends.keys():
            self._lanes[name].is_closed = True
            self._lanes.pop(name).woken.set()
            self._tasks.pop(name)
        for name, send in sends.items():
            if name in self._lanes:
                self._lanes[name].send = send
            else:
                lane = self._lanes[name] = Lane(name, send)
                self._tasks[name] = asyncio.create_task(self._deliver(lane), name=f"channel {name}")

    def wake(self) -> None:
        """Look into the outbox now: something was put there."""
        for lane in self._lanes.values():
            lane.woken.set()

    def problems(self) -> list[str]:
        """The channels whose task has ended, by a fault of ours: nothing is delivered over them."""
        return [name for name, task in self._tasks.items() if task.done()]

    async def stop(self, timeout_s: float) -> None:
        """Begin nothing more, and wait so long for what is being sent to be done and marked."""
        for lane in self._lanes.values():
            lane.is_closed = True
        self.wake()
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver(self, lane: Lane) -> None:
        while not lane.is_closed:
            lane.woken.clear()  # before reading, so that what comes in between wakes us again
            for delivery in self._outbox.fresh(lane.name):
                lane.turns.add(Waiting(delivery.id, delivery.incident, delivery.user, delivery.critical))
                lane.attempts[delivery.id] = delivery.attempts
            waiting, at = lane.turns.next(self._clock())
            if lane.held_until > self._clock():
                waiting, at = None, lane.held_until
            if waiting is not None:
                await self._attempt(lane, waiting)
            else:
                await self._rest(lane, at)

    async def _rest(self, lane: Lane, until: float | None) -> None:
        """Sleep until something is due or somebody wakes us."""
        timeout = None if until is None else max(0.0, until - self._clock())
        with contextlib.suppress(asyncio.TimeoutError):  # not an error: it is due now
            await asyncio.wait_for(lane.woken.wait(), timeout)

    async def _attempt(self, lane: Lane, waiting: Waiting) -> None:
        try:
            notification = self._outbox.notification(waiting.id)
        except ChannelError as e:
            self._put_off(lane, waiting, e)
            return
        if notification is None:  # of a store that is gone; what could be saved of it comes under another id
            self._done(lane, waiting)
            return
        error = await _in_thread(lambda: _tried(lane.send, notification), f"channel {lane.name}")
        if error is None:
            self._outbox.mark(waiting.id, "delivered")
            self._done(lane, waiting)
            _log_success(lane, waiting)
            if lane.failures > 1:
                lane.turns.flush()
            lane.failures = 0
            return
        self._outbox.mark(waiting.id, "dead" if error.permanent else "pending", str(error))
        if error.permanent:
            self._done(lane, waiting)
            _log_dead(lane, notification, error)
        else:
            self._put_off(lane, waiting, error)

    def _done(self, lane: Lane, waiting: Waiting) -> None:
        lane.turns.done(waiting.id)
        lane.attempts.pop(waiting.id, None)

    def _put_off(self, lane: Lane, waiting: Waiting, error: ChannelError) -> None:
        """Try it later. Who says when to come back (``Retry-After``) wants no other message until then either.

        Where the attempt before failed too, it is the channel that is out of order and not this message: it need not
        wait any longer than the channel.
        """
        now, asked_s = self._clock(), min(error.retry_after_s or 0.0, RETRY_AFTER_MOST_S)
        lane.held_until = now + asked_s
        attempts = lane.attempts[waiting.id] = lane.attempts.get(waiting.id, 0) + 1
        _log_failure(lane, error)
        lane.failures += 1
        lane.turns.put_off(waiting.id, now + max(asked_s, self._back_off(attempts)), in_outage=lane.failures > 1)


async def _in_thread(call: Callable[[], _T], name: str) -> _T:
    """What ``call``, which must not raise, gives in a daemonic thread: one that hangs holds up no shutdown."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def finish(result: _T) -> None:
        if not done.done():
            done.set_result(result)

    def work() -> None:
        result = call()
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(finish, result)

    threading.Thread(target=work, name=name, daemon=True).start()
    return await done


def _tried(send: Send, notification: Notification) -> ChannelError | None:
    """None if the channel took it; what it raised otherwise, whatever that is."""
    try:
        answer = send(notification)
    except ChannelError as e:
        return e
    except BaseException as e:  # noqa: BLE001 - a channel's bug must neither end its task nor lose the message
        return ChannelError(f"a bug in this channel: {_whereabouts(e)}")
    log.debug("%s of %s was taken: %s", notification.kind, notification.job, answer)
    return None


def _whereabouts(error: BaseException) -> str:
    """The class of an exception and where it was raised. Its text is left out: it may quote a secret."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"


def _log_success(lane: Lane, waiting: Waiting) -> None:
    if lane.failures:
        log.info("channel %s: takes messages again", lane.name)
    log.debug("channel %s: delivery %d is done", lane.name, waiting.id)


def _log_failure(lane: Lane, error: ChannelError) -> None:
    """Once an outage: it may last for days."""
    level = logging.DEBUG if lane.failures else logging.WARNING
    log.log(level, "channel %s: %s; it will be tried again until it works", lane.name, error)


def _log_dead(lane: Lane, notification: Notification, error: ChannelError) -> None:
    log.error(
        "channel %s: %s; the message on %s (%s) is a dead letter: mend it (`epochwatchd test-alert %s`), then reload",
        lane.name, error, notification.job, notification.kind, lane.name,
    )  # fmt: skip
