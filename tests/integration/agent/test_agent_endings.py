from __future__ import annotations

import signal

import pytest

from epochwatch import wire


@pytest.mark.parametrize("leave", ["pass", "raise SystemExit", "import sys; sys.exit(3)"])
def test_leaving_in_order_is_said_and_the_status_left_to_the_kernel(training, leave):
    done = training.run(f"agent.beat(1)\n{leave}")
    assert done.returncode == (3 if "3" in leave else 0)
    assert training.beat().head.state == wire.EXITING


def test_an_uncaught_exception_fails_the_run_with_its_traceback(training):
    done = training.run("""
        agent.beat(1)
        def step():
            raise RuntimeError("CUDA out of memory")
        step()
    """)
    assert (done.returncode, done.stderr.count("Traceback")) == (1, 1)
    beat = training.beat()
    assert (beat.head.state, beat.body.exception) == (wire.FAILED, "RuntimeError: CUDA out of memory")
    assert beat.body.traceback.rstrip().endswith("RuntimeError: CUDA out of memory")
    assert "in step" in beat.body.traceback


def test_a_long_traceback_keeps_its_end(training):
    training.run("agent.beat(1)\nraise ValueError('x' * 100_000 + 'the end')")
    body = training.beat().body
    assert body.traceback.rstrip().endswith("the end")
    assert len(body.traceback) <= 16 * 1024


def test_running_out_of_descriptors_is_told_as_the_reason(training):
    training.run("""
        import os, resource
        agent.beat(1)
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
        while True:
            os.open("/dev/null", os.O_RDONLY)
    """)
    beat = training.beat()
    assert beat.head.state == wire.FAILED
    assert beat.body.exception == "OSError: [Errno 24] Too many open files: '/dev/null'"


def test_an_exception_that_cannot_be_shown_still_fails_the_run(training):
    training.run("""
        class Odd(Exception):
            def __str__(self):
                raise KeyError
        agent.beat(1)
        raise Odd
    """)
    beat = training.beat()
    assert (beat.head.state, beat.body.exception) == (wire.FAILED, "Odd: (its message cannot be read)")


def test_a_keyboard_interrupt_is_told_as_such(training):
    process = training.start("""
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
        agent.beat(1)
        print("on", flush=True)
        input()
    """)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == -signal.SIGINT
    beat = training.beat()
    assert beat.head.state == wire.FAILED
    assert (beat.body.exception, beat.body.reason) == ("KeyboardInterrupt", "interrupted")


@pytest.mark.parametrize(
    ("leave", "status"),
    [("os._exit(0)", 0), ("os.kill(os.getpid(), 9)", -9), ("os.abort()", -6), ("os.kill(os.getpid(), 15)", -15)],
)
def test_a_run_that_is_cut_off_keeps_its_last_epoch(training, leave, status):
    done = training.run(f"import os\nfor epoch in range(500):\n    agent.beat(epoch, 0.5)\n{leave}")
    assert done.returncode == status
    head = training.beat().head
    assert (head.state, head.epoch, head.seq) == (wire.RUNNING, 499, 500)


def test_coalesced_numbers_are_written_at_the_end(training):
    training.run("agent.beat(1, 0.5)\nfor step in range(5000):\n    agent.beat(1, step / 10, step=step)")
    head = training.beat().head
    assert (head.seq, head.step, head.loss) == (5001, 4999, 499.9)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_users_excepthook_works_and_so_does_ours(training, when):
    hook = """
before = sys.excepthook
def hook(kind, value, trace):
    print("mine:", value)
    before(kind, value, trace)
sys.excepthook = hook
"""
    code = hook + "agent.beat(1)" if when == "before" else "agent.beat(1)" + hook
    done = training.run(f"import sys\n{code}\nraise ValueError('bad')")
    assert done.stdout == "mine: bad\n"
    assert done.stderr.rstrip().endswith("ValueError: bad")
    assert training.beat().body.exception == "ValueError: bad"


def test_the_excepthook_is_as_before_when_no_run_is_left(training):
    done = training.run("""
        import sys
        before = sys.excepthook
        for _ in range(3):
            agent.beat(1)
            assert sys.excepthook is not before
            agent.finish()
            assert sys.excepthook is before
    """)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_exit_handler_of_the_users_may_finish_the_run(training):
    training.run("import atexit\natexit.register(agent.finish, 'by hand')\nagent.beat(1)")
    beat = training.beat()
    assert (beat.head.state, beat.body.reason) == (wire.FINISHED, "by hand")


def test_no_run_begins_while_the_interpreter_exits(training):
    done = training.run("import atexit\natexit.register(agent.beat, 5)\nagent.beat(1)\nagent.finish()")
    assert (done.returncode, done.stderr) == (0, "")
    assert [beat.head.epoch for beat in training.beats()] == [1]


def test_a_thread_that_is_late_begins_no_run_after_the_exception_that_ended_all(training):
    training.run("""
        import sys, threading
        def late():
            threading.main_thread().join()
            agent.beat(2)
        agent.beat(1)
        threading.Thread(target=late).start()
        raise ValueError("bad")
    """)
    assert [beat.head.epoch for beat in training.beats()] == [1]


def test_who_only_calls_the_excepthook_and_goes_on_begins_another_run(training):
    training.run("""
        import sys
        agent.beat(1)
        sys.excepthook(ValueError, ValueError("shown"), None)
        agent.beat(2)
    """)
    assert sorted((beat.head.epoch, beat.body.exception) for beat in training.beats()) == [
        (1, "ValueError: shown"),
        (2, None),
    ]


def test_where_another_thread_calls_the_excepthook_the_training_goes_on_as_another_run(training):
    training.run("""
        import sys, threading
        agent.beat(1)
        show = threading.Thread(target=sys.excepthook, args=(ValueError, ValueError("shown"), None))
        show.start(), show.join()
        agent.beat(2)
    """)
    assert sorted(beat.head.epoch for beat in training.beats()) == [1, 2]


def test_where_the_excepthook_is_called_by_hand_another_thread_may_go_on_training(training):
    training.run("""
        import sys, threading
        agent.beat(1)
        sys.excepthook(ValueError, ValueError("shown"), None)
        other = threading.Thread(target=agent.beat, args=(2,))
        other.start(), other.join()
    """)
    assert sorted(beat.head.epoch for beat in training.beats()) == [1, 2]


def test_at_a_prompt_an_exception_ends_nothing(training):
    process = training.start(
        "import code, sys\nsys.ps1 = '> '\nagent.beat(1)\nsys.excepthook(KeyError, KeyError(), None)"
    )
    process.communicate(timeout=60)
    assert training.beat().head.state == wire.EXITING


def test_sys_exit_in_a_runs_block_counts_by_its_status(training):
    training.run("""
        import sys
        for job, status in (("good", 0), ("bad", 3)):
            try:
                with agent.run(job):
                    sys.exit(status)
            except SystemExit:
                pass
    """)
    bad, good = training.beats()
    assert (good.head.state, bad.head.state, bad.body.exception) == (wire.FINISHED, wire.FAILED, "SystemExit: 3")
