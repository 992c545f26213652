"""Forked and spawned children, threads, signals."""

from __future__ import annotations

import multiprocessing
import sys

import pytest

from epochwatch import wire

methods = pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())


def test_a_forked_child_that_does_not_beat_leaves_the_run_alone(training):
    done = training.run("""
        import os, sys
        agent.beat(1)
        with agent.phase("eval"), agent.run("b"):
            pid = os.fork()
            if pid == 0:
                agent.phase("nonsense").__enter__()
                agent.finish("in the child")
                sys.exit(0)
            _, status = os.waitpid(pid, 0)
        print(status)
        pid = os.fork()
        if pid == 0:
            raise ValueError("in the child")
        os.waitpid(pid, 0)
        agent.beat(2)
    """)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "0")
    run, b = sorted(training.beats(), key=lambda beat: beat.body.job == "b")
    assert (run.head.state, run.head.epoch, run.head.seq) == (wire.EXITING, 2, 2)
    assert (b.head.state, b.body.reason) == (wire.FINISHED, None)


def test_a_forked_child_that_beats_is_a_worker_of_its_own(training):
    training.run("""
        import os, sys
        agent.start("a", epochs=9)
        agent.beat(1)
        pid = os.fork()
        agent.beat(5 if pid == 0 else 2)
        if pid:
            os.waitpid(pid, 0)
    """)
    parent, child = sorted(training.beats(), key=lambda beat: beat.head.epoch)
    assert (parent.body.job, parent.body.epochs, parent.head.seq) == ("a", 9, 2)
    assert (child.body.job, child.body.epochs, child.head.seq) == ("a", 9, 1)
    assert parent.body.run != child.body.run
    assert parent.body.pid != child.body.pid
    assert (parent.head.state, child.head.state) == (wire.EXITING, wire.EXITING)


WORKERS = """
import multiprocessing, os, sys
def silent():
    pass
def beats():
    agent.beat(7)
def fails():
    agent.beat(8)
    raise ValueError("bad")
if __name__ == "__main__":
    agent.beat(1)
    context = multiprocessing.get_context(sys.argv[1])
    for work in (silent, beats, fails):
        process = context.Process(target=work)
        process.start()
        process.join()
"""


@methods
def test_the_children_of_multiprocessing_tell_how_they_end(training, method):
    process = training.start(WORKERS, method, TMPDIR=None)  # the fork server's socket wants a short path
    process.communicate(timeout=60)
    parent, beats, fails = sorted(training.beats(), key=lambda beat: beat.head.epoch)
    assert {beat.body.job for beat in (parent, beats, fails)} == {"train"}
    assert (parent.head.epoch, parent.head.state) == (1, wire.EXITING)
    assert (beats.head.epoch, beats.head.state) == (7, wire.EXITING)
    assert fails.head.epoch == 8
    if sys.version_info < (3, 13):
        assert (fails.head.state, fails.body.exception) == (wire.FAILED, "ValueError: bad")
    else:
        assert fails.head.state == wire.EXITING  # its exit status, 1, says the rest


def test_children_of_a_given_run_are_its_workers(training):
    process = training.start(WORKERS, "spawn", EPOCHWATCH_RUN="0123456789ab")
    process.communicate(timeout=60)
    beats = training.beats()
    assert {beat.body.run for beat in beats} == {"0123456789ab"}
    assert len({beat.body.pid for beat in beats}) == 3


def test_a_signal_while_a_child_is_forked_from_a_thread_full_process_harms_nothing(training):
    done = training.run("""
        import os, threading
        agent.beat(0)
        stop = threading.Event()
        def beat():
            epoch = 0
            while not stop.is_set():
                agent.beat(epoch)
                epoch += 1
        threads = [threading.Thread(target=beat) for _ in range(2)]
        [thread.start() for thread in threads]
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                agent.beat(1)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        stop.set()
        [thread.join() for thread in threads]
    """)
    assert (done.returncode, "Error" in done.stderr) == (0, False)
    assert len(training.beats()) == 21


def test_the_descriptor_does_not_cross_exec(training):
    done = training.run("""
        import os, subprocess, sys
        agent.beat(1)
        subprocess.check_call([sys.executable, "-c", "import os; print(*map(os.readlink, ["
            "'/proc/self/fd/' + n for n in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + n)]))"],
            close_fds=False)
    """)
    assert done.returncode == 0
    assert ".beat" not in done.stdout


def test_eight_threads_lose_no_beat(training):
    done = training.run("""
        import threading
        start = threading.Barrier(8)
        def train(n):
            start.wait()
            for epoch in range(5000):
                agent.beat(epoch, 0.5 + n)
        threads = [threading.Thread(target=train, args=(n,)) for n in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        agent.beat(-1)
    """)
    assert (done.returncode, done.stderr) == (0, "")
    head = training.beat().head
    assert (head.seq, head.epoch) == (40001, -1)


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "TimeoutError", "ValueError"])
def test_an_exception_at_any_point_of_a_beat_comes_through_and_stops_no_later_beat(training, error):
    done = training.run(f"""
        import os, signal
        raised = caught = 0
        def handler(number, frame):
            global raised
            raised += 1
            raise {error}
        signal.signal(signal.SIGALRM, handler)
        agent.beat(0, 0.5)
        epoch = 0
        while caught < 300:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0001 + caught * 1e-7)
                while True:
                    assert raised == caught, "swallowed"
                    epoch += 1
                    agent.beat(epoch, 0.5)
            except {error}:
                caught += 1
        agent.beat(-1, 0.5)
        os._exit(0)
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert training.beat().head.epoch == -1


def test_what_a_signal_handler_raises_is_not_ours_to_swallow(training):
    done = training.run("""
        import functools, signal, time
        class Slow:
            def __float__(self):
                time.sleep(60)
        def plain(number, frame):
            raise TimeoutError
        class Handlers:
            def method(self, *arguments):
                raise TimeoutError
        for handler in (plain, Handlers().method, functools.partial(plain), lambda *_: 1 / 0):
            signal.signal(signal.SIGALRM, handler)
            for loss in (0.5, Slow()):
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                try:
                    while True:
                        agent.run("a").beat(1, loss) if isinstance(loss, Slow) else agent.beat(1, loss)
                except (TimeoutError, ZeroDivisionError) as error:
                    print(type(error).__name__)
    """)
    assert done.stderr == ""
    assert done.stdout.split() == ["TimeoutError"] * 6 + ["ZeroDivisionError"] * 2


def test_a_handler_may_beat_and_finish(training):
    process = training.start("""
        import signal, sys
        def stop(number, frame):
            agent.beat(-5)
            agent.fail("preempted")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        agent.beat(0)  # imports what it needs: while Python imports, it drops what a handler raises
        print("on", flush=True)
        epoch = 1
        while True:
            agent.beat(epoch)
            epoch += 1
    """)
    process.stdout.readline()
    process.terminate()
    assert process.wait(60) == 0
    beat = training.beat()
    assert (beat.head.state, beat.body.reason) == (wire.FAILED, "preempted")
