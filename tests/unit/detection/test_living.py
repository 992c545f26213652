"""``silent``, ``lost``, ``diverged`` and ``overdue``: verdicts on runs that still live, or may."""

import math

import pytest
from builders import beat, steady, worker

from epochwatch.wire import Body
from epochwatchd.detection.detectors import diverged, find, lost, overdue, silent
from epochwatchd.model import Facts, Gpu, GpuLoad, Policy, Process, Wait

FIVE = Policy(silent_after_s=5.0)


@pytest.mark.parametrize("name", find())
def test_no_detector_finds_anything_in_a_healthy_worker(name):
    assert find()[name](steady(1.0, 50), Facts(Process("R", 50.0)), Policy(), 50.0) is None


@pytest.mark.parametrize(("now", "is_silent"), [(4.9, False), (5.0, True), (500.0, True)])
def test_silent_from_its_limit_on(now, is_silent):
    assert (silent.detect(worker(), Facts(Process("S", 0.0)), FIVE, now) is not None) is is_silent


@pytest.mark.parametrize(("now", "is_told"), [(6.0, False), (19.9, False), (20.0, True)])
def test_nobody_is_called_silent_before_a_look_unless_none_can_be_had(now, is_told):
    assert (silent.detect(worker(), Facts(), FIVE, now) is not None) is is_told


def test_of_who_lives_elsewhere_no_look_is_awaited():
    far = worker(local=False, keeps_alive=True)
    assert silent.detect(far, Facts(), FIVE, 5.0) is not None


def planned(done, state="S"):
    run = worker(*((float(i), beat(i + 1, Body("digits", epochs=5), epoch=float(i))) for i in range(done)))
    return silent.detect(run, Facts(Process(state, 0.0)), FIVE, 60.0)


def test_a_process_that_waits_after_all_is_done_has_finished():
    finding = planned(5)
    assert (finding.kind, finding.severity, finding.cause.code) == ("finished", "info", "still_there")
    assert planned(4).kind == "silent"
    assert planned(5, state="T").kind == "silent"


def test_gpu_memory_that_such_a_process_holds_is_a_warning():
    run = worker((0.0, beat(1, Body("digits", epochs=1), epoch=0.0)))
    finding = silent.detect(run, Facts(Process("S", 0.0), (SPINNING,)), FIVE, 60.0)
    assert (finding.kind, finding.severity, finding.cause.details["gpus"]) == ("finished", "warning", [0])


@pytest.mark.parametrize(("active_at", "is_told"), [(3599.0, False), (100.0, True)])
def test_a_watched_function_that_never_beats_is_judged_by_whether_it_works(active_at, is_told):
    run = worker((0.0, beat(0, Body("fit", watched=True))))
    process = Process("S", active_at)
    assert (silent.detect(run, Facts(process), Policy(), 3600.0) is not None) is is_told
    assert silent.detect(worker((0.0, beat(0, Body("fit")))), Facts(process), Policy(), 3600.0) is not None


@pytest.mark.parametrize(
    ("process", "code"),
    [
        (Process("T", 0.0), "stopped"),
        (Process("t", 9.0), "stopped"),
        (Process("R", 9.0), "busy"),
        (Process("S", 0.0, "futex_wait_queue"), "deadlock"),
        (Process("D", 0.0, "nfs_wait"), "io_wait"),
        (None, "unknown"),
    ],
)
def test_the_process_says_why_it_is_silent(process, code):
    assert silent.detect(worker(), Facts(process), FIVE, 30.0 if process is None else 10.0).cause.code == code


def test_silence_names_the_phase_it_fell_in_and_the_wait_channel():
    run = worker((0.0, beat(1)), (1.0, beat(1, phase="eval", within_s=2.0)))
    evidence = silent.detect(run, Facts(Process("S", 0.0, "pipe_read")), FIVE, 10.0).cause.evidence
    assert "in phase 'eval'" in evidence
    assert "process state S, waiting in pipe_read" in evidence


def command(outputs, every_s=1.0):
    return worker(*((n * every_s, beat(n, Body("j", command_pid=9))) for n in range(outputs + 1)))


