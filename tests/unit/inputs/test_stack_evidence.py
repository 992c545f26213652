"""Who may be asked where it hangs, and what becomes of the answer."""

import signal

import pytest

from flatlined.inputs.stacks import LINES_MAX, Seen, evidence, may_ask

FIRST, START = signal.SIGRTMAX - 4, 7
BIT, NEXT = 1 << (FIRST - 1), 1 << FIRST
READY = Seen(START, "S", "futex_do_wait", caught=BIT | NEXT, blocked=0, pending=0)


def test_a_process_that_catches_both_signals_may_be_asked():
    assert may_ask(FIRST, START, READY)
    assert may_ask(FIRST, START, READY._replace(state="R"))


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(READY._replace(caught=0), id="catches neither"),
        pytest.param(READY._replace(caught=NEXT), id="does not catch the first"),
        pytest.param(READY._replace(caught=BIT), id="does not catch the second"),
        pytest.param(READY._replace(start=START + 1), id="is another process with the pid"),
        pytest.param(READY._replace(state="T"), id="is stopped"),
        pytest.param(READY._replace(state="t"), id="is stopped by a debugger"),
        pytest.param(READY._replace(state="Z"), id="is dead"),
        pytest.param(READY._replace(wchan="__do_sys_pause"), id="waits for just any signal"),
        pytest.param(READY._replace(blocked=BIT), id="blocks it"),
        pytest.param(READY._replace(pending=BIT), id="was asked and has not run since"),
    ],
)
def test_nobody_is_asked_who(seen):
    assert not may_ask(FIRST, START, seen)


@pytest.mark.parametrize(
    "number", [0, -1, signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1, signal.SIGRTMIN - 1, signal.SIGRTMAX, 2**62]
)
def test_no_other_than_a_real_time_signal_is_sent_whatever_a_beat_says(number):
    assert not may_ask(number, START, READY._replace(caught=2**64 - 1))


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
