"""The reader's thread on drivers that are missing, broken, slow and well."""

import pytest

from epochwatch.wire import Body, Head
from epochwatchd.detection.detectors.stalled import detect
from epochwatchd.inputs.gpu.history import fold, gpus_of
from epochwatchd.model import Facts, Policy, Worker

GPU = "gpu 0 GPU-aaaa 35 12 350500 NVIDIA H100"
IDLE_GPU = "gpu 0 GPU-aaaa 0 0 70000 NVIDIA H100"
HOLDER = "process 0 4242 1073741824"
DRIVER_NOT_LOADED, UNKNOWN_ERROR = 9, 999


def test_each_poll_delivers_one_look(machine):
    machine.show(GPU, HOLDER)
    for now in (0.0, 5.0, 10.0):
        machine.poll(now)
    assert [look[0].name for look in machine.ask("looks")] == ["NVIDIA H100"] * 3
    assert machine.ask("problem", 10.0) is None


def test_a_machine_without_the_library_is_normal(machine_with, tmp_path):
    (tmp_path / "libnvidia-ml.so.1").write_text("not a library")
    machine = machine_with(tmp_path)
    machine.poll(0.0)
    assert machine.ask("looks") == []
    assert machine.ask("problem", 60.0) is None


def test_a_machine_without_the_package_is_normal(machine):
    machine.show(GPU)
    machine.ask("forget pynvml")
    machine.poll(0.0)
    assert machine.ask("looks") == []
    assert machine.ask("problem", 60.0) is None


def test_a_missing_driver_is_tried_again_after_ten_minutes(machine):
    machine.show(GPU, f"fail nvmlInitWithFlags {DRIVER_NOT_LOADED}")
    machine.poll(0.0)
    machine.show(GPU)
    machine.poll(599.0)
    assert machine.ask("looks") == []
    machine.poll(600.0)
    assert len(machine.ask("looks")) == 1


@pytest.mark.parametrize("function", ["nvmlInitWithFlags", "nvmlDeviceGetCount_v2"])
def test_a_driver_that_fails_is_reported_until_it_recovers(machine, function):
    machine.show(GPU, f"fail {function} {UNKNOWN_ERROR}")
    machine.poll(0.0)
    assert machine.ask("problem", 0.0) == "the NVIDIA driver fails: Unknown Error"
    machine.show(GPU)
    machine.poll(60.0)
    assert machine.ask("problem", 60.0) is None
    assert len(machine.ask("looks")) == 1


@pytest.mark.parametrize("function", ["nvmlInitWithFlags", "nvmlDeviceGetPowerUsage"])
def test_a_call_that_hangs_holds_up_one_thread_and_is_reported_until_it_returns(machine, function):
    machine.show(GPU, f"hang {function}")
    for now in (0.0, 5.0, 10.0):
        machine.ask("poll", now)
    assert machine.ask("looking") == 1
    assert machine.ask("problem", 30.0) is None
    assert machine.ask("unanswered since", 30.0) is None
    assert machine.ask("problem", 31.0) == "the NVIDIA driver has not answered for 31 s"
    assert machine.ask("unanswered since", 31.0) == 0.0
    machine.show(GPU)
    machine.settle()
    machine.poll(40.0)
    assert len(machine.ask("looks")) == 2
    assert machine.ask("problem", 80.0) is None
    assert machine.ask("unanswered since", 80.0) is None


def test_a_driver_that_failed_is_listened_to_again_once_it_recovers(machine):
    machine.show(GPU, HOLDER)
    machine.poll(0.0)
    machine.show(GPU, f"fail nvmlDeviceGetCount_v2 {UNKNOWN_ERROR}")
    machine.poll(5.0)
    machine.show(GPU, HOLDER)
    machine.poll(65.0)
    machine.show(GPU, HOLDER, "xid 1 0 48 -")
    machine.poll(70.0)
    assert [look[0].xids for look in machine.ask("looks")] == [(), (), (48,)]


def test_a_process_ends_although_a_call_hangs(machine):
    machine.show(GPU, "hang nvmlDeviceGetPowerUsage")
    machine.ask("poll", 0.0)
    assert machine.close() == 0


def test_what_the_driver_shows_of_an_idle_gpu_becomes_a_finding(machine):
    machine.show(GPU, HOLDER, "use 0 4242 5000000 34 11 0 0")
    machine.poll(0.0)
    state = fold({}, machine.ask("looks")[-1], 0.0)
    machine.show(IDLE_GPU, HOLDER)
    for now in (20.0, 40.0, 60.0):
        machine.poll(now)
        state = fold(state, machine.ask("looks")[-1], now)
    found = detect(worker(), Facts(gpus=gpus_of(state, {4242}, 60.0)), Policy(gpu_stalled_after_s=60.0), 60.0)
    assert found is not None
    assert (found.kind, found.since) == ("stalled", 0.0)
    assert found.cause.evidence == ("GPU 0 NVIDIA H100: 0 % used, 1024 MiB held, 70 W",)


def test_what_the_driver_reports_of_a_failing_gpu_becomes_a_finding_for_who_holds_memory_on_it(machine):
    machine.show(GPU, HOLDER, "ecc 0 0")
    machine.poll(0.0)
    state = fold({}, machine.ask("looks")[-1], 0.0)
    machine.show(GPU, HOLDER, "ecc 0 2", "xid 1 0 48 -", f"reasons 0 {0x40}", "temperature 0 91")
    machine.poll(5.0)
    state = fold(state, machine.ask("looks")[-1], 5.0)
    found = detect(worker(), Facts(gpus=gpus_of(state, {4242}, 5.0)), Policy(), 5.0)
    assert (found.severity, found.since, found.cause.code) == ("critical", 5.0, "gpu_error")
    assert found.cause.details == {"gpus": [0], "xid": 48, "blame": "hardware"}
    assert found.cause.evidence == (
        "GPU 0 NVIDIA H100: 35 % used, 1024 MiB held, 350 W, slowed down: too hot (91 °C)",
        "GPU 0: Xid 48: double-bit ECC error: memory that cannot be corrected",
        "GPU 0: 2 more memory errors that ECC could not correct",
    )
    assert gpus_of(state, {77}, 5.0) == ()


def worker():
    head, body = Head(seq=1), Body(job="train", pid=4242)
    times = {"started_at": 0.0, "beat_at": 0.0, "heard_at": 0.0, "phase_at": 0.0}
    return Worker(key="run", head=head, body=body, user="mina", local=True, **times)
