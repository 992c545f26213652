import math
from dataclasses import replace

import pytest
from builders import beat, steady, worker

from epochwatch.wire import EXITING, Body
from epochwatchd.detection.observing import learn_wait
from epochwatchd.detection.silence.limits import ANNOUNCED_FLOOR_S, FLOOR_S
from epochwatchd.detection.timeout import is_suspect, silent_from
from epochwatchd.model import Policy, Process, Wait

AUTO = Policy()
LATE = 1e7
"""A time at which every limit has passed."""
ASLEEP = Process("S", active_at=-100.0, wait=Wait("still", -100.0))


def asleep_on(kind, since):
    return Process("S", active_at=-100.0, wait=Wait(kind, since))


def hours(every_s, count):
    """A worker of a job that is well known: its beats came evenly, for hours, in epochs of ten."""
    beats = ((i * every_s, beat(i + 1, epoch=float(i // 10))) for i in range(count))
    return worker(*beats)


@pytest.mark.parametrize(
    ("every_s", "count", "at_least_s", "at_most_s"),
    [
        pytest.param(0.5, 20_000, 90.0, 120.0, id="fast beats: nobody is woken in under a minute and a half"),
        pytest.param(30.0, 400, 90.0, 300.0, id="a few times the usual gap"),
        pytest.param(3600.0, 40, 2 * 3600.0, 5 * 3600.0, id="beats an hour apart"),
    ],
)
def test_auto_follows_the_runs_own_rhythm(every_s, count, at_least_s, at_most_s):
    run = hours(every_s, count)
    assert at_least_s <= silent_from(run, None, AUTO, LATE) - run.beat_at <= at_most_s


@pytest.mark.parametrize("silent_s", [6.0, 60.0, 114.0, 400.0])
def test_while_a_silence_is_short_all_that_is_said_is_that_it_may_get_longer(silent_s):
    run = steady(1.0, 5)
    now = run.beat_at + silent_s
    assert now < silent_from(run, None, AUTO, now) <= silent_from(run, None, AUTO, LATE)


def test_a_job_that_is_not_known_yet_is_given_time():
    run = steady(1.0, 5)
    assert silent_from(run, None, AUTO, LATE) >= run.beat_at + 600.0


def test_after_the_first_beat_of_all_the_next_may_take_half_an_hour():
    run = worker((0.0, beat(1)))
    assert 1800.0 <= silent_from(run, None, AUTO, LATE) <= 3600.0


@pytest.mark.parametrize(
    ("process", "limit_s"),
    [
        pytest.param(Process("R", active_at=1e9), 600.0, id="computing: all the time there is"),
        pytest.param(ASLEEP, 115.0, id="nobody was woken, and for what it waits is not shown: a sixth, or the floor"),
        pytest.param(asleep_on("closed", 7.0), 7.0 + 43.0 - 4.0, id="nobody is left who could end it: 43 s of it"),
        pytest.param(asleep_on("polls", 7.0), 600.0, id="it polls: all the time there is"),
        pytest.param(asleep_on("network", 7.0), 600.0, id="it waits for the network: all the time there is"),
        pytest.param(asleep_on("peers", 7.0), 600.0, id="it waits for its peers: all the time there is"),
        pytest.param(Process("T", active_at=-100.0), 5.0, id="stopped: it cannot be computing"),
        pytest.param(Process("t", active_at=-100.0), 600.0, id="under a debugger: somebody is at it"),
        pytest.param(None, 600.0, id="not looked at"),
    ],
)
def test_what_the_process_does_makes_the_silence_shorter(process, limit_s):
    run = steady(1.0, 5)
    assert silent_from(run, process, AUTO, run.beat_at + 400.0) - run.beat_at == pytest.approx(limit_s, rel=0.01)


def test_standing_still_for_longer_than_ever_is_what_counts():
    run = steady(600.0, 30)
    assert silent_from(run, ASLEEP, AUTO, run.beat_at + 700.0) >= run.beat_at + 720.0


@pytest.mark.parametrize(("state", "limit_s"), [("S", ANNOUNCED_FLOOR_S), ("R", ANNOUNCED_FLOOR_S), ("D", FLOOR_S)])
def test_who_announces_phases_is_still_given_time_for_slow_storage(state, limit_s):
    phases = [(5.0, beat(5)), (6.0, beat(5, phase="eval")), (8.0, beat(5)), (9.0, beat(6))]
    run = worker(*((i * 0.01, beat(i + 1)) for i in range(5)), *phases, *((9 + i / 2, beat(6 + i)) for i in range(999)))
    process = Process(state, active_at=run.beat_at)
    assert silent_from(run, process, AUTO, LATE) - run.beat_at == limit_s


def test_after_the_last_planned_epoch_there_is_time_for_a_last_test():
    done = worker(*((i * 1.0, beat(i + 1, Body("j", epochs=10), epoch=float(i))) for i in range(10)))
    assert silent_from(done, None, AUTO, LATE) == done.beat_at + 1800.0


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


def test_a_phase_without_a_budget_is_given_what_it_took_before():
    before = [(at, beat(i, phase=phase)) for i, (at, phase) in enumerate([(0, None), (1, "eval"), (61, None)], 1)]
    run = worker(*before, (62.0, beat(4)), (63.0, beat(4, phase="eval")))
    assert 60.0 < silent_from(run, ASLEEP, AUTO, 64.0) - 63.0 < 1800.0


def test_an_interpreter_that_does_not_get_done_exiting_is_silent_after_a_minute():
    run = worker(*((i * 0.1, beat(i + 1)) for i in range(20)), (2.0, beat(20, Body("j"), state=EXITING)))
    assert silent_from(run, None, AUTO, 50.0) == silent_from(run, ASLEEP, AUTO, 50.0) == 62.0
    assert silent_from(run, asleep_on("closed", 3.0), AUTO, 50.0) == 46.0


def test_a_closed_wait_is_given_longer_than_one_that_ended_well():
    run = steady(1.0, 5)
    learned = learn_wait(run._replace(beat_at=104.0), Wait("closed", 4.0))._replace(beat_at=run.beat_at)
    assert silent_from(learned, asleep_on("closed", 7.0), AUTO, 100.0) == 7.0 + 150.0


def test_of_a_process_that_was_attached_to_only_a_closed_wait_is_told():
    run = worker((0.0, beat(0, Body("j", attached=True))))
    reads = replace(asleep_on("closed", 7.0), wchan="anon_pipe_read")
    stopped = Process("T", active_at=-100.0)
    others = (None, ASLEEP, asleep_on("polls", 7.0), asleep_on("network", 7.0), reads, stopped)
    assert {silent_from(run, process, AUTO, LATE) for process in others} == {math.inf}
    assert silent_from(run, asleep_on("closed", 7.0), AUTO, 100.0) == 7.0 + 120.0


def test_a_process_whose_gpu_works_as_it_did_is_given_longer_unless_it_is_stopped():
    run = steady(1.0, 2000)
    now = run.beat_at + 9_000.0
    limit_s = silent_from(run, None, AUTO, now) - run.beat_at
    assert limit_s < 9_000.0
    assert silent_from(run, Process("S", 0.0, gpu_at=now, gpu_works=True), AUTO, now) - run.beat_at == 2 * limit_s
    assert silent_from(run, Process("T", 0.0, gpu_at=now, gpu_works=True), AUTO, now) - run.beat_at <= limit_s


def test_a_worker_is_suspect_after_twice_its_longest_gap():
    run = steady(10.0, 5)
    assert not is_suspect(run, run.beat_at + 19.0)
    assert is_suspect(run, run.beat_at + 21.0)
