"""What is expected and does not begin, told as time goes on; on a real store, which restarts are made of."""

import sqlite3
from contextlib import closing
from datetime import datetime

import pytest
from builders import beat, worker
from watches import watched

from epochwatch.wire import Body
from epochwatchd.alerting.rendering import render
from epochwatchd.config import Config, Expected, Heartbeats, JobRule, Match, Route, StoreConfig
from epochwatchd.config.crontab import parse_crontab
from epochwatchd.model import Moment, Policy
from epochwatchd.service.expected import LOOK_AROUND_S, Expectations, is_expected
from epochwatchd.service.judging import judgement, repeats
from epochwatchd.service.runs import Run
from epochwatchd.store import Store, read_runs
from epochwatchd.store.ledger import Ledger

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
NIGHTLY = JobRule("nightly-*", expected=Expected(parse_crontab("30 2 * * *"), 15 * MINUTE))
MONDAY = datetime.fromisoformat("2026-11-23").timestamp()
"""Midnight at its beginning; days and nights are those of this machine's own time zone."""
DUE, OVER = 2.5 * HOUR, 2.75 * HOUR


EVERYTHING = Route(to=("team",))


def config(*rules, routes=(EVERYTHING,)):
    return Config(Heartbeats(), Policy(), rules, {}, routes, StoreConfig(), "en")


class Watch:
    """A watchdog of what is expected alone, at given seconds since MONDAY, by both clocks."""

    def __init__(self, path, at, *rules, **more):
        self.config = config(*(rules or (NIGHTLY,)), **more)
        self.store = Ledger(Store(path, "this boot"))
        self.path = path
        self.expected = Expectations(self.config, self.store)
        for row, [stand_in], incidents, _ in self.store.unfinished(moment(at)).runs:
            assert is_expected(row.key)
            run = Run(row.key, row.run, Policy(), is_new=False, incidents={i.finding.kind: i for i in incidents})
            self.expected.restore(run, stand_in, moment(at))
        self.expected.begin(moment(at))

    def look(self, at):
        """One look; gives what is told by it."""
        return self._apply(self.expected.judge(moment(at)), at)

    def remind(self, at):
        due = [repeats(run, moment(at), self.config) for run in self.expected.missing]
        return self._apply([j for j in due if j], at)

    def _apply(self, judgements, at):
        told = []
        for judged in judgements:
            if judged.record:
                self.store.record([judged.record], moment(at))
                told += [(n.kind, n.status, n.reason) for n, *_ in judged.record.notices]
                self.messages = [render(n, "en") for n, *_ in judged.record.notices]
            judged.run.incidents = dict(judged.incidents)
        return told

    def begin(self, job, at):
        """A run begins, and is stored as the daemon does it."""
        made = worker((at, beat(1, Body(job, run="r1"))), key=f"/{job}-{at}")
        run = Run(f"{job}-{at}", "r1", Policy(), watched(made))
        record = judgement(run, [(made, [])], moment(at), self.config).record
        self.store.record([record], moment(at))
        self.expected.began(run, moment(at))

    def shown(self):
        return [(r.job, r.verdict, r.ended_wall and r.ended_wall - MONDAY) for r in read_runs(self.path)]


def moment(at):
    return Moment(at, MONDAY + at)


MISSING = [("missing", "firing", "first")]
BEGAN = [("missing", "resolved", "resolved")]


@pytest.fixture
def watches(tmp_path):
    """Makes a watchdog that begins so many seconds after MONDAY; the one before it is stopped."""
    made = []

    def begin(at, *rules, **more):
        if made:
            made.pop().store.close()
        made.append(Watch(tmp_path / "epochwatch.db", at, *rules, **more))
        return made[0]

    yield begin
    made.pop().store.close()


def test_a_run_that_does_not_begin_is_told_once_its_window_is_over(watches):
    watch = watches(0.0)
    assert watch.look(OVER - 1.0) == []
    assert watch.look(OVER) == MISSING
    assert watch.look(OVER + 1.0) == watch.look(OVER + DAY) == watch.look(OVER + 3 * DAY) == []
    assert watch.shown() == [("nightly-*", "missing", None)]


def test_the_message_has_no_process(watches):
    watch = watches(0.0)
    watch.look(OVER)
    [message] = watch.messages
    assert (message.severity, message.job, message.run, message.user) == ("critical", "nightly-*", None, None)
    assert (message.pid, message.rank, message.elapsed_s) == (None, None, 0.0)
    assert datetime.fromisoformat(message.since.replace("Z", "+00:00")).timestamp() == MONDAY + DUE
    assert message.text.startswith(f"👻 nightly-* never began on {message.host}: no run began within 15 min of its")


