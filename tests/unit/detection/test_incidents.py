"""Time-lines: what is found when, and what is said of it."""

from collections import defaultdict

import pytest
from builders import finding, moment, worker

from epochwatchd.detection.incidents import advance
from epochwatchd.detection.verdict import ENDS, Judged
from epochwatchd.model import Cause

SILENT, CRASHED = ("silent", "critical"), ("crashed", "critical")
NAN, IDLE, LOST_GPU = ("diverged", "warning"), ("stalled", "warning"), ("stalled", "critical")
DONE = ("finished", "info")


def judged(*findings, is_over=None):
    over = any(f.kind in ENDS for f in findings) if is_over is None else is_over
    return Judged([(f, worker()) for f in findings], over)


def said(*timeline):
    """What is said along a time-line of (seconds, findings worst first)."""
    open_, result, openings = {}, [], defaultdict(list)
    for at, found in timeline:
        there = judged(*(finding(*f, since=at) for f in found))
        open_, changes = advance("run", open_, there, at, moment(at), openings=openings)
        for change in changes:
            if change.what == "opened":
                openings[change.incident.finding.kind].append(change.incident.opened_wall)
        result += [(at, c.what, c.incident.finding.kind) for c in changes]
    return result


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        pytest.param([(0, []), (9, [])], [], id="running says nothing"),
        pytest.param([(0, [SILENT]), (1, [SILENT]), (9, [SILENT])], [(0, "opened", "silent")], id="said once"),
        pytest.param(
            [(0, [SILENT]), (5, [])], [(0, "opened", "silent"), (5, "resolved", "silent")], id="over at the first beat"
        ),
        pytest.param(
            [(at, found) for n in range(9) for at, found in ((n * 60, [SILENT]), (n * 60 + 30, []))]
            + [(510 + 1799, []), (510 + 1800, [])],
            [
                (0, "opened", "silent"),
                (30, "resolved", "silent"),
                (60, "opened", "silent"),
                (90, "resolved", "silent"),
                (120, "opened", "silent"),
                (2310, "resolved", "silent"),
            ],
            id="the third in half an hour lasts until it has stayed away",
        ),
        pytest.param(
            [(at, found) for n in range(3) for at, found in ((n * 1800, [SILENT]), (n * 1800 + 30, []))],
            [
                (n * 1800 + after_s, what, "silent")
                for n in range(3)
                for after_s, what in ((0, "opened"), (30, "resolved"))
            ],
            id="what comes seldom is told each time",
        ),
        pytest.param(
            [(0, [SILENT]), (5, []), (9, [SILENT])],
            [(0, "opened", "silent"), (5, "resolved", "silent"), (9, "opened", "silent")],
            id="a second silence is another incident",
        ),
        pytest.param(
            [(0, [NAN]), (2, []), (4, [NAN]), (6, []), (8, []), (11, [])],
            [(0, "opened", "diverged"), (11, "resolved", "diverged")],
            id="a loss that flickers is one incident",
        ),
        pytest.param(
            [(0, [SILENT]), (5, [CRASHED])],
            [(0, "opened", "silent"), (5, "closed", "silent"), (5, "opened", "crashed")],
            id="frozen, then killed: no false all-clear",
        ),
        pytest.param(
            [(0, [NAN]), (5, [DONE])],
            [(0, "opened", "diverged"), (5, "closed", "diverged"), (5, "opened", "finished")],
            id="the end has the last word",
        ),
        pytest.param(
            [(0, [NAN]), (5, [SILENT, NAN]), (9, [NAN])],
            [(0, "opened", "diverged"), (5, "opened", "silent"), (9, "resolved", "silent")],
            id="a lesser fault stays open beside a worse one and is not said again",
        ),
        pytest.param(
            [(0, [SILENT, IDLE]), (5, [SILENT, IDLE])], [(0, "opened", "silent")], id="one fault, one message"
        ),
        pytest.param(
            [(0, [IDLE]), (5, [LOST_GPU]), (6, [LOST_GPU])],
            [(0, "opened", "stalled"), (5, "escalated", "stalled")],
            id="worse is said once",
        ),
        pytest.param(
            [(0, [LOST_GPU]), (90, [LOST_GPU, SILENT])],
            [(0, "opened", "stalled")],
            id="the silence of a run whose GPU has failed is no news",
        ),
        pytest.param(
            [(0, [SILENT]), (5, [("lost", "critical")])],
            [(0, "opened", "silent"), (5, "closed", "silent"), (5, "opened", "lost")],
            id="replaced by something as bad: no all-clear",
        ),
    ],
)
def test_what_is_said(timeline, expected):
    assert said(*timeline) == expected


