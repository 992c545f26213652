"""When a GPU that is held counts as stalled: tables of what is known at 1,000 s, with a limit of 600 s."""

from dataclasses import replace

import pytest

from epochwatch.wire import EXITING, FAILED, FINISHED, RUNNING, Body, Head
from epochwatchd.detection.detectors.stalled import detect
from epochwatchd.model import Exit, Facts, Gpu, GpuFault, Policy, Rhythm, Worker

NOW = 1000.0
POLICY = Policy(gpu_stalled_after_s=600.0)
WORKER = Worker(
    key="run",
    head=Head(seq=1),
    body=Body(job="train"),
    user="mina",
    local=True,
    started_at=0.0,
    beat_at=0.0,
    heard_at=0.0,
    phase_at=0.0,
)
IDLE = Gpu(0, "H100", 40000.0, busy_at=400.0, held_since=10.0, utilization_pct=0.0, power_w=71.3)
BUSY = Gpu(1, "H100", 30000.0, busy_at=995.0, held_since=10.0, utilization_pct=98.0, power_w=600.0)


def found(*gpus, worker=WORKER, now=NOW):
    return detect(worker, Facts(gpus=gpus), POLICY, now)


def in_phase(*, within_s, phase_at):
    return WORKER._replace(head=Head(seq=1, phase="eval", within_s=within_s), phase_at=phase_at)


def test_an_idle_gpu_is_a_warning_that_says_how_long_and_how_much_memory():
    finding = found(IDLE)
    assert (finding.kind, finding.severity, finding.since) == ("stalled", "warning", 400.0)
    assert finding.cause.code == "gpu_idle"
    assert finding.cause.details == {"gpus": [0], "idle_s": 600.0, "memory_mib": 40000.0}
    assert finding.cause.evidence == ("GPU 0 H100: 0 % used, 40000 MiB held, 71 W",)


def test_two_idle_gpus_are_one_finding_since_the_later_one_worked():
    finding = found(IDLE, replace(IDLE, index=1, busy_at=300.0))
    assert finding.since == 400.0
    assert finding.cause.details == {"gpus": [0, 1], "idle_s": 600.0, "memory_mib": 80000.0}


def test_figures_that_the_driver_does_not_give_are_left_out():
    finding = found(replace(IDLE, memory_mib=None, power_w=None))
    assert finding.cause.details["memory_mib"] is None
    assert finding.cause.evidence == ("GPU 0 H100: 0 % used",)


@pytest.mark.parametrize(
    "gpus",
    [
        pytest.param((), id="no GPU is held"),
        pytest.param((replace(IDLE, busy_at=400.1),), id="idle for less than the limit"),
        pytest.param((replace(IDLE, held_since=400.1),), id="held for less than the limit"),
        pytest.param((IDLE, BUSY), id="another GPU works"),
    ],
)
def test_a_worker_is_not_stalled_when(gpus):
    assert found(*gpus) is None


@pytest.mark.parametrize(
    ("within_s", "phase_at", "stalled"),
    [
        pytest.param(900.0, 200.0, False, id="within its budget"),
        pytest.param(700.0, 200.0, True, id="past its budget"),
        pytest.param(100.0, 500.0, False, id="past its budget, idle for less than the limit since it began"),
        pytest.param(None, 300.0, True, id="without a budget"),
    ],
)
def test_an_announced_phase_explains_an_idle_gpu_within_its_budget(within_s, phase_at, stalled):
    assert bool(found(IDLE, worker=in_phase(within_s=within_s, phase_at=phase_at))) is stalled


def test_the_time_in_a_phase_that_is_over_is_not_held_against_the_worker():
    worker = WORKER._replace(phase_at=900.0)
    assert found(IDLE, worker=worker, now=1499.0) is None
    assert found(IDLE, worker=worker, now=1500.0) is not None


def test_a_lost_gpu_is_critical_at_once_even_in_a_phase():
    finding = found(replace(BUSY, lost=True), IDLE, worker=in_phase(within_s=900.0, phase_at=200.0))
    assert (finding.kind, finding.severity, finding.since) == ("stalled", "critical", 995.0)
    assert finding.cause.code == "gpu_lost"
    assert finding.cause.details == {"gpus": [1], "idle_s": 5.0, "memory_mib": 30000.0}
    assert finding.cause.evidence == ("GPU 1 H100: lost, 30000 MiB held",)


