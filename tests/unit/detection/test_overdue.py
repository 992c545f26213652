"""``overdue`` by the run's own estimate: only when it is far beyond what its first fifth made one expect."""

import pytest
from builders import beat, worker

from epochwatch.wire import Body
from epochwatchd.detection.detectors import overdue
from epochwatchd.detection.observing import observe
from epochwatchd.model import Facts, Policy

HOUR = 3600.0


def trained(paces, *, epochs, first=0, began=0.0):
    """A run of planned epochs, the first of which is seen at ``began``, each of the others taking so many seconds."""
    at, beats = began, [(began, beat(1, Body("digits", epochs=epochs), epoch=float(first)))]
    for i, pace in enumerate(paces, 1):
        at += pace
        beats.append((at, beat(1 + i, Body("digits", epochs=epochs), epoch=float(first + i))))
    return worker(*beats)


def is_overdue_at(run, now):
    return overdue.detect(run, Facts(), Policy(), now) is not None


def ever_overdue(paces, **plan):
    """Whether it is found at any beat, or just before the next."""
    runs = [trained(paces[:done], **plan) for done in range(len(paces) + 1)]
    nexts = [run.beat_at for run in runs[1:]] + [runs[-1].beat_at]
    return any(is_overdue_at(run, now) for run, at in zip(runs, nexts, strict=True) for now in (run.beat_at, at))


@pytest.mark.parametrize(
    ("paces", "plan"),
    [
        pytest.param([HOUR] * 89, {"epochs": 90}, id="as it said"),
        pytest.param([HOUR] * 30 + [1.9 * HOUR] * 59, {"epochs": 90}, id="it slows down by nearly half"),
        pytest.param([HOUR] * 45 + [3 * HOUR] * 44, {"epochs": 90}, id="larger images in the second half"),
        pytest.param([9 * HOUR, *[HOUR] * 88], {"epochs": 90}, id="a slow first epoch"),
        pytest.param([HOUR] * 29, {"epochs": 90, "first": 60}, id="resumed from a checkpoint"),
        pytest.param([HOUR] * 60 + [20 * HOUR] + [HOUR] * 28, {"epochs": 90}, id="a night in a queue"),
        pytest.param([10.0] * 10 + [60.0] * 39, {"epochs": 50}, id="short: within half an hour of its estimate"),
        pytest.param([1.0, 500 * HOUR], {"epochs": 3}, id="too few epochs to estimate anything"),
        pytest.param([HOUR] * 200, {"epochs": 5}, id="it goes on beyond its plan"),
        pytest.param([HOUR] * 200, {"epochs": 10, "first": 30}, id="it was resumed beyond its plan"),
    ],
)
def test_no_word_about_a_run_that(paces, plan):
    assert not ever_overdue(paces, **plan)


@pytest.mark.parametrize(
    ("paces", "plan"),
    [
        pytest.param([HOUR] * 30 + [4 * HOUR] * 59, {"epochs": 90}, id="four times slower after a third"),
        pytest.param([HOUR] * 29 + [4 * HOUR] * 30, {"epochs": 90, "first": 30}, id="the same, resumed"),
        pytest.param([HOUR] * 80 + [30 * HOUR] * 8, {"epochs": 90}, id="it crawls towards its end"),
    ],
)
def test_a_warning_about_a_run_that_is(paces, plan):
    assert ever_overdue(paces, **plan)


def test_it_is_told_from_when_on_and_why_and_until_the_end():
    slow = trained([HOUR] * 30 + [4 * HOUR] * 40, epochs=90)
    found = overdue.detect(slow, Facts(), Policy(), slow.beat_at)
    assert (found.kind, found.severity, found.since) == ("overdue", "warning", 2 * 89 * HOUR)
    assert (found.cause.code, found.cause.details) == ("past_estimate", {"estimate_s": 89 * HOUR})
    assert found.cause.evidence == (
        "by the pace of the first fifth 89.0 h in all; so far 190.0 h",
        "71 of 90 done; at the pace so far about 51.6 h to go",
    )
    done = trained([HOUR] * 30 + [4 * HOUR] * 59, epochs=90)
    assert is_overdue_at(done, done.beat_at + HOUR)


def test_a_silence_is_not_told_twice():
    hangs_near_its_end = trained([HOUR] * 85, epochs=90)
    assert not is_overdue_at(hangs_near_its_end, 1000 * HOUR)


def test_a_search_that_trains_again_and_again_is_never_overdue():
    once = [(float(e), e) for e in range(10)]
    beats = [(trial * 10 * HOUR + at * HOUR, epoch) for trial in range(20) for at, epoch in once]
    made = worker(*((at, beat(i, Body("j", epochs=10), epoch=float(e))) for i, (at, e) in enumerate(beats, 1)))
    assert not is_overdue_at(made, made.beat_at)


def test_another_plan_is_timed_anew():
    run = trained([HOUR] * 9, epochs=10)
    longer = observe(run, beat(11, Body("digits", epochs=100), epoch=10.0), 10 * HOUR)
    assert (run.estimate_s, longer.estimate_s, longer.pace_from) == (9 * HOUR, None, (11.0, 10 * HOUR))


def test_a_beat_without_an_epoch_changes_nothing():
    run = trained([HOUR] * 30, epochs=90)
    bare = observe(run, beat(32, Body("digits", epochs=90)), 31 * HOUR)
    assert (bare.estimate_s, bare.pace_from) == (run.estimate_s, run.pace_from)
    after = observe(bare, beat(33, Body("digits", epochs=90), epoch=31.0), 32 * HOUR)
    assert (after.estimate_s, after.pace_from) == (run.estimate_s, run.pace_from)
