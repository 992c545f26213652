"""Whether the work goes on and how fast: what beats teach of steps."""

import pytest
from builders import beat, worker

from epochwatch.wire import Body
from epochwatchd.detection.observing import excuse_pause, observe, resume
from epochwatchd.detection.throughput import ENOUGH, NEW_PACE_S, SLOW_KEPT, USUAL_KEPT, slowdown


class Training:
    """A run that is looked at once a second, step after step."""

    def __init__(self, *, tells_step=True, per_epoch=0):
        self.tells_step, self.per_epoch = tells_step, per_epoch
        self.now, self.done = 0.0, 0
        self.run = worker((0.0, self.said()))

    def said(self):
        step = self.done % self.per_epoch if self.per_epoch else self.done
        epoch = float(self.done // self.per_epoch) if self.per_epoch else None
        return beat(self.done + 1, step=step if self.tells_step else None, epoch=epoch)

    def trains(self, for_s, *, steps_per_s):
        """So long at this pace, from where it stands."""
        begun, done = self.now, self.done
        while self.now < begun + for_s:
            self.now += 1.0
            self.done = done + int((self.now - begun) * steps_per_s)
            self.run = observe(self.run, self.said(), self.now)
        return self

    def pauses(self, for_s):
        self.now += for_s
        return self

    @property
    def times_slower(self):
        return slowdown(self.run.pace.windows)


def steady(**more):
    return Training(**more).trains(1200.0, steps_per_s=4.0)


@pytest.mark.parametrize("more", [{}, {"tells_step": False}, {"per_epoch": 50}])
def test_who_becomes_four_times_slower_is_slow_after_five_minutes(more):
    run = steady(**more)
    assert run.trains(290.0, steps_per_s=1.0).times_slower is None
    assert run.trains(60.0, steps_per_s=1.0).times_slower == pytest.approx(4.0, rel=0.1)
    assert run.run.pace.windows.slow_at == pytest.approx(1200.0, abs=31.0)


def test_twice_as_slow_is_nothing_to_speak_of():
    assert steady().trains(1200.0, steps_per_s=2.0).times_slower is None


def test_who_is_fast_again_is_slow_no_longer():
    run = steady().trains(600.0, steps_per_s=1.0)
    assert run.trains(60.0, steps_per_s=4.0).times_slower is None


def test_long_pauses_are_not_slow():
    run = steady()
    for _ in range(10):
        run.pauses(600.0).trains(120.0, steps_per_s=4.0)
        assert run.times_slower is None


def test_a_pause_in_every_stretch_is_the_usual_pace():
    run = Training()
    for _ in range(60):
        run.trains(20.0, steps_per_s=4.0).pauses(90.0)
        assert run.times_slower is None


def test_who_stays_slow_has_a_new_pace_in_the_end():
    run = steady().trains(NEW_PACE_S + 60.0, steps_per_s=0.5)
    assert run.times_slower is None
    assert run.trains(600.0, steps_per_s=0.125).times_slower == pytest.approx(4.0, rel=0.1)


def test_a_run_that_has_shown_no_pace_yet_is_never_slow():
    run = Training().trains(30.0 * (ENOUGH // 2), steps_per_s=4.0)
    assert run.trains(900.0, steps_per_s=0.1).times_slower is None


def test_what_is_remembered_is_bounded():
    run = Training().trains(7200.0, steps_per_s=4.0).trains(3600.0, steps_per_s=1.0)
    assert len(run.run.pace.windows.usual) == USUAL_KEPT
    assert len(run.run.pace.windows.slow) == SLOW_KEPT


def test_a_step_stands_from_the_first_beat_that_told_it():
    run = worker((0.0, beat(1, step=1)), (2.0, beat(2, step=2)), (3.0, beat(3, step=2)), (4.0, beat(4, step=2)))
    assert (run.pace.stood_at, run.pace.advances) == (2.0, True)
    assert observe(run, beat(5, step=3), 5.0).pace.stood_at is None


def test_a_keep_alive_makes_no_step_stand():
    assert worker((0.0, beat(1, step=1)), (9.0, beat(1, step=1))).pace.stood_at is None


def test_a_new_epoch_is_work_though_its_step_is_the_same():
    run = worker((0.0, beat(1, step=0, epoch=1.0)), (9.0, beat(2, step=0, epoch=2.0)))
    assert run.pace.stood_at is None


@pytest.mark.parametrize(
    ("news", "at"),
    [
        pytest.param({"loss": 0.4}, 20.0, id="another loss"),
        pytest.param({"loss": 0.5}, 0.0, id="the same loss"),
        pytest.param({"loss": float("nan")}, 0.0, id="NaN"),
        pytest.param({"loss": 0.5, "body": Body("digits", metrics={"acc": 0.5})}, 20.0, id="a metric"),
    ],
)
def test_numbers_that_change_at_the_same_step_are_news(news, at):
    run = worker((0.0, beat(1, step=1, loss=0.5)), (10.0, beat(2, step=1, loss=0.5)), (20.0, beat(3, step=1, **news)))
    assert run.pace.news_at == at


def test_a_loss_that_comes_after_its_beat_is_news_too():
    run = worker((0.0, beat(1, step=1)), (10.0, beat(2, step=1)), (10.1, beat(2, step=1, loss=0.5)))
    assert run.pace.news_at == 10.1


def test_a_silence_at_a_step_counts_for_a_minute_only():
    run = worker((0.0, beat(1, step=1)), (1000.0, beat(2, step=1)), (1001.0, beat(3, step=1)))
    assert run.beat_at - run.pace.stood_at == 61.0


def test_time_that_is_forgiven_or_missed_is_no_standing_and_no_slowness():
    run = worker((0.0, beat(1, step=1)), (1.0, beat(2, step=2)), (11.0, beat(3, step=2)))
    assert run.beat_at - run.pace.stood_at == 10.0
    assert excuse_pause(run, 5.0, 20.0).pace.stood_at == 6.0
    later = resume(run, 5000.0)
    assert (later.beat_at - later.pace.stood_at, later.pace.windows.from_at) == (10.0, 4989.0)


def test_steps_that_jump_absurdly_harm_nothing():
    run = worker((0.0, beat(1, step=0)))
    for i, step in enumerate([0, -5, 2**62, 3, 3, -(2**62), 17] * 40):
        run = observe(run, beat(i + 2, step=step, epoch=float(-i % 3)), 31.0 * i)
    assert slowdown(run.pace.windows) is None or slowdown(run.pace.windows) > 0.0
