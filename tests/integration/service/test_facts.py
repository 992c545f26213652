"""When the daemon asks a process where it hangs: shortly before its silence is told, and never else."""

import os

import pytest
from builders import incident, steady

from epochwatch.wire import EXITING
from epochwatchd.inputs.gpu.nvml import GpuSample, ProcessSample
from epochwatchd.inputs.stacks.collect import Stacks
from epochwatchd.model import Policy, Stack
from epochwatchd.service.facts import ASKED_BEFORE_S, Evidence
from epochwatchd.service.runs import Run


@pytest.fixture
def asked_at(monkeypatch):
    """Gives the seconds of silence, of the first so many, in which the process of a worker is to be asked."""

    def seconds(run, worker, first=60):
        asked = set()
        monkeypatch.setattr(
            Stacks, "at", lambda _, __, ___, ____, now, wanted, **_uid: asked.add(now) if wanted else Stack()
        )
        run.workers[worker.key] = worker
        evidence = Evidence()
        for silent_s in range(first):
            now = worker.beat_at + silent_s
            evidence.begin(now)
            evidence.of(run, {worker.key: os.getpid()}, now)
        return sorted(now - worker.beat_at for now in asked)

    return seconds


def test_asked_from_three_seconds_before_its_limit(asked_at):
    run = Run("run", "r1", Policy(silent_after_s=20.0))
    assert asked_at(run, steady(0.1, 50))[0] == 20.0 - ASKED_BEFORE_S


@pytest.mark.parametrize("every_s", [0.01, 0.5, 5.0])
def test_not_asked_while_its_silence_may_be_an_ordinary_one(asked_at, every_s):
    assert asked_at(Run("run", "r1", Policy()), steady(every_s, 500), first=25) == []


def test_not_asked_once_its_silence_was_told_nor_while_it_leaves(asked_at):
    told = Run("run", "r1", Policy(silent_after_s=20.0), incidents={"silent": incident("silent")})
    assert asked_at(told, steady(0.1, 50)) == []
    worker = steady(0.1, 50)
    leaving = worker._replace(head=worker.head._replace(state=EXITING))
    assert asked_at(Run("run", "r1", Policy(silent_after_s=20.0)), leaving) == []


def facts_at(evidence, silent_s, others=()):
    """What is known of a worker, whose process is this one, after so many seconds of silence."""
    worker = steady(0.1, 50)
    run = Run("run", "r1", Policy(silent_after_s=20.0), workers={worker.key: worker})
    now = worker.beat_at + silent_s
    evidence.begin(now)
    facts = evidence.of(run, dict.fromkeys([worker.key, *others], os.getpid()), now)
    evidence.forget(worker.key)
    return facts[worker.key].process


def test_a_run_whose_process_goes_on_in_a_later_one_is_known_as_that_when_it_matters():
    evidence = Evidence(went_on=lambda _: True)
    assert facts_at(evidence, 19.0, others=["/later"]).went_on
    assert not facts_at(evidence, 10.0, others=["/later"]).went_on
    assert not facts_at(evidence, 19.0).went_on


def test_that_its_gpu_works_is_known_of_a_process():
    evidence = Evidence()
    sample = GpuSample(0, utilization_pct=90, processes=(ProcessSample(os.getpid(), 100.0, 90),))
    evidence.gpus_seen([sample], {os.getpid(): 5}, 12.0)
    assert facts_at(evidence, 10.0).gpu_at >= 12.0
