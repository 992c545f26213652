"""What is told together, waits or is dropped: the delivery loop over a real ledger, on a clock that the test moves."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace

import pytest
from builders import incident
from delivering import DEADLINE_S, channel
from stored import ROW

from epochwatchd.alerting import delivery
from epochwatchd.alerting.deciding import Muted
from epochwatchd.alerting.delivery import Deliverer
from epochwatchd.alerting.hand import Hand
from epochwatchd.config import Match, Quiet
from epochwatchd.model import ChannelError, Limits, Moment, Mute, Notice, Taken
from epochwatchd.store import Record, Store
from epochwatchd.store.attention import Ack
from epochwatchd.store.ledger import Ledger

START = 1_800_000_000.0
GROUPED = {"group_interval_s": 30.0}


class Peer:
    """Keeps the texts and keys that it is sent; ``faults`` are raised first, one each."""

    def __init__(self, *faults):
        self.faults, self.got = list(faults), []

    def __call__(self, message):
        self.got.append(message)
        if self.faults and (fault := self.faults.pop(0)):
            raise fault
        return Taken("ok", f"handle {len(self.got)}")

    @property
    def headlines(self):
        return [message.headline for message in self.got]


class World:
    """A ledger, what delivers from it, and the time."""

    def __init__(self, path, crash):
        self.path, self.now, self.mutes, self._crash = path, START, [], crash
        self.ledger = self.opened()

    def opened(self):
        return Ledger(Store(self.path, "this boot", clock=lambda: self.now))

    def happens(self, *names, channels=("team",), after_s=None, opened=True, **changes):
        """These incidents begin, or what the changes say of them."""
        told = [replace(self._crash, **{"id": name, "job": name, "run": name, **changes}) for name in names]
        user, job = changes.get("user", "mina"), changes.get("job", ROW.job)
        row = replace(ROW, key=f"{user} {job}", user=user, job=job)
        is_over = changes.get("status") == "resolved"
        began = [replace(incident(), id=name, run_key=row.key) for name in names] if opened else []
        notices = [Notice(n, list(channels), after_s) for n in told]
        record = Record(row, opened=began, closed=began if is_over else [], notices=notices)
        assert self.ledger.record([record], Moment(self.now, self.now)) == []

    def states(self, what="state"):
        return Counter(row[0] for row in self.ledger._store._db.execute(f"SELECT {what} FROM delivery"))

    @contextlib.asynccontextmanager
    async def delivering(self, **channels):
        deliverer = Deliverer(
            self.ledger,
            channels,
            clock=lambda: self.now,
            wall=lambda: self.now,
            back_off=lambda _: 1.0,
            mutes=lambda: self.mutes,
        )
        deliverer.start()
        try:
            yield deliverer
        finally:
            await deliverer.stop(DEADLINE_S)

    async def pass_(self, deliverer, seconds=0.0):
        """So much time passes, and everything is done that is due."""
        self.now += seconds
        deliverer.wake()
        for _ in range(1000):
            await asyncio.sleep(0)


async def at_once(_, call):
    """In place of a thread's: then there is nothing to wait for."""
    return call()


@pytest.fixture
def world(tmp_path, crash_told, monkeypatch):
    monkeypatch.setattr(Hand, "do", at_once)
    return World(tmp_path / "epochwatch.db", crash_told)


def forty(prefix="run"):
    return [f"{prefix}-{number}" for number in range(40)]


def test_forty_deaths_are_two_messages_and_another_users_one_is_told_at_once(world):
    async def story():
        peer = Peer()
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            world.happens("run-0")
            await world.pass_(deliverer)
            world.happens(*forty()[1:])
            world.happens("other", user="jiho")
            await world.pass_(deliverer, 1.0)
            assert [line.partition(":")[0] for line in peer.headlines] == [
                "💀 run-0 crashed on gpu01", "💀 other crashed on gpu01",
            ]  # fmt: skip
            await world.pass_(deliverer, 28.0)
            assert len(peer.got) == 2
            await world.pass_(deliverer, 1.0)
        assert peer.headlines[2] == "💀 39 runs crashed on gpu01: killed by SIGKILL"
        assert "Runs: run-1 … run-39\n" in peer.got[2].text
        assert "epochwatch ack run-" in peer.got[2].text
        assert len(peer.got) == 3
        assert world.states() == {"delivered": 41}

    asyncio.run(story())


