"""What happened to a real process, and what arrives at the webhook: kind, cause and progress, exactly once."""

import signal

import pytest
from harness import Daemon, eventually

BEATS = """
import os, signal, sys, time
from epochwatch import agent
for epoch in range(4):
    agent.beat(epoch, 1 / (epoch + 1), lr=0.1)
print("beaten", flush=True)
input()
"""
"""Beats four times, then waits for a line on its standard input and goes on with what the test adds."""


@pytest.fixture(scope="module")
def daemon():
    with Daemon() as daemon:
        yield daemon


def proceed(process):
    process.stdin.write(b"\n")
    process.stdin.flush()


def begun(daemon, code, job):
    """A training that has beaten and that the daemon knows of."""
    process = daemon.train(BEATS + code, job=job)
    daemon.wait_until_watched(job)
    return process


ENDS = [
    pytest.param("", "finished", None, id="returns"),
    pytest.param("agent.finish('accuracy 0.97')", "finished", "reported", id="finishes by word"),
    pytest.param("sys.exit(0)", "finished", None, id="sys.exit(0)"),
    pytest.param("raise ValueError('bad batch')", "crashed", "exception", id="raises"),
    pytest.param("agent.fail('no data')", "crashed", "reported", id="fails by word"),
    pytest.param("sys.exit(3)", "crashed", "exit_code", id="sys.exit(3)"),
    pytest.param("os._exit(3)", "crashed", "exit_code", id="os._exit(3)"),
    pytest.param("os._exit(0)", "crashed", "exit_code", id="os._exit(0) in mid-run"),
    pytest.param("os.kill(os.getpid(), signal.SIGKILL)", "crashed", "signal", id="SIGKILL"),
    pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", "crashed", "signal", id="SIGSEGV"),
    pytest.param("os.abort()", "crashed", "signal", id="SIGABRT"),
    pytest.param("os.kill(os.getpid(), signal.SIGTERM)", "interrupted", "terminated", id="SIGTERM"),
    pytest.param("os.execv('/bin/sh', ['sh', '-c', 'exit 5'])", "crashed", "exit_code", id="execs another program"),
]


@pytest.mark.parametrize(("code", "kind", "cause"), ENDS)
def test_every_end_is_told_once_and_rightly(daemon, request, code, kind, cause):
    job = request.node.callspec.id
    process = begun(daemon, code, job)
    proceed(process)
    told = daemon.wait_for(job=job, kind=kind)
    assert (told["cause"] or {}).get("code") == cause
    assert (told["pid"], told["run"] != "", told["status"]) == (
        process.pid,
        True,
        "notice" if kind in ("finished", "interrupted") else "firing",
    )
    assert (told["progress"]["epoch"], told["progress"]["loss"]) == (3, 0.25)
    assert told["progress"]["metrics"] == {"lr": 0.1}
    daemon.settle()
    assert [m["kind"] for m in daemon.about(job=job)] == [kind]


def test_an_exception_brings_its_traceback(daemon):
    proceed(begun(daemon, "raise RuntimeError('CUDA error: 한국어')", "traceback"))
    cause = daemon.wait_for(job="traceback", kind="crashed")["cause"]
    assert cause["text"] == "RuntimeError: CUDA error: 한국어"
    assert cause["evidence"][0] == "Traceback (most recent call last):"


def test_a_training_killed_by_others_is_told_with_the_signal(daemon):
    process = begun(daemon, "", "killed")
    process.send_signal(signal.SIGKILL)
    cause = daemon.wait_for(job="killed", kind="crashed")["cause"]
    assert cause["text"] == "killed by SIGKILL"
    assert "killed by signal 9 SIGKILL" in cause["evidence"]


