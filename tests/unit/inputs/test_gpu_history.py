"""What looks at a GPU add up to: time-lines of ``(now, sample)`` and what is then known of a process."""

from dataclasses import replace

import pytest

from flatlined.inputs.gpus import fold, gpus_of
from flatlined.inputs.nvml import GpuSample, ProcessSample

OURS, OTHERS = 42, 77


def gpu(*processes, utilization_pct=0, **fields):
    return GpuSample(0, "GPU-aaaa", "H100", utilization_pct, 0, 70.0, processes, **fields)


def holder(pid=OURS, use_pct=0, stamp_us=0, memory_mib=1000.0):
    return ProcessSample(pid, memory_mib, use_pct, stamp_us)


def after(*looks):
    state = {}
    for now, *samples in looks:
        state = fold(state, samples, now)
    return state


def ours(state, now=0.0, pids=(OURS,)):
    (fact,) = gpus_of(state, pids, now)
    return fact


def test_a_process_is_held_and_taken_for_busy_from_the_first_look():
    fact = ours(after((10.0, gpu(holder(), utilization_pct=3))), now=10.0)
    assert (fact.index, fact.name, fact.memory_mib, fact.utilization_pct, fact.power_w) == (0, "H100", 1000.0, 3, 70.0)
    assert (fact.held_since, fact.busy_at) == (10.0, 10.0)


@pytest.mark.parametrize(
    ("second_look", "busy_at"),
    [
        pytest.param(gpu(holder()), 10.0, id="idle GPU"),
        pytest.param(gpu(holder(use_pct=5, stamp_us=200), utilization_pct=4), 20.0, id="new use of its own"),
        pytest.param(gpu(holder(use_pct=5, stamp_us=100), utilization_pct=4), 10.0, id="use already seen"),
        pytest.param(gpu(holder(), utilization_pct=4), 20.0, id="use that is too little to be attributed"),
        pytest.param(gpu(holder(use_pct=None), utilization_pct=4), 20.0, id="use that cannot be attributed"),
        pytest.param(gpu(holder(use_pct=None)), 10.0, id="idle GPU, nothing attributed"),
        pytest.param(gpu(holder(use_pct=None), utilization_pct=None), 20.0, id="nothing is known of any use"),
        pytest.param(
            gpu(holder(), holder(OTHERS, use_pct=90, stamp_us=200), utilization_pct=90),
            10.0,
            id="only another one works",
        ),
        pytest.param(
            gpu(holder(), holder(OTHERS, use_pct=None), utilization_pct=90), 20.0, id="another one or it works"
        ),
    ],
)
def test_a_process_was_last_busy_in_the_look_that_shows(second_look, busy_at):
    state = after((10.0, gpu(holder(use_pct=5, stamp_us=100), utilization_pct=4)), (20.0, second_look))
    assert ours(state, now=20.0).busy_at == busy_at


def test_a_process_that_lets_go_of_its_memory_begins_anew_when_it_takes_some_again():
    state = after((10.0, gpu(holder())), (20.0, gpu()), (30.0, gpu(holder())))
    assert ours(state, now=30.0).held_since == 30.0


def test_a_worker_has_the_memory_and_the_last_work_of_its_whole_process_tree():
    child = 43
    state = after(
        (10.0, gpu(holder())),
        (20.0, gpu(holder(), holder(child, memory_mib=500.0, use_pct=9, stamp_us=5), utilization_pct=9)),
        (25.0, gpu(holder(), holder(child, memory_mib=500.0))),
    )
    fact = ours(state, now=25.0, pids={OURS, child})
    assert (fact.memory_mib, fact.held_since, fact.busy_at) == (1500.0, 10.0, 20.0)


def test_memory_is_unknown_when_a_part_of_it_is():
    state = after((10.0, gpu(holder(), holder(43, memory_mib=None))))
    assert ours(state, now=10.0, pids={OURS, 43}).memory_mib is None


def test_a_gpu_held_by_others_is_none_of_the_workers():
    assert gpus_of(after((10.0, gpu(holder(OTHERS)))), {OURS}, 10.0) == ()


def test_a_lost_gpu_keeps_its_holders_and_is_well_again_when_it_answers():
    state = after((10.0, gpu(holder())), (20.0, GpuSample(0, lost=True)))
    fact = ours(state, now=20.0)
    assert (fact.lost, fact.name, fact.memory_mib, fact.busy_at) == (True, "H100", 1000.0, 10.0)
    assert not ours(fold(state, [gpu(holder())], 30.0), now=30.0).lost


def test_a_gpu_that_was_lost_before_the_first_look_is_nobodys():
    assert gpus_of(after((10.0, GpuSample(0, lost=True))), {OURS}, 10.0) == ()


def test_a_gpu_that_is_not_readable_for_a_moment_keeps_its_holders():
    state = after((10.0, gpu(holder())), (20.0, GpuSample(0)), (30.0, gpu(holder())))
    assert ours(state, now=30.0).held_since == 10.0


def test_another_gpu_under_the_same_index_inherits_nothing():
    state = after((10.0, gpu(holder())), (20.0, replace(gpu(holder()), uuid="GPU-bbbb")))
    assert ours(state, now=20.0).held_since == 20.0


def test_time_between_two_looks_in_which_nobody_watched_is_not_held_against_a_process():
    state = after((0.0, gpu(holder())), (10.0, gpu(holder())), (1010.0, gpu(holder())))
    fact = ours(state, now=1010.0)
    assert (fact.held_since, fact.busy_at) == (1000.0, 1000.0)


def test_time_since_the_last_look_in_which_the_driver_hangs_is_not_held_against_a_process():
    state = after((0.0, gpu(holder())), (10.0, gpu(holder())))
    assert ours(state, now=20.0).busy_at == 0.0
    assert ours(state, now=1010.0).busy_at == 1000.0
