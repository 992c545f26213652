"""One look at the GPUs, with the real pynvml on a stand-in for the driver."""

import pytest

from epochwatchd.inputs.gpu.nvml import GpuSample, ProcessSample

H100 = "gpu 0 GPU-aaaa 35 12 350500 NVIDIA H100 80GB HBM3"
A100 = "gpu 1 GPU-bbbb 0 0 61000 NVIDIA A100"
GIB = 2**30
SECOND_US = 1_000_000
NOT_AVAILABLE = 2**64 - 1
NOT_SUPPORTED, UNKNOWN_ERROR = 3, 999
TOO_HOT, POWER_BRAKE, HW_SLOWDOWN, POWER_CAP, GPU_IDLE = 0x40, 0x80, 0x08, 0x04, 0x01


def test_a_look_shows_every_gpu_and_the_processes_that_hold_memory_on_it(machine):
    machine.show(H100, A100, f"process 0 4242 {2 * GIB}", f"process 1 77 {GIB}", "use 0 4242 1000 34 11 0 0")
    assert machine.look() == (
        GpuSample(
            index=0,
            uuid="GPU-aaaa",
            name="NVIDIA H100 80GB HBM3",
            utilization_pct=35,
            memory_utilization_pct=12,
            power_w=350.5,
            processes=(ProcessSample(4242, 2048.0, 34, 1000),),
            seen_us=1000,
        ),
        GpuSample(1, "GPU-bbbb", "NVIDIA A100", 0, 0, 61.0, (ProcessSample(77, 1024.0, 0),)),
    )


def test_a_machine_whose_driver_has_no_gpu_shows_none(machine):
    assert machine.look() == ()


def test_a_gpu_that_nobody_uses_has_no_processes(machine):
    machine.show(A100.replace("gpu 1", "gpu 0"))
    assert machine.look()[0].processes == ()


def test_use_older_than_the_look_before_is_not_asked_for_again(machine):
    machine.show(
        H100, "process 0 1 1", "process 0 2 1", f"use 0 1 {SECOND_US} 9 0 0 0", f"use 0 2 {5 * SECOND_US} 9 0 0 0"
    )
    first = machine.look()
    assert [process.use_pct for process in first[0].processes] == [9, 9]
    assert [process.use_pct for process in machine.look(first)[0].processes] == [0, 9]


def test_a_process_that_only_decodes_video_is_in_use(machine):
    machine.show(H100, "process 0 1 1", "use 0 1 1000 0 0 0 20")
    assert machine.look()[0].processes[0].use_pct == 20


def test_memory_that_the_driver_does_not_tell_is_unknown(machine):
    machine.show(H100, f"process 0 1 {NOT_AVAILABLE}")
    assert machine.look()[0].processes[0].memory_mib is None


def test_a_process_on_two_mig_instances_holds_the_memory_of_both(machine):
    machine.show(H100, f"process 0 1 {GIB}", f"process 0 1 {2 * GIB}")
    assert machine.look()[0].processes == (ProcessSample(1, 3072.0, 0),)


@pytest.mark.parametrize(
    ("function", "field"),
    [
        ("nvmlDeviceGetPowerUsage", "power_w"),
        ("nvmlDeviceGetUtilizationRates", "utilization_pct"),
        ("nvmlDeviceGetComputeRunningProcesses_v2", "processes"),
    ],
)
def test_a_function_that_is_not_supported_loses_its_figure_only(machine, function, field):
    gone = (f"fail {function} {NOT_SUPPORTED}", f"fail nvmlDeviceGetComputeRunningProcesses_v3 {NOT_SUPPORTED}")
    machine.show(H100, "process 0 1 1", *gone)
    (gpu,) = machine.look()
    assert getattr(gpu, field) is None
    assert gpu.uuid == "GPU-aaaa"
    assert field == "processes" or gpu.processes


def test_a_function_that_the_package_no_longer_has_loses_its_figure_only(machine):
    machine.show(H100, "temperature 0 60")
    machine.ask("forget function", "nvmlDeviceGetTemperature")
    assert (machine.look()[0].temperature_c, machine.look()[0].power_w) == (None, 350.5)


def test_a_driver_that_cannot_tell_the_use_of_a_process_says_so(machine):
    machine.show(H100, "process 0 1 1", f"fail nvmlDeviceGetProcessUtilization {NOT_SUPPORTED}")
    assert machine.look()[0].processes[0].use_pct is None


def test_a_driver_without_the_newer_functions_still_shows_who_holds_memory(machine_with, old_driver):
    machine = machine_with(old_driver)
    machine.show(H100, f"process 0 4242 {GIB}")
    (gpu,) = machine.look()
    assert gpu.processes == (ProcessSample(4242, 1024.0, None),)
    assert gpu.utilization_pct == 35


