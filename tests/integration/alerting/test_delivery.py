"""The delivery loop with real threads, and an outbox that is a stand-in for the store: a list in memory."""

import asyncio
import logging
import threading
from dataclasses import replace

import pytest
from delivering import DEADLINE_S, HangingPeer, ListOutbox, Peer, channel, channels, delivering
from telling import DictMemory

from epochwatchd.alerting.delivery import PARKED_S, PROBED_S, REFRESH_EVERY_S, Channel, Deliverer
from epochwatchd.model import ChannelError, Delivery, Limits, Taken


@pytest.fixture
def post(crash_told):
    """A delivery to the channel ``team``; its run's name is its number, so that a peer can tell them apart."""

    def make(number, incident="x", channel="team"):
        message = replace(crash_told, id=incident, run=str(number))
        return Delivery(number, channel, incident, "mina", critical=True), message

    return make


def test_what_waits_is_delivered_in_order(post):
    async def story():
        outbox, peer = ListOutbox(*map(post, range(1, 8))), Peer()
        async with delivering(outbox, channels=channels(team=peer)):
            await outbox.until(lambda: len(outbox.delivered) == 7)
        assert peer.got == list("1234567")

    asyncio.run(story())


def test_what_comes_later_is_delivered_when_woken(post):
    async def story():
        outbox, peer = ListOutbox(), Peer()
        async with delivering(outbox, channels=channels(team=peer)) as deliverer:
            for number in range(1, 50):
                outbox.put(post(number))
                deliverer.wake()
                await outbox.until(lambda n=number: outbox.delivered[-1:] == [n])
        assert len(peer.got) == 49

    asyncio.run(story())


def test_no_wake_up_is_lost_while_a_send_is_under_way(post):
    async def story():
        outbox, peer = ListOutbox(post(1)), HangingPeer()
        async with delivering(outbox, channels=channels(team=peer)) as deliverer:
            await asyncio.to_thread(peer.entered.wait, DEADLINE_S)
            outbox.put(post(2))
            deliverer.wake()
            peer.let_go.set()
            await outbox.until(lambda: outbox.delivered == [1, 2])
        assert peer.most_at_once == 1

    asyncio.run(story())


def test_a_failed_message_is_tried_again_and_none_of_its_incident_overtakes_it(post):
    async def story():
        outbox = ListOutbox(post(1, "x"), post(2, "x"), post(3, "y"))
        peer = Peer(ChannelError("no answer"), ChannelError("no answer"))
        async with delivering(outbox, channels=channels(team=peer)):
            await outbox.until(lambda: len(outbox.delivered) == 3)
        assert outbox.failed == [(1, "no answer"), (1, "no answer")]
        assert outbox.delivered.index(1) < outbox.delivered.index(2)

    asyncio.run(story())


def test_other_incidents_go_on_while_one_waits(post):
    async def story():
        outbox, peer = ListOutbox(post(1, "x"), post(2, "x"), post(3, "y")), Peer(ChannelError("no answer"))
        async with delivering(outbox, channels=channels(team=peer), back_off=lambda _: 3600.0):
            await outbox.until(lambda: outbox.delivered)
        assert peer.got == ["1", "3"]

    asyncio.run(story())


def test_a_peer_that_asks_to_be_left_alone_gets_nothing_else_either(post):
    async def story():
        outbox = ListOutbox(post(1, "x"), post(2, "y"), post(3, "x", "other"))
        peer, other = Peer(ChannelError("answered 429", wait_s=3600.0)), Peer()
        async with delivering(outbox, channels=channels(team=peer, other=other)) as deliverer:
            await outbox.until(lambda: outbox.failed and outbox.delivered == [3])
            deliverer.wake()
        assert peer.got == ["1"]

    asyncio.run(story())


