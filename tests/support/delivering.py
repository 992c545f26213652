"""What the delivery loop is tried with: an outbox that is a stand-in for the ledger's, peers, channels."""

import asyncio
import contextlib
import threading
from functools import partial

from telling import DictMemory

from epochwatchd.alerting.delivery import Channel, Deliverer
from epochwatchd.alerting.rendering import render
from epochwatchd.alerting.together import together
from epochwatchd.model import Limits, Taken, Told

DEADLINE_S = 10.0


class ListOutbox:
    """Keeps what the ledger's outbox keeps, in the order it was put there, and gives everything once."""

    def __init__(self, *posts):
        self.rows = {delivery.id: (delivery, message) for delivery, message in posts}
        self.given = set()
        self.delivered, self.failed, self.dead = [], [], []
        self.unreadable, self.handles, self.open = [], {}, frozenset()
        self.held, self.dropped, self.led, self.started, self.known = [], [], [], [], {}
        self.changed = asyncio.Event()

    def put(self, post):
        self.rows[post[0].id] = post

    def fresh(self, channel):
        new = [d for d, _ in self.rows.values() if d.channel == channel and d.id not in self.given]
        self.given.update(d.id for d in new)
        return new

    def notification(self, delivery_id):
        if self.unreadable:
            raise self.unreadable.pop()
        return self.rows[delivery_id][1] if delivery_id in self.rows else None

    def handle(self, channel, incident):
        return self.handles.get((channel, incident))

    def open_incidents(self):
        return self.open

    def starts(self, _, since_wall):
        return [one for one in self.started if one[1] > since_wall]

    def told(self, _, about, __):
        return self.known.get(about.id, Told())

    def lead(self, deliveries, leader, started_wall=None):
        self.led.append(([d.id for d in deliveries], leader and leader.id))
        for delivery in deliveries:
            self.rows[delivery.id] = delivery._replace(lead=leader and leader.id), self.rows[delivery.id][1]
        if started_wall is not None:
            self.started.append((leader.group, started_wall))

    def hold(self, deliveries, why, due_wall, group):
        self.held += [(d.id, why, due_wall) for d in deliveries]
        for delivery in deliveries:
            now = delivery._replace(held=why, due_wall=due_wall, lead=None, group=group or delivery.group)
            self.rows[delivery.id] = now, self.rows[delivery.id][1]
        self.changed.set()

    def drop(self, deliveries, why):
        self.dropped += [(d.id, why) for d in deliveries]
        for delivery in deliveries:
            del self.rows[delivery.id]
        self.changed.set()

    def mark(self, deliveries, state, error=None, handle=None):
        for delivery in deliveries:
            if state == "delivered":
                self.delivered.append(delivery.id)
                if handle is not None:
                    self.handles.setdefault((delivery.channel, delivery.incident), handle)
            else:
                (self.dead if state == "dead" else self.failed).append((delivery.id, error))
            if state != "pending":
                del self.rows[delivery.id]
        self.changed.set()

    async def until(self, condition):
        """Wait for the outbox to become so."""

        async def watch():
            while not condition():
                self.changed.clear()
                await self.changed.wait()

        await asyncio.wait_for(watch(), DEADLINE_S)


class Peer:
    """A channel's other end: keeps what it is sent; ``faults`` are raised first, one each."""

    def __init__(self, *faults):
        self.faults = list(faults)
        self.got = []

    def __call__(self, message):
        self.got.append(message.notification.run)
        if self.faults:
            raise self.faults.pop(0)
        return Taken("ok")


class HangingPeer:
    """One that answers when it is let go, and says how many sends it ever saw at once."""

    def __init__(self):
        self.entered, self.let_go = threading.Event(), threading.Event()
        self.at_once = self.most_at_once = 0

    def __call__(self, _):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.entered.set()
        self.let_go.wait(DEADLINE_S)
        self.at_once -= 1
        return Taken("at last")


FOR_PEOPLE = Limits(4000)


def in_english(notification):
    return render(notification, "en")


def channel(send, limits=FOR_PEOPLE, **more):
    return Channel(send, partial(together, say=in_english, language="en", zone=None), limits, DictMemory(), **more)


def channels(**sends):
    return {name: send if isinstance(send, Channel) else channel(send) for name, send in sends.items()}


@contextlib.asynccontextmanager
async def delivering(outbox, **given):
    deliverer = Deliverer(outbox, **{"back_off": lambda _: 0.0, **given})
    deliverer.start()
    try:
        yield deliverer
    finally:
        await deliverer.stop(DEADLINE_S)
