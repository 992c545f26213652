"""From the outbox to the channels: every message until it was taken, users in turn, in the order of its incident.

Each channel has a task and, once it sends, a thread of its own: one that hangs delays nobody else. What is due is read
from the outbox, which the daemon fills with the verdict; when to try again is remembered here only, so that after a
restart everything is tried at once. Whether it goes, waits or is dropped is decided when it is about to go, and so is
what goes with it: see ``deciding`` and ``grouping``. A message is said in words when it is sent, in its channel's
language.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from epochwatchd.alerting.deciding import Drop, Hold, Muted, Tell, decide, is_plain
from epochwatchd.alerting.grouping import hold_of, hold_of_loop, is_fault, lately, loop_of, may_loop, said_once
from epochwatchd.alerting.hand import Hand
from epochwatchd.alerting.pace import Pace
from epochwatchd.alerting.quiet import quiet_until
from epochwatchd.alerting.rendering import bare
from epochwatchd.alerting.turns import Turns, Waiting
from epochwatchd.config import Quiet
from epochwatchd.model import (
    FLAPS,
    FLAPS_WITHIN_S,
    ChannelError,
    Delivery,
    Limits,
    Memory,
    Message,
    Notification,
    Taken,
    Told,
)

BACK_OFF_FIRST_S = 2.0
BACK_OFF_MOST_S = 300.0
RETRY_AFTER_MOST_S = 3600.0
"""What a peer asks for is obeyed up to this: a mistaken header must not silence a channel for days."""
PARKED_S, PROBED_S = 86400.0, 60.0
"""A channel that takes nothing as it is configured gets the same message again so often. Another message is tried soon,
and then at most so often: it may have been the message, and nobody's message must silence the channel for others."""
REFRESH_EVERY_S = 60.0
FOLD_MAX, AT_ONCE = 1000, 10
"""So many are one message at most; after so many the loop may do something else."""
STARTS_MAX = 10_000
WAITED_TOGETHER = ("grouped", "flapping", "quiet")
"""What has waited for these goes as one message. That is no start (see ``Lane.starts``), unless it was flapping."""