def test_the_message_of_many_starts_no_interval(world):
    async def story():
        peer = Peer()
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            world.happens("a")
            await world.pass_(deliverer)
            world.happens("b", "c")
            await world.pass_(deliverer, 1.0)
            await world.pass_(deliverer, 29.0)
            world.happens("d")
            await world.pass_(deliverer, 1.0)
        assert [message.notification.job for message in peer.got] == ["a", "b", "d"]

    asyncio.run(story())


def test_what_came_and_went_before_it_was_told_is_one_line(world):
    async def story():
        peer = Peer()
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            world.happens("a", kind="silent")
            await world.pass_(deliverer)
            world.happens("b", kind="silent")
            await world.pass_(deliverer, 1.0)
            world.happens("b", kind="silent", status="resolved", reason="resolved")
            await world.pass_(deliverer, 10.0)
            assert len(peer.got) == 1
            await world.pass_(deliverer, 20.0)
        assert len(peer.got) == 2
        assert peer.headlines[1].startswith("🟢 [came and went] b is moving again")

    asyncio.run(story())


def test_machines_get_everything_at_once(world):
    async def story():
        peer = Peer()
        async with world.delivering(team=channel(peer, Limits(people=False))) as deliverer:
            world.happens(*forty())
            await world.pass_(deliverer)
        assert len(peer.got) == 40

    asyncio.run(story())


def test_a_restart_changes_nothing(world):
    async def story():
        peer = Peer()
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            world.happens("a")
            await world.pass_(deliverer)
            world.happens("b", "c")
            await world.pass_(deliverer, 1.0)
        world.ledger.close()
        world.ledger = world.opened()
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            world.happens("d")
            await world.pass_(deliverer, 1.0)
            assert len(peer.got) == 1
            await world.pass_(deliverer, 28.0)
        assert peer.headlines[1].startswith("💀 3 runs crashed")

    asyncio.run(story())


def test_what_may_have_been_taken_goes_again_as_it_was_and_takes_nothing_new_along(world):
    """A peer that knows the key of a message takes it once: another under that key would be lost."""

    async def story():
        peer = Peer(None, ChannelError("no answer"))
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            world.happens("a")
            await world.pass_(deliverer)
            world.happens("b", "c")
            await world.pass_(deliverer, 1.0)
            await world.pass_(deliverer, 29.0)
            assert peer.headlines[1].startswith("💀 2 runs")
        world.ledger.close()
        world.ledger = world.opened()
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            world.happens("d")
            await world.pass_(deliverer, 1.0)
            await world.pass_(deliverer, 60.0)
        assert peer.got[2].key == peer.got[1].key
        assert peer.got[2].text == peer.got[1].text
        assert [message.notification.job for message in peer.got[3:]] == ["d"]

    asyncio.run(story())


def test_what_is_refused_together_is_sent_one_by_one(world):
    async def story():
        refused = ChannelError("answered 422", "message")
        peer = Peer(None, refused, refused)
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            world.happens("a")
            await world.pass_(deliverer)
            world.happens("b", "c")
            await world.pass_(deliverer, 1.0)
            await world.pass_(deliverer, 30.0)
            await world.pass_(deliverer, 60.0)
        assert [message.notification.job for message in peer.got[3:]] == ["b", "c"]
        assert world.states() == {"delivered": 3}

    asyncio.run(story())


def test_after_an_outage_what_waited_is_a_message_a_group(world):
    async def story():
        peer = Peer(*[ChannelError("no answer")] * 2)
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            for name in forty():
                world.happens(name)
                await world.pass_(deliverer, 0.01)
            await world.pass_(deliverer, 3600.0)
            await world.pass_(deliverer, 3600.0)
        assert len(peer.got) <= 5
        assert world.states() == {"delivered": 40}

    asyncio.run(story())


NIGHT = Quiet(22 * 60, 8 * 60, None)


