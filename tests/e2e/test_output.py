"""A command under ``epochwatch run`` that has no agent inside: what it writes counts as beats."""

import sys
import textwrap

from harness import Daemon

WRITES = """
import sys, threading, time
for step in range(12):
    print(f"\\r{step}/100", end="", file=sys.stderr, flush=True)
    time.sleep(0.1)
%s
"""
LOCK = "lock = threading.Lock(); lock.acquire(); lock.acquire()"


def wrapped(daemon, code, job):
    return daemon.train(
        "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])",
        *("epochwatch", "run", "--job", job, "--", sys.executable, "-c", textwrap.dedent(code)),
    )


def test_one_that_stops_writing_is_told_once_with_what_it_does_and_then_its_end():
    with Daemon({"defaults": {"silent_after": "2s"}}) as daemon:
        process = wrapped(daemon, WRITES % LOCK, "bar")
        wrapped(daemon, WRITES % "time.sleep(1)", "good")
        hang = daemon.wait_for(job="bar", kind="silent")
        assert (hang["severity"], hang["cause"]["code"]) == ("warning", "deadlock")
        assert "no output for" in hang["text"]
        process.kill()
        daemon.wait_for(job="good", kind="finished")
        daemon.settle()
        assert daemon.told("bar")[0] == ("bar", "silent", "firing")
        assert daemon.told("good") == [("good", "finished", "notice")]


def test_where_an_agent_beats_inside_what_is_written_says_nothing():
    beats = "from epochwatch import agent\nfor n in range(40):\n    agent.beat(n)\n    time.sleep(0.1)"
    with Daemon({"defaults": {"silent_after": "2s"}}) as daemon:
        wrapped(daemon, WRITES % beats, "inside")
        daemon.wait_for(job="inside", kind="finished")
        daemon.settle()
        assert daemon.told("inside") == [("inside", "finished", "notice")]
