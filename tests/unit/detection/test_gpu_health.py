"""What a GPU's figures mean: whether it works as it did, spins, or idles by habit."""

from dataclasses import replace

import pytest

from epochwatchd.detection.gpu.baseline import Baseline, learn
from epochwatchd.detection.gpu.health import idle_limit_s, label, lines, spins, works_as_usual
from epochwatchd.detection.gpu.xids import XIDS
from epochwatchd.model import Gpu, GpuFault, GpuLoad

WORK = GpuLoad(1, 98.0, 40.0, 600.0)
SPIN = GpuLoad(1, 100.0, 0.0, 130.0)
IDLE = GpuLoad(1, 0.0, 0.0, 70.0)
GPU = Gpu(0, "H100", 40000.0, busy_at=0.0, held_since=0.0, utilization_pct=100.0, power_w=130.0)


def taught(*stretches):
    """The baseline after stretches of ``(looks, load, beats seen then)``."""
    baseline = Baseline()
    for looks, load, beats in stretches:
        for _ in range(looks):
            baseline = learn(baseline, load, beats)
    return baseline


def gpu(baseline, **more):
    return replace(GPU, usual=baseline.usual, lately=baseline.lately, **more)


BEATING = [(12, WORK, beats) for beats in range(10)]


def test_a_training_that_beats_works_as_usual_and_does_not_spin():
    training = gpu(taught(*BEATING))
    assert works_as_usual(training)
    assert not spins(training)


def test_a_training_that_waits_for_another_rank_spins_within_a_minute_of_looks():
    assert spins(gpu(taught(*BEATING, (12, SPIN, 9))))


def test_a_spin_teaches_nothing_however_long_it_lasts():
    night = gpu(taught(*BEATING, (5000, SPIN, 9)))
    assert spins(night)
    assert not works_as_usual(night)


def test_waits_that_ended_with_a_beat_become_usual():
    baseline = taught(*[(60, load, beats) for beats in range(0, 20, 2) for load in (WORK, SPIN)])
    assert baseline.usual.power_w == pytest.approx(365.0, abs=30.0)
    assert not spins(gpu(taught((24, WORK, 1), *[(24, SPIN, beats) for beats in range(2, 20)])))


@pytest.mark.parametrize(
    ("usual", "lately"),
    [
        pytest.param(WORK, IDLE, id="idle"),
        pytest.param(WORK, WORK._replace(power_w=400.0), id="it draws more than half of its power"),
        pytest.param(WORK, SPIN._replace(memory_pct=20.0), id="it still uses its memory"),
        pytest.param(WORK, SPIN._replace(utilization_pct=60.0), id="it is not busy all the time"),
        pytest.param(WORK._replace(memory_pct=2.0), SPIN, id="it has never used its memory much"),
        pytest.param(WORK._replace(power_w=200.0), SPIN, id="it has never drawn much power"),
    ],
)
def test_a_gpu_does_not_spin_when(usual, lately):
    assert not spins(replace(GPU, usual=usual._replace(looks=120), lately=lately._replace(looks=6)))


def test_what_is_not_known_is_neither_a_spin_nor_work():
    small = [(12, WORK._replace(memory_pct=1.0), beats) for beats in range(10)]
    for unknown in (
        gpu(taught(*small)),
        GPU,
        gpu(taught((12, WORK, 1), (12, SPIN, 2))),
        gpu(taught(*BEATING, (1, None, 10))),
    ):
        assert not spins(unknown)
        assert not works_as_usual(unknown)


@pytest.mark.parametrize(
    ("longest_idle_s", "limit_s"),
    [(0.0, 600.0), (300.0, 600.0), (900.0, 1350.0), (40_000.0, 3600.0)],
)
def test_a_gpu_may_idle_for_as_long_as_it_did_before_and_half_as_long_again(longest_idle_s, limit_s):
    assert idle_limit_s(replace(GPU, longest_idle_s=longest_idle_s), 600.0) == limit_s


def test_an_instance_is_called_as_cuda_calls_it():
    assert [label(GPU), label(replace(GPU, index=3, instance=1))] == [0, "3:1"]


def test_a_gpu_is_written_down_with_what_is_usual_what_is_out_of_order_and_its_faults():
    faults = (GpuFault(0.0, "xid", 79), GpuFault(0.0, "xid", 999), GpuFault(0.0, "ecc", 1), GpuFault(0.0, "remap", 1))
    seen = gpu(taught(*BEATING), instance=1, notes=("slowed down: too hot (91 °C)",), faults=faults)
    assert list(lines(seen)) == [
        "GPU 0:1 H100: 100 % used, 40000 MiB held, 130 W (usually 600 W), slowed down: too hot (91 °C)",
        "GPU 0:1: Xid 79: the GPU has fallen off the bus",
        "GPU 0:1: Xid 999: see the Xid catalogue of NVIDIA",
        "GPU 0:1: 1 more memory error that ECC could not correct",
        "GPU 0:1: a bad memory row could not be replaced",
    ]


def test_what_nvidia_holds_against_no_gpu_is_the_programs_and_what_ends_a_gpu_is_not():
    assert {XIDS[number].blame for number in (13, 31, 43, 45, 68, 109)} == {"program"}
    assert not {XIDS[number].blame for number in (48, 64, 74, 79, 94, 95, 119, 120)} & {"program", "noted"}
