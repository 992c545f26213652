"""What looks at a GPU add up to: time-lines of ``(now, sample)`` and what is then known of a process."""

from dataclasses import replace

import pytest

from epochwatchd.inputs.gpu.history import Owner, fold, gpus_of
from epochwatchd.inputs.gpu.nvml import GpuSample, ProcessSample

OURS, OTHERS = 42, 77


def gpu(*processes, utilization_pct=0, **fields):
    return GpuSample(0, "GPU-aaaa", "H100", utilization_pct, 0, 70.0, processes, **fields)


def holder(pid=OURS, use_pct=0, stamp_us=0, memory_mib=1000.0):
    return ProcessSample(pid, memory_mib, use_pct, stamp_us)


def after(*looks, owners=None):
    state = {}
    for now, *samples in looks:
        state = fold(state, samples, now, owners)
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


WORKS, RESTS = gpu(holder(use_pct=None), utilization_pct=90), gpu(holder(use_pct=None))


def test_the_longest_pause_that_ended_with_work_is_remembered():
    looks = [(5.0 * i, WORKS if i in (0, 1, 10, 11, 15) else RESTS) for i in range(17)]
    assert ours(after(*looks), now=80.0).longest_idle_s == 45.0


def test_neither_loading_before_the_first_work_nor_a_pause_that_goes_on_teaches_anything():
    assert ours(after(*[(5.0 * i, RESTS) for i in range(10)], (50.0, WORKS)), now=50.0).longest_idle_s == 0.0
    assert ours(after((0.0, WORKS), (5.0, WORKS), *[(10.0 + 5 * i, RESTS) for i in range(9)])).longest_idle_s == 0.0


def test_its_load_is_known_where_nobody_else_uses_the_gpu():
    looks = [(5.0 * i, WORKS) for i in range(8)]
    fact = ours(after(*looks, owners={OURS: Owner(OURS, 3)}), now=35.0)
    assert fact.lately == pytest.approx((6, 90.0, 0.0, 70.0))


@pytest.mark.parametrize(
    ("sample", "owners"),
    [
        pytest.param(WORKS, {}, id="whose it is is not known"),
        pytest.param(gpu(holder(), holder(OTHERS)), {OURS: Owner(OURS, 1)}, id="a stranger uses it too"),
        pytest.param(
            gpu(holder(), holder(OTHERS)), {OURS: Owner(OURS, 1), OTHERS: Owner(OTHERS, 1)}, id="another rank does"
        ),
        pytest.param(replace(WORKS, power_w=None), {OURS: Owner(OURS, 1)}, id="the driver does not tell"),
    ],
)
def test_its_load_is_not_known_where(sample, owners):
    assert ours(after((0.0, sample), (5.0, sample), owners=owners), now=5.0).lately is None


def faults(state, now, pids=(OURS,)):
    return [(fault.at, fault.what, fault.number, fault.ours) for fault in ours(state, now, pids).faults]


def test_a_fault_is_of_those_who_held_memory_when_it_came():
    both = gpu(holder(), holder(OTHERS))
    state = after((0.0, both), (5.0, replace(both, xids=(31, 31))), (10.0, gpu(holder(), holder(OTHERS), holder(99))))
    assert faults(state, 10.0) == [(5.0, "xid", 31, False)]
    assert faults(state, 10.0, pids=(OURS, OTHERS)) == [(5.0, "xid", 31, True)]
    assert faults(state, 10.0, pids=(99,)) == []


def test_a_fault_may_be_that_of_a_process_that_is_gone():
    state = after((0.0, gpu(holder(), holder(43))), (5.0, gpu(holder(), xids=(13,))))
    assert faults(state, 5.0, pids=(OURS, 43)) == [(5.0, "xid", 13, False)]


def test_a_fault_from_before_a_process_came_is_none_of_its():
    state = after((0.0, gpu(holder(OTHERS))), (1000.0, gpu(holder(), xids=(79,))))
    assert faults(state, 1000.0) == []


def test_errors_count_from_the_first_look_on():
    worn = gpu(holder(), uncorrected=7, remap_failed=True)
    state = after((0.0, worn), (5.0, worn))
    assert faults(state, 5.0) == []
    assert ours(state, 5.0).notes == ("bad memory rows that could not be replaced",)
    assert faults(fold(state, [replace(worn, uncorrected=9)], 10.0), 10.0) == [(10.0, "ecc", 2, True)]


def test_a_row_that_can_be_replaced_is_a_note_and_one_that_cannot_a_fault():
    state = after((0.0, gpu(holder())), (5.0, gpu(holder(), remap_pending=True)))
    assert (faults(state, 5.0), ours(state, 5.0).notes) == ([], ("bad memory rows that a reset will replace",))
    assert faults(fold(state, [gpu(holder(), remap_failed=True)], 10.0), 10.0) == [(10.0, "remap", 1, True)]


def test_a_lost_gpu_tells_its_xid_to_those_who_held_memory():
    state = after((0.0, gpu(holder())), (5.0, GpuSample(0, lost=True, xids=(79,))))
    assert faults(state, 5.0) == [(5.0, "xid", 79, True)]


def test_a_lost_gpu_takes_all_its_instances_with_it():
    one, two = (replace(gpu(holder(pid)), instance=i, uuid=f"MIG-{i}") for i, pid in enumerate((OURS, OTHERS)))
    state = after((0.0, one, two), (5.0, GpuSample(0, lost=True)))
    assert [ours(state, 5.0, pids=(pid,)).instance for pid in (OURS, OTHERS)] == [0, 1]
    assert all(ours(state, 5.0, pids=(pid,)).lost for pid in (OURS, OTHERS))


def test_what_a_hung_driver_said_last_is_marked_as_such():
    state = after((0.0, gpu(holder())))
    assert gpus_of(state, {OURS}, 200.0, unanswered_since=5.0)[0].unanswered_since == 5.0