@pytest.mark.parametrize(
    ("outputs", "policy", "worked_ago_s", "from_s"),
    [
        pytest.param(0, FIVE, 1e6, math.inf, id="it never wrote"),
        pytest.param(8, Policy(), 1e6, math.inf, id="a few lines are no promise"),
        pytest.param(59, Policy(), 1e6, math.inf, id="nor are many at its beginning"),
        pytest.param(1, FIVE, 0.0, 5.0, id="what is configured is taken at its word"),
        pytest.param(200, Policy(), 1e6, 115.0, id="idle: as any silence"),
        pytest.param(200, Policy(), 0.0, 1800.0, id="busy: its output may be held back"),
    ],
)
def test_a_command_without_an_agent_is_silent_when_it_stops_writing(outputs, policy, worked_ago_s, from_s):
    run = command(outputs)

    def told(after_s):
        now = run.beat_at + after_s
        wait = Wait("still", run.beat_at) if worked_ago_s else None
        return silent.detect(run, Facts(Process("S", now - worked_ago_s, wait=wait)), policy, now)

    if from_s == math.inf:
        assert told(1e5) is None
    else:
        assert (told(from_s - 0.1), told(from_s).severity) == (None, "warning")
        assert told(from_s).cause.evidence[0].startswith("no output for")


def test_what_cannot_be_looked_at_is_lost_not_silent():
    remote = worker(local=False)
    assert silent.detect(remote, Facts(), FIVE, 10.0) is None
    assert lost.detect(remote, Facts(), FIVE, 10.0).kind == "lost"


def test_a_remote_agent_is_silent_while_its_keep_alives_come_and_lost_when_they_stop():
    run = worker((0.0, beat(1)), (20.0, beat(1)), local=False, keeps_alive=True)
    assert silent.detect(run, Facts(), FIVE, 21.0).kind == "silent"
    assert lost.detect(run, Facts(), FIVE, 21.0) is None
    assert lost.detect(run, Facts(), FIVE, 51.0).since == 20.0


def test_a_local_run_is_never_lost():
    assert lost.detect(worker(), Facts(), FIVE, 1e6) is None


@pytest.mark.parametrize(("loss", "code"), [(math.nan, "loss_nan"), (math.inf, "loss_inf"), (-math.inf, "loss_inf")])
def test_a_loss_that_is_no_number_has_diverged(loss, code):
    found = diverged.detect(worker((0.0, beat(1, loss=0.5)), (3.0, beat(2, loss=loss))), Facts(), FIVE, 4.0)
    assert (found.since, found.cause.code) == (3.0, code)


@pytest.mark.parametrize(("now", "is_overdue"), [(99.0, False), (100.0, True)])
def test_overdue_after_its_longest_runtime(now, is_overdue):
    found = overdue.detect(worker(), Facts(), Policy(max_runtime_s=100.0), now)
    assert (found is not None) is is_overdue


def test_never_overdue_where_no_runtime_is_set():
    assert overdue.detect(worker(), Facts(), Policy(), 1e9) is None


SPINNING = Gpu(
    0, "H100", 1000.0, busy_at=9.0, held_since=0.0, utilization_pct=100.0, power_w=130.0,
    usual=GpuLoad(120, 98.0, 40.0, 600.0), lately=GpuLoad(6, 100.0, 0.0, 130.0),
)  # fmt: skip


def test_a_silence_in_which_the_gpu_spins_says_so_whatever_the_process_does_meanwhile():
    for process in (Process("R", 9.0), Process("S", 0.0), None):
        finding = silent.detect(worker(), Facts(process, (SPINNING,)), FIVE, 10.0 if process else 30.0)
        assert (finding.kind, finding.cause.code, finding.cause.details["gpus"]) == ("silent", "gpu_spin", [0])
        assert finding.cause.evidence[-1] == "GPU 0 H100: 100 % used, 1000 MiB held, 130 W (usually 600 W)"


def test_a_spin_is_no_fault_before_the_limit_and_no_cause_for_a_stopped_process():
    assert silent.detect(worker(), Facts(None, (SPINNING,)), FIVE, 4.9) is None
    assert silent.detect(worker(), Facts(Process("T", 9.0), (SPINNING,)), FIVE, 10.0).cause.code == "stopped"
