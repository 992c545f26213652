"""The daemon is stopped, killed and started again while trainings run: nothing is said twice, nothing is forgotten."""

import signal

import pytest
from harness import Daemon, eventually

TRAINING = """
import sys
from flatline import agent
for epoch, _ in enumerate(sys.stdin):
    agent.beat(epoch, 0.5)
    print("beaten", epoch, flush=True)
"""
"""Beats once for each line on its standard input, and finishes when that is closed."""


@pytest.fixture
def daemon():
    with Daemon() as daemon:
        yield daemon


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


def test_a_finish_while_nobody_watched_is_told_as_a_finish(daemon):
    process = begun(daemon, "digits")
    daemon.stop()
    process.stdin.close()
    process.wait()
    daemon.start()
    assert daemon.wait_for(job="digits")["kind"] == "finished"


def test_a_run_that_began_while_nobody_watched_is_taken_up(daemon):
    daemon.stop()
    process = daemon.train(TRAINING, job="digits")
    beat(process)
    eventually(lambda: list(daemon.beats.iterdir()))
    daemon.start()
    daemon.wait_until_watched("digits")
    process.kill()
    assert daemon.wait_for(job="digits")["cause"]["code"] == "signal"


def test_an_alert_that_could_not_be_delivered_is_delivered_after_the_restart(daemon):
    daemon.hook.status = 503
    begun_process = daemon.train(TRAINING, job="digits")
    beat(begun_process)
    eventually(lambda: list(daemon.beats.iterdir()))
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
    second = daemon.run("flatlined", "serve", "-c", daemon.config_file)
    assert second.returncode == 1
    assert "another flatlined is using this database" in second.stderr
