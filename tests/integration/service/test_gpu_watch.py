"""What is said of a GPU driver that hangs or fails: once that it does, once that it is well again."""

import logging
from types import SimpleNamespace

import pytest

from epochwatchd.service import gpu_watch
from epochwatchd.service.gpu_watch import GpuWatch


class Reader:
    """A reader that polls nothing and has the problem it is given."""

    trouble = None
    since = None

    def __init__(self, deliver):
        self.deliver = deliver
        self.polls = 0

    def poll(self, _):
        self.polls += 1

    def problem(self, _):
        return self.trouble

    def unanswered_since(self, _):
        return self.since


@pytest.fixture
def watch(monkeypatch):
    monkeypatch.setattr(gpu_watch, "GpuReader", Reader)
    told = []
    daemon = SimpleNamespace(
        registry=SimpleNamespace(runs={"run": 1}), gpus_unanswered=told.append, gpus_seen=None, told=told
    )
    loop = SimpleNamespace(call_soon_threadsafe=lambda *_: pytest.fail("nothing was read"))
    return GpuWatch(loop, daemon)


def test_a_driver_that_hangs_is_named_once_and_so_is_its_recovery(watch, caplog):
    reader, daemon = watch._reader, watch._daemon
    with caplog.at_level(logging.INFO, "epochwatchd"):
        watch.look()
        reader.since, reader.trouble = 5.0, "the NVIDIA driver has not answered for 31 s"
        watch.look()
        reader.trouble = "the NVIDIA driver has not answered for 36 s"
        watch.look()
        assert watch.problem() == reader.trouble
        reader.since = reader.trouble = None
        watch.look()
    assert caplog.messages == [
        "the NVIDIA driver has not answered for 31 s; the GPUs are not watched meanwhile, all else is",
        "the NVIDIA driver answers again",
    ]
    assert daemon.told == [None, 5.0, 5.0, None]


def test_the_gpus_are_left_alone_while_nobody_is_watched(watch):
    watch._daemon.registry.runs.clear()
    watch.look()
    assert watch._reader.polls == 0


def test_a_look_that_comes_back_after_the_daemon_has_stopped_is_dropped(watch):
    def closed(*_):
        raise RuntimeError("Event loop is closed")

    watch._loop.call_soon_threadsafe = closed
    watch._reader.deliver(())
