"""Real processes asked where they hang, and those that must never be."""

import os
import signal
import subprocess
import sys
import time

import pytest

from flatline import wire
from flatlined.inputs import processes, stacks
from flatlined.inputs.beat_files import BeatFiles

DEADLINE_S = 30.0
BEGIN = """
import os, signal, sys, threading, time
from flatline import agent
agent.beat(1, 0.5)
def hang():
    print(flush=True)
"""


def eventually(condition):
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.005)
    raise AssertionError("still not so")


@pytest.fixture
def hanging(tmp_path):
    """Starts a training that does this where it hangs; gives the process and the body of its beat."""
    started = []

    def start(code, before=""):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        script = folder / "train.py"
        script.write_text(before + BEGIN + "".join(f"    {line}\n" for line in code.splitlines()) + "hang()\n")
        env = {**os.environ, "FLATLINE_DIR": str(folder), "FLATLINE_STACKS": "1"}
        process = subprocess.Popen(
            [sys.executable, script], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        process.stdout.readline()
        [path] = folder.glob("*.beat")
        files = BeatFiles()
        body = files.read(str(path)).beat.body
        files.close()
        return process, body

    yield start
    for process in started:
        with process:
            process.kill()


def answer(process, body):
    eventually(lambda: stacks.ask(process.pid, body))  # refused while the last signal has not arrived yet
    return stacks.evidence(eventually(lambda: stacks.read(process.pid, body)))


def is_alive(process):
    return process.poll() is None and processes.read_stat(process.pid).state not in "ZX"


HANGS = [
    pytest.param("lock = threading.Lock()\nlock.acquire()\nlock.acquire()", id="a lock taken twice"),
    pytest.param("while True:\n    pass", id="a busy loop"),
    pytest.param("time.sleep(600)", id="a sleep"),
    pytest.param("threading.Event().wait(600)", id="an event that never comes"),
    pytest.param("os.read(0, 1)", id="a read"),
]


@pytest.mark.parametrize("code", HANGS)
def test_a_process_says_where_it_hangs_and_goes_on(hanging, code):
    process, body = hanging(code)
    lines = answer(process, body)
    assert any("train.py" in line and line.endswith(" in hang") for line in lines)
    assert lines[-1].endswith("in <module>")
    assert is_alive(process)


def test_what_other_threads_do_is_said_too(hanging):
    process, body = hanging(
        "done = threading.Thread(target=loading)\ndone.start()\ndone.join()", "def loading():\n  input()\n"
    )
    eventually(
        lambda: any(line.startswith("another thread:") and "in loading" in line for line in answer(process, body))
    )


ENDLESS = "collections.deque(itertools.repeat(0), maxlen=0)"
"""Runs in C code for ever, and never lets go of the interpreter."""


def test_a_main_thread_in_c_code_is_found_by_the_second_signal_only(hanging):
    process, body = hanging(ENDLESS, "import collections, itertools\n")
    begun_s = processes.read_stat(process.pid).cpu_s
    eventually(lambda: processes.read_stat(process.pid).cpu_s > begun_s + 0.2)  # by now it is in there
    asked = stacks.Stacks()
    assert asked.at("it", process.pid, body, 0.0, wanted=True) is None
    eventually(lambda: not pending_signals(process.pid))
    assert stacks.read(process.pid, body) == ""
    assert asked.at("it", process.pid, body, 1.0, wanted=True) is None
    eventually(lambda: stacks.read(process.pid, body))
    assert asked.at("it", process.pid, body, 2.0, wanted=True)[0].endswith(" in hang")
    assert is_alive(process)


def pending_signals(pid):
    with open(f"/proc/{pid}/status") as status:
        return sum(int(line.split()[1], 16) for line in status if line.startswith(("SigPnd", "ShdPnd")))


def test_one_that_computes_in_many_threads_survives_hundreds_of_questions(hanging):
    compute = "def deep(n):\n  return n and deep(n - 1) + 1\ndef busy():\n  while True:\n    deep(300)\n"
    process, body = hanging("[threading.Thread(target=busy).start() for _ in range(3)]\nbusy()", compute)
    for _ in range(300):
        stacks.ask(process.pid, body)
    assert answer(process, body)
    assert is_alive(process)


def test_it_is_asked_once_a_minute_at_most_and_remembers_the_answer(hanging):
    process, body = hanging("time.sleep(600)")
    asked = stacks.Stacks()
    assert asked.at("it", process.pid, body, 0.0, wanted=False) == ()
    assert asked.at("it", process.pid, body, 1.0, wanted=True) is None
    eventually(lambda: stacks.read(process.pid, body))
    lines = asked.at("it", process.pid, body, 2.0, wanted=True)
    assert lines
    assert asked.at("it", process.pid, body, 60.0, wanted=True) == lines
    assert asked.at("it", process.pid, body, 61.0, wanted=True) is None
    asked.forget("it")
    assert asked.at("it", process.pid, body, 62.0, wanted=False) == ()


def unharmed(process, body):
    """Whether it lives on, untouched, after somebody tried to ask it."""
    refused = not stacks.ask(process.pid, body) and not stacks.ask(process.pid, body, in_c=True)
    return refused and not pending_signals(process.pid) and is_alive(process)


@pytest.mark.parametrize(
    "give_up",
    [
        "signal.signal({number}, signal.SIG_DFL)",
        "signal.signal({number} + 1, signal.SIG_DFL)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, [{number}])",
        "import faulthandler; faulthandler.unregister({number} + 1)",
    ],
)
def test_a_process_that_does_not_catch_the_signals_is_never_signalled(hanging, give_up):
    process, body = hanging(f"input()\n{give_up.format(number=signal.SIGRTMAX - 4)}\nprint(flush=True)\ninput()")
    assert body.stack_signal == signal.SIGRTMAX - 4
    process.stdin.write("\n")
    process.stdin.flush()
    process.stdout.readline()
    assert unharmed(process, body)


def test_a_program_that_replaced_it_is_never_signalled(hanging):
    process, body = hanging("os.execv('/bin/sleep', ['sleep', '600'])")
    eventually(lambda: os.readlink(f"/proc/{process.pid}/exe") != os.path.realpath(sys.executable))
    assert unharmed(process, body)


def test_a_process_that_only_has_its_pid_is_never_signalled(hanging):
    process, body = hanging("time.sleep(600)")
    assert unharmed(process, body._replace(start=body.start - 1))


def test_a_stranger_whom_a_beat_names_is_never_signalled(hanging):
    _, body = hanging("time.sleep(600)")
    with subprocess.Popen(["/bin/sleep", "600"]) as stranger:
        named = body._replace(pid=stranger.pid, start=processes.read_stat(stranger.pid).start)
        assert unharmed(stranger, named)
        stranger.kill()


def test_a_stopped_process_is_not_asked(hanging):
    process, body = hanging("time.sleep(600)")
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: processes.read_stat(process.pid).state == "T")
    assert unharmed(process, body)