@pytest.mark.parametrize("gpu", [IDLE, replace(IDLE, lost=True)])
@pytest.mark.parametrize(
    "ended",
    [
        WORKER._replace(exit=Exit(900.0, -9)),
        WORKER._replace(head=Head(state=FINISHED)),
        WORKER._replace(head=Head(state=FAILED)),
    ],
)
def test_a_worker_that_has_ended_is_not_stalled(ended, gpu):
    assert found(gpu, worker=ended) is None


@pytest.mark.parametrize("state", [RUNNING, EXITING])
def test_a_worker_that_hangs_while_it_exits_still_wastes_its_gpu(state):
    assert found(IDLE, worker=WORKER._replace(head=Head(state=state))) is not None


def test_a_gpu_that_often_idles_for_longer_is_given_longer():
    habitual = replace(IDLE, longest_idle_s=900.0)
    assert found(habitual, now=400.0 + 1349.0) is None
    assert found(habitual, now=400.0 + 1350.0).cause.details["idle_s"] == 1350.0


GOES_ON = WORKER._replace(beat_at=999.0)


def failing(number, *, at=995.0, what="xid", ours=True):
    return replace(BUSY, faults=(GpuFault(at, what, number, ours),))


@pytest.mark.parametrize(
    ("fault", "severity", "blame"),
    [
        pytest.param({"number": 48}, "critical", "hardware", id="double-bit ECC"),
        pytest.param({"number": 119}, "critical", "driver", id="GSP time-out"),
        pytest.param({"number": 63}, "warning", "noted", id="row remapped"),
        pytest.param({"number": 2, "what": "ecc"}, "critical", "hardware", id="uncorrectable errors"),
        pytest.param({"number": 1, "what": "remap"}, "critical", "hardware", id="row not remapped"),
        pytest.param({"number": 48, "ours": False}, "critical", "hardware", id="whoever else uses the GPU"),
    ],
)
def test_a_gpu_that_fails_is_told_at_once_though_the_run_goes_on(fault, severity, blame):
    finding = found(failing(**fault), worker=GOES_ON)
    assert (finding.kind, finding.severity, finding.since) == ("stalled", severity, 995.0)
    assert (finding.cause.code, finding.cause.details["blame"]) == ("gpu_error", blame)


@pytest.mark.parametrize("number", [31, 45, 999])
def test_the_programs_own_fault_is_a_warning_once_it_has_outlived_it_without_a_beat(number):
    stuck = WORKER._replace(beat_at=900.0)
    assert found(failing(number, at=960.0), worker=stuck, now=989.0) is None
    finding = found(failing(number, at=960.0), worker=stuck, now=990.0)
    assert (finding.severity, finding.cause.details) == ("warning", {"gpus": [1], "xid": number, "blame": "program"})


@pytest.mark.parametrize(
    ("gpu", "worker"),
    [
        pytest.param(failing(31, at=900.0), GOES_ON, id="it went on"),
        pytest.param(failing(31, at=900.0, ours=False), WORKER, id="it may be another's, or of a process that is gone"),
        pytest.param(
            failing(31, at=900.0), WORKER._replace(beat_at=890.0, rhythm=Rhythm(200.0)), id="it rarely beats anyway"
        ),
        pytest.param(failing(45, at=900.0), WORKER._replace(exit=Exit(901.0, -9)), id="it was killed"),
        pytest.param(failing(48, at=690.0), GOES_ON, id="beats and work went on for five minutes"),
    ],
)
def test_a_fault_is_not_told_when(gpu, worker):
    assert found(gpu, worker=worker) is None


def test_the_gravest_of_several_faults_is_told_and_all_are_evidence():
    both = replace(BUSY, faults=(GpuFault(990.0, "xid", 63), GpuFault(991.0, "xid", 48)))
    finding = found(both, worker=GOES_ON)
    assert finding.cause.details["xid"] == 48
    assert len(finding.cause.evidence) == 3


def test_a_fault_that_the_run_has_not_got_over_stays():
    assert found(failing(48, at=600.0), worker=WORKER._replace(beat_at=700.0)) is not None


def test_a_driver_that_does_not_answer_for_two_minutes_is_a_warning():
    unanswered = replace(BUSY, unanswered_since=900.0)
    assert found(unanswered, now=1019.0) is None
    finding = found(unanswered, now=1020.0)
    assert (finding.severity, finding.since, finding.cause.code) == ("warning", 900.0, "gpu_driver")
    assert finding.cause.details == {"gpus": [1], "waiting_s": 120.0}
    assert finding.cause.evidence == ("before that: GPU 1 H100: 98 % used, 30000 MiB held, 600 W",)