_T = TypeVar("_T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Channel:
    """What delivers to a peer.

    send: hands over one message; it blocks, for a bounded time.
    say: puts notifications, the first before all, into the words of one message of this channel.
    limits: what it can carry.
    memory: what it must not forget.
    refresh: brings a mirror up to date, given the open incidents, or keeps a login; gives its last day, if near.
    quiet: when it is left in peace.
    group_interval_s: within this time what is alike is one message; 0: each is one.
    """

    send: Callable[[Message], Taken]
    say: Callable[[Sequence[Notification]], Notification]
    limits: Limits
    memory: Memory
    refresh: Callable[[Memory, frozenset[str]], str | None] | None = None
    quiet: Sequence[Quiet] = ()
    group_interval_s: float = 0.0


class Outbox(Protocol):
    """What is still to be delivered. Called on the loop's thread, so every call must be fast."""

    def fresh(self, channel: str) -> list[Delivery]:
        """The deliveries of a channel that were not given before, the oldest first."""

    def notification(self, delivery_id: int) -> Notification | None:
        """The message of a delivery; None if it is gone. Raises ChannelError where it cannot be read right now."""

    def handle(self, channel: str, incident: str) -> str | None:
        """The handle that a channel gave for the first message of an incident."""

    def told(self, channel: str, about: Notification, now_wall: float) -> Told:
        """How it stands with a notification's incident on a channel."""

    def starts(self, channel: str, since_wall: float) -> list[tuple[str, float]]:
        """When messages of which groups went at once over a channel since then, in that order."""

    def lead(self, deliveries: Sequence[Delivery], leader: Delivery | None, started_wall: float | None = None) -> None:
        """These go as one message from now on, also after a restart; None: each for itself again."""

    def hold(self, deliveries: Sequence[Delivery], why: str, due_wall: float, group: str | None) -> None:
        """These wait until then; with ``group``, as of that from now on."""

    def drop(self, deliveries: Sequence[Delivery], why: str) -> None:
        """These need not be sent any more."""

    def mark(
        self, deliveries: Sequence[Delivery], state: str, error: str | None = None, handle: str | None = None
    ) -> None:
        """What became of a message of these: ``delivered``, ``dead`` (never to be tried again), or ``pending``."""

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
    groups: the deliveries that wait, by their group.
    starts: when messages of a group went at once, and of a loop (see ``grouping``); of loops nothing is stored.
    alone: those that go by themselves, because they were refused together.
    """

    name: str
    channel: Channel
    hand: Hand
    pace: Pace
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    turns: Turns = field(default_factory=Turns)
    deliveries: dict[int, Delivery] = field(default_factory=dict)
    groups: dict[str, dict[int, None]] = field(default_factory=dict)
    starts: dict[str, list[float]] = field(default_factory=dict)
    alone: set[int] = field(default_factory=set)
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

    def put(self, delivery: Delivery) -> None:
        """A delivery waits, as it is now."""
        before = self.deliveries.get(delivery.id)
        if before is not None and before.group != delivery.group:
            self._leave_group(before)
        self.deliveries[delivery.id] = delivery
        self.groups.setdefault(delivery.group, {})[delivery.id] = None

    def forget(self, delivery: Delivery) -> None:
        """It waits no longer."""
        self.turns.done(delivery.id)
        before = self.deliveries.pop(delivery.id, None)
        if before is not None:
            self._leave_group(before)
        for known in (self.plain, self.doubted, self.blamed, self.alone):
            known.discard(delivery.id)

    def _leave_group(self, delivery: Delivery) -> None:
        group = self.groups.get(delivery.group, {})
        group.pop(delivery.id, None)
        if not group:
            self.groups.pop(delivery.group, None)

    def started(self, what: str, at_wall: float, *, times: int = 1) -> None:
        """A message of a group or a loop went at once; ``times``: for how many it counts."""
        starts = self.starts.setdefault(what, [])
        starts += [at_wall] * times
        del starts[:-FLAPS]
        _forget_starts(self.starts, at_wall)

    def with_it(self, first: Delivery, now_wall: float) -> list[Delivery]:
        """What would go with a delivery in one message, in the order in which it came.

        One that was tried goes again with the same others. Else all goes that is due of its group, and what has become
        known of these incidents since. Nothing overtakes an earlier message of its incident.
        """
        if first.lead is not None:
            group = sorted(self.groups[first.group], key=_age)
            return [d for number in group if (d := self.deliveries[number]).lead == first.lead]
        if first.id in self.alone or not self.channel.group_interval_s:
            return [first]
        chosen: dict[int, Delivery] = {}
        for number in [first.id, *self.groups[first.group]]:
            for other in map(self.deliveries.__getitem__, self.turns.of_incident(number)):
                if other.lead is not None or other.id in self.alone or not _goes_along(other, first, now_wall):
                    break  # what comes after it must not overtake it
                chosen[other.id] = other
            if len(chosen) >= FOLD_MAX:
                break
        return [chosen[number] for number in sorted(chosen, key=_age)]


class Deliverer:
    """Delivers from an outbox over channels, from ``start`` to ``stop``. All methods belong to the loop's thread."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        back_off: Callable[[int], float] = retry_after,
        mutes: Callable[[], Sequence[Muted]] = tuple,
    ) -> None:
        self._outbox = outbox
        self._mutes = mutes
        self._clock = clock
        self._wall = wall
        self._back_off = back_off
        self._lanes = {name: _lane(name, channel) for name, channel in channels.items()}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin, with everything the outbox holds."""
        for lane in self._lanes.values():
            self._begin(lane)

    def _begin(self, lane: Lane) -> None:
        for group, started_wall in self._outbox.starts(lane.name, self._wall() - FLAPS_WITHIN_S):
            lane.started(group, started_wall)
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

    def decide_again(self) -> None:
        """Something else may hold now: a mute has ended, somebody has acknowledged, the hours of quiet are others."""
        for lane in self._lanes.values():
            held = [
                d for d in lane.deliveries.values() if d.lead is None and d.held not in (None, "grouped", "flapping")
            ]
            for delivery in held:
                lane.put(delivery._replace(due_wall=0.0))
            lane.turns.hasten(delivery.id for delivery in held)
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
                    due_at = self._due_at(delivery.due_wall)
                    lane.turns.add(Waiting(delivery.id, delivery.incident, delivery.user, delivery.critical, due_at))
                    lane.put(delivery)
                await self._step(lane)

    def _due_at(self, due_wall: float) -> float:
        """When that is, by the clock that never goes back; what is due by now has no time."""
        in_s = due_wall - self._wall()
        return self._clock() + in_s if in_s > 0.0 else 0.0

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

    async def _attempt(self, lane: Lane, first: Delivery) -> None:
        """Send a message of what is due, if it goes now."""
        now_wall, interval_s = self._wall(), lane.channel.group_interval_s
        due = [first]
        try:
            if interval_s and first.lead is None and first.held not in WAITED_TOGETHER:
                hold = self._waits(lane, first, now_wall)
                if hold is not None:
                    self._hold(lane, [first], hold)
                    return
            due = lane.with_it(first, now_wall) or [first]
            waited = {d.held for d in due} & {*WAITED_TOGETHER}
            going = await self._decided(lane, due, now_wall)
        except ChannelError as e:
            self._put_off(lane, due, e)
            return
        if not going:
            return
        deliveries = [delivery for delivery, _ in going]
        told = said_once([notification for _, notification in going])
        if first.lead is None and interval_s:
            has_flapped = "flapping" in waited
            is_start = has_flapped or not waited
            deliveries = self._lead(lane, deliveries, now_wall if is_start else None)
            for what in (deliveries[0].group, loop_of(told[0])) if is_start else ():
                lane.started(what, now_wall, times=FLAPS if has_flapped else 1)
            often = len(lately(lane.starts.get(loop_of(told[0]), ()), now_wall))
            if often >= FLAPS and may_loop(first.group):  # the message says that more is not told at once
                told = [replace(notification, times=often) for notification in told]
        before = self._outbox.handle(lane.name, told[0].id) if len(told) == 1 else None
        message = Message(told[0], lane.channel.memory, before, deliveries[0].done)
        is_bare = deliveries[0].id in lane.plain
        result = await _in_hand(lane, lambda: _sent(lane.channel, message, told, is_plain=is_bare))
        if isinstance(result, ChannelError):
            self._refused(lane, deliveries, told[0], result)
        else:
            self._outbox.mark(deliveries, "delivered", handle=result.handle if len(told) == 1 else None)
            self._done(lane, deliveries)
            self._well(lane)
            lane.pace.taken(self._clock())
            log.debug("channel %s: %d messages were taken as one: %s", lane.name, len(deliveries), result.said)

    def _waits(self, lane: Lane, first: Delivery, now_wall: float) -> Hold | None:
        """Until when a delivery waits for others. Raises ChannelError where it cannot be read."""
        starts, interval_s = lane.starts.get(first.group, ()), lane.channel.group_interval_s
        hold = hold_of(starts, now_wall, interval_s, may_flap=not first.critical and is_fault(first.group))
        if hold is None and len(starts) >= FLAPS and may_loop(first.group):
            about = self._outbox.notification(first.id)
            if about is not None:
                hold = hold_of_loop(about, lane.starts.get(loop_of(about), ()), now_wall, interval_s)
        return hold

    def _lead(self, lane: Lane, deliveries: Sequence[Delivery], started_wall: float | None) -> list[Delivery]:
        """What goes together now does so until it was taken, also after a restart: its peer knows it by its first."""
        leader = deliveries[0]
        self._outbox.lead(deliveries, leader, started_wall)
        for delivery in deliveries:
            lane.put(delivery._replace(lead=leader.id, group=leader.group))
        return [lane.deliveries[delivery.id] for delivery in deliveries]

    async def _decided(
        self, lane: Lane, due: Sequence[Delivery], now_wall: float
    ) -> list[tuple[Delivery, Notification]]:
        """Those that go now; the others wait, or are dropped. Raises ChannelError where they cannot be read."""
        going: list[tuple[Delivery, Notification]] = []
        others: dict[Hold | Drop, list[Delivery]] = {}
        dropped: set[str] = set()
        mutes = self._mutes()
        for at, delivery in enumerate(due, 1):
            notification = self._outbox.notification(delivery.id)
            if notification is None:  # of a store that is gone, or too old; what could be saved has another id
                self._done(lane, [delivery])
                continue
            is_new = is_plain(notification, mutes, delivery.after_s, delivery.held)
            told = Told() if is_new else self._outbox.told(lane.name, notification, now_wall)
            quiet = [window for window in lane.channel.quiet if notification.severity not in window.passes]
            decision = decide(
                notification,
                told._replace(kept_back=True) if notification.id in dropped else told,
                mutes=mutes,
                quiet_until=quiet_until(quiet, now_wall) if quiet else None,
                after_s=delivery.after_s,
                held=delivery.held,
                now_wall=now_wall,
            )
            if isinstance(decision, Tell):
                going.append((delivery, notification))
            else:
                others.setdefault(decision, []).append(delivery)
                dropped |= {notification.id} if isinstance(decision, Drop) else set()
            if at % AT_ONCE == 0:
                await asyncio.sleep(0)
        for decision, deliveries in others.items():
            if isinstance(decision, Hold):
                self._hold(lane, deliveries, decision)
            else:
                self._outbox.drop(deliveries, decision.why)
                self._done(lane, deliveries)
                log.info("channel %s: not told: %s (%d)", lane.name, decision.why, len(deliveries))
        return going

    def _hold(self, lane: Lane, deliveries: Sequence[Delivery], hold: Hold) -> None:
        """These wait, and are decided on again then."""
        if any(delivery.lead is not None for delivery in deliveries):
            self._outbox.lead(deliveries, None)
        self._outbox.hold(deliveries, hold.why, hold.until_wall, hold.together)
        due_at = self._due_at(hold.until_wall)
        for delivery in deliveries:
            group = hold.together or delivery.group
            lane.put(delivery._replace(held=hold.why, due_wall=hold.until_wall, group=group, lead=None))
            lane.turns.put_off(delivery.id, due_at, in_outage=False)
        level = logging.DEBUG if hold.why == "grouped" else logging.INFO
        until = datetime.fromtimestamp(hold.until_wall).astimezone()
        log.log(level, "channel %s: held until %s: %s (%d)", lane.name, f"{until:%F %T}", hold.why, len(deliveries))

    def _well(self, lane: Lane) -> None:
        if lane.failures:
            log.info("channel %s: takes messages again", lane.name)
        if lane.parked or lane.failures > 1:
            lane.open()
        lane.blamed |= lane.doubted
        lane.doubted.clear()
        lane.failures = 0

    def _refused(
        self, lane: Lane, deliveries: Sequence[Delivery], notification: Notification, error: ChannelError
    ) -> None:
        """Later, once more as a plain headline, each by itself, or never."""
        first = deliveries[0]
        is_its_own = error.refusal == "message" or (error.refusal == "channel" and first.id in lane.blamed)
        is_last = is_its_own and (first.id in lane.plain or lane.channel.limits.text is None)
        done = tuple(dict.fromkeys([*first.done, *error.done]))
        deliveries = [d._replace(attempts=d.attempts + 1, done=done) for d in deliveries]
        for delivery in deliveries:
            lane.put(delivery)
        is_dead = is_last and len(deliveries) == 1
        self._outbox.mark(deliveries, "dead" if is_dead else "pending", str(error))
        if is_dead:
            self._done(lane, deliveries)
            _log_dead(lane, notification, error)
        elif is_last:
            self._scatter(lane, deliveries)
        elif is_its_own:
            log.warning("channel %s: %s; the headline alone is sent", lane.name, error)
            lane.plain.add(first.id)
        elif error.refusal == "later":
            self._put_off(lane, deliveries, error)
        else:
            self._park(lane, deliveries, error)

    def _scatter(self, lane: Lane, deliveries: Sequence[Delivery]) -> None:
        """Together they were refused for good: it may be one of them."""
        self._outbox.lead(deliveries, None)
        lane.plain.discard(deliveries[0].id)
        for delivery in deliveries:
            lane.put(delivery._replace(lead=None))
            lane.alone.add(delivery.id)

    def _done(self, lane: Lane, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            lane.forget(delivery)

    def _put_off(self, lane: Lane, deliveries: Sequence[Delivery], error: ChannelError) -> None:
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
        due_at = now + max(asked_s, self._back_off(deliveries[0].attempts))
        for delivery in deliveries:
            lane.turns.put_off(delivery.id, due_at, in_outage=lane.failures > 1)

    def _park(self, lane: Lane, deliveries: Sequence[Delivery], error: ChannelError) -> None:
        """It takes nothing as it is configured, or nothing before a time: a quota's end."""
        now, is_quota = self._clock(), error.refusal == "until"
        probed_s = min(PROBED_S, retry_after(lane.failures + 1))
        lane.closed_until = now + (error.wait_s or PARKED_S if is_quota else probed_s)
        for delivery in deliveries:
            lane.turns.put_off(delivery.id, lane.closed_until if is_quota else now + PARKED_S, in_outage=True)
        if not is_quota:
            lane.doubted.add(deliveries[0].id)
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


