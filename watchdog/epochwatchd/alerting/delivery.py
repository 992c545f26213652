"""From the outbox to the channels: every message until it was taken, in the order of its incident.

Each channel has a task and, while it sends, a thread of its own: one that hangs delays nobody else. What is due is read
from the outbox, which the daemon fills in the transaction of the verdict; when to try again is remembered here only, so
that after a restart everything is tried at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

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

    def pending(self, channel: str, after: int = 0) -> list[Delivery]:
        """The undelivered, not dead deliveries of a channel whose ids are above ``after``, in order."""

    def notification(self, delivery_id: int) -> Notification | None:
        """What is to be delivered; None if it is gone or cannot be read."""

    def mark_delivered(self, delivery_id: int) -> None:
        """The channel took it."""

    def mark_failed(self, delivery_id: int, error: str, *, dead: bool) -> None:
        """The channel did not take it; ``dead``: and never will."""


def retry_after(attempts: int) -> float:
    """The seconds to wait after so many failed attempts: 2 s, doubled each time, at most 5 min."""
    return min(BACK_OFF_MOST_S, BACK_OFF_FIRST_S * 2.0 ** min(attempts - 1, 16))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that was read from the outbox, and from when on it may be tried, by the monotonic clock."""

    delivery: Delivery
    due_at: float = 0.0


def next_due(queue: Iterable[Waiting], now: float) -> tuple[Waiting | None, float | None]:
    """The first that may be tried now, or None and when the next one may.

    A message never overtakes an earlier one of its incident; those of other incidents pass.
    """
    held: set[str] = set()
    earliest: float | None = None
    for waiting in queue:
        incident = waiting.delivery.incident
        if incident in held:
            continue
        if waiting.due_at <= now:
            return waiting, None
        held.add(incident)
        earliest = waiting.due_at if earliest is None else min(earliest, waiting.due_at)
    return None, earliest


@dataclass
class Lane:
    """One channel: what waits for it, and how it fares. ``held_until``: when its peer lets us speak again."""

    name: str
    send: Send
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    queue: dict[int, Waiting] = field(default_factory=dict)
    last_id: int = 0
    held_until: float = 0.0
    is_failing: bool = False


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
        self._lanes = [Lane(name, send) for name, send in sends.items()]
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False

    def start(self) -> None:
        """Begin, with everything the outbox holds."""
        self._tasks = [asyncio.create_task(self._deliver(lane), name=f"channel {lane.name}") for lane in self._lanes]

    def wake(self) -> None:
        """Look into the outbox now: something was put there."""
        for lane in self._lanes:
            lane.woken.set()

    async def stop(self, timeout_s: float) -> None:
        """Begin nothing more, and wait so long for what is being sent to be done and marked."""
        self._is_stopping = True
        self.wake()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, lane: Lane) -> None:
        while not self._is_stopping:
            lane.woken.clear()  # before reading, so that what comes in between wakes us again
            fresh = await self._stored(lambda: self._outbox.pending(lane.name, lane.last_id))
            lane.queue.update((delivery.id, Waiting(delivery)) for delivery in fresh)
            lane.last_id = fresh[-1].id if fresh else lane.last_id
            waiting, at = next_due(lane.queue.values(), self._clock())
            if lane.held_until > self._clock():
                waiting, at = None, lane.held_until
            if waiting is not None:
                await self._attempt(lane, waiting.delivery)
            elif not fresh:
                await self._rest(lane, at)

    async def _rest(self, lane: Lane, until: float | None) -> None:
        """Sleep until something is due or somebody wakes us."""
        timeout = None if until is None else max(0.0, until - self._clock())
        with contextlib.suppress(asyncio.TimeoutError):  # not an error: it is due now
            await asyncio.wait_for(lane.woken.wait(), timeout)

    async def _attempt(self, lane: Lane, delivery: Delivery) -> None:
        notification = await self._stored(lambda: self._outbox.notification(delivery.id))
        if notification is None:
            del lane.queue[delivery.id]
            return
        error = await _in_thread(lambda: _tried(lane.send, notification), f"channel {lane.name}")
        if error is None:
            await self._stored(lambda: self._outbox.mark_delivered(delivery.id))
            del lane.queue[delivery.id]
            _log_success(lane, delivery)
            return
        await self._stored(lambda: self._outbox.mark_failed(delivery.id, str(error), dead=error.permanent))
        if error.permanent:
            del lane.queue[delivery.id]
            _log_dead(lane, notification, error)
        else:
            self._put_off(lane, delivery._replace(attempts=delivery.attempts + 1), error)

    def _put_off(self, lane: Lane, delivery: Delivery, error: ChannelError) -> None:
        """Try it later. Who says when to come back (``Retry-After``) wants no other message until then either."""
        now, asked_s = self._clock(), min(error.retry_after_s or 0.0, RETRY_AFTER_MOST_S)
        lane.held_until = now + asked_s
        lane.queue[delivery.id] = Waiting(delivery, now + max(asked_s, self._back_off(delivery.attempts)))
        _log_failure(lane, error)

    async def _stored(self, call: Callable[[], _T]) -> _T:
        """What an outbox's call gives, tried until it works: nothing may be sent twice because a disk was full."""
        attempts = 0
        while True:
            try:
                return call()
            except Exception:  # noqa: BLE001 - logged, and without its outbox a channel has nothing else to do
                attempts += 1
                (log.exception if attempts == 1 else log.debug)("the outbox cannot be used; it will be tried again")
                await asyncio.sleep(self._back_off(attempts))


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


def _log_success(lane: Lane, delivery: Delivery) -> None:
    if lane.is_failing:
        log.info("channel %s: takes messages again", lane.name)
    lane.is_failing = False
    log.debug("channel %s: delivery %d is done", lane.name, delivery.id)


def _log_failure(lane: Lane, error: ChannelError) -> None:
    """Once an outage: it may last for days."""
    level = logging.DEBUG if lane.is_failing else logging.WARNING
    log.log(level, "channel %s: %s; it will be tried again until it works", lane.name, error)
    lane.is_failing = True


def _log_dead(lane: Lane, notification: Notification, error: ChannelError) -> None:
    log.error(
        "channel %s: %s; the message on %s (%s) is a dead letter: mend it, then try `epochwatchd test-alert %s`",
        lane.name, error, notification.job, notification.kind, lane.name,
    )  # fmt: skip