def test_frozen_is_silent_thawed_is_resolved_and_the_end_follows(daemon):
    process = begun(daemon, "agent.beat(4, 0.2); input()", "frozen")
    process.send_signal(signal.SIGSTOP)
    silent = daemon.wait_for(job="frozen", kind="silent")
    assert (silent["cause"]["code"], silent["severity"]) == ("stopped", "critical")
    proceed(process)
    process.send_signal(signal.SIGCONT)
    resolved = daemon.wait_for(job="frozen", status="resolved")
    assert (resolved["id"], resolved["kind"], resolved["progress"]["epoch"]) == (silent["id"], "silent", 4)
    process.send_signal(signal.SIGKILL)
    daemon.wait_for(job="frozen", kind="crashed")
    assert [m["status"] for m in daemon.about(job="frozen")] == ["firing", "resolved", "firing"]


def test_one_that_was_silent_and_then_leaves_gives_no_all_clear(daemon):
    process = begun(daemon, "", "frozen, leaves")
    process.send_signal(signal.SIGSTOP)
    daemon.wait_for(job="frozen, leaves", kind="silent")
    proceed(process)
    process.send_signal(signal.SIGCONT)
    daemon.wait_for(job="frozen, leaves", kind="finished")
    assert [m["status"] for m in daemon.about(job="frozen, leaves")] == ["firing", "notice"]


def test_frozen_then_killed_gives_no_all_clear(daemon):
    process = begun(daemon, "", "frozen, killed")
    process.send_signal(signal.SIGSTOP)
    daemon.wait_for(job="frozen, killed", kind="silent")
    process.send_signal(signal.SIGKILL)
    daemon.wait_for(job="frozen, killed", kind="crashed")
    daemon.settle()
    assert [m["kind"] for m in daemon.about(job="frozen, killed")] == ["silent", "crashed"]


def test_nan_diverges_and_a_finite_loss_resolves_it(daemon):
    process = begun(daemon, "agent.beat(4, float('nan')); input(); agent.beat(5, 0.1); input()", "nan")
    proceed(process)
    diverged = daemon.wait_for(job="nan", kind="diverged")
    assert (diverged["severity"], diverged["progress"]["loss"]) == ("warning", "NaN")
    proceed(process)
    assert daemon.wait_for(job="nan", status="resolved")["id"] == diverged["id"]
    proceed(process)
    daemon.wait_for(job="nan", kind="finished")


def test_many_jobs_at_once_are_each_told_of(daemon):
    jobs = [f"many {i}" for i in range(12)]
    processes = [begun(daemon, f"sys.exit({i % 2})", job) for i, job in enumerate(jobs)]
    for process in processes:
        proceed(process)
    kinds = [daemon.wait_for(job=job)["kind"] for job in jobs]
    assert kinds == ["finished", "crashed"] * 6


def test_a_run_that_lived_for_a_moment_only_is_known_by_its_signal(daemon):
    daemon.train("import os; from epochwatch import agent; agent.beat(1, 0.5); os.kill(os.getpid(), 9)", job="short")
    told = daemon.wait_for(job="short")
    assert (told["kind"], told["progress"]["epoch"]) == ("crashed", 1)
    assert told["cause"]["code"] in ("signal", "unknown")  # it may be reaped before anybody could have looked


def test_files_of_runs_whose_end_is_told_are_removed(daemon):
    process = begun(daemon, "", "tidy")
    assert list(daemon.beats.glob("tidy.*"))
    proceed(process)
    daemon.wait_for(job="tidy", kind="finished")
    eventually(lambda: not list(daemon.beats.glob("tidy.*")))


def test_status_shows_what_runs_and_how_the_others_ended(daemon):
    process = begun(daemon, "sys.exit(7)", "in status")
    proceed(process)
    daemon.wait_for(job="in status", kind="crashed")
    shown = daemon.run("epochwatchd", "status", "-c", daemon.config_file, "--all").stdout
    row = next(line for line in shown.splitlines() if line.startswith("in status"))
    assert "crashed" in row
    assert "exit_code" in row


def test_status_says_whether_anybody_watches():
    with Daemon() as daemon:
        shown = daemon.run("epochwatchd", "status", "-c", daemon.config_file)
        assert (shown.returncode, shown.stderr) == (0, "")
        daemon.stop()
        shown = daemon.run("epochwatchd", "status", "-c", daemon.config_file)
        assert (shown.returncode, "no daemon is running" in shown.stderr) == (0, True)
