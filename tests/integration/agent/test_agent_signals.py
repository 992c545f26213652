"""A signal that the training handles itself is noted when it leaves, and touches nothing else."""

import signal

import pytest

HANDLES = """
import signal, sys, time
{before}
stop = []
signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
agent.beat(1)
{after}
print("ready", flush=True)
while not stop:
    time.sleep(0.01)  # not pause(): a signal that comes just before it would be waited for forever
sys.exit({status})
"""


def left(training, number=signal.SIGTERM, *, before="", after="", status=0):
    process = training.start(HANDLES.format(before=before, after=after, status=status))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (status, "")
    return training.beat().body.signal


@pytest.mark.parametrize("status", [0, 143])
def test_a_handled_sigterm_is_noted_when_it_leaves(training, status):
    assert left(training, status=status) == signal.SIGTERM


def test_a_signal_that_asks_nobody_to_end_is_not(training):
    install = "signal.signal(signal.SIGUSR1, lambda *_: stop.append(0))"
    assert left(training, signal.SIGUSR1, after=install) is None


def test_that_of_a_forked_child_is_not_its_parents(training):
    done = training.run(
        """
        import os, signal
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        agent.beat(1)
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        os.waitpid(child, 0)
        """
    )
    assert (done.returncode, done.stderr, training.beat().body.signal) == (0, "", None)


def test_the_pipe_of_somebody_else_is_left_to_him(training):
    done = training.run(
        """
        import os, signal, socket
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno())
        signal.signal(signal.SIGTERM, lambda *_: None)
        agent.beat(1)
        os.kill(os.getpid(), signal.SIGTERM)
        print(ours.recv(10), flush=True)
        signal.set_wakeup_fd(-1)
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{bytes([signal.SIGTERM])!r}\n", "")


def test_asyncio_takes_the_place_and_works(training):
    done = training.run(
        """
        import asyncio, os, signal
        agent.beat(1)
        async def main():
            came = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, came.set)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(came.wait(), 10)
        asyncio.run(main())
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
