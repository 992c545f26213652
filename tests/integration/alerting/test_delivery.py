"""The delivery loop with real threads, and an outbox that is a stand-in for the store: a list in memory."""

import asyncio
import contextlib
import logging
import threading
from dataclasses import replace

import pytest

from epochwatchd.alerting.delivery import Deliverer
from epochwatchd.model import ChannelError, Delivery

DEADLINE_S = 10.0


class ListOutbox:
    """Keeps what the store's outbox keeps, in the order it was put there, and refuses what the store would."""

    def __init__(self, *posts):
        self.rows = {post[0].id: post for post in posts}
        self.delivered, self.failed, self.dead = [], [], []
        self.is_broken = False
        self.changed = asyncio.Event()

    def pending(self, channel, after=0):
        self._work()
        return [d for d, _ in self.rows.values() if d.channel == channel and d.id > after][:2]

    def notification(self, delivery_id):
        self._work()
        return self.rows[delivery_id][1]

    def mark_delivered(self, delivery_id):
        self._work()
        del self.rows[delivery_id]
        self.delivered.append(delivery_id)
        self.changed.set()

    def mark_failed(self, delivery_id, error, *, dead):
        self._work()
        (self.dead if dead else self.failed).append((delivery_id, error))
        if dead:
            del self.rows[delivery_id]
        self.changed.set()

    def _work(self):
        if self.is_broken:
            self.changed.set()
            raise OSError("no space left on device")

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

    def __call__(self, notification):
        self.got.append(notification.run)
        if self.faults:
            raise self.faults.pop(0)
        return "ok"


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
        return "at last"


@contextlib.asynccontextmanager
async def delivering(outbox, **given):
    deliverer = Deliverer(outbox, **{"back_off": lambda _: 0.0, **given})
    deliverer.start()
    try:
        yield deliverer
    finally:
        await deliverer.stop(DEADLINE_S)


@pytest.fixture
def post(crash):
    """A delivery to the channel ``team`` and its message, whose run has its number for a name: peers see that."""

    def make(number, incident="x", channel="team"):
        return Delivery(number, channel, incident, "mina", critical=True), replace(crash, id=incident, run=str(number))

    return make


def test_what_waits_is_delivered_in_order(post):
    async def story():
        outbox, peer = ListOutbox(*map(post, range(1, 8))), Peer()
        async with delivering(outbox, sends={"team": peer}):
            await outbox.until(lambda: len(outbox.delivered) == 7)
        assert peer.got == list("1234567")

    asyncio.run(story())


def test_what_comes_later_is_delivered_when_woken(post):
    async def story():
        outbox, peer = ListOutbox(), Peer()
        async with delivering(outbox, sends={"team": peer}) as deliverer:
            for number in range(1, 50):
                outbox.rows[number] = post(number)
                deliverer.wake()
                await outbox.until(lambda n=number: outbox.delivered[-1:] == [n])
        assert len(peer.got) == 49

    asyncio.run(story())


def test_no_wake_up_is_lost_while_a_send_is_under_way(post):
    async def story():
        outbox, peer = ListOutbox(post(1)), HangingPeer()
        async with delivering(outbox, sends={"team": peer}) as deliverer:
            await asyncio.to_thread(peer.entered.wait, DEADLINE_S)
            outbox.rows[2] = post(2)
            deliverer.wake()
            peer.let_go.set()
            await outbox.until(lambda: outbox.delivered == [1, 2])
        assert peer.most_at_once == 1

    asyncio.run(story())


def test_a_failed_message_is_tried_again_and_none_of_its_incident_overtakes_it(post):
    async def story():
        outbox = ListOutbox(post(1, "x"), post(2, "x"), post(3, "y"))
        peer = Peer(ChannelError("no answer"), ChannelError("no answer"))
        async with delivering(outbox, sends={"team": peer}):
            await outbox.until(lambda: len(outbox.delivered) == 3)
        assert outbox.failed == [(1, "no answer"), (1, "no answer")]
        assert outbox.delivered.index(1) < outbox.delivered.index(2)

    asyncio.run(story())


def test_other_incidents_go_on_while_one_waits(post):
    async def story():
        outbox, peer = ListOutbox(post(1, "x"), post(2, "x"), post(3, "y")), Peer(ChannelError("no answer"))
        async with delivering(outbox, sends={"team": peer}, back_off=lambda _: 3600.0):
            await outbox.until(lambda: outbox.delivered)
        assert peer.got == ["1", "3"]

    asyncio.run(story())


def test_a_peer_that_asks_to_be_left_alone_gets_nothing_else_either(post):
    async def story():
        outbox = ListOutbox(post(1, "x"), post(2, "y"), post(3, "x", "other"))
        peer, other = Peer(ChannelError("answered 429", retry_after_s=3600.0)), Peer()
        async with delivering(outbox, sends={"team": peer, "other": other}) as deliverer:
            await outbox.until(lambda: outbox.failed and outbox.delivered == [3])
            deliverer.wake()
        assert peer.got == ["1"]

    asyncio.run(story())


