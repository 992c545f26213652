"""Who may be asked where it hangs, and what becomes of the answer."""

import json
import signal

import pytest

from epochwatchd.inputs.process.procfs import Signals
from epochwatchd.inputs.stacks import py_spy
from epochwatchd.inputs.stacks.collect import Seen, may_ask
from epochwatchd.inputs.stacks.frames import LINES_MAX, parse, stack

FIRST, START = signal.SIGRTMAX - 4, 7
BIT, NEXT = 1 << (FIRST - 1), 1 << FIRST
CATCHES = Signals(caught=BIT | NEXT, ignored=0, blocked=0, pending=0)
READY = Seen(START, "S", "futex_do_wait", CATCHES)


def signals(**other):
    return READY._replace(signals=CATCHES._replace(**other))


def evidence(text):
    return stack(parse(text)).lines


def test_a_process_that_catches_both_signals_may_be_asked():
    assert may_ask(FIRST, START, READY)
    assert may_ask(FIRST, START, READY._replace(state="R", wchan=None))
    assert may_ask(FIRST, START, READY._replace(wchan="do_wait.part.0"))


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(signals(caught=0), id="catches neither"),
        pytest.param(signals(caught=NEXT), id="does not catch the first"),
        pytest.param(signals(caught=BIT), id="does not catch the second"),
        pytest.param(READY._replace(start=START + 1), id="is another process with the pid"),
        pytest.param(READY._replace(state="T"), id="is stopped"),
        pytest.param(READY._replace(state="t"), id="is stopped by a debugger"),
        pytest.param(READY._replace(state="Z"), id="is dead"),
        pytest.param(READY._replace(wchan="__do_sys_pause"), id="waits for just any signal"),
        pytest.param(READY._replace(wchan="poll_schedule_timeout.constprop.0"), id="polls"),
        pytest.param(READY._replace(wchan="hrtimer_nanosleep"), id="sleeps"),
        pytest.param(READY._replace(wchan="wait_woken"), id="waits in what may have a timeout"),
        pytest.param(READY._replace(state="D"), id="is in the kernel for good"),
        pytest.param(READY._replace(wchan="request_wait_answer"), id="reads from a FUSE file system"),
        pytest.param(READY._replace(wchan=None), id="waits in who knows what"),
        pytest.param(signals(blocked=BIT), id="blocks it"),
        pytest.param(signals(pending=BIT), id="was asked and has not run since"),
    ],
)
def test_nobody_is_asked_who(seen):
    assert not may_ask(FIRST, START, seen)


@pytest.mark.parametrize(
    "number", [0, -1, signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1, signal.SIGRTMIN - 1, signal.SIGRTMAX, 2**62]
)
def test_no_other_than_a_real_time_signal_is_sent_whatever_a_beat_says(number):
    assert not may_ask(number, START, signals(caught=2**64 - 1))


TWO_THREADS = """\
  File "cut.py", line 1 in off
Thread 0x00007f01 (most recent call first):
  File "/lib/threading.py", line 320 in wait
  File "/app/data.py", line 9 in load

Thread 0x00007f02 [worker] (most recent call first):
  File "/lib/threading.py", line 320 in wait
  File "/app/data.py", line 9 in load

Thread 0x00007f03 (most recent call first):
  <no Python frame>

Current thread 0x00007f00 (most recent call first):
  File "/app/model.py", line 12 in step
  File "/app/train.py", line 30 in <module>
"""


def test_the_main_thread_comes_first_and_the_innermost_frame_before_its_callers():
    assert evidence(TWO_THREADS) == (
        "main thread: /app/model.py:12 in step",
        "    /app/train.py:30 in <module>",
        "2 other threads: /lib/threading.py:320 in wait, from /app/data.py:9 in load",
    )


def test_a_main_thread_in_c_code_writes_alone():
    assert evidence('Stack (most recent call first):\n  File "a.py", line 3 in f\n') == ("main thread: a.py:3 in f",)


def test_a_deep_stack_keeps_both_its_ends():
    frames = "".join(f'  File "deep.py", line {n} in f\n' for n in range(50))
    lines = evidence(f"Current thread 0x1 (most recent call first):\n{frames}  ...\n")
    assert len(lines) < LINES_MAX
    assert (lines[0], lines[-1].strip()) == ("main thread: deep.py:0 in f", "deep.py:49 in f")


def test_many_threads_take_no_more_lines_than_a_message_shows():
    threads = "".join(f'Thread 0x{n} (most recent call first):\n  File "{n}.py", line 1 in f\n' for n in range(50))
    assert len(evidence(threads + TWO_THREADS)) == LINES_MAX


@pytest.mark.parametrize("text", ["", "\n", "no stack at all", "Thread 0x1 (most recent call first):\n", "\x00" * 100])
def test_no_answer_is_no_evidence(text):
    assert evidence(text) == ()


