from dataclasses import replace

import pytest

from epochwatchd.alerting.deciding import Hold
from epochwatchd.alerting.grouping import FLAPS_WITHIN_S, hold_of, is_fault, said_once

NOW, INTERVAL_S = 100_000.0, 30.0
WAITS = [
    ("the first of all", [], False, None),
    ("one a moment later", [NOW - 1.0], False, Hold("grouped", NOW + 29.0)),
    ("one when the interval is over", [NOW - 30.0], False, None),
    ("only the last start counts", [NOW - 100.0, NOW - 5.0], False, Hold("grouped", NOW + 25.0)),
    ("a start ahead is of a clock set back", [NOW + 3600.0], False, None),
    ("a crash may come as often as it does", [NOW - 900.0, NOW - 600.0, NOW - 300.0], False, None),
    ("a warning comes and goes", [NOW - 900.0, NOW - 600.0, NOW - 300.0], True, Hold("flapping", NOW + 900.0)),
    ("two are not often", [NOW - 600.0, NOW - 300.0], True, None),
    ("long ago is forgotten", [NOW - FLAPS_WITHIN_S, NOW - 600.0, NOW - 300.0], True, None),
]


@pytest.mark.parametrize(("starts", "may_flap", "hold"), [case[1:] for case in WAITS], ids=[case[0] for case in WAITS])
def test_what_waits_for_others(starts, may_flap, hold):
    assert hold_of(starts, NOW, INTERVAL_S, may_flap=may_flap) == hold


def test_without_an_interval_nothing_waits():
    assert hold_of([NOW - 1.0] * 5, NOW, 0.0, may_flap=True) is None


@pytest.mark.parametrize(
    "other",
    [
        {"host": "gpu02"},
        {"user": "jiho"},
        {"verified": False},
        {"kind": "silent"},
        {"cause": {"code": "signal", "details": {}, "evidence": []}},
        {"status": "resolved", "reason": "resolved"},
        {"reason": "reminder"},
    ],
    ids=str,
)
def test_what_is_not_alike_is_another_group(notification, other):
    assert replace(notification(), **other).group != notification().group


def test_what_is_alike_is_one_whatever_it_is_called(notification):
    assert replace(notification(), job="vit", run="x", id="y").group == notification().group


def test_whoever_chooses_the_names_stays_in_a_group_of_his_own(notification):
    mine = replace(notification(), user="eve", host="gpu01/mina/crashed/oom_kill/firing/gpu01")
    assert not mine.group.startswith(notification().group)


def test_news_and_reminders_are_no_faults(notification):
    told = notification()
    assert is_fault(told.group)
    assert is_fault(replace(told, status="resolved", reason="resolved").group)
    assert not is_fault(replace(told, status="notice", kind="finished").group)
    assert not is_fault(replace(told, reason="reminder").group)
    assert not is_fault("quiet")


def of(notification, *messages):
    return [replace(notification(), id=name, status=status, reason=reason) for name, status, reason in messages]


FOLDS = [
    ("one", [("a", "firing", "first")], [("a", "firing", "first")]),
    ("two", [("a", "firing", "first"), ("b", "firing", "first")], [("a", "firing", "first"), ("b", "firing", "first")]),
    ("known better by now", [("a", "firing", "first"), ("a", "firing", "amended")], [("a", "firing", "first")]),
    ("came and went", [("a", "firing", "first"), ("a", "resolved", "resolved")], [("a", "resolved", "first")]),
    ("an end of what was told", [("a", "resolved", "resolved")], [("a", "resolved", "resolved")]),
    (
        "what is wrong stands before what is over",
        [("a", "firing", "first"), ("a", "resolved", "resolved"), ("b", "firing", "first")],
        [("b", "firing", "first"), ("a", "resolved", "first")],
    ),
    ("said twice more", [("a", "firing", "reminder"), ("a", "firing", "reminder")], [("a", "firing", "reminder")]),
]


@pytest.mark.parametrize(("messages", "said"), [case[1:] for case in FOLDS], ids=[case[0] for case in FOLDS])
def test_of_each_incident_its_latest_state_is_said(notification, messages, said):
    assert [(n.id, n.status, n.reason) for n in said_once(of(notification, *messages))] == said


def test_the_worst_is_first(notification):
    mild, bad = replace(notification(), id="a", severity="warning"), replace(notification(), id="b")
    assert [n.id for n in said_once([mild, bad])] == ["b", "a"]
