"""From findings to what is stored and said, with routes and reminders."""

from dataclasses import replace

import pytest
from builders import WALL, beat, finding, moment, worker
from watches import watched as watches_of

from epochwatch.wire import Body
from epochwatchd.config import Config, Escalation, Heartbeats, Match, Route, StoreConfig
from epochwatchd.model import Policy
from epochwatchd.service.judging import STALE_END_S, judgement, repeats
from epochwatchd.service.runs import Run

ALL = (Route(to=("team",)),)
QUIET_START = (Route(Match(kind=("started",))), *ALL)


def config(routes=ALL):
    return Config(Heartbeats(), Policy(), (), {}, routes, StoreConfig(), "en")


def run(*beats, is_new=False):
    made = worker(*beats)
    return Run("run", "r1", Policy(), watches_of(made), is_new=is_new)


def judged(of, found, at, routes=ALL):
    [watched] = of.workers
    result = judgement(of, [(watched, found)], moment(at), config(routes))
    if result is not None:
        of.incidents, of.is_new = dict(result.incidents), False
    return result


def said(result):
    return [(n.kind, n.status, n.reason, channels) for n, channels, _ in result.record.notices]


def test_a_run_that_goes_on_as_before_changes_nothing():
    assert judged(run(), [], 1.0) is None


def test_a_new_run_is_stored_and_its_start_is_told():
    assert said(judged(run(is_new=True), [], 1.0)) == [("started", "notice", "first", ("team",))]


def test_a_start_that_nobody_wants_to_hear_of_is_only_stored():
    result = judged(run(is_new=True), [], 1.0, QUIET_START)
    assert (said(result), result.record.run.verdict) == ([], "running")


def test_a_fault_is_told_with_its_incident_and_so_is_its_end():
    watched = run()
    opened = judged(watched, [finding("silent", since=0.0)], 60.0)
    assert said(opened) == [("silent", "firing", "first", ("team",))]
    assert [i.notified_wall for i in opened.record.opened] == [{"team": WALL + 60.0}]
    watched.watches = watches_of(*(w._replace(heard_at=70.0) for w in watched.workers))
    resolved = judged(watched, [], 70.0)
    assert said(resolved) == [("silent", "resolved", "resolved", ("team",))]
    assert resolved.record.run.verdict == "running"


def test_a_crash_ends_the_run_and_closes_what_was_open():
    watched = run()
    judged(watched, [finding("silent")], 60.0)
    ended = judged(watched, [finding("crashed", since=61.0)], 61.0)
    assert (ended.ended, said(ended)) == (True, [("crashed", "firing", "first", ("team",))])
    assert [i.finding.kind for i in ended.record.closed] == ["silent", "crashed"]
    assert ended.record.run.ended_wall == WALL + 61.0


def test_an_end_of_long_ago_is_recorded_and_nobody_is_woken():
    old = beat(1, Body("j"), time_ns=int((WALL - STALE_END_S) * 1e9))
    ended = judged(run((0.0, old), is_new=True), [finding("crashed")], 1.0)
    assert (ended.ended, said(ended)) == (True, [])


def test_those_told_of_a_lesser_fault_hear_its_end_too():
    routes = (Route(Match(severity=("critical",)), ("pager",)), Route(to=("team",)))
    watched = run()
    watched.policy = Policy()
    both = replace(config(routes), channels={"pager": None, "team": None})
    [one] = watched.workers
    watched.incidents = dict(judgement(watched, [(one, [finding("stalled", "warning")])], moment(1.0), both).incidents)
    worse = judgement(watched, [(one, [finding("stalled", "critical")])], moment(2.0), both)
    watched.incidents = dict(worse.incidents)
    judged(watched, [], 40.0)
    over = judgement(watched, [(one, [])], moment(80.0), both)
    assert said(worse) == [("stalled", "firing", "worse", ("pager",))]
    assert said(over) == [("stalled", "resolved", "resolved", ("pager", "team"))]


ESCALATED = (Route(Match(severity=("critical",)), ("team",), escalate=(Escalation(900.0, ("team", "boss")),)),)


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_whoever_is_told_where_nobody_acknowledges_hears_its_end_too(severity):
    watched, both = run(), replace(config(ESCALATED), channels={"team": None, "boss": None})
    [one] = watched.workers
    if severity == "warning":
        watched.incidents = dict(
            judgement(watched, [(one, [finding("stalled", severity)])], moment(0.0), both).incidents
        )
    worse = judgement(watched, [(one, [finding("stalled", "critical")])], moment(1.0), both)
    reason = "worse" if severity == "warning" else "first"
    assert [(n.reason, to, after_s) for n, to, after_s in worse.record.notices] == [
        (reason, ("team",), None), ("unacked", ("boss",), 900.0),
    ]  # fmt: skip
    assert worse.incidents["stalled"].notified_wall == {"team": WALL + 1.0}
    watched.incidents = dict(worse.incidents)
    judged(watched, [], 40.0)
    assert said(judgement(watched, [(one, [])], moment(80.0), both))[0][3] == ("team", "boss")


@pytest.mark.parametrize(("after_s", "is_due"), [(3599.0, False), (3600.0, True)])
def test_a_fault_that_lasts_is_repeated_where_the_route_asks(after_s, is_due):
    routes = (Route(to=("team",), repeat_every_s=3600.0),)
    watched = run()
    judged(watched, [finding("silent")], 0.0, routes)
    reminder = repeats(watched, moment(after_s), config(routes))
    assert (reminder is not None) is is_due
    if reminder:
        assert said(reminder) == [("silent", "firing", "reminder", ("team",))]
        assert reminder.incidents["silent"].notified_wall == {"team": WALL + after_s}


def test_a_message_tells_how_far_the_run_has_come():
    body = Body("digits", run="r1", pid=42, host="gpu01", epochs=10, metrics={"acc": 0.5, "bad": float("nan")})
    watched = run((0.0, beat(1, body, epoch=0.0)), (60.0, beat(2, body, epoch=1.0, loss=0.25)))
    [(message, *_)] = judged(watched, [finding("silent", since=60.0)], 120.0).record.notices
    assert (message.job, message.run, message.pid, message.host, message.user) == ("digits", "r1", 42, "gpu01", "mina")
    assert message.progress == {
        "epoch": 1, "epoch_shown": 2, "epochs": 10, "step": None, "steps": None, "fraction": 0.2,
        "loss": 0.25, "best_loss": 0.25, "best_at": {"epoch": 1, "epoch_shown": 2, "step": None},
        "metrics": {"acc": 0.5, "bad": "NaN"}, "eta_s": 480.0,
    }  # fmt: skip
    assert (message.since, message.elapsed_s) == ("2027-01-15T08:01:00.000Z", 120.0)
