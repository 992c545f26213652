from __future__ import annotations

import tracemalloc

import pytest

from epochwatch.run import Run


def test_off_means_that_nothing_happens(training):
    done = training.run(
        """
        import sys
        hook = sys.excepthook
        agent.start("a")
        with agent.phase("eval", "nonsense"), agent.run("b") as b:
            agent.beat(1, object())
            b.beat(1)
        agent.fail("x")
        agent.beat(2)
        assert sys.excepthook is hook
        """,
        EPOCHWATCH_OFF="1",
    )
    assert (done.returncode, done.stderr, training.beats()) == (0, "", [])


NONSENSE = """
class Bad:
    def __getattr__(self, name):
        raise RuntimeError(name)
    def __str__(self):
        raise RuntimeError("no text")
    __repr__ = __float__ = __int__ = __str__
agent.start(Bad(), epochs="many", steps=2**70, tags=7)
agent.beat("one", Bad(), step=Bad(), metric=Bad(), other="x")
agent.beat(float("nan"), [], step=float("inf"), huge=10**400)
agent.beat(2**80, 10**400, step=2**70)
agent.beat(Bad(), 1 + 2j, step="7.5")
with agent.phase(Bad(), within="soon"), agent.phase(7, within=float("nan")):
    agent.beat(5, 0.5)
with agent.run(job=3, tags={Bad(): 1}) as run:
    run.beat(Bad())
    run.finish(Bad())
agent.watched(lambda: Bad())()
agent.fail(Bad())
agent.finish(Bad())
print("on")
"""


def test_no_argument_makes_a_call_raise_and_the_first_is_logged_once(training):
    done = training.run(NONSENSE)
    assert (done.returncode, done.stdout) == (0, "on\n")
    assert len(done.stderr.splitlines()) == 1
    assert {beat.head.epoch for beat in training.beats()} >= {5}


def test_debug_raises_what_is_otherwise_logged(training):
    done = training.run(NONSENSE, EPOCHWATCH_DEBUG="1")
    assert done.returncode == 1
    assert "ValueError" in done.stderr


def test_a_log_handler_that_raises_is_no_harm(training):
    done = training.run("""
        import logging
        class Raising(logging.Handler):
            def emit(self, record):
                raise RuntimeError
        logging.getLogger("epochwatch").addHandler(Raising())
        agent.beat(1, object())
        print("on")
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "on\n", "")


def test_a_clock_that_is_set_back_is_no_harm(training):
    done = training.run("""
        import time
        times = iter([10**18, 5, 3, 2**80])  # stands for a system clock that is set, back and to nonsense
        time.time_ns = lambda: next(times, 7)
        from epochwatch import recorder
        recorder._time_ns = time.time_ns
        for epoch in range(10):
            agent.beat(epoch, 0.5)
    """)
    assert done.returncode == 0
    head = training.beat().head
    assert (head.epoch, head.seq, head.time_ns) == (9, 10, 7)


@pytest.mark.parametrize("beats", [300_000])
def test_many_beats_take_no_memory(folder, monkeypatch, beats):
    monkeypatch.setenv("EPOCHWATCH_DIR", str(folder))
    run = Run("a").open()
    tracemalloc.start()
    try:
        for step in range(1000):
            run.beat(step, 0.5, step=step, accuracy=0.5)
        before, _ = tracemalloc.get_traced_memory()
        for step in range(beats):
            run.beat(step >> 10, 0.5, step=step)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        run.finish()
    assert after - before < 10_000


def test_many_names_of_metrics_make_no_record_that_cannot_be_read(training):
    training.run("""
        for n in range(2000):
            agent.beat(1, **{f"metric-{n}" + "x" * 300: float("nan")})
    """)
    assert 0 < len(training.beat().body.metrics) <= 256
