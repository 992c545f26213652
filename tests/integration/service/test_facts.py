"""When the daemon asks a process where it hangs: shortly before its silence is told, and never else."""

import os

import pytest
from builders import beat, incident, steady
from watches import watched

from epochwatch.wire import EXITING, Body
from epochwatchd.detection.observing import observe
from epochwatchd.inputs.gpu.nvml import GpuSample, ProcessSample
from epochwatchd.inputs.heartbeats.files import BeatFile
from epochwatchd.inputs.process import waits
from epochwatchd.inputs.process.activity import Activity, _Look
from epochwatchd.inputs.stacks.collect import Asking
from epochwatchd.model import Facts, Policy, Process, Stack, Wait
from epochwatchd.service.facts import ASKED_BEFORE_S, FactFinder
from epochwatchd.service.runs import Run
from epochwatchd.service.watch import Watch

CLOSED, POLLS = Wait("closed", 6.0), Wait("polls", 6.0)


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


TOGETHER = {
    "both wait so": ([CLOSED, CLOSED], 2, False, ["closed", "closed"]),
    "one of them polls": ([CLOSED, POLLS], 2, False, ["peers", "polls"]),
    "one of them beats": ([CLOSED, None], 2, False, ["peers", None]),
    "one is on another machine": ([CLOSED, CLOSED], 3, False, ["peers", "peers"]),
    "one has a connection with somebody else": ([CLOSED, CLOSED], 2, True, ["network", "network"]),
    "alone": ([CLOSED], None, False, ["closed"]),
}


@pytest.mark.parametrize(("each", "ranks", "connected", "said"), TOGETHER.values(), ids=TOGETHER)
def test_a_closed_wait_is_one_of_all_ranks_together(monkeypatch, each, ranks, connected, said):
    workers = [steady(0.1, 50, key=f"/{n}")._replace(body=Body("j", world_size=ranks)) for n in range(len(each))]
    run = Run("run", "r1", Policy(), watched(*workers))
    now = workers[0].beat_at + 40.0
    seen = {worker.key: wait and Process("S", -1e9, wait=wait) for worker, wait in zip(workers, each, strict=True)}
    monkeypatch.setattr(Watch, "look", lambda watch, _: seen[watch.key])
    monkeypatch.setattr(waits, "is_connected_outside", lambda *_: connected)
    finder = FactFinder(Watched(run))
    finder.begin(now)
    facts = finder.of(run, now)
    found = [it.process and it.process.wait for worker in workers for it in [facts.get(worker.key, Facts())]]
    assert [wait and wait.kind for wait in found] == said


@pytest.mark.parametrize(("state", "is_excused"), [("S", True), ("T", False)])
def test_a_rank_that_waits_is_excused_by_anothers_announced_phase_and_one_that_is_stopped_is_not(
    monkeypatch, state, is_excused
):
    waits_, evaluates = (steady(0.1, 50, key=f"/{n}")._replace(body=Body("j", world_size=2)) for n in range(2))
    evaluates = observe(evaluates, beat(50, evaluates.body, phase="eval", within_s=600.0), evaluates.beat_at)
    run = Run("run", "r1", Policy(silent_after_s=5.0), watched(waits_, evaluates))
    seen = {waits_.key: Process(state, -1e9), evaluates.key: None}
    monkeypatch.setattr(Watch, "look", lambda watch, _: seen[watch.key])
    now = waits_.beat_at + 40.0
    finder = FactFinder(Watched(run))
    finder.begin(now)
    assert (finder.of(run, now)[waits_.key].excused_until > now) is is_excused


def test_a_closed_wait_that_ended_well_is_learned():
    run = Run("run", "r1", Policy(), watched(steady(0.1, 50)))
    finder = FactFinder(Watched(run))
    [watch] = run.watches.values()
    before = watch.worker
    suspect = watch.activity = Activity()
    finder.begin(before.beat_at + 30.0)
    suspect.last = _Look(Process("S", -1e9, wait=Wait("closed", before.beat_at + 4.0)), 0.0, None, 0.0)
    watch.worker = observe(before, beat(51), before.beat_at + 34.0)
    finder.of(run, watch.worker.beat_at)
    assert watch.worker.history.waits.longest_s == pytest.approx(30.0)


def test_that_its_gpu_works_is_known_of_a_process():
    assert process_at(10.0).gpu_at >= 10.0