def test_a_peer_that_asked_to_be_left_alone_is_tried_when_its_time_is_over(post):
    async def story():
        now = [100.0]
        outbox, peer = ListOutbox(post(1)), Peer(ChannelError("answered 429", wait_s=60.0))
        async with delivering(outbox, channels=channels(team=peer), clock=lambda: now[0]) as deliverer:
            await outbox.until(lambda: outbox.failed)
            now[0] += 60.0
            deliverer.wake()
            await outbox.until(lambda: outbox.delivered == [1])

    asyncio.run(story())


def test_a_message_that_is_not_taken_is_sent_once_more_as_a_headline_and_is_then_a_dead_letter(post, caplog):
    async def story():
        outbox, texts = ListOutbox(post(1), post(2)), []

        def peer(message):
            texts.append(message.text)
            if message.notification.run == "1":
                raise ChannelError("answered 400 invalid", "message")
            return Taken("ok")

        async with delivering(outbox, channels=channels(team=peer)):
            await outbox.until(lambda: outbox.delivered == [2])
        assert outbox.dead == [(1, "answered 400 invalid")]
        assert [text.count("\n") for text in texts[:2]] == [texts[0].count("\n"), 0]
        assert texts[1] == texts[0].partition("\n")[0]

    asyncio.run(story())
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "channel team: answered 400 invalid" in record.message
    assert "epochwatchd test-alert team" in record.message


def test_a_machine_gets_everything_or_nothing(post):
    async def story():
        outbox, peer = ListOutbox(post(1), post(2)), Peer(ChannelError("answered 422", "message"))
        async with delivering(outbox, channels=channels(hook=channel(peer, Limits()), team=peer)) as deliverer:
            deliverer.reconfigure(channels(team=channel(peer, Limits())))
            await outbox.until(lambda: outbox.delivered == [2])
        assert outbox.dead == [(1, "answered 422")]
        assert peer.got == ["1", "2"]

    asyncio.run(story())


def test_a_channel_that_takes_nothing_is_parked_and_tried_again_after_a_day(post, caplog):
    async def story():
        now = [100.0]
        outbox, peer = ListOutbox(post(1), post(2, "y")), Peer(ChannelError("answered 404 no_service", "channel"))
        async with delivering(outbox, channels=channels(team=peer), clock=lambda: now[0]) as deliverer:
            await outbox.until(lambda: outbox.failed)
            assert deliverer.parked() == {"team": "answered 404 no_service"}
            deliverer.wake()
            now[0] += PARKED_S
            deliverer.wake()
            await outbox.until(lambda: sorted(outbox.delivered) == [1, 2])
            assert deliverer.parked() == {}
        assert len(peer.got) == 3

    asyncio.run(story())
    assert "epochwatchd test-alert team" in caplog.text


def test_a_message_that_a_channel_refuses_like_a_wrong_token_silences_nobody_else(post):
    """A word in it may be enough: some firewalls answer 403 to what looks like an attack."""

    async def story():
        now, outbox, got = [100.0], ListOutbox(post(1, "x"), post(2, "y"), post(3, "z")), []

        def peer(message):
            got.append((message.notification.run, "\n" in message.text))
            if message.notification.run == "1":
                raise ChannelError("answered 403", "channel")
            return Taken("ok")

        async with delivering(outbox, channels=channels(team=peer), clock=lambda: now[0]) as deliverer:
            await outbox.until(lambda: outbox.failed)
            now[0] += PROBED_S
            deliverer.wake()
            await outbox.until(lambda: outbox.dead)
            await outbox.until(lambda: sorted(outbox.delivered) == [2, 3])
            assert deliverer.parked() == {}
        assert outbox.dead == [(1, "answered 403")]
        assert sorted(got) == [("1", False), ("1", True), ("1", True), ("2", True), ("3", True)]

    asyncio.run(story())