def test_a_night_is_one_message_in_the_morning_and_what_is_critical_is_told(world, monkeypatch):
    morning = START + 3600.0
    monkeypatch.setattr(delivery, "quiet_until", lambda *_: morning if world.now < morning else None)

    async def story():
        peer = Peer()
        async with world.delivering(team=channel(peer, quiet=[NIGHT], **GROUPED)) as deliverer:
            world.happens("slow", kind="overdue", severity="warning")
            world.happens("nan", kind="diverged", severity="warning", user="jiho")
            world.happens("dead")
            await world.pass_(deliverer)
            world.happens("slow", kind="overdue", severity="warning", status="resolved", reason="resolved")
            await world.pass_(deliverer, 600.0)
            assert [message.notification.job for message in peer.got] == ["dead"]
            assert world.states("why")["quiet"] == 2
            await world.pass_(deliverer, 3000.0)
        assert peer.headlines[1] == "📬 2 messages on gpu01"
        assert "🟢 [came and went] slow" in peer.got[1].text
        assert "📈 nan" in peer.got[1].text

    asyncio.run(story())


def test_a_mute_that_ends_while_the_fault_is_open(world):
    async def story():
        peer = Peer()
        world.mutes = [Muted(Mute("3f2a", {}, START, START + 7200.0, "mina", "why"), Match(job=("a*",)))]
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            world.happens("a1", "a2", kind="silent")
            world.happens("b", kind="silent", user="jiho")
            await world.pass_(deliverer)
            world.happens("a2", kind="silent", status="resolved", reason="resolved")
            await world.pass_(deliverer, 60.0)
            assert [message.notification.job for message in peer.got] == ["b"]
            await world.pass_(deliverer, 7140.0)
        assert [message.notification.job for message in peer.got] == ["b", "a1"]
        assert world.states() == {"delivered": 2, "dropped": 2}

    asyncio.run(story())


def test_what_is_held_is_not_called_undelivered(world):
    async def story():
        world.mutes = [Muted(Mute("3f2a", {}, START, START + 7200.0, "mina", "why"), Match())]
        async with world.delivering(team=channel(Peer(), **GROUPED)) as deliverer:
            world.happens("a", kind="silent")
            await world.pass_(deliverer)
            assert world.ledger.pending_counts() == {("team", "held"): 1}

    asyncio.run(story())


def test_a_clock_that_is_set_back_stops_nothing(world):
    async def story():
        peer, mono = Peer(), [START]
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            deliverer._clock = lambda: mono[0]
            world.happens("a")
            await world.pass_(deliverer)
            world.happens("b")
            await world.pass_(deliverer, 1.0)
            mono[0] += 30.0
            await world.pass_(deliverer, -3600.0)
            world.happens("c", user="jiho")
            await world.pass_(deliverer)
        assert sorted(message.notification.job for message in peer.got) == ["a", "b", "c"]

    asyncio.run(story())


def test_a_mute_that_is_taken_back_is_over_at_once(world):
    async def story():
        peer = Peer()
        world.mutes = [Muted(Mute("3f2a", {}, START, START + 7200.0, "mina", "why"), Match())]
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            world.happens("a", kind="silent")
            await world.pass_(deliverer)
            world.mutes = []
            deliverer.decide_again()
            await world.pass_(deliverer, 1.0)
        assert peer.headlines[0].startswith("🔇 a is stuck")

    asyncio.run(story())


def test_who_is_not_heard_of_is_escalated_from_the_first_message_that_was_taken(world):
    async def story():
        team, phone = Peer(ChannelError("no answer")), Peer()
        async with world.delivering(team=channel(team, **GROUPED), phone=channel(phone, **GROUPED)) as deliverer:
            world.happens("a")
            world.happens("a", channels=["phone"], after_s=900.0, reason="unacked")
            await world.pass_(deliverer)
            await world.pass_(deliverer, 600.0)
            assert len(team.got) == 2
            await world.pass_(deliverer, 400.0)
            assert phone.got == []
            await world.pass_(deliverer, 500.0)
        assert phone.headlines[0].startswith("💀 [nobody has seen it] a crashed")

    asyncio.run(story())


def test_whoever_acknowledges_spares_the_others(world):
    async def story():
        team, phone = Peer(), Peer()
        async with world.delivering(team=channel(team, **GROUPED), phone=channel(phone, **GROUPED)) as deliverer:
            world.happens("a", kind="silent")
            world.happens("a", channels=["phone"], kind="silent", after_s=900.0, reason="unacked")
            await world.pass_(deliverer)
            world.ledger.acknowledge(["a"], Ack("mina", world.now), "mina")
            await world.pass_(deliverer, 900.0)
            world.happens("a", channels=["team", "phone"], kind="silent", status="resolved", reason="resolved")
            await world.pass_(deliverer, 900.0)
        assert [message.notification.status for message in team.got] == ["firing", "resolved"]
        assert phone.got == []
        assert world.states("coalesce(why, state)") == {"delivered": 2, "acked": 1, "untold": 1}

    asyncio.run(story())