def where(*files):
    text = "".join(f'  File "{file}", line {n} in f{n}\n' for n, file in enumerate(files, 1))
    return stack(parse(f"Current thread 0x1 (most recent call first):\n{text}")).at


def test_in_short_it_is_the_innermost_line_of_the_users_own_code_and_what_that_led_to():
    library = "/usr/lib/python3.11/selectors.py"
    torch = "/home/mina/.venv/lib/python3.11/site-packages/torch/utils/data/dataloader.py"
    assert where("/app/train.py", "/app/main.py") == "train.py:1 in f1"
    assert where(library, torch, "/app/train.py", "/app/main.py") == "train.py:3 in f3 → dataloader.py:2 in f2"
    assert where(library, "/app/train.py", "/app/main.py") == "train.py:2 in f2 → selectors.py:1 in f1"
    assert where(library, library) == "selectors.py:1 in f1"
    assert where(torch, "/opt/venv/lib/python3.12/site-packages/lightning/cli.py") == "dataloader.py:1 in f1"
    assert where() == ""


def is_prompt(*frames):
    text = "".join(f'  File "{file}", line 1 in {name}\n' for file, name in frames)
    return stack(parse(f"Current thread 0x1 (most recent call first):\n{text}")).is_prompt


TRAIN = ("/app/train.py", "step")
PYTHON, LIBRARY = "/usr/lib/python3.11", "/opt/venv/lib/python3.11/site-packages"


@pytest.mark.parametrize(
    "inner",
    [
        [(f"{PYTHON}/cmd.py", "cmdloop"), (f"{PYTHON}/pdb.py", "_cmdloop"), (f"{PYTHON}/bdb.py", "trace_dispatch")],
        [(f"{PYTHON}/code.py", "InteractiveConsole.raw_input"), (f"{PYTHON}/code.py", "interact")],
        [(f"{PYTHON}/getpass.py", "unix_getpass")],
        [(f"{PYTHON}/selectors.py", "select"), (f"{LIBRARY}/IPython/terminal/debugger.py", "cmdloop")],
        [(f"{LIBRARY}/debugpy/_vendored/pydevd/pydevd.py", "_do_wait_suspend")],
    ],
)
def test_a_stack_that_ends_in_a_debugger_or_prompt_waits_for_a_person(inner):
    assert is_prompt(*inner, TRAIN)


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([TRAIN], id="the user's own code"),
        pytest.param([TRAIN, (f"{PYTHON}/cmd.py", "cmdloop")], id="called from a prompt"),
        pytest.param([TRAIN, (f"{PYTHON}/bdb.py", "run"), (f"{PYTHON}/pdb.py", "_runscript")], id="begun by pdb"),
        pytest.param([("/app/cmd.py", "cmdloop"), TRAIN], id="the user's own cmd.py"),
        pytest.param([(f"{PYTHON}/queue.py", "get"), TRAIN], id="a queue"),
    ],
)
def test_no_other_stack_does(frames):
    assert not is_prompt(*frames)


READING = b"""[
{"os_thread_id": 43, "thread_name": "loader", "frames": [{"name": "load", "filename": "/app/data.py", "line": 9}]},
{"os_thread_id": 42, "thread_name": "MainThread", "frames": [{"name": "step", "filename": "/app/t.py", "line": 1}]}]"""


def test_what_py_spy_read_is_told_in_the_same_lines():
    lines = stack(py_spy.parse(READING, 42)).lines
    assert lines == ("main thread: /app/t.py:1 in step", "another thread: /app/data.py:9 in load")


@pytest.mark.parametrize("text", [b"", b"Error: no", b"{}", b"[1]", b'[{"frames": []}]', b"null", b"\xff"])
def test_what_py_spy_could_not_read_is_no_evidence(text):
    assert stack(py_spy.parse(text, 42)).lines == ()


def test_more_than_can_be_taken_in_is_no_evidence():
    assert py_spy.parse(READING.ljust(py_spy.BYTES_MAX), 42)
    assert not py_spy.parse(READING.ljust(py_spy.BYTES_MAX + 1), 42)


FORGED = "train.py\nWhere: nowhere\x1b[2J\u202e"


def test_a_file_name_forges_no_line_whoever_read_it():
    said = [{"os_thread_id": 7, "thread_name": "x", "frames": [{"filename": FORGED, "line": 3, "name": FORGED}]}]
    [line] = stack(py_spy.parse(json.dumps(said).encode(), 7)).lines
    assert line == "main thread: {0}:3 in {0}".format("train.py Where: nowhere\ufffd[2J\ufffd")
    for separator in ("\r", "\x0b", "\x1c", "\x85", "\u2028"):
        text = f'Stack (most recent call first):\n  File "a{separator}b", line 3 in f{separator}\x1b'
        assert all(line.isprintable() for line in evidence(text))
        assert len(evidence(text)) == 1
