import math

import pytest
from builders import beat, steady, worker

from epochwatch.wire import FINISHED, Body
from epochwatchd.detection.observing import eta_s, excuse_pause, observe, plan_is_reached, resume

PLANNED = Body("digits", epochs=10)


def test_a_keep_alive_is_heard_but_is_no_progress():
    run = observe(worker((0.0, beat(5))), beat(5), 8.0)
    assert (run.beat_at, run.heard_at, run.beats) == (0.0, 8.0, 0)


def test_a_beat_that_was_overtaken_on_its_way_says_nothing():
    run = worker((0.0, beat(5, epoch=5.0)), (1.0, beat(6, epoch=6.0, state=FINISHED)))
    assert observe(run, beat(5, epoch=5.0), 2.0) == run
    assert observe(run, beat(6, epoch=6.0), 2.0) == run


def test_a_loss_that_comes_after_its_beat_is_taken_in():
    run = observe(worker((0.0, beat(5))), beat(5, loss=0.5), 0.1)
    assert run.head.loss == 0.5


def test_a_phase_begins_when_it_is_first_heard_of():
    run = worker((0.0, beat(1)), (3.0, beat(1, phase="eval")), (4.0, beat(2, phase="eval")))
    assert (run.phase_at, run.beat_at) == (3.0, 4.0)


def test_nan_is_dated_from_the_first_beat_that_had_it_and_ends_with_a_number():
    run = worker((0.0, beat(1, loss=1.0)), (1.0, beat(2, loss=math.nan)), (2.0, beat(3, loss=math.inf)))
    assert run.not_finite_at == 1.0
    assert observe(run, beat(4, loss=0.3), 3.0).not_finite_at is None


def test_a_beat_without_a_loss_says_nothing_about_nan():
    run = worker((0.0, beat(1, loss=math.nan)), (1.0, beat(2)))
    assert run.not_finite_at == 0.0


@pytest.mark.parametrize(
    ("beats", "expected"),
    [
        pytest.param([(0.0, 0), (60.0, 1), (120.0, 2)], 420.0, id="a minute an epoch, seven to go"),
        pytest.param([(0.0, 4)], None, id="one epoch says nothing about pace"),
        pytest.param([(0.0, 8), (60.0, 9)], 0.0, id="done"),
    ],
)
def test_eta_follows_the_runs_own_pace(beats, expected):
    run = worker(*((at, beat(i + 1, PLANNED, epoch=float(epoch))) for i, (at, epoch) in enumerate(beats)))
    assert eta_s(run) == expected


def test_eta_goes_by_steps_where_only_steps_are_planned():
    plan = Body("digits", steps=100)
    run = worker((0.0, beat(1, plan, step=9)), (10.0, beat(2, plan, step=19)))
    assert eta_s(run) == 80.0


def test_nothing_planned_gives_no_eta():
    assert eta_s(steady(1.0, 5)) is None


@pytest.mark.parametrize(("epoch", "reached"), [(8.0, False), (9.0, True)])
def test_the_plan_is_reached_with_the_last_epoch_counted_from_zero(epoch, reached):
    assert plan_is_reached(worker((0.0, beat(1, PLANNED, epoch=epoch)))) is reached


def test_time_the_watchdog_slept_is_held_against_nobody():
    run = excuse_pause(worker((10.0, beat(1, phase="eval"))), 5.0, 20.0)
    assert (run.beat_at, run.heard_at, run.phase_at) == (15.0, 15.0, 15.0)


def test_what_is_forgiven_never_lies_ahead():
    assert excuse_pause(worker((10.0, beat(1))), 5.0, 12.0).beat_at == 12.0


def test_a_run_taken_up_again_has_just_beaten():
    run = resume(steady(1.0, 5), 100.0)
    assert (run.beat_at, run.heard_at, run.rhythm.longest_s) == (100.0, 100.0, 1.0)
