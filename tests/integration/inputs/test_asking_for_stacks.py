"""Real processes asked where they hang, and those that must never be."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from epochwatch import wire
from epochwatchd.inputs.heartbeats.files import BeatFile, BeatFiles, Folder
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.stacks import collect, frames, py_spy
from epochwatchd.model import Stack

needs_py_spy = pytest.mark.skipif(py_spy._program() is None, reason="py-spy is not installed")

DEADLINE_S = 30.0
BEGIN = """
import os, signal, sys, threading, time
from epochwatch import agent
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
        env = {**os.environ, "EPOCHWATCH_DIR": str(folder)}
        process = subprocess.Popen(
            [sys.executable, script], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        process.stdout.readline()
        [path] = folder.glob("*.beat")
        files = BeatFiles()
        files.watch([Folder(folder)])
        body = files.read(BeatFile(str(path))).beat.body
        files.close()
        return process, body

    yield start
    for process in started:
        with process:
            process.kill()


def was_asked(process, body, **how):
    with contextlib.suppress(OSError):
        return bool(collect.ask(process.pid, body, **how))


def answer(process, body):
    eventually(lambda: was_asked(process, body))  # refused while the last signal has not arrived yet
    return frames.stack(frames.parse(eventually(lambda: collect.read(process.pid, body)))).lines


def is_alive(process):
    return process.poll() is None and procfs.read_stat(process.pid).state not in "ZX"


HANGS = [
    pytest.param("lock = threading.Lock()\nlock.acquire()\nlock.acquire()", id="a lock taken twice"),
    pytest.param("while True:\n    pass", id="a busy loop"),
    pytest.param("threading.Event().wait(600)", id="an event that never comes"),
    pytest.param("os.read(0, 1)", id="a read"),
]


@pytest.fixture
def without_py_spy(monkeypatch):
    monkeypatch.setattr(py_spy, "_program", lambda: None)


def told(process, body):
    """What a process says in the end, when it is asked in one way after the other."""
    asked = collect.Asking()
    said = eventually(lambda: lines_of(asked.at(process.pid, body, time.monotonic(), wanted=True, uid=os.getuid())))
    asked.close()
    return said


def lines_of(stack):
    return stack.lines if stack is not None else ()


def waits_in(process, *names):
    eventually(lambda: any(name in (procfs.wchan(process.pid) or "") for name in names))


@pytest.mark.usefixtures("without_py_spy")
@pytest.mark.parametrize("code", HANGS)
def test_a_process_says_where_it_hangs_and_goes_on(hanging, code):
    process, body = hanging(code)
    lines = told(process, body)
    assert any("train.py" in line and line.endswith(" in hang") for line in lines)
    assert lines[-1].endswith("in <module>")
    assert is_alive(process)


LOADING = "def loading():\n  input()\n"


@pytest.mark.usefixtures("without_py_spy")
def test_what_other_threads_do_is_said_too(hanging):
    process, body = hanging("threading.Thread(target=loading).start()\nthreading.Event().wait(600)", LOADING)
    eventually(
        lambda: any(line.startswith("another thread:") and "in loading" in line for line in answer(process, body))
    )


@needs_py_spy
def test_py_spy_tells_what_all_threads_do_while_the_main_one_waits_in_the_kernel(hanging):
    process, body = hanging("thread = threading.Thread(target=loading)\nthread.start()\nthread.join()", LOADING)
    waits_in(process, "futex")
    lines = told(process, body)
    assert any(line.endswith(" in hang") for line in lines)
    assert any(line.startswith("another thread:") and "in loading" in line for line in lines)
    assert is_alive(process)


@needs_py_spy
def test_py_spy_reads_one_whose_agent_offers_nothing(hanging):
    process, body = hanging("time.sleep(600)")
    lines = told(process, body._replace(stack_signal=None, stack_fd=None))
    assert lines[0].endswith(" in hang")


@needs_py_spy
def test_only_a_few_processes_are_read_at_once():
    readings = [py_spy.Reading(os.getpid()) for _ in range(py_spy.AT_ONCE)]
    with pytest.raises(BlockingIOError):
        py_spy.Reading(os.getpid())
    for reading in readings:
        reading.close()
    last = py_spy.Reading(os.getpid())
    assert [thread.is_main for thread in eventually(last.threads)].count(True) == 1
    last.close()


@needs_py_spy
@pytest.mark.parametrize("code", ["breakpoint()", "import code; code.interact()"])
def test_one_that_waits_in_a_debugger_or_at_a_prompt_is_known(hanging, code):
    process, body = hanging(code)
    waits_in(process, "pipe_read")
    asked = collect.Asking()
    assert eventually(lambda: asked.at(process.pid, body, time.monotonic(), wanted=True, uid=os.getuid())).is_prompt


def test_of_one_that_writes_without_end_no_more_is_read_than_can_be_taken_in(monkeypatch, tmp_path):
    endless = tmp_path / "py-spy"
    endless.write_text("#!/bin/sh\nexec cat /dev/zero\n")
    endless.chmod(0o755)
    monkeypatch.setattr(py_spy, "_program", lambda: str(endless))
    reading = py_spy.Reading(os.getpid())
    assert eventually(lambda: reading.threads() == [])
    assert reading._process.returncode == -signal.SIGKILL
    reading.close()


ENDLESS = "collections.deque(itertools.repeat(0), maxlen=0)"
"""Runs in C code for ever, and never lets go of the interpreter."""


@pytest.mark.usefixtures("without_py_spy")
def test_a_main_thread_in_c_code_is_found_by_the_second_signal_only(hanging):
    process, body = hanging(ENDLESS, "import collections, itertools\n")
    begun_s = procfs.read_stat(process.pid).cpu_s
    eventually(lambda: procfs.read_stat(process.pid).cpu_s > begun_s + 0.2)  # by now it is in there
    asked = collect.Asking()
    assert asked.at(process.pid, body, 0.0, wanted=True, uid=os.getuid()) is None
    eventually(lambda: not pending_signals(process.pid))
    assert collect.read(process.pid, body) == ""
    assert asked.at(process.pid, body, 1.0, wanted=True, uid=os.getuid()) is None
    eventually(lambda: collect.read(process.pid, body))
    assert asked.at(process.pid, body, 2.0, wanted=True, uid=os.getuid()).lines[0].endswith(" in hang")
    assert is_alive(process)


def pending_signals(pid):
    return procfs.signals(pid).pending


READ_IN_C = """
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.fread.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p]
got = ctypes.create_string_buffer(9)
count = libc.fread(got, 1, 9, libc.fdopen(0, b"r"))
os.write(1, b"%d %s\\n" % (count, got.value))
"""


@pytest.mark.usefixtures("without_py_spy")
def test_a_library_in_c_that_reads_is_not_disturbed(hanging):
    process, body = hanging(READ_IN_C.strip(), "import ctypes\n")
    waits_in(process, "read")
    assert told(process, body)
    process.stdin.write("unharmed\n")
    process.stdin.flush()
    assert process.stdout.readline() == "9 unharmed\n"


@pytest.mark.usefixtures("without_py_spy")
def test_a_kernel_that_cannot_signal_one_thread_signals_the_process(hanging, monkeypatch):
    send = signal.pidfd_send_signal

    def before_linux_6_9(pidfd, number, info=None, flags=0):
        if flags:
            raise OSError(errno.EINVAL, "what flags?")
        send(pidfd, number, info, flags)

    monkeypatch.setattr(signal, "pidfd_send_signal", before_linux_6_9)
    process, body = hanging("threading.Event().wait(600)")
    assert told(process, body)
    assert is_alive(process)


def test_one_that_computes_in_many_threads_survives_hundreds_of_questions(hanging):
    compute = "def deep(n):\n  return n and deep(n - 1) + 1\ndef busy():\n  while True:\n    deep(300)\n"
    process, body = hanging("[threading.Thread(target=busy).start() for _ in range(3)]\nbusy()", compute)
    for _ in range(300):
        was_asked(process, body)
    assert answer(process, body)
    assert is_alive(process)


@pytest.mark.usefixtures("without_py_spy")
def test_it_is_asked_once_a_minute_at_most_and_remembers_the_answer(hanging):
    process, body = hanging("threading.Event().wait(600)")
    waits_in(process, "futex")
    asked = collect.Asking()
    assert asked.at(process.pid, body, 0.0, wanted=False, uid=os.getuid()) == Stack()
    assert asked.at(process.pid, body, 1.0, wanted=True, uid=os.getuid()) is None
    eventually(lambda: collect.read(process.pid, body))
    stack = asked.at(process.pid, body, 2.0, wanted=True, uid=os.getuid())
    assert stack.at.startswith("train.py:7 in hang")
    assert asked.at(process.pid, body, 60.0, wanted=True, uid=os.getuid()) == stack
    waits_in(process, "futex")  # again, after its answer
    assert asked.at(process.pid, body, 61.0, wanted=True, uid=os.getuid()) is None
    asked.close()
    assert asked.at(process.pid, body, 62.0, wanted=False, uid=os.getuid()) == Stack()


def unharmed(process, body):
    """Whether it lives on, untouched, after somebody tried to ask it."""
    refused = not was_asked(process, body) and not was_asked(process, body, in_c=True)
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
    process, body = hanging("threading.Event().wait(600)")
    assert unharmed(process, body._replace(start=body.start - 1))


def test_a_stranger_whom_a_beat_names_is_never_signalled(hanging):
    _, body = hanging("time.sleep(600)")
    with subprocess.Popen(["/bin/sleep", "600"]) as stranger:
        named = body._replace(pid=stranger.pid, start=procfs.read_stat(stranger.pid).start)
        assert unharmed(stranger, named)
        stranger.kill()


def test_a_stopped_process_is_not_asked(hanging):
    process, body = hanging("time.sleep(600)")
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: procfs.read_stat(process.pid).state == "T")
    assert unharmed(process, body)


