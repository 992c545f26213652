"""A training that the kernel kills for want of memory, in a real cgroup with a limit."""

import os
import time
from pathlib import Path

import pytest
from harness import Daemon

ROOT = Path("/sys/fs/cgroup/memory")
LIMIT_MIB = 64
GREEDY = """
import os
open("{group}/cgroup.procs", "w").write(str(os.getpid()))
from flatline import agent
agent.beat(1, 0.5)
input()
hoard = []
while True:
    hoard.append(bytearray(2**20))
"""


@pytest.fixture
def group():
    """A cgroup that may use 64 MiB."""
    group = ROOT / f"flatline-test-{os.getpid()}-{time.monotonic_ns()}"
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


def test_a_training_killed_by_hand_in_a_cgroup_with_a_limit_is_told_so(group):
    with Daemon() as daemon:
        training = daemon.train(GREEDY.format(group=group), job="modest")
        daemon.wait_until_watched("modest")
        training.kill()
        assert daemon.wait_for(kind="crashed")["cause"]["code"] == "signal"
