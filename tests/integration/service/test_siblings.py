"""Ranks that send no beats, and processes that outlive their training: real processes, time as an argument."""

import os
import subprocess
import sys

import pytest

from epochwatch.wire import Body, Head
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.process.exits import Death, Exits
from epochwatchd.model import Exit, Moment, Policy, Worker
from epochwatchd.service.left_behind import LEFT_AFTER_S, LeftBehind
from epochwatchd.service.runs import Run
from epochwatchd.service.shares import Shares
from epochwatchd.service.siblings import SIBLINGS_MAX, Siblings
from epochwatchd.service.watch import Watch

RANK = [sys.executable, "-c", "print(flush=True); input()"]
SHELL = ["sh", "-c", "sleep 60 & echo $!; read _"]
NOW = Moment(0.0, 1e9)


@pytest.fixture
def start():
    """Starts processes that wait for the end of their standard input.

    Each has said a line by then: the kernel shows a command line only a little after ``exec``.
    """
    started = []

    def start_one(line=RANK):
        started.append(subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        started[-1].stdout.readline()
        return started[-1]

    yield start_one
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def exits():
    exits = Exits()
    yield exits
    exits.close()


def watched(process, world_size=4):
    """The watch of a rank."""
    body = Body("j", pid=process.pid, start=procfs.read_stat(process.pid).start, world_size=world_size)
    worker = Worker(str(process.pid), Head(), body, "jin", True, 0.0, 0.0, 0.0, 0.0, uid=os.getuid())
    return Watch(worker, pid=process.pid)


def met(exits, first, shares=None):
    """A run of one rank, and the siblings that are watched for it."""
    siblings, run = Siblings(exits, shares or Shares(1000)), Run("r", "r", Policy())
    run.watches[first.key] = first
    siblings.meet(run, first, NOW)
    return siblings, run


def deaths_of(exits, process):
    process.kill()
    process.wait()
    return exits.drain(5.0)


def test_a_sibling_that_falls_is_known_and_its_death_is_nobody_elses(start, exits):
    first, second = start(), start()
    siblings, run = met(exits, watched(first))
    assert siblings.heed(deaths_of(exits, second)) == []
    assert siblings.fell_before(run, 4.0) is None
    fallen = siblings.fell_before(run, 6.0)
    assert (fallen.pid, fallen.status, fallen.at) == (second.pid, -9, 5.0)
    others = [Death(object(), Exit(1.0))]
    assert siblings.heed(others) == others


def test_other_programs_of_the_same_shell_are_no_siblings(start, exits):
    first, other = start(), start(["sh", "-c", "echo; read _"])
    siblings, run = met(exits, watched(first))
    siblings.heed(deaths_of(exits, other))
    assert siblings.fell_before(run, 6.0) is None


def test_one_that_begins_to_beat_is_a_sibling_no_longer(start, exits):
    first, second = start(), start()
    siblings, run = met(exits, watched(first))
    late = watched(second)
    run.watches[late.key] = late
    siblings.meet(run, late, NOW)
    siblings.heed(deaths_of(exits, second))
    assert siblings.fell_before(run, 6.0) is None


def test_a_process_that_is_alone_has_none(start, exits):
    first, second = start(), start()
    siblings, run = met(exits, watched(first, world_size=1))
    siblings.heed(deaths_of(exits, second))
    assert siblings.fell_before(run, 6.0) is None


def test_nothing_is_held_after_the_run_nor_more_than_a_users_share(start, exits):
    before = len(os.listdir("/proc/self/fd"))
    first = start()
    for _ in range(SIBLINGS_MAX + 3):
        start()
    pipes = len(os.listdir("/proc/self/fd"))
    siblings, run = met(exits, watched(first))
    assert len(os.listdir("/proc/self/fd")) - pipes == SIBLINGS_MAX
    siblings.release(run)
    assert len(os.listdir("/proc/self/fd")) == pipes > before
    siblings, run = met(exits, watched(first), Shares(12))  # a user has a quarter always, half while there is room
    assert len(os.listdir("/proc/self/fd")) - pipes == 6
    siblings.release(run)


def test_a_process_that_outlives_its_parent_is_told_after_a_while():
    left, moment = LeftBehind(), NOW
    with subprocess.Popen(SHELL, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        try:
            watch = watched(parent)
            left.watch(watch)
            left.look()
            parent.kill()
            parent.wait()
            watch.ended(Exit(0.0, -9))
            left.died(watch, moment)
            assert left.due(LEFT_AFTER_S - 0.1) == []
            assert left.due(LEFT_AFTER_S) == [watch]
            assert watch.worker.exit.left == (child,)
        finally:
            os.kill(child, 9)


def test_one_that_leaves_with_its_parent_is_not(start):
    left, process = LeftBehind(), start()
    watch = watched(process)
    left.watch(watch)
    watch.ended(Exit(0.0, -9))
    left.died(watch, NOW)
    assert left.due(LEFT_AFTER_S) == []
