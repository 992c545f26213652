"""What is written at once, and what waits. The transport is a stand-in that keeps what it is given."""

from __future__ import annotations

import threading

import pytest

from epochwatch import wire
from epochwatch.recorder import Recorder


class Memory:
    """Stands in for a file: keeps every head and body; ``meanwhile`` happens during a write."""

    interval_s = 1 / 500
    slack_s = 99 / 500
    urgent_interval_s = 0.0

    def __init__(self, meanwhile=lambda: None):
        self.head = bytearray(wire.HEAD_SIZE)
        self.written = []
        self.bodies = []
        self.meanwhile = meanwhile

    def put_body(self, body):
        self.bodies.append(body)

    def write(self, now, *, final=False):  # noqa: ARG002 - as any transport
        wire.CRC.pack_into(self.head, wire.CRC_AT, wire.zlib.crc32(self.head[: wire.CRC_AT]))
        self.written.append(wire.decode_head(bytes(self.head)))
        self.meanwhile()

    def drain(self, timeout_s):  # noqa: ARG002 - as any transport
        return True


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock, standing still until it is moved."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr("epochwatch.recorder._monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def recorder(memory, clock):  # noqa: ARG001 - time stands still
    return Recorder(lambda: wire.Body("a"), memory)


def beat(recorder, epoch=None, loss=None, step=None, **metrics):
    recorder.beat(epoch, loss, step, metrics)


def test_a_burst_is_written_and_then_so_many_a_second(recorder, memory, clock):
    for _ in range(1000):
        beat(recorder, 1, 0.5)
    assert len(memory.written) == 100
    for _ in range(10_000):
        clock.now += 0.001
        beat(recorder, 1, 0.5)
    assert len(memory.written) == pytest.approx(100 + 10 * 500, rel=0.01)


def test_after_a_rest_a_burst_is_written_again(recorder, memory, clock):
    for _ in range(2):
        for _ in range(500):
            beat(recorder, 1)
        clock.now += 60
    assert len(memory.written) == 200


def test_a_changed_epoch_and_a_loss_that_is_not_finite_are_always_written(recorder, memory):
    for epoch in range(1000):
        beat(recorder, epoch, 0.5)
    assert [head.epoch for head in memory.written] == list(range(1000))
    beat(recorder, 999, float("nan"))
    beat(recorder, 999, float("inf"))
    assert [str(head.loss) for head in memory.written[1000:]] == ["nan", "inf"]


def test_every_beat_is_counted_and_the_next_write_has_the_last_numbers(recorder, memory):
    for step in range(1000):
        beat(recorder, 1, step / 10, step)
    recorder.flush()
    last = memory.written[-1]
    assert (last.seq, last.epoch, last.step, last.loss) == (1000, 1, 999, 99.9)


def test_new_metrics_are_written_at_most_once_a_second_and_at_the_end(recorder, memory, clock):
    for n in range(100):
        beat(recorder, n, lr=n)
        clock.now += 0.1
    assert 8 <= len(memory.bodies) <= 12
    recorder.conclude(wire.FINISHED, {"reason": "done"})
    assert (memory.bodies[-1].metrics, memory.bodies[-1].reason) == ({"lr": 99.0}, "done")


def test_a_beat_that_finds_a_write_going_on_leaves_its_numbers_to_the_writer(memory, recorder):
    def from_another_thread():
        memory.meanwhile = lambda: None
        thread = threading.Thread(target=beat, args=(recorder, 2, 0.25))
        thread.start()
        thread.join(20)
        assert not thread.is_alive(), "waited for the writer"
        assert len(memory.written) == 1

    memory.meanwhile = from_another_thread
    beat(recorder, 1, 0.5)
    assert [(head.epoch, head.seq) for head in memory.written] == [(1, 1), (2, 2)]


def test_a_write_that_failed_keeps_nobody_from_the_next(memory, recorder):
    def fail():
        raise OSError("disk full")

    memory.meanwhile = fail
    with pytest.raises(OSError, match="disk full"):
        beat(recorder, 1)
    memory.meanwhile = lambda: None
    beat(recorder, 2)
    assert memory.written[-1].epoch == 2


def test_a_number_that_the_wire_cannot_hold_does_not_spoil_the_beats_after_it(memory, recorder):
    with pytest.raises((OverflowError, wire.struct.error)):
        beat(recorder, 1, 0.5, 2**70)
    beat(recorder, 2, 0.25, 5)
    assert (memory.written[-1].step, memory.written[-1].epoch) == (5, 2)