def test_an_incident_keeps_its_name_and_beginning_until_it_is_over():
    open_, [opened] = advance("run", {}, judged(finding("silent", since=3.0)), 3.0, moment(10.0))
    open_, _ = advance("run", open_, judged(finding("silent", since=3.0)), 3.0, moment(20.0))
    _, [resolved] = advance("run", open_, judged(), 29.0, moment(30.0))
    assert resolved.incident.id == opened.incident.id
    assert resolved.incident.finding.since == 3.0


def test_incidents_of_different_runs_and_times_have_different_names():
    found = judged(finding("silent"))
    names = {advance(run, {}, found, at, moment(at))[1][0].incident.id for run in ("a", "b") for at in (1.0, 2.0)}
    assert len(names) == 4


def test_silence_ends_with_a_sign_of_life_and_not_with_more_history():
    open_, _ = advance("run", {}, judged(finding("silent", since=3.0)), 3.0, moment(70.0))
    open_, changes = advance("run", open_, judged(), 3.0, moment(71.0))
    assert changes == []
    _, [resolved] = advance("run", open_, judged(), 71.5, moment(72.0))
    assert resolved.what == "resolved"


def test_a_crash_of_one_of_several_processes_is_told_once_though_the_others_end_later():
    crash = finding("crashed", since=3.0)
    open_, [opened] = advance("run", {}, judged(crash, is_over=False), 3.0, moment(3.0))
    open_, changes = advance("run", open_, judged(crash, is_over=True), 3.0, moment(9.0))
    assert (opened.what, [c.what for c in changes], open_) == ("opened", ["closed"], {})


def test_a_crash_is_over_when_its_process_was_started_anew():
    open_, _ = advance("run", {}, judged(finding("crashed"), is_over=False), 3.0, moment(3.0))
    _, changes = advance("run", open_, judged(), 9.0, moment(9.0))
    assert [c.what for c in changes] == ["resolved"]


UNKNOWN, KILLED = Cause("unknown"), Cause("signal", {"signal": "SIGKILL"})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(UNKNOWN, KILLED, ["amended"], id="only now is it known"),
        pytest.param(UNKNOWN, UNKNOWN, [], id="still not known"),
        pytest.param(KILLED, UNKNOWN, [], id="known before"),
        pytest.param(KILLED, Cause("oom_kill"), [], id="told is told"),
    ],
)
@pytest.mark.parametrize("is_over", [False, True], ids=["others go on", "the run is over"])
def test_a_crash_is_told_again_when_it_becomes_known_why(before, after, expected, is_over):
    first, then = finding("crashed", since=3.0, cause=before), finding("crashed", since=4.0, cause=after)
    open_, [opened] = advance("run", {}, judged(first, is_over=False), 3.0, moment(3.0))
    _, changes = advance("run", open_, judged(then, is_over=is_over), 3.0, moment(9.0))
    amended = [c for c in changes if c.what != "closed"]
    assert [c.what for c in amended] == expected
    for change in amended:
        assert (change.incident.id, change.incident.finding.since) == (opened.incident.id, 3.0)
        assert change.incident.finding.cause == after