NOT_RESTARTED = [
    pytest.param("libc.poll(None, 0, 600_000)", "poll", id="poll in C"),
    pytest.param("libc.usleep(600_000_000)", "nanosleep", id="usleep in C"),
    pytest.param("select.epoll().poll(600)", "epoll", id="epoll"),
    pytest.param("select.select([], [], [], 600)", "poll", id="select"),
    pytest.param("signal.sigtimedwait([signal.SIGUSR1], 600)", "sigtimedwait", id="sigtimedwait"),
    pytest.param("signal.pause()", "pause", id="pause"),
    pytest.param("ends = socket.socketpair()\nends[0].recv(1)", "unix_stream", id="a socket, which may have a timeout"),
    pytest.param("pipe = os.pipe()\nos.write(pipe[1], bytes(2**20))", "pipe_write", id="a full pipe"),
]


@pytest.mark.usefixtures("without_py_spy")
@pytest.mark.parametrize(("code", "wchan"), NOT_RESTARTED)
def test_a_process_in_a_call_that_a_signal_would_end_is_never_signalled(hanging, code, wchan):
    process, body = hanging(code, IN_C)
    waits_in(process, wchan)
    assert unharmed(process, body)
    assert collect.Asking().at(process.pid, body, 0.0, wanted=True, uid=os.getuid()) == Stack()


