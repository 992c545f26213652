"""A training that the kernel kills for want of memory, in a real cgroup with a limit."""

import os
import time
from pathlib import Path

import pytest
from harness import Daemon

from epochwatchd.inputs.oom.kernel_log import open_kernel_log

ROOT = Path("/sys/fs/cgroup/memory")
LIMIT_MIB = 64
GREEDY = """
import os
open("{group}/cgroup.procs", "w").write(str(os.getpid()))
from epochwatch import agent
agent.beat(1, 0.5)
input()
hoard = []
while True:
    hoard.append(bytearray(2**20))
"""


@pytest.fixture
def group():
    """A cgroup that may use 64 MiB."""
    group = ROOT / f"epochwatch-test-{os.getpid()}-{time.monotonic_ns()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(LIMIT_MIB * 2**20))
    except OSError as e:
        pytest.skip(f"no cgroup v1 memory controller for us here: {e}")
    yield group
    group.rmdir()


def test_a_training_killed_for_want_of_memory_is_told_so(group):
    with Daemon() as daemon:
        training = daemon.train(GREEDY.format(group=group), job="greedy")
        daemon.wait_until_watched("greedy")
        training.stdin.write(b"\n")
        training.stdin.flush()
        cause = daemon.wait_for(kind="crashed")["cause"]
    assert cause["code"] == "oom_kill"
    assert cause["text"] == "killed by SIGKILL: the kernel ran out of memory"


HOG = """
import sys, time
time.sleep(float(sys.argv[1]))
hoard = []
while True:
    hoard.append(bytearray(2**20))
"""


def wrapped(daemon, group, *command):
    """What is said of a command that ``epochwatch run`` runs in a cgroup."""
    join = f'echo $$ > {group}/cgroup.procs; exec epochwatch run --job wrapped -- "$@"'
    daemon.run("sh", "-c", join, "sh", *command)
    told = daemon.wait_for(job="wrapped")
    return told["kind"], told["cause"]["code"], told["cause"]["evidence"]


@pytest.mark.parametrize("lived_s", [0.0, 2.5], ids=["at once", "after a while"])
def test_a_wrapped_command_killed_for_want_of_memory_is_told_so(group, lived_s):
    with Daemon() as daemon:
        assert wrapped(daemon, group, "python", "-c", HOG, lived_s)[:2] == ("crashed", "oom_kill")


@pytest.mark.parametrize("lived_s", [0.0, 2.5], ids=["at once", "after a while"])
def test_so_is_one_that_a_shell_waited_for(group, lived_s):
    with Daemon() as daemon:
        shell = ("bash", "-c", 'python -c "$@"; exit $?', "bash")
        assert wrapped(daemon, group, *shell, HOG, lived_s)[:2] == ("crashed", "oom_kill")


def test_so_is_one_that_a_shell_waited_for_and_that_beats_itself(group):
    with Daemon() as daemon:
        beats = f"from epochwatch import agent; agent.beat(1, 0.5)\n{HOG}"
        kind, code, evidence = wrapped(daemon, group, "bash", "-c", 'python -c "$@"; exit 1', "bash", beats, 0.5)
        assert (kind, code) == ("crashed", "oom_kill")
        assert any(line.startswith("it was last seen holding ") for line in evidence)


def test_a_child_of_a_shell_that_was_killed_by_hand_is_told_so(group):
    with Daemon() as daemon:
        kind, code, evidence = wrapped(daemon, group, "bash", "-c", "sh -c 'kill -9 $$'; exit $?")
        assert (kind, code) == ("crashed", "exit_code")
        assert "exit status 137 = 128 + 9, SIGKILL" in evidence


def test_a_training_killed_for_want_of_memory_while_nobody_watched_is_told_so(group):
    log = open_kernel_log(0.0)
    if log is None:
        pytest.skip("the kernel log cannot be read here")
    log.close()
    with Daemon() as daemon:
        training = daemon.train(GREEDY.format(group=group), job="greedy")
        daemon.wait_until_watched("greedy")
        daemon.kill()
        training.stdin.write(b"\n")
        training.stdin.flush()
        training.wait()
        daemon.start()
        assert daemon.wait_for(kind="crashed")["cause"]["code"] == "oom_kill"


def test_a_training_killed_by_hand_in_a_cgroup_with_a_limit_is_told_so(group):
    with Daemon() as daemon:
        training = daemon.train(GREEDY.format(group=group), job="modest")
        daemon.wait_until_watched("modest")
        training.kill()
        assert daemon.wait_for(kind="crashed")["cause"]["code"] == "signal"