def test_a_parked_channel_gets_a_new_message_once_a_minute_at_most_and_the_old_ones_when_it_takes_one(post):
    async def story():
        now, outbox = [100.0], ListOutbox(post(1, "x"))
        peer = Peer(*[ChannelError("answered 401", "channel")] * 2)
        async with delivering(outbox, channels=channels(team=peer), clock=lambda: now[0]) as deliverer:
            await outbox.until(lambda: len(outbox.failed) == 1)
            outbox.put(post(2, "y"))
            deliverer.wake()
            now[0] += PROBED_S
            deliverer.wake()
            await outbox.until(lambda: len(outbox.failed) == 2)
            assert deliverer.parked() == {"team": "answered 401"}
            now[0] += PROBED_S
            outbox.put(post(3, "z"))
            deliverer.wake()
            await outbox.until(lambda: sorted(outbox.delivered) == [1, 2, 3])
        assert peer.got[:3] == ["1", "2", "3"]

    asyncio.run(story())


def test_a_parked_channel_is_tried_again_when_the_configuration_is_read(post):
    async def story():
        outbox, peer = ListOutbox(post(1)), Peer(ChannelError("answered 401", "channel"))
        async with delivering(outbox, channels=channels(team=peer)) as deliverer:
            await outbox.until(lambda: outbox.failed)
            deliverer.reconfigure(channels(team=peer))
            await outbox.until(lambda: outbox.delivered == [1])

    asyncio.run(story())


def test_a_quota_is_waited_for_however_long(post):
    async def story():
        now = [100.0]
        outbox, peer = ListOutbox(post(1)), Peer(ChannelError("used up", "until", wait_s=20 * 86400.0))
        async with delivering(outbox, channels=channels(team=peer), clock=lambda: now[0]) as deliverer:
            await outbox.until(lambda: outbox.failed)
            now[0] += 19 * 86400.0
            deliverer.wake()
            await asyncio.sleep(0)
            assert peer.got == ["1"]
            now[0] += 86400.0
            deliverer.wake()
            await outbox.until(lambda: outbox.delivered == [1])

    asyncio.run(story())


def test_the_handle_of_an_incidents_first_message_comes_with_the_later_ones(post):
    async def story():
        outbox, before = ListOutbox(post(1, "x"), post(2, "x"), post(3, "y")), {}

        def peer(message):
            before[message.notification.run] = message.before
            return Taken("ok", f"handle {message.notification.run}")

        async with delivering(outbox, channels=channels(team=peer)):
            await outbox.until(lambda: len(outbox.delivered) == 3)
        assert before == {"1": None, "2": "handle 1", "3": None}

    asyncio.run(story())


def test_recipients_that_were_served_are_not_asked_again(post):
    async def story():
        outbox, asked = ListOutbox(post(1)), []

        def peer(message):
            asked.append(message.done)
            if len(asked) < 3:
                raise ChannelError("450", done=("abc"[len(asked) - 1],))
            return Taken("ok")

        async with delivering(outbox, channels=channels(team=peer)):
            await outbox.until(lambda: outbox.delivered == [1])
        assert asked == [(), ("a",), ("a", "b")]

    asyncio.run(story())


def test_what_cannot_be_put_into_words_is_told_in_a_few_plain_ones(post, caplog):
    async def story():
        outbox, texts = ListOutbox(post(1)), []

        def breaks(_):
            raise ZeroDivisionError

        def peer(message):
            texts.append(message.text)
            return Taken("ok")

        team = Channel(peer, breaks, Limits(4000), DictMemory())
        async with delivering(outbox, channels={"team": team}):
            await outbox.until(lambda: outbox.delivered == [1])
        assert texts == ["resnet50 <é>: crashed (firing) signal"]

    asyncio.run(story())
    assert "could not be put into words" in caplog.text


def test_what_an_earlier_version_put_into_words_is_sent_as_it_is(post, crash):
    async def story():
        delivery, _ = post(1)
        outbox, texts = ListOutbox((delivery, replace(crash, text="as it was"))), []
        async with delivering(outbox, channels=channels(team=lambda m: texts.append(m.text) or Taken("ok"))):
            await outbox.until(lambda: outbox.delivered == [1])
        assert texts == ["as it was"]

    asyncio.run(story())


