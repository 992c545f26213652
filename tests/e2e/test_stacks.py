"""A training that hangs is told with the line of code where it does, and goes on unharmed."""

import os

import pytest
from harness import Daemon

BEGIN = """
import ctypes, faulthandler, fcntl, os, resource, signal, sys, threading, time
from epochwatch import agent
go_on = threading.Event()
lock = threading.Lock()
libc = ctypes.CDLL(None)
def wait_for_word():
    input()
    go_on.set()
    lock.release()
"""
GO_ON = """
lock.acquire()
threading.Thread(target=wait_for_word, daemon=True).start()
for epoch in range(3):
    agent.beat(epoch, 0.5)
hang()
agent.beat(3, 0.4)
go_on.clear()
go_on.wait()
"""
HANGS = {
    "deadlock": "def hang():\n    with lock:\n        pass\n",
    "busy loop": "def hang():\n    while not go_on.is_set():\n        pass\n",
    "poll in C": "def hang():\n    while not go_on.is_set():\n        assert libc.poll(None, 0, 500) == 0\n",
    "sleep": "def hang():\n    while not go_on.is_set():\n        time.sleep(0.5)\n",
}


@pytest.fixture(scope="module")
def daemon():
    with Daemon({"defaults": {"silent_after": "2s"}}) as daemon:
        yield daemon


def script(daemon, job, code, before=""):
    path = daemon.folder / f"{job.replace(' ', '_')}.py"
    path.write_text(before + BEGIN + code + GO_ON)
    return path


def stack_of(message):
    return [line.strip() for line in message["cause"]["evidence"]]


@pytest.mark.parametrize("job", HANGS)
def test_the_first_message_says_where_it_hangs_and_it_goes_on_when_it_can(daemon, job):
    path = script(daemon, job, HANGS[job])
    process = daemon.train(path, job=job)
    silent = daemon.wait_for(job=job, kind="silent")
    assert any(f"{path}:" in line and line.endswith(" in hang") for line in stack_of(silent))
    assert any(line.endswith("in <module>") for line in stack_of(silent))
    assert " in hang" in silent["text"].partition("\n")[0]
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert daemon.wait_for(job=job, status="resolved")["id"] == silent["id"]
    assert process.poll() is None


def test_code_that_never_comes_back_to_python_is_named_too(daemon):
    endless = "import collections, itertools\ndef hang():\n    collections.deque(itertools.repeat(0), maxlen=0)\n"
    path = script(daemon, "in C", endless)
    process = daemon.train(path, job="in C")
    silent = daemon.wait_for(job="in C", kind="silent")
    assert any(f"{path}:" in line and line.endswith(" in hang") for line in stack_of(silent))
    assert process.poll() is None


def test_a_training_that_offers_nothing_is_told_all_the_same_and_lives(daemon):
    process = daemon.train(script(daemon, "mute", HANGS["deadlock"]), job="mute", EPOCHWATCH_STACKS="0")
    silent = daemon.wait_for(job="mute", kind="silent")
    assert silent["cause"]["code"] == "deadlock"
    assert process.poll() is None


KILLED_WORKER = """
def hang():
    batches, _ = os.pipe()
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    os.read(batches, 1)
"""


def test_a_loaders_worker_that_was_killed_is_named_in_the_headline(daemon):
    process = daemon.train(script(daemon, "loader", KILLED_WORKER), job="loader")
    cause = daemon.wait_for(job="loader", kind="silent")["cause"]
    assert cause["code"] == "deadlock"
    assert "worker process" in cause["text"]
    assert "was killed by SIGKILL" in cause["text"]
    assert "loader.py:" in cause["text"]
    assert process.poll() is None


def test_a_training_that_became_another_program_is_told_as_that(daemon):
    path = script(daemon, "exec", "def hang():\n    os.execv('/bin/sleep', ['sleep', '600'])\n")
    daemon.train(path, job="exec")
    cause = daemon.wait_for(job="exec", kind="silent")["cause"]
    assert cause["code"] == "exec"
    assert cause["text"].endswith(": sleep")
    assert "600" not in str(cause)


AGAIN = """
def hang():
    os.execv(sys.executable, [sys.executable, "-c", SECOND])
SECOND = '''
import time
from epochwatch import agent
for epoch in range(30):
    agent.beat(epoch, 0.5)
    time.sleep(0.1)
time.sleep(600)
'''
"""


def test_a_run_that_its_process_left_for_a_later_one_is_not_silent(daemon):
    daemon.train(script(daemon, "again", AGAIN), job="again")
    first = daemon.wait_for(job="again", kind="started")["run"]
    silent = daemon.wait_for(job="again", kind="silent")
    daemon.settle()
    assert [m["run"] for m in daemon.about(job="again")] == [silent["run"]] != [first]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may start a training of another user, and signal it")
def test_the_machines_daemon_may_ask_the_training_of_any_user(daemon):
    daemon.folder.chmod(0o755)
    daemon.beats.chmod(0o1777)
    become = "\nos.setresgid(65534, 65534, 65534)\nos.setresuid(65534, 65534, 65534)\n"
    process = daemon.train(script(daemon, "theirs", become + HANGS["deadlock"]), job="theirs")
    silent = daemon.wait_for(job="theirs", kind="silent")
    assert any(line.endswith(" in hang") for line in stack_of(silent))
    assert process.poll() is None
