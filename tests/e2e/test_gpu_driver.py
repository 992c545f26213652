"""A real daemon and real trainings on a machine whose GPU driver is a stand-in."""

import itertools

import pytest
from gpu_machine import Shown, build
from harness import Daemon, eventually

H100 = "gpu 0 GPU-aaaa 97 40 610000 NVIDIA H100"
BEATS = "from epochwatch import agent\nagent.beat(1, 0.5)\ninput()"


@pytest.fixture
def machine(tmp_path):
    return Shown(tmp_path, build(tmp_path))


def test_a_gpu_that_fails_is_told_of_the_run_that_uses_it_and_a_driver_that_hangs_delays_no_death(machine):
    with Daemon(**machine.env) as daemon:
        training = daemon.train(BEATS, job="holder")
        daemon.train(BEATS, job="bystander")
        for job in ("holder", "bystander"):
            daemon.wait_until_watched(job)
        holds = f"process 0 {training.pid} 1073741824"
        serials = itertools.count(1)
        machine.show(H100, holds)

        def told():
            machine.show(H100, holds, f"xid {next(serials)} 0 48 -")
            return daemon.about(kind="stalled")

        [message] = eventually(told)
        assert (message["job"], message["severity"], message["cause"]["code"]) == ("holder", "critical", "gpu_error")
        assert "GPU 0 is failing (Xid 48)" in message["text"]
        assert "GPU 0: Xid 48: double-bit ECC error" in message["text"]

        machine.show(H100, holds, "hang nvmlDeviceGetPowerUsage")
        eventually(machine.hangs)
        training.kill()
        assert daemon.wait_for(job="holder", kind="crashed", timeout=5.0)["cause"]["code"] == "signal"
        assert daemon.told("bystander") == []
        assert machine.hangs()
