"""Several processes started together are one run: torchrun's way, by its environment variables."""

import signal

import pytest
from harness import Daemon, eventually

LAUNCHER = """
import os, subprocess, sys
size = sys.argv[1]
ranks = {}
def start(rank):
    env = {**os.environ, "RANK": str(rank), "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_ADDR": "localhost"}
    ranks[rank] = subprocess.Popen([sys.executable, "-c", RANK], env=env, stdin=subprocess.PIPE, text=True)
for rank in range(int(size)):
    start(rank)
for line in sys.stdin:
    verb, *which = line.split()
    if verb == "resize":
        size = which[0]
        ranks.clear()
        which = range(int(size))
        verb = "start"
    for rank in map(int, which or ranks):
        if verb == "start":
            start(rank)
        elif verb == "kill":
            ranks[rank].kill()
            ranks[rank].wait()
        elif verb == "stop":
            ranks[rank].send_signal(19)
        else:
            print(verb, file=ranks[rank].stdin, flush=True)
            if verb in ("end", "raise"):
                ranks[rank].wait()
"""
RANK = """
import sys
from epochwatch import agent
agent.beat(0, 0.5)
for epoch, line in enumerate(sys.stdin, 1):
    if line == "raise\\n":
        raise RuntimeError("NCCL error")
    if line == "end\\n":
        break
    agent.beat(epoch, 0.5)
"""


@pytest.fixture
def daemon():
    with Daemon() as daemon:
        yield daemon


@pytest.fixture
def launched(daemon):
    """Four ranks that are known to the daemon; gives what tells the launcher what to do with them."""
    process = daemon.train(f"RANK = {RANK!r}\n{LAUNCHER}", "4", job="ddp")

    def tell(order):
        process.stdin.write(f"{order}\n".encode())
        process.stdin.flush()

    eventually(lambda: len(list(daemon.beats.glob("ddp.*.beat"))) == 4)
    daemon.wait_until_watched("ddp")
    yield tell
    process.send_signal(signal.SIGTERM)


def test_ranks_are_one_run_that_finishes_when_all_have(daemon, launched):
    launched("end 0")
    launched("end 1 2 3")
    daemon.wait_for(job="ddp", kind="finished")
    daemon.settle()
    assert len(daemon.about(job="ddp")) == 1
    assert len([m for m in daemon.messages if m["job"] == "ddp" and m["kind"] == "started"]) == 1


def test_the_rank_that_fell_first_is_named_once(daemon, launched):
    launched("raise 2")
    told = daemon.wait_for(job="ddp", kind="crashed")
    assert (told["rank"], told["cause"]["code"]) == (2, "exception")
    assert "the other processes of the run: 3 running" in told["cause"]["evidence"]
    launched("kill 0 1 3")
    daemon.settle()
    assert len(daemon.about(job="ddp")) == 1


def test_a_rank_that_is_started_anew_resolves_the_crash(daemon, launched):
    launched("kill 1")
    crash = daemon.wait_for(job="ddp", kind="crashed")
    launched("start 1")
    resolved = daemon.wait_for(job="ddp", status="resolved")
    assert (resolved["id"], resolved["run"]) == (crash["id"], crash["run"])
    launched("end")
    daemon.wait_for(job="ddp", kind="finished")


def test_a_launch_of_another_size_after_a_crash_is_the_same_run(daemon, launched):
    launched("raise 2")
    launched("kill 0 1 3")
    crash = daemon.wait_for(job="ddp", kind="crashed")
    daemon.settle()
    launched("resize 3")
    resolved = daemon.wait_for(job="ddp", status="resolved")
    assert (resolved["id"], resolved["run"]) == (crash["id"], crash["run"])
    launched("end 0 1 2")
    daemon.wait_for(job="ddp", kind="finished")
    assert len([m for m in daemon.messages if m["job"] == "ddp" and m["kind"] == "started"]) == 1


def test_one_frozen_rank_is_named(daemon, launched):
    launched("stop 3")
    told = daemon.wait_for(job="ddp", kind="silent")
    assert (told["rank"], told["cause"]["code"]) == (3, "stopped")


SILENT_RANKS = """
import os, signal, subprocess, sys, time
RANK = '''
import os, time
if os.environ["RANK"] == "0":
    from epochwatch import agent
    agent.beat(0, 0.5)
time.sleep(60)
'''
def start(rank):
    env = {**os.environ, "RANK": str(rank), "WORLD_SIZE": "3"}
    return subprocess.Popen([sys.executable, "-c", RANK], env=env)
ranks = [start(rank) for rank in range(3)]
input()
ranks[1].kill()
ranks[1].wait()
for other in ranks[0], ranks[2]:
    other.terminate()
    other.wait()
"""


def test_where_only_rank_0_beats_the_fall_of_another_is_told_and_not_the_launchers_answer(daemon):
    launcher = daemon.train(SILENT_RANKS, job="ddp")
    daemon.wait_until_watched("ddp")
    launcher.stdin.write(b"\n")
    launcher.stdin.flush()
    told = daemon.wait_for(job="ddp")
    assert (told["kind"], told["cause"]["code"]) == ("crashed", "signal")
    assert "SIGKILL" in told["cause"]["text"]
    assert any("a rank that sends no beats, fell" in line for line in told["cause"]["evidence"])
