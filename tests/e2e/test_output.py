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


PRINTS = """
import sys, time
for step in range(0, {end}, 100):
    print(f"step {{step}}/5000 loss {{1 / (step + 1)}} val_acc=0.5", flush=True)
    time.sleep(0.02)
{then}
"""


def test_what_it_prints_of_progress_is_told():
    with Daemon() as daemon:
        wrapped(daemon, PRINTS.format(end=3000, then="raise SystemExit(3)"), "falls")
        wrapped(daemon, PRINTS.format(end=5000, then=""), "ends")
        wrapped(daemon, PRINTS.format(end=2000, then=""), "stops")
        falls, ends, stops = (daemon.wait_for(job=job) for job in ("falls", "ends", "stops"))
        assert (falls["kind"], falls["progress"]["step"], falls["progress"]["steps"]) == ("crashed", 2900, 5000)
        assert falls["progress"]["loss"] == 1 / 2901
        assert falls["progress"]["metrics"] == {"val_acc": 0.5}
        assert (ends["kind"], ends["cause"], ends["progress"]["fraction"]) == ("finished", None, 1.0)
        assert (stops["kind"], stops["cause"]["code"]) == ("finished", "stopped_early")


def test_a_printed_loss_that_is_no_number_any_more_is_told():
    with Daemon() as daemon:
        process = wrapped(daemon, PRINTS.format(end=300, then="print('step 400/5000 loss nan'); input()"), "nan")
        assert daemon.wait_for(job="nan", kind="diverged")["progress"]["loss"] == "NaN"
        process.kill()


def test_the_plan_on_the_command_line_comes_before_what_is_printed():
    with Daemon() as daemon:
        code = PRINTS.format(end=300, then="")
        line = ("epochwatch", "run", "--steps", 300, "--job", "given", "--", sys.executable, "-c", code)
        daemon.run(*line)
        told = daemon.wait_for(job="given", kind="finished")
        assert (told["progress"]["steps"], told["cause"]) == (300, None)


def test_the_table_shows_epochs_as_they_were_printed(tmp_path):
    with Daemon() as daemon:
        env = {**daemon.env, "EPOCHWATCH_DIR": str(tmp_path)}  # the daemon does not look there
        daemon.run("epochwatch", "run", "--", sys.executable, "-c", "print('epoch 2/3\\nepoch 3/3')", env=env)
        assert " 3/3 " in daemon.run("epochwatch", "status", env=env).stdout
