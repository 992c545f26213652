"""The daemon is stopped, killed and started again while trainings run: nothing is said twice, nothing is forgotten."""

import itertools
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest
from harness import Daemon, eventually

TRAINING = """
import sys
from epochwatch import agent
for epoch, _ in enumerate(sys.stdin):
    agent.beat(epoch, 0.5)
    print("beaten", epoch, flush=True)
"""
"""Beats once for each line on its standard input, and finishes when that is closed."""
PARENT = """
import os, signal, sys
from pathlib import Path
child = os.fork()
if child == 0:
    from epochwatch import agent
    agent.beat(1, 0.5)
    input()
    exec(sys.argv[1])
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
Path(os.environ["TMPDIR"], "dead").touch()
signal.pause()
"""
"""Never reaps its child, which beats and upon a line on its standard input ends as the argument says."""


@pytest.fixture
def daemon():
    with Daemon() as daemon:
        yield daemon


def stamp():
    """Now, as messages have it."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def begun(daemon, job):
    process = daemon.train(TRAINING, job=job)
    beat(process)
    daemon.wait_until_watched(job)
    return process


def beat(process):
    process.stdin.write(b"\n")
    process.stdin.flush()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_runs_go_on_being_watched(daemon, number):
    process = begun(daemon, "digits")
    daemon.restart(number)
    beat(process)
    process.kill()
    crash = daemon.wait_for(job="digits", kind="crashed")
    assert crash["cause"]["code"] == "signal"
    assert len(daemon.about(job="digits")) == 1


def test_what_was_said_is_not_said_again(daemon):
    process = begun(daemon, "digits")
    process.send_signal(signal.SIGSTOP)
    silent = daemon.wait_for(job="digits", kind="silent")
    daemon.settle()  # killed between delivering and noting it, it would say so again: at least once
    daemon.restart(signal.SIGKILL)
    daemon.settle()
    process.send_signal(signal.SIGCONT)
    beat(process)
    resolved = daemon.wait_for(job="digits", status="resolved")
    assert resolved["id"] == silent["id"]
    assert daemon.told("digits") == [("digits", "silent", "firing"), ("digits", "silent", "resolved")]


def test_a_death_while_nobody_watched_is_told_as_unknown(daemon):
    process = begun(daemon, "digits")
    daemon.kill()
    process.kill()
    process.wait()
    daemon.start()
    crash = daemon.wait_for(job="digits", kind="crashed")
    assert crash["cause"]["code"] == "unknown"
    assert crash["progress"]["epoch"] == 0

    [told] = [line for line in crash["cause"]["evidence"] if line.endswith("while nobody watched")]
    assert told.startswith("it ended between 20")


def test_a_finish_while_nobody_watched_is_told_as_one_whose_status_nobody_saw(daemon):
    process = begun(daemon, "digits")
    daemon.stop()
    process.stdin.close()
    process.wait()
    daemon.start()
    finish = daemon.wait_for(job="digits")
    assert (finish["kind"], finish["cause"]["code"]) == ("finished", "unseen_status")


@pytest.mark.parametrize(
    ("ending", "verdict"),
    [
        ("sys.exit(0)", ("finished", None)),
        ("sys.exit(3)", ("crashed", "it exited with status 3")),
        ("os.kill(os.getpid(), 9)", ("crashed", "killed by SIGKILL")),
    ],
)
def test_an_end_while_nobody_watched_is_known_where_the_parent_has_not_reaped(daemon, ending, verdict):
    parent = daemon.train(PARENT, ending, job="digits")
    daemon.wait_until_watched("digits")
    daemon.kill()
    parent.stdin.write(b"\n")
    parent.stdin.flush()
    eventually((daemon.folder / "dead").exists)
    daemon.start()
    told = daemon.wait_for(job="digits")
    assert (told["kind"], told["cause"] and told["cause"]["text"]) == verdict


def test_a_death_while_nobody_watched_is_dated_by_when_it_was_last_watched(daemon):
    process = begun(daemon, "digits")
    started = daemon.wait_until_watched("digits")
    stopped_from = stamp()
    daemon.stop()
    process.kill()
    process.wait()
    daemon.start()
    crash = daemon.wait_for(job="digits", kind="crashed")
    assert started["since"] < stopped_from <= crash["since"] < crash["detected_at"]


def test_a_run_that_began_while_nobody_watched_is_taken_up(daemon):
    daemon.stop()
    process = daemon.train(TRAINING, job="digits")
    beat(process)
    eventually(lambda: list(daemon.beats.glob("*.beat")))
    daemon.start()
    daemon.wait_until_watched("digits")
    process.kill()
    assert daemon.wait_for(job="digits")["cause"]["code"] == "signal"


def test_an_alert_that_could_not_be_delivered_is_delivered_after_the_restart(daemon):
    daemon.hook.status = 503
    begun_process = daemon.train(TRAINING, job="digits")
    beat(begun_process)
    eventually(lambda: list(daemon.beats.glob("*.beat")))  # under its own name: before that nothing is there to tell
    begun_process.kill()
    eventually(lambda: any("503" in line for line in daemon.log))
    daemon.kill()
    daemon.hook.status = 200
    daemon.start()
    daemon.wait_for(job="digits", kind="crashed")
    daemon.settle()
    assert len(daemon.about(job="digits")) == 1


def test_ends_are_told_once_however_often_the_daemon_is_killed(daemon):
    jobs = [f"job {i}" for i in range(8)]
    processes = [begun(daemon, job) for job in jobs]
    for process in processes:
        process.kill()
        daemon.restart(signal.SIGKILL)
    for job in jobs:
        daemon.wait_for(job=job, kind="crashed")
    daemon.settle()
    ids = [m["id"] for m in daemon.about(kind="crashed")]
    assert len(set(ids)) == len(jobs)
    assert len(ids) <= len(jobs) + len(processes)  # at least once: a kill may fall between delivering and noting it


def test_a_second_daemon_on_the_same_store_is_refused(daemon):
    second = daemon.run("epochwatchd", "serve", "-c", daemon.config_file)
    assert second.returncode == 1
    assert "another epochwatchd is using this database" in second.stderr


def test_a_daemon_that_stops_while_files_are_written_reads_none_that_it_has_let_go():
    with Daemon() as daemon, ThreadPoolExecutor(1) as pool:
        stopped = threading.Event()

        def write_without_end():
            for n in itertools.takewhile(lambda _: not stopped.is_set(), itertools.cycle(range(50))):
                (daemon.beats / f"{n}.beat").write_text("no beat")

        pool.submit(write_without_end)
        try:
            for _ in range(6):
                daemon.restart()
        finally:
            stopped.set()
        assert not any("broke" in line for line in daemon.log)
