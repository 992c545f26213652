"""What a process that stands still waits for: every kind of pause and hang, on a real one, by a clock of ours."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
from waiting import HANGS, PAUSES, Kind

from epochwatchd.inputs.process import waits
from epochwatchd.inputs.process.activity import SAMPLE_EVERY_S, Activity, Looks

ENOUGH = 4
"""So many samples in a row that agree."""


@pytest.fixture
def training(tmp_path):
    """Starts a kind, and gives its process when it has begun with it; its threads were looked at while it beat."""
    started = []

    def start(kind: Kind):
        env = {**os.environ, "EPOCHWATCH_DIR": str(tmp_path), "PAUSE_S": "60", "BEATS": "3", "TMPDIR": str(tmp_path)}
        line = [sys.executable, "-c", kind.program]
        process = subprocess.Popen(
            line, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        )
        started.append(process)
        looks, habits = Looks(), None
        while not any(tmp_path.iterdir()):
            time.sleep(0.01)
        for _ in range(2):
            looks.begin(0.0)
            habits = looks.learn(habits, process.pid)
            time.sleep(0.1)
        assert process.stdout.readline() == "now\n"
        return process, habits

    yield start
    for process in started:
        with process:
            os.killpg(process.pid, signal.SIGKILL)


def seen(process, habits, *, works):
    """The kind of its wait, once it does not change any more; by the clock a sample each five seconds.

    works: it is to be seen at work. One that is to wait may have to begin with that first, at load for a while.
    """
    looks, suspect, kinds, ends = Looks(), Activity(habits), [], time.monotonic() + 30
    while len(kinds) < ENOUGH or len(set(kinds[-ENOUGH:])) > 1 or (kinds[-1] is None and not works):
        assert time.monotonic() < ends, kinds
        looks.begin(SAMPLE_EVERY_S * len(kinds))
        looked = looks.at(suspect, process.pid)
        kinds.append(looked.wait.kind if looked.wait else None)
        time.sleep(0.3)
    return kinds[-1]


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in (*PAUSES, *HANGS)])
def test_each_kind_is_seen_for_what_it_is(training, kind):
    assert seen(*training(kind), works=kind.wait is None) == kind.wait


def test_a_connection_within_the_run_is_none_with_somebody_else():
    me = os.getpid()
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        near = stack.enter_context(socket.create_connection(server.getsockname()))
        far, _ = server.accept()
        stack.enter_context(far)
        assert not waits.is_connected_outside([me], [])
        child = stack.enter_context(subprocess.Popen(["sleep", "60"], pass_fds=[far.fileno()]))
        stack.callback(child.kill)
        far.close()
        assert waits.is_connected_outside([me], [])
        assert not waits.is_connected_outside([me], [child.pid])
        near.close()
        assert not waits.is_connected_outside([me], [])


def test_who_is_not_shown_to_us_may_be_connected_with_anybody():
    assert waits.is_connected_outside([2**22 + 1], [])