def test_a_driver_that_hangs_explains_what_is_said_of_its_gpus(world):
    async def story():
        peer = Peer()
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            hangs = {"code": "gpu_driver", "details": {}, "evidence": []}
            idle = {"code": "gpu_idle", "details": {}, "evidence": []}
            world.happens("a", kind="stalled", cause=hangs)
            world.ledger._store._db.execute("UPDATE incident SET cause = json_object('code', 'gpu_driver')")
            world.ledger._store._db.execute("UPDATE run SET host = 'gpu01'")
            await world.pass_(deliverer)
            world.happens("b", kind="stalled", cause=idle, user="jiho")
            await world.pass_(deliverer, 1.0)
            assert len(peer.got) == 1
            world.ledger._store._db.execute("UPDATE incident SET closed_wall = 1 WHERE id = 'a'")
            await world.pass_(deliverer, 61.0)
        assert [message.notification.job for message in peer.got] == ["a", "b"]

    asyncio.run(story())


async def falls_each_minute(world, deliverer, first, last, **changes):
    """A job falls five seconds after each start, and is started again."""
    for minute in range(first, last):
        world.happens(f"{minute}", **{"job": "train", "elapsed_s": 5.0, **changes})
        await world.pass_(deliverer, 60.0)


def test_a_restart_loop_is_told_three_times_and_then_once_in_half_an_hour(world):
    async def story():
        peer = Peer()
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            await falls_each_minute(world, deliverer, 0, 20)
            assert peer.headlines == ["💀 train crashed on gpu01: killed by SIGKILL"] * 3
            assert ["again and again" in message.text for message in peer.got] == [False, False, True]
            await falls_each_minute(world, deliverer, 20, 85)
        headlines = [f"💀 {count} runs of train crashed on gpu01: killed by SIGKILL" for count in (28, 30)]
        assert peer.headlines[3:] == headlines

    asyncio.run(story())


def test_the_same_exception_about_another_number_is_the_same_and_another_is_told_at_once(world):
    def raised(kind, message):
        return {"cause": {"code": "exception", "details": {"type": kind, "message": message}, "evidence": []}}

    async def story():
        peer = Peer()
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            for minute in range(6):
                fall = raised("OSError", f"/tmp/tmp{minute} is full")
                await falls_each_minute(world, deliverer, minute, minute + 1, **fall)
            assert len(peer.got) == 3
            await falls_each_minute(world, deliverer, 6, 7, **raised("ValueError", "shapes differ"))
            assert peer.headlines[3:] == ["💀 train crashed on gpu01: ValueError"]

    asyncio.run(story())


OTHERS = [
    {"job": "vit"},
    {"argv": ["train.py", "--lr", "1"]},
    {"cwd": "/home/mina/other"},
    {"elapsed_s": 200.0},  # it began before the last that was told
    {"cause": {"code": "oom_kill", "details": {}, "evidence": []}},
]


@pytest.mark.parametrize("other", [*OTHERS, {"user": "jiho"}], ids=str)
def test_what_is_none_of_a_restart_loop_is_told_at_once(world, other):
    async def story():
        peer = Peer()
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            await falls_each_minute(world, deliverer, 0, 6)
            world.happens("other", **{"job": "train", "elapsed_s": 5.0, **other})
            await world.pass_(deliverer)
            assert [message.notification.id for message in peer.got[3:]] == ["other"]

    asyncio.run(story())


def test_unknown_senders_cannot_hold_up_each_other_as_a_restart_loop(world):
    async def story():
        peer = Peer()
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            await falls_each_minute(world, deliverer, 0, 6, verified=False)
        assert len(peer.got) == 6

    asyncio.run(story())


def test_a_run_that_lasted_is_told_at_once_after_a_restart_loop(world):
    async def story():
        peer = Peer()
        async with world.delivering(team=channel(peer, **GROUPED)) as deliverer:
            await falls_each_minute(world, deliverer, 0, 4)
            await world.pass_(deliverer, 800.0)
            world.happens("other", job="train", elapsed_s=601.0)
            await world.pass_(deliverer)
            assert [message.notification.id for message in peer.got[3:]] == ["other"]

    asyncio.run(story())
