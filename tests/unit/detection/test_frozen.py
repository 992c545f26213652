"""When a step that stands still, while beats come, is called a stall."""

import pytest
from builders import beat, worker

from epochwatch.wire import EXITING
from epochwatchd.detection import silence
from epochwatchd.detection.detectors.frozen import NEWS_FACTOR, detect
from epochwatchd.detection.observing import observe
from epochwatchd.model import Exit, Facts, Policy

FIVE = Policy(silent_after_s=5.0)
AUTO = Policy()


class Training:
    """A run that beats once a second."""

    def __init__(self, **first):
        self.now, self.seq, self.step = 0.0, 1, 0
        self.run = worker((0.0, beat(1, **{"step": 0, "loss": 0.5, **first})))

    def beats(self, count, *, every_s=1.0, advancing=False, **said):
        for _ in range(count):
            self.now += every_s
            self.seq += 1
            self.step += advancing
            told = {"step": self.step, "loss": 0.5, **said}
            self.run = observe(self.run, beat(self.seq, **told), self.now)
        return self

    def trains(self, steps=20):
        return self.beats(steps, advancing=True)

    def changes(self, count):
        """Beats at the same step, each with another loss."""
        for i in range(count):
            self.beats(1, loss=1.0 / (i + 3))
        return self

    def found(self, policy):
        return detect(self.run, Facts(), policy, self.now)


def test_a_training_that_goes_on_is_not_frozen():
    assert Training().trains(5000).found(FIVE) is None


@pytest.mark.parametrize(("stood_s", "is_frozen"), [(14, False), (15, True), (600, True)])
def test_a_step_may_stand_for_three_times_what_a_silence_may_last(stood_s, is_frozen):
    assert (Training().trains().beats(stood_s).found(FIVE) is not None) is is_frozen


def test_it_is_critical_and_says_which_step_since_when_and_what_was_usual():
    finding = Training().trains(20).beats(15).found(FIVE)
    assert (finding.kind, finding.severity, finding.since) == ("stalled", "critical", 20.0)
    assert (finding.cause.code, finding.cause.details) == ("step_frozen", {"step": 20, "stood_s": 15.0})
    assert finding.cause.evidence == (
        "step 20 for 15 s, and beats came; never 5 s before",
        "loss and metrics did not change for 15 s",
    )


def test_it_is_over_with_the_next_step():
    assert Training().trains().beats(600).trains(1).found(FIVE) is None


def test_a_step_that_goes_back_is_work_too():
    assert Training().trains().beats(600).beats(1, step=3).found(FIVE) is None


@pytest.mark.parametrize(("minutes", "is_frozen"), [(29, False), (31, True)])
def test_where_nothing_is_configured_an_evaluation_may_beat_for_as_long_as_a_first_beat_may_take(minutes, is_frozen):
    assert (Training().trains(5000).beats(60 * minutes).found(AUTO) is not None) is is_frozen


def test_evaluations_that_were_longer_before_are_allowed_again():
    run = Training().trains().beats(3500).trains().beats(3500).trains()
    assert run.beats(3600).found(AUTO) is None
    assert run.beats(9000).found(AUTO) is not None


def test_a_minute_of_gradient_accumulation_is_a_habit_after_the_first_step():
    run = Training().trains(3)
    for _ in range(30):
        run.beats(12)
        assert run.found(FIVE) is None
        run.trains(1)
    assert run.beats(20).found(FIVE) is not None


def test_a_hang_that_ended_counts_for_no_more_than_an_hour():
    run = Training().trains().beats(8 * 3600).trains()
    assert run.run.history.stands.longest_s == 3600.0


def test_a_loss_that_changes_at_the_same_step_is_given_ten_times_as_long():
    run = Training().trains().changes(149)
    assert run.found(FIVE) is None
    assert NEWS_FACTOR == 10.0
    assert run.changes(10).found(FIVE) is not None


def test_a_number_that_changes_once_more_does_not_call_it_over():
    run = Training().trains().beats(60)
    assert run.changes(1).beats(3).found(FIVE).since == 20.0
    assert run.trains(2).beats(3).found(FIVE) is None


def test_a_step_that_was_never_seen_to_advance_is_a_constant():
    assert Training(step=7).beats(9999, step=7).found(FIVE) is None


def test_a_run_that_tells_no_step_is_never_frozen():
    assert Training(step=None).beats(9999, step=None).found(FIVE) is None


def test_an_announced_phase_may_stand_still_within_its_budget():
    run = Training().trains()
    assert run.beats(100, phase="eval", within_s=100.0).found(FIVE) is None
    assert run.beats(2, phase="eval", within_s=100.0).found(FIVE) is not None


def test_the_time_in_a_phase_that_is_over_does_not_count():
    run = Training().trains().beats(90, phase="eval", within_s=100.0)
    assert run.beats(15).found(FIVE) is None
    assert run.beats(1).found(FIVE) is not None


def test_a_phase_teaches_nothing_of_other_steps():
    run = Training().trains().beats(90, phase="eval", within_s=100.0).trains()
    assert run.run.history.stands.seen == 0


def test_one_beat_after_a_long_silence_is_no_frozen_step():
    assert Training().trains().beats(1, every_s=7200.0).found(AUTO) is None


def test_who_leaves_or_is_gone_is_not_frozen():
    run = Training().trains().beats(600)
    assert detect(run.run._replace(exit=Exit(run.now, 1)), Facts(), FIVE, run.now) is None
    assert run.beats(1, state=EXITING).found(FIVE) is None


def test_what_the_job_did_before_counts_from_its_first_beat_on():
    first = Training().trains().beats(1500).trains()
    run = Training()
    run.run = run.run._replace(history=silence.next_run(first.run.history, first.now))
    assert run.trains().beats(2 * 3600).found(FIVE) is None
