"""From the outbox to the channels: every message until it was taken, users in turn, in the order of its incident.

Each channel has a task and, once it sends, a thread of its own: one that hangs delays nobody else. What is due is read
from the outbox, which the daemon fills with the verdict; when to try again is remembered here only, so that after a
restart everything is tried at once. A message is said in words when it is sent, in its channel's language.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

from epochwatchd.alerting.hand import Hand
from epochwatchd.alerting.pace import Pace
from epochwatchd.alerting.rendering import bare
from epochwatchd.alerting.turns import Turns, Waiting
from epochwatchd.model import ChannelError, Delivery, Limits, Memory, Message, Notification, Taken

BACK_OFF_FIRST_S = 2.0
BACK_OFF_MOST_S = 300.0
RETRY_AFTER_MOST_S = 3600.0
"""What a peer asks for is obeyed up to this: a mistaken header must not silence a channel for days."""
PARKED_S, PROBED_S = 86400.0, 60.0
"""A channel that takes nothing as it is configured gets the same message again so often. Another message is tried soon,
and then at most so often: it may have been the message, and nobody's message must silence the channel for others."""
REFRESH_EVERY_S = 60.0

_T = TypeVar("_T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Channel:
    """What delivers to a peer.

    send: hands over one message; it blocks, for a bounded time.
    say: puts a notification into the words of this channel.
    limits: what it can carry.
    memory: what it must not forget.
    refresh: brings a mirror up to date, given the open incidents, or keeps a login; gives its last day, if near.
    """

    send: Callable[[Message], Taken]
    say: Callable[[Notification], Notification]
    limits: Limits
    memory: Memory
    refresh: Callable[[Memory, frozenset[str]], str | None] | None = None


class Outbox(Protocol):
    """What is still to be delivered. Called on the loop's thread, so every call must be fast."""

    def fresh(self, channel: str) -> list[Delivery]:
        """The deliveries of a channel that were not given before, the oldest first."""

    def notification(self, delivery_id: int) -> Notification | None:
        """The message of a delivery; None if it is gone. Raises ChannelError where it cannot be read right now."""

    def handle(self, channel: str, incident: str) -> str | None:
        """The handle that a channel gave for the first message of an incident."""

    def mark(self, delivery: Delivery, state: str, error: str | None = None, handle: str | None = None) -> None:
        """What became of an attempt: ``delivered``, ``dead`` (never to be tried again), or ``pending``."""

    def open_incidents(self) -> frozenset[str]:
        """The ids of all that is still wrong. Raises ChannelError where they cannot be read right now."""


def retry_after(attempts: int) -> float:
    """The seconds to wait after so many failed attempts: 2 s, doubled each time, at most 5 min."""
    return min(BACK_OFF_MOST_S, BACK_OFF_FIRST_S * 2.0 ** min(attempts - 1, 16))


@dataclass
class Lane:
    """One channel: what waits for it, and how it fares.

    plain: messages that it did not take as they are; their headline alone is tried.
    parked: why it takes nothing; None if it does. ``closed_until``: before that nothing is tried.
    last_day: of its login, if that is near.
    doubted: messages with which it took nothing. ``blamed``: those of them that it took others after.
    failures: attempts that failed in a row.
    """

    name: str
    channel: Channel
    hand: Hand
    pace: Pace
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    turns: Turns = field(default_factory=Turns)
    deliveries: dict[int, Delivery] = field(default_factory=dict)
    plain: set[int] = field(default_factory=set)
    doubted: set[int] = field(default_factory=set)
    blamed: set[int] = field(default_factory=set)
    parked: str | None = None
    closed_until: float = 0.0
    last_day: str | None = None
    failures: int = 0
    refresh_at: float = 0.0
    is_closed: bool = False

    @property
    def not_before(self) -> float:
        """Nothing goes before this time."""
        return max(self.pace.next_at, self.closed_until)

    def open(self) -> None:
        """It takes messages, or may: what waited for that is due."""
        self.turns.flush()
        self.parked, self.closed_until = None, 0.0


class Deliverer:
    """Delivers from an outbox over channels, from ``start`` to ``stop``. All methods belong to the loop's thread."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        *,
        clock: Callable[[], float] = time.monotonic,
        back_off: Callable[[int], float] = retry_after,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._back_off = back_off
        self._lanes = {name: _lane(name, channel) for name, channel in channels.items()}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin, with everything the outbox holds."""
        for lane in self._lanes.values():
            self._begin(lane)

    def _begin(self, lane: Lane) -> None:
        self._tasks[lane.name] = asyncio.create_task(self._deliver(lane), name=f"channel {lane.name}")

    def reconfigure(self, channels: Mapping[str, Channel]) -> None:
        """Deliver over these channels from now on. What waits for a channel that is gone stays in the outbox."""
        for name in self._lanes.keys() - channels.keys():
            self._lanes[name].is_closed = True
            self._lanes.pop(name).woken.set()
            self._tasks.pop(name)
        for name, channel in channels.items():
            if name in self._lanes:
                self._lanes[name].channel = channel
                self._lanes[name].open()
                self._lanes[name].woken.set()
            else:
                self._lanes[name] = _lane(name, channel)
                self._begin(self._lanes[name])

    def wake(self) -> None:
        """Look into the outbox now: something was put there."""
        for lane in self._lanes.values():
            lane.woken.set()

    def problems(self) -> list[str]:
        """The channels whose task has ended, by a fault of ours: nothing is delivered over them."""
        return [name for name, task in self._tasks.items() if task.done()]

    def parked(self) -> dict[str, str]:
        """The channels that take nothing for now, and why."""
        return {name: lane.parked for name, lane in self._lanes.items() if lane.parked}

    def last_days(self) -> dict[str, str]:
        """The channels whose login ends soon, and when."""
        return {name: lane.last_day for name, lane in self._lanes.items() if lane.last_day}

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
        with contextlib.closing(lane.hand):
            while not lane.is_closed:
                lane.woken.clear()  # before reading, so that what comes in between wakes us again
                for delivery in self._outbox.fresh(lane.name):
                    lane.turns.add(Waiting(delivery.id, delivery.incident, delivery.user, delivery.critical))
                    lane.deliveries[delivery.id] = delivery
                await self._step(lane)

    async def _step(self, lane: Lane) -> None:
        """Send what is due, or rest."""
        now = self._clock()
        if lane.channel.refresh is not None and max(lane.refresh_at, lane.not_before) <= now:
            await self._refresh(lane)
            return
        waiting, at = lane.turns.next(now)
        if lane.not_before > now and (waiting is not None or at is not None):
            waiting, at = None, lane.not_before
        if waiting is not None:
            await self._attempt(lane, lane.deliveries[waiting.id])
            return
        if lane.channel.refresh is not None:
            at = min(at or lane.refresh_at, max(lane.refresh_at, lane.not_before))
        timeout = None if at is None else max(0.0, at - now)
        with contextlib.suppress(asyncio.TimeoutError):  # not an error: it is due now
            await asyncio.wait_for(lane.woken.wait(), timeout)

    async def _refresh(self, lane: Lane) -> None:
        lane.refresh_at = self._clock() + REFRESH_EVERY_S
        refresh = lane.channel.refresh
        assert refresh is not None
        try:
            open_incidents = self._outbox.open_incidents()
        except ChannelError as e:
            log.debug("channel %s: not refreshed: %s", lane.name, e)
            return
        result = await _in_hand(lane, lambda: _tried(lambda: refresh(lane.channel.memory, open_incidents)))
        if isinstance(result, ChannelError):
            _log_failure(lane, result)
            lane.failures += 1
            lane.parked = str(result) if result.refusal == "channel" else lane.parked
            return
        lane.last_day = result
        if not lane.doubted:  # that it could be refreshed does not say that it takes messages
            self._well(lane)

    async def _attempt(self, lane: Lane, delivery: Delivery) -> None:
        try:
            notification = self._outbox.notification(delivery.id)
        except ChannelError as e:
            self._put_off(lane, delivery, e)
            return
        if notification is None:  # of a store that is gone, or too old; what could be saved has another id
            self._done(lane, delivery)
            return
        before = self._outbox.handle(lane.name, delivery.incident)
        message = Message(notification, lane.channel.memory, before, delivery.done)
        is_plain = delivery.id in lane.plain
        result = await _in_hand(lane, lambda: _sent(lane.channel, message, is_plain=is_plain))
        if isinstance(result, ChannelError):
            self._refused(lane, delivery, notification, result)
        else:
            self._outbox.mark(delivery, "delivered", handle=result.handle)
            self._done(lane, delivery)
            self._well(lane)
            lane.pace.taken(self._clock())
            log.debug("channel %s: delivery %d was taken: %s", lane.name, delivery.id, result.said)

    def _well(self, lane: Lane) -> None:
        if lane.failures:
            log.info("channel %s: takes messages again", lane.name)
        if lane.parked or lane.failures > 1:
            lane.open()
        lane.blamed |= lane.doubted
        lane.doubted.clear()
        lane.failures = 0

    def _refused(self, lane: Lane, delivery: Delivery, notification: Notification, error: ChannelError) -> None:
        """Later, once more as a plain headline, or never."""
        is_its_own = error.refusal == "message" or (error.refusal == "channel" and delivery.id in lane.blamed)
        is_last = is_its_own and (delivery.id in lane.plain or lane.channel.limits.text is None)
        done = tuple(dict.fromkeys([*delivery.done, *error.done]))
        delivery = lane.deliveries[delivery.id] = delivery._replace(attempts=delivery.attempts + 1, done=done)
        self._outbox.mark(delivery, "dead" if is_last else "pending", str(error))
        if is_last:
            self._done(lane, delivery)
            _log_dead(lane, notification, error)
        elif is_its_own:
            log.warning("channel %s: %s; the headline alone is sent", lane.name, error)
            lane.plain.add(delivery.id)
        elif error.refusal == "later":
            self._put_off(lane, delivery, error)
        else:
            self._park(lane, delivery, error)

    def _done(self, lane: Lane, delivery: Delivery) -> None:
        lane.turns.done(delivery.id)
        lane.deliveries.pop(delivery.id, None)
        for known in (lane.plain, lane.doubted, lane.blamed):
            known.discard(delivery.id)

    def _put_off(self, lane: Lane, delivery: Delivery, error: ChannelError) -> None:
        """Try it later. Who says when to come back (``Retry-After``) wants no other message until then either.

        Where the attempt before failed too, it is the channel that is out of order and not this message: it need not
        wait any longer than the channel.
        """
        now = self._clock()
        asked_s = min(error.wait_s or 0.0, RETRY_AFTER_MOST_S)
        if error.wait_s is not None:
            lane.pace.refused(now, asked_s)
        _log_failure(lane, error)
        lane.failures += 1
        due_at = now + max(asked_s, self._back_off(delivery.attempts))
        lane.turns.put_off(delivery.id, due_at, in_outage=lane.failures > 1)

    def _park(self, lane: Lane, delivery: Delivery, error: ChannelError) -> None:
        """It takes nothing as it is configured, or nothing before a time: a quota's end."""
        now, is_quota = self._clock(), error.refusal == "until"
        probed_s = min(PROBED_S, retry_after(lane.failures + 1))
        lane.closed_until = now + (error.wait_s or PARKED_S if is_quota else probed_s)
        lane.turns.put_off(delivery.id, lane.closed_until if is_quota else now + PARKED_S, in_outage=True)
        if not is_quota:
            lane.doubted.add(delivery.id)
        if lane.parked is None:
            log.error(
                "channel %s: %s; it takes nothing: mend it (`epochwatchd test-alert %s`), then reload",
                lane.name, error, lane.name,
            )  # fmt: skip
        lane.parked = str(error)
        lane.failures += 1


def _lane(name: str, channel: Channel) -> Lane:
    return Lane(name, channel, Hand(f"channel {name}"), Pace(channel.limits.every_s))


async def _in_hand(lane: Lane, call: Callable[[], _T | ChannelError]) -> _T | ChannelError:
    try:
        return await lane.hand.do(call)
    except RuntimeError as e:
        return ChannelError(f"no thread is left to send with: {e}")


def _sent(channel: Channel, message: Message, *, is_plain: bool) -> Taken | ChannelError:
    """What came of saying the message and handing it over; whatever is raised is an error of the channel."""
    message = replace(message, notification=_said(channel, message.notification))
    if is_plain:
        message = replace(message, notification=replace(message.notification, text=message.headline))
    return _tried(lambda: channel.send(message))


def _said(channel: Channel, notification: Notification) -> Notification:
    """The notification in words: in few and plain ones, if it is our own words that break on it."""
    if notification.text:  # an earlier version put it into words before it was stored
        return notification
    try:
        return channel.say(notification)
    except Exception:
        log.exception("the message on %s (%s) could not be put into words", notification.job, notification.kind)
        return bare(notification)


def _tried(call: Callable[[], _T]) -> _T | ChannelError:
    try:
        return call()
    except ChannelError as e:
        return e
    except BaseException as e:  # noqa: BLE001 - a channel's bug must neither end its task nor lose the message
        return ChannelError(f"a bug in this channel: {_whereabouts(e)}")


def _whereabouts(error: BaseException) -> str:
    """The class of an exception and where it was raised. Its text is left out: it may quote a secret."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"


def _log_failure(lane: Lane, error: ChannelError) -> None:
    """Once an outage: it may last for days."""
    level = logging.DEBUG if lane.failures else logging.WARNING
    log.log(level, "channel %s: %s; it will be tried again until it works", lane.name, error)


def _log_dead(lane: Lane, notification: Notification, error: ChannelError) -> None:
    log.error(
        "channel %s: %s; the message on %s (%s) is a dead letter: mend it (`epochwatchd test-alert %s`), then reload",
        lane.name, error, notification.job, notification.kind, lane.name,
    )  # fmt: skip
