"""What is shown before, or instead of, an alert."""

import pytest
from builders import beat, steady, worker

from epochwatch.wire import EXITING, FINISHED, Body
from epochwatchd.detection.observing import observe
from epochwatchd.detection.pending import pending
from epochwatchd.model import Exit


def standing(for_s):
    """A worker that beats once a second and stands at step 20 for so long."""
    beats = ((float(i), beat(i + 1, step=min(i, 20))) for i in range(21 + int(for_s)))
    return worker(*beats)


def slow():
    """A worker that makes a step a second for twenty minutes, and then one every five seconds for ten."""
    run = steady(1.0, 1200)
    for i in range(120):
        run = observe(run, beat(1201 + i), 1200.0 + 5.0 * i)
    return run


def code(run, now):
    suspected = pending(run, now)
    return suspected and suspected.code


def test_nobody_who_goes_on_is_suspected():
    assert pending(steady(1.0, 50), 50.0) is None


@pytest.mark.parametrize(("now", "expected"), [(51.0, None), (51.1, "silent"), (999.0, "silent")])
def test_silence_is_suspected_from_twice_the_longest_gap_on(now, expected):
    assert code(steady(1.0, 50), now) == expected


def test_a_suspicion_says_since_when_and_why():
    assert pending(steady(1.0, 50), 60.0) == (
        "silent", 51.0, "no beat for longer than ever: the longest gap was 1.0 s",
    )  # fmt: skip


@pytest.mark.parametrize(("for_s", "expected"), [(115, None), (116, "stalled")])
def test_a_step_that_stands_is_suspected_long_before_it_is_told(for_s, expected):
    run = standing(for_s)
    assert code(run, run.beat_at) == expected


def test_a_step_that_stands_for_twice_as_long_as_ever_is_suspected():
    run = standing(300)
    for i in range(400):
        run = observe(run, beat(1000 + i, step=21 + (i > 10)), 400.0 + i)
    assert code(run, run.beat_at) is None
    run = observe(run, beat(2000, step=22), run.beat_at + 60.0)
    for i in range(200):
        run = observe(run, beat(2001 + i, step=22), run.beat_at + 1.0)
    assert pending(run, run.beat_at).text == "beats come, but step 22 stays the same"


def test_much_slower_than_before_is_suspected_with_how_much():
    run = slow()
    suspected = pending(run, run.beat_at)
    assert (suspected.code, suspected.text) == ("slow", "5.0 times slower than before")
    assert suspected.since == pytest.approx(1200.0, abs=31.0)


def test_silence_is_worse_than_slowness():
    run = slow()
    assert code(run, run.beat_at + 11.0) == "silent"


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(worker((0.0, beat(0))), id="no beat yet"),
        pytest.param(worker((0.0, beat(0, Body("j", command_pid=9)))), id="a wrapper"),
        pytest.param(worker((0.0, beat(1)), (1.0, beat(1, phase="eval"))), id="an announced phase"),
        pytest.param(worker((0.0, beat(1)), (1.0, beat(2, state=EXITING))), id="leaving"),
        pytest.param(worker((0.0, beat(1)), (1.0, beat(2, state=FINISHED))), id="finished"),
        pytest.param(worker((0.0, beat(1)))._replace(exit=Exit(1.0)), id="gone"),
    ],
)
def test_nothing_is_suspected_of(run):
    assert pending(run, 1000.0) is None