IN_C = "import ctypes, select, socket\nlibc = ctypes.CDLL(None)\n"
IN_A_LOCK = "lock = threading.Lock()\nlock.acquire()\nlock.acquire()"


@needs_py_spy
@pytest.mark.parametrize("code", ["libc.poll(None, 0, 600_000)", IN_A_LOCK])
def test_nobody_is_signalled_whom_py_spy_could_read(hanging, code, monkeypatch):
    process, body = hanging(code, IN_C)
    waits_in(process, "poll", "futex")
    monkeypatch.setattr(collect, "_send", lambda *_: pytest.fail("a signal was sent"))
    assert any(line.endswith(" in hang") for line in told(process, body))


def test_a_process_that_is_gone_is_not_asked(hanging):
    process, body = hanging("time.sleep(600)")
    process.kill()
    process.wait()
    assert not was_asked(process, body)
    assert collect.read(process.pid, body) == ""


@pytest.mark.parametrize("made_by", ["os.open({path!r}, os.O_RDWR)", "os.pipe()[1]", "os.open('/dev/null', os.O_RDWR)"])
def test_a_descriptor_with_anything_else_behind_it_is_left_alone(hanging, tmp_path, made_by):
    dear = tmp_path / ".epochwatch-stacks-mine"
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
    process, body = hanging("threading.Event().wait(600)")
    assert unharmed(process, body._replace(stack_signal=None, stack_fd=None))
    assert unharmed(process, wire.Body("j", pid=process.pid, start=body.start))


@pytest.mark.parametrize("uid", [None, os.getuid() + 1], ids=["not known", "another user's"])
def test_a_process_that_is_not_of_whoever_wrote_its_beats_is_never_asked(hanging, uid, monkeypatch):
    process, body = hanging("threading.Event().wait(600)")
    asked = []
    monkeypatch.setattr(collect, "_WAYS", (lambda *of: asked.append(of),))
    assert collect.Asking().at(process.pid, body, 0.0, wanted=True, uid=uid) == Stack()
    assert asked == []
    assert collect.Asking().at(process.pid, body, 0.0, wanted=True, uid=os.getuid()) is None
    assert len(asked) == 1
