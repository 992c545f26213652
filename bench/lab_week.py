"""A week of a lab with 200 jobs, on a clock that is moved: every message, with its reason, as a person would get it.

    python bench/lab_week.py --print       # read them
    python bench/lab_week.py               # count them, beside Alertmanager's

The events are made up (seeded): trainings of ten users that end, fail, hang and come back, a sweep in which forty die
at once, a node that goes down on Saturday night, a job that flaps for six hours, one that is started anew each minute
of a night and falls at once, a Slack that is out of order from Wednesday on until Thursday, people who acknowledge by
day. What keeps, stores, groups and delivers is the daemon's own.
 Alertmanager's count is a model of its
documented algorithm with its default settings (no ``group_by``, group_wait 30 s, group_interval 5 min, repeat_interval
4 h, resolved ones sent), on the same faults: it is no Alertmanager that was run.
"""

import argparse
import asyncio
import heapq
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import common

from epochwatch.wire import Beat, Body, Head
from epochwatchd.alerting.channels import KINDS as MODULES
from epochwatchd.alerting.composing import Named
from epochwatchd.alerting.delivery import Channel, Deliverer
from epochwatchd.alerting.hand import Hand
from epochwatchd.alerting.notices import marked_told, notices_of, reminders
from epochwatchd.config import Config, load
from epochwatchd.detection.incidents import advance
from epochwatchd.detection.observing import meet
from epochwatchd.detection.verdict import Judged
from epochwatchd.model import (
    Cause,
    CauseCode,
    ChannelError,
    Finding,
    Incident,
    Kind,
    Message,
    Moment,
    Severity,
    Taken,
    Worker,
)
from epochwatchd.store import Record, RunRow, Store
from epochwatchd.store.attention import Ack
from epochwatchd.store.ledger import Ledger
from epochwatchd.verdicts import VERDICTS

ZONE = ZoneInfo("Asia/Seoul")
MONDAY = datetime(2026, 11, 23, tzinfo=ZONE).timestamp()
STATES = "SELECT state, coalesce(why, 'at once') FROM delivery"
HOUR, DAY = 3600.0, 86_400.0
SEEN = 0.8
"""From nine to seven so many of what is wrong is acknowledged, within 25 minutes."""
USERS = ("mina", "jiho", "sora", "dongwoo", "yuna", "hyun", "eun", "taek", "bora", "jin")
CONFIG = {
    "language": "en",
    "channels": {
        "team": {"kind": "slack", "url": "http://127.0.0.1:9/team"},
        "phone": {"kind": "ntfy", "url": "http://127.0.0.1:9", "topic": "oncall", "quiet": "off"},
        **{f"own-{user}": {"kind": "ntfy", "url": "http://127.0.0.1:9", "topic": user} for user in USERS},
    },
    "people": {user: [f"own-{user}"] for user in USERS},
    "quiet": {"from": "22:00", "until": "08:00", "zone": "Asia/Seoul"},
    "routes": [
        {"match": {"severity": "critical"}, "to": ["team", "@user"], "repeat_every": "6h",
         "escalate": [{"after": "30m", "to": "phone"}]},
        {"match": {"kind": "started"}, "to": []},
        {"to": "@user"},
    ],
}  # fmt: skip


class Event(NamedTuple):
    """What happens to a run, and when. ``is_over``: what was wrong is no longer so."""

    at: float
    job: str
    user: str
    kind: Kind
    code: CauseCode | None
    severity: Severity = "critical"
    is_over: bool = False
    host: str = "gpu01"


def week(seed: int) -> list[Event]:
    """What happens, in order."""
    chance = random.Random(seed)
    events = [event for number in range(200) for event in _job(f"job-{number:03}", chance)]
    events += [
        Event(MONDAY + 2 * DAY + 15 * HOUR + n * 0.05, f"sweep-{n:02}", "mina", "crashed", "oom_kill")
        for n in range(40)
    ]
    events.append(Event(MONDAY + 2 * DAY + 15 * HOUR + 1.0, "unet", "jiho", "crashed", "exception"))
    night = MONDAY + 5 * DAY + 27 * HOUR
    events += [Event(night + n, f"night-{n:02}", USERS[n % 4], "crashed", "reboot", host="gpu02") for n in range(12)]
    for n in range(40):
        at = MONDAY + 3 * DAY + 10 * HOUR + n * 540.0
        events += [
            Event(at, "flaps", "sora", "stalled", "gpu_idle", "warning"),
            Event(at + 240.0, "flaps", "sora", "stalled", "gpu_idle", "warning", is_over=True),
        ]
    night = MONDAY + 4 * DAY + 25 * HOUR
    events += [Event(night + n * 60.0, "loops", "dongwoo", "crashed", "exit_code") for n in range(300)]
    return sorted(events)


