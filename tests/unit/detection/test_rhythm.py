import pytest
from builders import beat, steady, worker

from flatline.wire import EXITING, Body
from flatlined.detection.rhythm import is_suspect, learn, silent_from
from flatlined.model import Policy, Process, Rhythm

AUTO = Policy()
ASLEEP = Process("S", active_at=-100.0)


def test_a_rhythm_remembers_how_many_gaps_and_the_longest():
    assert learn(learn(Rhythm(), 3.0), 1.0) == Rhythm(2, 3.0)


@pytest.mark.parametrize(
    ("every_s", "count", "limit_s"),
    [
        pytest.param(0.02, 1000, 60.0, id="fast beats: nobody is woken in under a minute"),
        pytest.param(30.0, 20, 150.0, id="five times the longest gap"),
        pytest.param(3600.0, 20, 18000.0, id="an hour an epoch"),
        pytest.param(1.0, 3, 1800.0, id="little learned yet: as patient as with the first beat"),
    ],
)
def test_auto_is_five_times_the_longest_gap_once_there_is_something_to_learn_from(every_s, count, limit_s):
    run = steady(every_s, count)
    assert silent_from(run, ASLEEP, AUTO, run.beat_at) == pytest.approx(run.beat_at + limit_s)


@pytest.mark.parametrize(
    ("process", "limit_s"),
    [
        pytest.param(Process("S", active_at=-100.0), 150.0, id="waiting"),
        pytest.param(Process("R", active_at=600.0), 900.0, id="computing: six times longer"),
        pytest.param(Process("T", active_at=-100.0), 90.0, id="stopped: three times the longest gap will do"),
        pytest.param(Process("t", active_at=-100.0), 150.0, id="under a debugger: as if waiting"),
        pytest.param(None, 150.0, id="not looked at"),
    ],
)
def test_what_the_process_does_makes_auto_more_or_less_patient(process, limit_s):
    run = steady(30.0, 20)
    assert silent_from(run, process, AUTO, 600.0) == run.beat_at + limit_s


def test_a_stopped_process_with_a_fast_rhythm_is_silent_after_five_seconds():
    run = steady(0.1, 50)
    assert silent_from(run, Process("T", -100.0), AUTO, 10.0) == run.beat_at + 5.0


def test_a_configured_limit_holds_whatever_the_rhythm_and_the_process():
    run = steady(30.0, 20)
    assert silent_from(run, Process("R", 600.0), Policy(silent_after_s=7.0), 600.0) == run.beat_at + 7.0


def test_before_the_first_beat_there_is_time_to_load_and_compile():
    run = worker((0.0, beat(0)))
    assert silent_from(run, ASLEEP, Policy(silent_after_s=5.0, first_beat_within_s=900.0), 1.0) == 900.0


@pytest.mark.parametrize(
    ("phase", "limit_s"),
    [
        pytest.param({"phase": "eval", "within_s": 600.0}, 600.0, id="announced with a budget"),
        pytest.param({"phase": "eval", "within_s": 3.0}, 3.0, id="a short budget is taken at its word"),
        pytest.param({"phase": "eval"}, 1800.0, id="announced without one: as long as a first beat"),
    ],
)
def test_a_phase_is_given_its_budget(phase, limit_s):
    run = worker(*((i, beat(i + 1)) for i in range(20)), (20.0, beat(20, **phase)))
    assert silent_from(run, ASLEEP, AUTO, 21.0) == 20.0 + limit_s


def test_beats_within_a_phase_that_outlasts_its_budget_count_as_life():
    run = worker(
        (0.0, beat(1)), (1.0, beat(1, phase="eval", within_s=2.0)), (50.0, beat(2, phase="eval", within_s=2.0))
    )
    assert silent_from(run, ASLEEP, Policy(silent_after_s=9.0), 51.0) == 59.0


def test_time_spent_in_a_phase_is_not_learned_as_a_gap():
    run = worker((0.0, beat(1)), (1.0, beat(2)), (2.0, beat(2, phase="eval")), (902.0, beat(2)), (903.0, beat(3)))
    assert run.rhythm.longest_s == 1.0


def test_an_interpreter_that_does_not_get_done_exiting_is_silent_after_a_minute():
    run = worker(*((i * 0.1, beat(i + 1)) for i in range(20)), (2.0, beat(20, Body("j"), state=EXITING)))
    assert silent_from(run, ASLEEP, AUTO, 3.0) == 62.0


def test_a_worker_is_suspect_after_twice_its_longest_gap():
    run = steady(10.0, 5)
    assert not is_suspect(run, run.beat_at + 19.0)
    assert is_suspect(run, run.beat_at + 21.0)