def test_a_mirror_is_refreshed_each_minute_with_what_is_open():
    async def story():
        now, seen, outbox = [100.0], [], ListOutbox()
        outbox.open = frozenset({"x"})
        refreshed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def refresh(_memory, open_incidents):
            seen.append(open_incidents)
            loop.call_soon_threadsafe(refreshed.set)

        mirror = channel(Peer(), Limits(), refresh=refresh)
        async with delivering(outbox, channels={"am": mirror}, clock=lambda: now[0]) as deliverer:
            await asyncio.wait_for(refreshed.wait(), DEADLINE_S)
            refreshed.clear()
            deliverer.wake()
            now[0] += REFRESH_EVERY_S
            deliverer.wake()
            await asyncio.wait_for(refreshed.wait(), DEADLINE_S)
        assert seen == [frozenset({"x"})] * 2

    asyncio.run(story())


def test_the_last_day_of_a_login_is_known_until_it_was_renewed():
    async def story():
        now, days = [100.0], ["2026-12-04"]
        kakao = channel(Peer(), refresh=lambda *_: days.pop() if days else None)
        async with delivering(ListOutbox(), channels={"kakao": kakao}, clock=lambda: now[0]) as deliverer:
            for expected in ({"kakao": "2026-12-04"}, {}):
                while deliverer.last_days() != expected:
                    deliverer.wake()
                    await asyncio.sleep(0.001)  # the refresh happens in a thread, and nothing comes of it
                now[0] += REFRESH_EVERY_S

    asyncio.run(story())


def test_a_refresh_that_goes_well_does_not_say_that_messages_are_taken(post):
    async def story():
        now, outbox, refreshed = [100.0], ListOutbox(post(1)), []
        peer = Peer(*[ChannelError("answered 403 -402", "channel")] * 9)
        talk = channel(peer, refresh=lambda *_: refreshed.append(1))
        async with delivering(outbox, channels={"team": talk}, clock=lambda: now[0]) as deliverer:
            await outbox.until(lambda: outbox.failed)
            while len(refreshed) < 3:
                now[0] += REFRESH_EVERY_S
                deliverer.wake()
                await asyncio.sleep(0.001)  # the refresh happens in a thread, and nothing comes of it
            assert deliverer.parked() == {"team": "answered 403 -402"}
        assert (peer.got, outbox.dead) == (["1"], [])

    asyncio.run(story())


def test_no_thread_a_message(post):
    async def story():
        outbox, names = ListOutbox(*(post(n, f"incident {n}") for n in range(1, 30))), set()

        def peer(_):
            names.add(threading.get_ident())
            return Taken("ok")

        async with delivering(outbox, channels=channels(team=peer)):
            await outbox.until(lambda: len(outbox.delivered) == 29)
        assert len(names) == 1

    asyncio.run(story())


def test_an_outage_is_logged_once_and_so_is_its_end(post, caplog):
    async def story():
        outbox = ListOutbox(post(1), post(2))
        peer = Peer(*[ChannelError("no answer")] * 5)
        async with delivering(outbox, channels=channels(team=peer)):
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
        async with delivering(outbox, channels=channels(team=peer)):
            await outbox.until(lambda: outbox.delivered == [1])

    asyncio.run(story())
    assert f"channel team: a bug in this channel: {type(bug).__name__} at delivering.py:" in caplog.text
    assert "geheim" not in caplog.text


def test_a_channel_that_hangs_delays_no_other_and_not_the_loop(post):
    async def story():
        outbox, hanging, peer = ListOutbox(post(1), post(2, channel="other")), HangingPeer(), Peer()
        async with delivering(outbox, channels=channels(team=hanging, other=peer)):
            await outbox.until(lambda: outbox.delivered == [2])
            hanging.let_go.set()

    asyncio.run(story())


