"""When the daemon asks a process where it hangs: shortly before its silence is told, and never else."""

import os

import pytest
from builders import incident, steady
from watches import watched

from epochwatch.wire import EXITING
from epochwatchd.inputs.gpu.nvml import GpuSample, ProcessSample
from epochwatchd.inputs.heartbeats.files import BeatFile
from epochwatchd.inputs.stacks.collect import Asking
from epochwatchd.model import Policy, Stack
from epochwatchd.service.facts import ASKED_BEFORE_S, FactFinder
from epochwatchd.service.runs import Run


class Watched:
    """All that is watched: this process, by these workers."""

    def __init__(self, run, *workers, goes_on=False):
        self.watches = {**watched(*workers), **run.watches}
        self._goes_on = goes_on
        for watch in self.watches.values():
            watch.pid, watch.file = os.getpid(), BeatFile(watch.key)

    def went_on(self, _):
        return self._goes_on


@pytest.fixture
def asked_at(monkeypatch):
    """Gives the seconds of silence, of the first so many, in which the process of a worker is to be asked."""

    def seconds(run, worker, first=60):
        asked = set()
        monkeypatch.setattr(Asking, "at", lambda *of, wanted, **_: asked.add(of[-1]) if wanted else Stack())
        run.watches = watched(worker)
        finder = FactFinder(Watched(run))
        for silent_s in range(first):
            now = worker.beat_at + silent_s
            finder.begin(now)
            finder.of(run, now)
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


def process_at(silent_s, *others, goes_on=False):
    """What is known of a worker's process, which is this one, after so many seconds of silence."""
    worker = steady(0.1, 50)
    run = Run("run", "r1", Policy(silent_after_s=20.0), watched(worker))
    now = worker.beat_at + silent_s
    finder = FactFinder(Watched(run, *others, goes_on=goes_on))
    finder.begin(now)
    sample = GpuSample(0, utilization_pct=90, processes=(ProcessSample(os.getpid(), 100.0, 90),))
    finder.gpus_seen([sample], now - 1.0)
    return finder.of(run, now)[worker.key].process


def test_a_run_whose_process_goes_on_in_a_later_one_is_known_as_that_when_it_matters():
    later = steady(0.1, 50, key="/later")
    assert process_at(19.0, later, goes_on=True).went_on
    assert not process_at(10.0, later, goes_on=True).went_on
    assert not process_at(19.0, goes_on=True).went_on


def test_that_its_gpu_works_is_known_of_a_process():
    assert process_at(10.0).gpu_at >= 10.0