@pytest.mark.parametrize("at", [DUE - 60.0, DUE, OVER - 1.0])
def test_a_run_that_begins_in_time_is_what_was_expected(watches, at):
    watch = watches(0.0)
    watch.begin("nightly-digits", at)
    assert watch.look(OVER) == watch.look(OVER + HOUR) == []
    assert watch.look(OVER + DAY) == MISSING


@pytest.mark.parametrize(("job", "at"), [("nightly-digits", DUE - 61.0), ("daily-digits", DUE)])
def test_a_run_from_before_or_of_another_job_is_not(watches, job, at):
    watch = watches(0.0)
    watch.begin(job, at)
    assert watch.look(OVER) == MISSING


def test_a_run_that_begins_after_all_is_told_and_the_next_time_is_awaited(watches):
    watch = watches(0.0)
    watch.look(OVER)
    watch.begin("nightly-digits", 9 * HOUR)
    assert watch.look(9 * HOUR) == BEGAN
    assert watch.messages[0].text.splitlines()[0].endswith(", 6 h 30 min late")
    assert watch.look(9 * HOUR + 1.0) == []
    assert ("nightly-*", "missing", 9 * HOUR) in watch.shown()
    assert watch.look(OVER + DAY - 1.0) == []
    assert watch.look(OVER + DAY) == MISSING


def test_what_was_told_is_not_told_again_after_a_restart(watches):
    watches(0.0).look(OVER)
    watch = watches(OVER + HOUR)
    assert watch.look(OVER + 2 * HOUR) == watch.look(OVER + DAY) == []
    watch.begin("nightly-digits", OVER + 2 * DAY)
    assert watch.look(OVER + 2 * DAY) == BEGAN


def test_a_time_that_passed_while_nobody_watched_is_told_once_and_the_latest_of_many(watches):
    watches(0.0)
    watch = watches(7 * DAY)
    assert watch.look(7 * DAY + LOOK_AROUND_S - 0.1) == []
    assert watch.look(7 * DAY + LOOK_AROUND_S) == MISSING
    [message] = watch.messages
    assert datetime.fromisoformat(message.since.replace("Z", "+00:00")).timestamp() == MONDAY + 6 * DAY + DUE
    assert watch.look(7 * DAY + HOUR) == []


def test_a_run_that_is_heard_of_only_when_the_watchdog_is_back_counts(watches):
    watches(0.0)
    watch = watches(4 * HOUR)
    watch.begin("nightly-digits", DUE)
    assert watch.look(5 * HOUR) == []


def test_what_was_due_before_it_was_expected_is_let_be(watches):
    assert watches(OVER + HOUR).look(OVER + 2 * HOUR) == []
    weekly = JobRule("nightly-*", expected=Expected(parse_crontab("0 3 * * 1"), 60.0))
    assert watches(OVER + 3 * HOUR, weekly).look(OVER + 4 * HOUR) == []


def test_what_began_stays_settled_when_its_run_is_forgotten(watches):
    watch = watches(0.0)
    watch.begin("nightly-digits", DUE)
    watch.look(OVER)
    with closing(sqlite3.connect(watch.path)) as db, db:
        db.execute("DELETE FROM run")
    assert watches(OVER + HOUR).look(OVER + 2 * HOUR) == []


def test_what_nobody_expects_any_more_is_missing_no_more(watches):
    watches(0.0).look(OVER)
    other = JobRule("weekly-*", expected=NIGHTLY.expected)
    watch = watches(OVER + HOUR, other)
    assert watch.shown() == [("nightly-*", "missing", OVER + HOUR)]
    assert watch.store.unfinished(moment(OVER + HOUR)).runs == []
    assert watches(OVER + 10 * DAY).look(OVER + 10 * DAY + HOUR) == []


def test_each_rule_is_an_expectation_of_its_own_whatever_rules_stand_before(watches):
    noon = JobRule("nightly-*", expected=Expected(parse_crontab("0 12 * * *"), 15 * MINUTE))
    watch = watches(0.0, JobRule("*", {"silent_after_s": 60.0}), NIGHTLY, noon)
    watch.begin("nightly-digits", DUE)
    assert watch.look(OVER) == []
    assert watch.look(13 * HOUR) == MISSING


def test_routes_and_reminders_are_those_of_every_verdict(watches):
    routes = (Route(Match(kind=("missing",)), ("team",), repeat_every_s=HOUR),)
    watch = watches(0.0, routes=routes)
    watch.look(OVER)
    assert watch.remind(OVER + HOUR - 1.0) == []
    assert watch.remind(OVER + HOUR) == [("missing", "firing", "reminder")]
    assert watch.remind(OVER + HOUR + 1.0) == []


def test_a_watchdog_that_slept_looks_around_first(watches):
    watch = watches(0.0)
    watch.expected.look_around(moment(OVER))
    watch.begin("nightly-digits", OVER + 1.0)
    assert watch.look(OVER + LOOK_AROUND_S) == []