def _goes_along(delivery: Delivery, first: Delivery, now_wall: float) -> bool:
    """Whether it goes with the first. What is flapping waits on when something else goes, which is then seen better."""
    return delivery.due_wall <= now_wall or delivery.held == "grouped" or delivery.held == first.held == "flapping"


def _age(number: int) -> tuple[bool, int]:
    """In which order deliveries came: those told from memory have ids below 0, which fall."""
    return number < 0, abs(number)


def _forget_starts(starts: dict[str, list[float]], now_wall: float) -> None:
    """Names of groups come from outside: those that matter no more are not kept."""
    if len(starts) > STARTS_MAX:
        for group in [name for name, times in starts.items() if now_wall - times[-1] > FLAPS_WITHIN_S]:
            del starts[group]
        while len(starts) > STARTS_MAX:
            del starts[next(iter(starts))]


def _sent(channel: Channel, message: Message, told: Sequence[Notification], *, is_plain: bool) -> Taken | ChannelError:
    """What came of saying the message and handing it over; whatever is raised is an error of the channel."""
    message = replace(message, notification=_said(channel, told))
    if is_plain:
        message = replace(message, notification=replace(message.notification, text=message.headline))
    return _tried(lambda: channel.send(message))


def _said(channel: Channel, told: Sequence[Notification]) -> Notification:
    """The notifications in words: in few and plain ones, if it is our own words that break on it."""
    first = told[0]
    if first.text:  # an earlier version put it into words before it was stored
        return first
    try:
        return channel.say(told)
    except Exception:
        log.exception("the message on %s (%s) could not be put into words", first.job, first.kind)
        return bare(first)


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