def test_stopping_lets_a_send_under_way_finish_and_be_marked(post):
    async def story():
        outbox, peer = ListOutbox(post(1), post(2)), HangingPeer()
        deliverer = Deliverer(outbox, channels(team=peer))
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
        deliverer = Deliverer(outbox, channels(team=peer))
        deliverer.start()
        await asyncio.to_thread(peer.entered.wait, DEADLINE_S)
        await deliverer.stop(0.01)
        assert outbox.delivered == []

    asyncio.run(story())
    peer.let_go.set()


def test_stopping_ends_what_waits_for_its_next_try(post):
    async def story():
        outbox = ListOutbox(post(1))
        async with delivering(outbox, channels=channels(team=Peer(ChannelError("no"))), back_off=lambda _: 3600.0):
            await outbox.until(lambda: outbox.failed)

    asyncio.run(story())


def test_a_message_that_cannot_be_read_right_now_is_tried_again(post):
    async def story():
        outbox, peer = ListOutbox(post(1)), Peer()
        outbox.unreadable = [ChannelError("the message cannot be read: disk I/O error")]
        async with delivering(outbox, channels=channels(team=peer)):
            await outbox.until(lambda: outbox.delivered == [1])
        assert outbox.failed == []

    asyncio.run(story())


def test_a_message_of_a_store_that_is_gone_holds_up_nothing(post):
    async def story():
        outbox, peer = ListOutbox(post(1), post(2)), Peer()
        gone, _ = post(3, "z")
        outbox.rows = {3: (gone, None), **outbox.rows}
        async with delivering(outbox, channels=channels(team=peer)):
            await outbox.until(lambda: outbox.delivered == [1, 2])

    asyncio.run(story())


def test_when_a_channel_works_again_what_waited_for_it_goes_at_once(post):
    async def story():
        outbox = ListOutbox(*(post(number, f"incident {number}") for number in range(1, 6)))
        peer, now = Peer(*[ChannelError("no answer")] * 5), [100.0]
        async with delivering(
            outbox, channels=channels(team=peer), clock=lambda: now[0], back_off=lambda _: 300.0
        ) as deliverer:
            await outbox.until(lambda: len(outbox.failed) == 5)
            now[0] += 300.0
            deliverer.wake()
            await outbox.until(lambda: len(outbox.delivered) == 5)

    asyncio.run(story())


def test_one_message_that_is_never_taken_is_not_hurried_by_the_others(post):
    async def story():
        outbox = ListOutbox(*(post(number, f"incident {number}") for number in range(1, 6)))
        taken = []

        def peer(message):
            if message.notification.run == "1":
                raise ChannelError("answered 500")
            taken.append(message.notification.run)
            return Taken("ok")

        async with delivering(outbox, channels=channels(team=peer), back_off=lambda _: 3600.0):
            await outbox.until(lambda: len(outbox.delivered) == 4)
        assert outbox.failed == [(1, "answered 500")]

    asyncio.run(story())


def test_channels_come_and_go_with_a_new_configuration(post):
    async def story():
        outbox, old, new = ListOutbox(post(1), post(2, channel="other")), Peer(), Peer()
        async with delivering(outbox, channels=channels(team=old)) as deliverer:
            await outbox.until(lambda: outbox.delivered == [1])
            deliverer.reconfigure(channels(other=new))
            await outbox.until(lambda: outbox.delivered == [1, 2])
            outbox.put(post(3))
            deliverer.wake()
            outbox.put(post(4, channel="other"))
            deliverer.wake()
            await outbox.until(lambda: outbox.delivered == [1, 2, 4])
        assert (old.got, new.got) == (["1"], ["2", "4"])

    asyncio.run(story())


def test_no_channels_is_nothing_to_do():
    async def story():
        async with delivering(ListOutbox(), channels=channels()) as deliverer:
            deliverer.wake()

    asyncio.run(story())