def test_uninitialised_figures_of_use_are_not_believed(machine):
    machine.show(H100, "process 0 1 1", "use 0 1 1000 3 0 0 0", "use 0 50554 217144956601725 37100 0 50583 50624")
    assert machine.look()[0].processes[0].use_pct is None


def test_a_lost_gpu_is_told_and_the_others_are_read(machine):
    machine.show(H100, A100, "process 1 77 1", "lost 0")
    lost, other = machine.look()
    assert lost == GpuSample(0, lost=True)
    assert other.name == "NVIDIA A100"


def test_a_gpu_lost_in_the_middle_of_a_look_is_lost(machine):
    machine.show(H100, "process 0 1 1", "fail nvmlDeviceGetProcessUtilization 15")
    assert machine.look()[0].lost


def test_a_gpu_that_cannot_be_opened_is_not_taken_for_lost(machine):
    machine.show(H100, f"fail nvmlDeviceGetHandleByIndex_v2 {UNKNOWN_ERROR}")
    assert machine.look() == (GpuSample(0),)


@pytest.mark.parametrize(
    ("reasons", "slowed"),
    [
        (0, None),
        (GPU_IDLE, None),
        (POWER_CAP, None),
        (TOO_HOT | HW_SLOWDOWN, "slowed down: too hot"),
        (0x20, "slowed down: too hot"),
        (POWER_BRAKE | HW_SLOWDOWN, "slowed down: the power supply asks for it"),
        (HW_SLOWDOWN | POWER_CAP, "slowed down by the hardware"),
    ],
)
def test_a_gpu_says_why_it_runs_slower_than_it_could(machine, reasons, slowed):
    machine.show(H100, "temperature 0 89", f"reasons 0 {reasons}")
    (gpu,) = machine.look()
    assert (gpu.slowed, gpu.temperature_c) == (slowed, 89)


def test_an_older_driver_says_it_under_the_older_name(machine_with, old_driver):
    machine = machine_with(old_driver)
    machine.show(H100, f"reasons 0 {TOO_HOT}")
    assert machine.look()[0].slowed == "slowed down: too hot"


def test_only_errors_beyond_repair_count_and_only_since_the_driver_was_loaded(machine):
    machine.show(H100, "ecc 0 3", "remapped 0 1 0")
    (gpu,) = machine.look()
    assert (gpu.uncorrected, gpu.remap_pending, gpu.remap_failed) == (3, True, False)


def test_xids_are_heard_once_from_the_first_look_on(machine):
    machine.show(H100, A100, "xid 1 0 31 -")
    assert [gpu.xids for gpu in machine.look()] == [(), ()]
    machine.show(H100, A100, "xid 2 0 13 -", "xid 3 1 79 -", "xid 4 0 31 -")
    assert [gpu.xids for gpu in machine.look()] == [(13, 31), (79,)]
    assert [gpu.xids for gpu in machine.look()] == [(), ()]


def test_the_xid_of_a_gpu_that_is_lost_is_told_with_it(machine):
    machine.show(H100)
    machine.look()
    machine.show(H100, "lost 0", "xid 1 0 79 -")
    assert machine.look() == (GpuSample(0, lost=True, xids=(79,)),)


@pytest.mark.parametrize("function", ["nvmlEventSetCreate", "nvmlDeviceRegisterEvents", "nvmlEventSetWait_v2"])
def test_a_driver_without_events_loses_only_them(machine, function):
    lines = (H100, "process 0 1 1", f"fail {function} {NOT_SUPPORTED}")
    machine.show(*lines)
    machine.look()
    machine.show(*lines, "xid 1 0 79 -")
    (gpu,) = machine.look()
    assert (gpu.xids, len(gpu.processes)) == ((), 1)


SLICE, OTHER_SLICE = "mig 0 0 9 MIG-one H100 MIG 3g.40gb", "mig 0 2 11 MIG-two H100 MIG 2g.20gb"


def test_a_divided_gpu_shows_each_instance_and_who_holds_memory_on_it_but_no_use(machine):
    machine.show(H100, A100, SLICE, OTHER_SLICE, f"migprocess 0 2 4242 {GIB}", "temperature 0 60", "process 1 77 1")
    first, second, whole = machine.look()
    assert first == GpuSample(0, "MIG-one", "H100 MIG 3g.40gb", processes=(), instance=0, temperature_c=60)
    assert (second.index, second.instance, second.uuid) == (0, 2, "MIG-two")
    assert second.processes == (ProcessSample(4242, 1024.0, None),)
    assert (second.utilization_pct, second.power_w) == (None, None)
    assert (whole.index, whole.instance, whole.utilization_pct) == (1, None, 0)


def test_an_xid_of_one_instance_is_none_of_the_others(machine):
    machine.show(H100, SLICE, OTHER_SLICE)
    machine.look()
    machine.show(H100, SLICE, OTHER_SLICE, "xid 1 0 94 11", "xid 2 0 48 -")
    assert [gpu.xids for gpu in machine.look()] == [(48,), (94, 48)]