def test_a_peer_that_asked_to_be_left_alone_is_tried_when_its_time_is_over(post):
    async def story():
        now = [100.0]
        outbox, peer = ListOutbox(post(1)), Peer(ChannelError("answered 429", retry_after_s=60.0))
        async with delivering(outbox, sends={"team": peer}, clock=lambda: now[0]) as deliverer:
            await outbox.until(lambda: outbox.failed)
            now[0] += 60.0
            deliverer.wake()
            await outbox.until(lambda: outbox.delivered == [1])

    asyncio.run(story())


def test_a_permanent_refusal_is_a_dead_letter_and_says_what_to_do(post, caplog):
    async def story():
        outbox, peer = ListOutbox(post(1), post(2)), Peer(ChannelError("answered 404 no_service", permanent=True))
        async with delivering(outbox, sends={"team": peer}):
            await outbox.until(lambda: outbox.delivered == [2])
        assert outbox.dead == [(1, "answered 404 no_service")]

    asyncio.run(story())
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "channel team: answered 404 no_service" in record.message
    assert "epochwatchd test-alert team" in record.message


def test_an_outage_is_logged_once_and_so_is_its_end(post, caplog):
    async def story():
        outbox = ListOutbox(post(1), post(2))
        peer = Peer(*[ChannelError("no answer")] * 5)
        async with delivering(outbox, sends={"team": peer}):
            await outbox.until(lambda: outbox.delivered == [1, 2])

    with caplog.at_level(logging.INFO):
        asyncio.run(story())
    assert [record.message for record in caplog.records] == [
        "channel team: no answer; it will be tried again until it works",
        "channel team: takes messages again",
    ]


@pytest.mark.parametrize("bug", [KeyError("geheim"), SystemExit("geheim"), ValueError()])
def test_a_bug_in_a_channel_is_named_and_loses_nothing(post, caplog, bug):
    async def story():
        outbox, peer = ListOutbox(post(1)), Peer(bug)
        async with delivering(outbox, sends={"team": peer}):
            await outbox.until(lambda: outbox.delivered == [1])

    asyncio.run(story())
    assert f"channel team: a bug in this channel: {type(bug).__name__} at test_delivery.py:" in caplog.text
    assert "geheim" not in caplog.text


def test_a_channel_that_hangs_delays_no_other_and_not_the_loop(post):
    async def story():
        outbox, hanging, peer = ListOutbox(post(1), post(2, channel="other")), HangingPeer(), Peer()
        async with delivering(outbox, sends={"team": hanging, "other": peer}):
            await outbox.until(lambda: outbox.delivered == [2])
            hanging.let_go.set()

    asyncio.run(story())


def test_stopping_lets_a_send_under_way_finish_and_be_marked(post):
    async def story():
        outbox, peer = ListOutbox(post(1), post(2)), HangingPeer()
        deliverer = Deliverer(outbox, {"team": peer})
        deliverer.start()
        await asyncio.to_thread(peer.entered.wait, DEADLINE_S)
        stopping = asyncio.create_task(deliverer.stop(DEADLINE_S))
        await asyncio.sleep(0)  # let it begin
        peer.let_go.set()
        await stopping
        assert outbox.delivered == [1]

    asyncio.run(story())


def test_stopping_does_not_wait_for_a_channel_that_hangs(post):
    peer = HangingPeer()

    async def story():
        outbox = ListOutbox(post(1))
        deliverer = Deliverer(outbox, {"team": peer})
        deliverer.start()
        await asyncio.to_thread(peer.entered.wait, DEADLINE_S)
        await deliverer.stop(0.01)
        assert outbox.delivered == []

    asyncio.run(story())
    peer.let_go.set()


def test_stopping_ends_what_waits_for_its_next_try(post):
    async def story():
        outbox = ListOutbox(post(1))
        async with delivering(outbox, sends={"team": Peer(ChannelError("no"))}, back_off=lambda _: 3600.0):
            await outbox.until(lambda: outbox.failed)

    asyncio.run(story())


def test_an_outbox_that_fails_for_a_while_sends_nothing_twice(post, caplog):
    async def story():
        outbox, peer = ListOutbox(post(1), post(2)), HangingPeer()
        async with delivering(outbox, sends={"team": peer}):
            await asyncio.to_thread(peer.entered.wait, DEADLINE_S)
            outbox.is_broken = True
            outbox.changed.clear()
            peer.let_go.set()
            await asyncio.wait_for(outbox.changed.wait(), DEADLINE_S)
            outbox.is_broken = False
            await outbox.until(lambda: outbox.delivered == [1, 2])

    asyncio.run(story())
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


def test_no_channels_is_nothing_to_do():
    async def story():
        async with delivering(ListOutbox(), sends={}) as deliverer:
            deliverer.wake()

    asyncio.run(story())