def test_a_process_that_any_signal_would_wake_is_not_asked(hanging):
    process, body = hanging("signal.pause()")
    eventually(lambda: "pause" in (processes.wchan(process.pid) or ""))
    assert unharmed(process, body)


def test_a_process_that_is_gone_is_not_asked(hanging):
    process, body = hanging("time.sleep(600)")
    process.kill()
    process.wait()
    assert not stacks.ask(process.pid, body)
    assert stacks.read(process.pid, body) == ""


@pytest.mark.parametrize("made_by", ["os.open({path!r}, os.O_RDWR)", "os.pipe()[1]", "os.open('/dev/null', os.O_RDWR)"])
def test_a_descriptor_with_anything_else_behind_it_is_left_alone(hanging, tmp_path, made_by):
    dear = tmp_path / ".flatline-stacks-mine"
    dear.write_text("dear to somebody")
    process, body = hanging(
        f"fd = {made_by.format(path=str(dear))}\nos.dup2(fd, int(input()))\nprint(flush=True)\ninput()"
    )
    process.stdin.write(f"{body.stack_fd}\n")
    process.stdin.flush()
    process.stdout.readline()
    assert unharmed(process, body)
    assert dear.read_text() == "dear to somebody"


def test_a_beat_without_an_offer_asks_nobody(hanging):
    process, body = hanging("time.sleep(600)")
    assert unharmed(process, body._replace(stack_signal=None, stack_fd=None))
    assert unharmed(process, wire.Body("j", pid=process.pid, start=body.start))
