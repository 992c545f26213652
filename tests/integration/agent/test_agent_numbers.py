"""Losses of any make. The tensors here are stand-ins: the least of what torch and others offer, and strict about it."""

from __future__ import annotations

import gc
import weakref
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import pytest

from epochwatch.run import Run


class Tensor:
    """Stands in for a tensor of one element on a device; counts how often it is waited for."""

    def __init__(self, value, device="cuda", meanwhile=lambda: None):
        self.value, self.device, self.meanwhile = value, SimpleNamespace(type=device), meanwhile
        self.conversions = 0

    def detach(self):
        return SimpleNamespace(item=self.item)

    def item(self):
        self.conversions += 1
        self.meanwhile()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def __float__(self):
        raise AssertionError("a tensor that needs gradients warns here")


@pytest.fixture
def run(folder, monkeypatch):
    monkeypatch.setenv("EPOCHWATCH_DIR", str(folder))
    run = Run("a").open()
    yield run
    run.finish()


@pytest.mark.parametrize("value", [1, True, 1.0, Decimal("1.0"), Fraction(1), "1.0"])
def test_pythons_numbers_are_numbers(run, training, value):
    run.beat(value, value, metric=value)
    run.finish()
    beat = training.beat()
    assert (beat.head.epoch, beat.head.loss, beat.body.metrics) == (1, 1.0, {"metric": 1.0})


def test_numpys_numbers_are_numbers(run, training):
    numpy = pytest.importorskip("numpy")
    run.beat(numpy.int64(3), numpy.float32(0.5), step=numpy.uint8(7), a=numpy.array(0.25), b=numpy.array([0.125]))
    run.finish()
    beat = training.beat()
    assert (beat.head.epoch, beat.head.loss, beat.head.step) == (3, 0.5, 7)
    assert beat.body.metrics == {"a": 0.25, "b": 0.125}


@pytest.mark.parametrize("make", [float, Decimal, lambda text: pytest.importorskip("numpy").float64(text), Tensor])
@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_a_loss_that_is_no_finite_number_is_written_at_once(run, training, make, text):
    for _ in range(300):
        run.beat(1, 0.5)
    run.beat(1, make(float(text)) if make is Tensor else make(text))
    assert str(training.beat().head.loss) == text


def test_a_tensor_of_the_cpu_converts_at_once(run, training):
    for step in range(3):
        run.beat(1, Tensor(step / 2, device="cpu"))
    run.finish()
    assert training.beat().head.loss == 1.0


def test_a_tensor_of_a_device_is_converted_after_the_beat_was_written_and_seldom(run, training):
    seen = []
    run.beat(1, 0.5)
    tensors = [Tensor(0.25, meanwhile=lambda: seen.append(training.beat().head)) for _ in range(1000)]
    for tensor in tensors:
        run.beat(2, tensor)
    assert (seen[0].epoch, seen[0].loss) == (2, 0.5)
    assert training.beat().head.loss == 0.25
    assert sum(tensor.conversions for tensor in tensors) == len(seen) < 100


def test_a_slow_conversion_is_repeated_all_the_more_seldom(run, monkeypatch):
    clock, begun = SimpleNamespace(now=100.0), []
    monkeypatch.setattr("epochwatch.recorder._monotonic", lambda: clock.now)

    def wait():
        begun.append(clock.now)
        clock.now += 3.0

    for _ in range(200):
        run.beat(1, Tensor(0.5, meanwhile=wait))
        clock.now += 1.0
    assert len(begun) > 2
    assert all(later - earlier >= 30 for earlier, later in zip(begun, begun[1:]))  # noqa: B905, RUF007 - Python 3.8


def test_no_tensor_is_kept(run):
    tensor = Tensor(0.5)
    gone = weakref.ref(tensor)
    run.beat(1, tensor, metric=tensor)
    del tensor
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_tensor_that_raises_leaves_the_loss_as_it_was(training, device):
    done = training.run(f"""
        class Tensor:
            class device:
                type = {device!r}
            def item(self):
                raise RuntimeError("CUDA error: device-side assert triggered")
        agent.beat(1, 0.5)
        for epoch in range(2, 9):
            agent.beat(epoch, Tensor())
    """)
    head = training.beat().head
    assert (done.returncode, head.epoch, head.loss) == (0, 8, 0.5)
    assert done.stderr.count("RuntimeError") == len(done.stderr.splitlines()) == 1


def test_what_is_left_out_stays_as_it_was(run, training):
    run.beat(1, 0.5, step=3)
    run.beat()
    run.beat(None, None, step=4)
    run.finish()
    head = training.beat().head
    assert (head.epoch, head.loss, head.step, head.seq) == (1, 0.5, 4, 3)