def _job(job: str, chance: random.Random) -> Iterator[Event]:
    """One training a day or so, most of which end well."""
    user, at = chance.choice(USERS), MONDAY + chance.random() * DAY
    while (at := at + chance.expovariate(1 / (30 * HOUR))) < MONDAY + 7 * DAY:
        lot = chance.random()
        if lot < 0.78:
            yield Event(at, job, user, "finished", None, "info")
        elif lot < 0.88:
            code = chance.choice(("exception", "oom_kill", "signal"))
            yield Event(at, job, user, "crashed", code)
        elif lot < 0.93:
            yield Event(at, job, user, "interrupted", "keyboard_interrupt", "info")
        elif lot < 0.97:
            yield Event(at, job, user, "silent", "io_wait")
            yield Event(at + chance.choice((60.0, 600.0, 5 * HOUR)), job, user, "silent", "io_wait", is_over=True)
        else:
            yield Event(at, job, user, "diverged", "loss_nan", "warning")


@dataclass
class Run:
    """One run, as far as it is told of."""

    worker: Worker
    found: Finding | None = None
    incidents: dict[Kind, Incident] = field(default_factory=dict)
    openings: dict[Kind, list[float]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class Lab:
    """The daemon's parts, on a clock of their own."""

    place: Path
    now: float = MONDAY
    sent: list[tuple[float, str, Message]] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = self.place / "config.yaml"
        path.write_text(json.dumps(CONFIG))
        kinds = {name: module.Options for name, module in ((n, MODULES[n]) for n in ("slack", "ntfy"))}
        self.config: Config = load(path, kinds=kinds, env={})
        self.store = Store(self.place / "epochwatch.db", "this boot", clock=lambda: self.now)
        self.ledger = Ledger(self.store)

    def channels(self) -> dict[str, Channel]:
        """The configured channels, which keep what they are given."""
        from epochwatchd.service.connecting import connected  # noqa: PLC0415 - after the store's clock

        return {name: replace(c, send=self._sender(name)) for name, c in connected(self.config, {}).items()}

    def _sender(self, name: str) -> Any:
        def send(message: Message) -> Taken:
            if name == "team" and MONDAY + 2.5 * DAY < self.now < MONDAY + 3.5 * DAY:
                raise ChannelError("answered 503")
            self.sent.append((self.now, name, message))
            return Taken("ok", str(len(self.sent)))

        return send

    def happens(self, event: Event) -> None:
        """Store it with its messages, as the daemon does."""
        moment = self._moment()
        body = Body(event.job, host=event.host)
        worker = meet(event.job, Beat(Head(), body), moment.mono, user=event.user, local=False, started_at=moment.mono)
        run = self.runs.setdefault(event.job, Run(worker._replace(uid=1000)))
        cause = None if event.code is None else Cause(event.code)
        run.found = None if event.is_over else Finding(event.kind, event.severity, moment.mono, cause)
        self._look(event.job, run, event.kind)
        if run.found is not None and VERDICTS[event.kind].is_end:
            del self.runs[event.job]

    def look(self) -> None:
        """What goes on is looked at again; what is wrong for long is said again."""
        for job, run in list(self.runs.items()):
            if run.incidents:
                self._look(job, run, next(iter(run.incidents)))
                told, marked = reminders(Named(job, job=job), run.worker, run.incidents, self._moment(), self.config)
                if told:
                    run.incidents = marked
                    opened = list(marked.values())
                    self.ledger.record(
                        [Record(self._row(job, run, "silent"), opened=opened, notices=told)], self._moment()
                    )

    def acknowledge(self, prefix: str, who: str) -> None:
        """Somebody has seen it."""
        found = self.store.noticed(prefix, self.now)
        if found:
            self.store.acknowledge([found[0].id], Ack(who, self.now), who)

    def _moment(self) -> Moment:
        return Moment(self.now - MONDAY, self.now)

    def _look(self, job: str, run: Run, kind: Kind) -> None:
        moment = self._moment()
        is_over = run.found is not None and VERDICTS[run.found.kind].is_end
        judged = Judged([] if run.found is None else [(run.found, run.worker)], is_over)
        incidents, changes = advance(job, run.incidents, judged, moment.mono, moment, openings=run.openings)
        for change in changes:
            if change.what == "opened":
                run.openings[change.incident.finding.kind].append(self.now)
        if not changes:
            run.incidents = incidents
            return
        told = notices_of(Named(job, job=job), run.worker, changes, moment, self.config)
        run.incidents = marked_told(incidents, told, moment)
        opened = [c.incident for c in changes if c.what not in ("resolved", "closed")]
        opened = [run.incidents.get(i.finding.kind, i) for i in opened]
        closed = [c.incident for c in changes if c.what in ("resolved", "closed")] + (opened if is_over else [])
        self.ledger.record([Record(self._row(job, run, kind), opened=opened, closed=closed, notices=told)], moment)

    def _row(self, job: str, run: Run, kind: Kind) -> RunRow:
        body, ended = run.worker.body, self.now if VERDICTS[kind].is_end else None
        return RunRow(
            job, job, job, body.host or "", run.worker.user, None, kind, self.now, None, self.now, self.now, ended, {}
        )


async def _at_once(_: Hand, call: Any) -> Any:
    return call()


async def live(lab: Lab, events: Sequence[Event]) -> None:
    """Move the clock from event to event, and every ten seconds where something waits."""
    Hand.do = _at_once  # type: ignore[method-assign] # nothing is to be waited for
    deliverer = Deliverer(lab.ledger, lab.channels(), clock=lambda: lab.now, wall=lambda: lab.now)
    deliverer.start()
    times = [*(event.at for event in events), *(MONDAY + n * 300.0 for n in range(int(8 * DAY / 300)))]
    heapq.heapify(times)
    waiting = list(reversed(events))
    chance = random.Random(7)
    acknowledging: list[tuple[float, str, str]] = []
    while times:
        lab.now = max(lab.now, heapq.heappop(times))
        while waiting and waiting[-1].at <= lab.now:
            lab.happens(waiting.pop())
        lab.look()
        seen = [one for one in acknowledging if one[0] <= lab.now]
        acknowledging[:] = [one for one in acknowledging if one[0] > lab.now]
        for _, prefix, who in seen:
            lab.acknowledge(prefix, who)
        deliverer.wake()
        before = len(lab.sent)
        for _ in range(60):
            await asyncio.sleep(0)
        for _, _, message in lab.sent[before:]:
            told = message.notification
            hour = datetime.fromtimestamp(lab.now, ZONE).hour
            if told.status == "firing" and told.reason == "first" and 9 <= hour < 19 and chance.random() < SEEN:
                at = lab.now + chance.uniform(120.0, 1500.0)
                acknowledging.append((at, told.id, told.user or ""))
                heapq.heappush(times, at)
        due = [at for lane in deliverer._lanes.values() if (at := lane.turns.next(lab.now)[1])]  # noqa: SLF001
        if due and (not times or min(due) < times[0]):
            heapq.heappush(times, min(due) + 0.001)
    await deliverer.stop(1.0)


def alertmanager(events: Sequence[Event]) -> int:
    """How many notifications Alertmanager's default route would send to one receiver for these faults: a model."""
    firing: dict[tuple[str, str], float] = {}
    faults = [e for e in events if not VERDICTS[e.kind].is_notice]
    ends = [(e.at + 300.0, e) for e in faults if VERDICTS[e.kind].is_end]  # it is resolved when it is not sent any more
    changes = sorted([*((e.at, e, e.is_over) for e in faults), *((at, e, True) for at, e in ends)])
    count, flush, last_sent, changed, at = 0, None, float("-inf"), False, 0
    while (at < len(changes) or flush is not None) and (flush or 0.0) < MONDAY + 8 * DAY:
        if flush is None or (at < len(changes) and changes[at][0] <= flush):
            wall, event, is_over = changes[at]
            at += 1
            key = (event.job, event.kind)
            if is_over and key not in firing:
                continue
            firing.pop(key, None) if is_over else firing.setdefault(key, wall)
            changed = True
            flush = wall + 30.0 if flush is None else flush
            continue
        if changed or flush - last_sent >= 4 * HOUR:
            count, last_sent, changed = count + 1, flush, False
        flush = flush + 300.0 if firing or changed else None
    return count


def main() -> None:
    """Live the week, and tell of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--print", action="store_true", help="every message")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    events = week(given.seed)
    with common.folder() as place:
        lab = Lab(place)
        asyncio.run(live(lab, events))
        states = Counter(map(tuple, lab.store._db.execute(STATES)))  # noqa: SLF001 - nobody else asks for this
        left = lab.ledger.pending_counts()
        lab.ledger.close()
    if given.print:
        for wall, channel, message in lab.sent:
            when = datetime.fromtimestamp(wall, ZONE)
            print(f"{when:%a %T}  {channel:<12} {message.notification.reason:<9} {message.headline}")
            for line in message.text.split("\n") if "messages" in message.headline else ():
                print(f"{'':>26}{line}")
    faults = sum(not VERDICTS[event.kind].is_notice for event in events)
    common.print_table(
        f"a week: {len(events)} events, {faults} of them faults or their ends",
        ["channel", "messages"],
        [[name, n] for name, n in sorted(Counter(name for _, name, _ in lab.sent).items())],
    )
    common.print_table(
        "what became of each delivery", ["state, why", ""], [[" ".join(k), n] for k, n in sorted(states.items())]
    )
    critical = [event for event in events if event.severity == "critical"]
    print("\nAlertmanager, default route, one receiver (a model):", alertmanager(events), "notifications")
    print("the same of what is critical only, as team gets it:", alertmanager(critical))
    assert not [one for one in left if one[1] == "dead"], left


if __name__ == "__main__":
    main()
