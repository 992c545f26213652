"""What the agent does so that it can be asked where the training hangs, and what it leaves alone."""

from __future__ import annotations

import signal
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc and real-time signals")


ASK = """
def ask(number, descriptor):
    import os, signal, time
    os.kill(os.getpid(), number)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 16384).decode()
"""


def test_it_writes_its_stacks_upon_either_signal(training):
    done = training.run(
        ASK
        + """
        agent.beat(1)
        from epochwatch import stacks
        offer = stacks.offer()
        for number in (0, 1):
            print(ask(offer["stack_signal"] + number, offer["stack_fd"]))
    """.replace("\n        ", "\n")
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" in ask\n") == 3  # the file is appended to: the second reading has both
    body = training.beat().body
    assert body.stack_signal in range(signal.SIGRTMIN, signal.SIGRTMAX)
    assert body.stack_fd > 2
    assert not list(training.folder.glob("*stack*"))


@pytest.mark.parametrize("env", [{"EPOCHWATCH_STACKS": "0"}, {"EPOCHWATCH_UDP": "127.0.0.1:9"}])
def test_it_touches_no_signal_where_nobody_can_or_should_ask(training, env):
    done = training.run(
        """
        import signal
        agent.beat(1)
        print([n for n in range(signal.SIGRTMIN, signal.SIGRTMAX + 1) if signal.getsignal(n) is not signal.SIG_DFL])
        """,
        **env,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n")


def test_a_first_beat_from_another_thread_offers_nothing_and_says_nothing(training):
    done = training.run("""
        import threading
        thread = threading.Thread(target=agent.beat, args=(1,))
        thread.start()
        thread.join()
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert training.beat().body.stack_signal is None


def test_signals_that_others_use_are_left_to_them(training):
    done = training.run("""
        import os, signal
        for number in range(signal.SIGRTMAX - 10, signal.SIGRTMAX + 1):
            signal.signal(number, lambda number, frame: print(number, flush=True))
        agent.beat(1)
        for number in range(signal.SIGRTMAX - 10, signal.SIGRTMAX + 1):
            os.kill(os.getpid(), number)
    """)
    theirs = list(range(signal.SIGRTMAX - 10, signal.SIGRTMAX + 1))
    assert [int(line) for line in done.stdout.split()] == theirs
    assert not {training.beat().body.stack_signal, training.beat().body.stack_signal + 1} & set(theirs)


def test_a_forked_child_that_beats_answers_for_itself(training):
    done = training.run(
        ASK
        + """
        import os
        from epochwatch import stacks
        agent.beat(1)
        ours = stacks.offer()
        if os.fork() == 0:
            agent.beat(2)
            theirs = stacks.offer()
            for number in (0, 1):
                assert "in ask" in ask(theirs["stack_signal"] + number, theirs["stack_fd"])
            os._exit(0)
        print(os.wait()[1])
        os.lseek(ours["stack_fd"], 0, os.SEEK_SET)
        print(len(os.read(ours["stack_fd"], 100)))
    """.replace("\n        ", "\n")
    )
    assert (done.stdout.split(), done.stderr) == (["0", "0"], "")
    assert all(beat.body.stack_signal for beat in training.beats())


def test_a_file_that_took_the_descriptors_place_is_not_written_to(training):
    done = training.run("""
        import os, tempfile
        from epochwatch import stacks
        agent.beat(1)
        offer = stacks.offer()
        with tempfile.TemporaryFile() as mine:
            os.dup2(mine.fileno(), offer["stack_fd"])
            os.kill(os.getpid(), offer["stack_signal"])
            print(os.fstat(mine.fileno()).st_size)
        agent.run("second").beat(1)
        print(stacks.offer()["stack_fd"] != offer["stack_fd"])
    """)
    assert (done.stdout.split(), done.stderr) == (["0", "True"], "")


@pytest.mark.parametrize("number", [0, 1])
def test_signals_that_come_as_the_interpreter_exits_do_not_end_it(training, number):
    process = training.start("""
        import atexit, sys, time
        class Late:
            def __del__(self, sleep=time.sleep, out=sys.stdout):
                out.write("late\\n")
                out.flush()
                sleep(0.3)
        sys.late = Late()  # outlives the modules: the last that the interpreter takes apart
        agent.beat(1)
        print(agent.__name__ and sys.modules["epochwatch.stacks"].offer()["stack_signal"], flush=True)
    """)
    first = int(process.stdout.readline())
    while process.poll() is None:
        process.send_signal(first + number)
        time.sleep(0.001)
    assert process.returncode == 0


def test_a_program_that_is_started_inherits_none_of_it(training):
    done = training.run("""
        import subprocess
        agent.beat(1)
        print(subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout)
    """)
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(("SigIgn", "SigCgt"))]
    assert len(lines) == 2
    assert not any(int(mask, 16) >> (training.beat().body.stack_signal - 1) & 0b11 for _, mask in lines)
