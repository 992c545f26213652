"""``silent`` and the Python stacks of a process that hangs."""

from builders import worker

from flatlined.detection.detectors import silent
from flatlined.model import Facts, Policy, Process

FIVE = Policy(silent_after_s=5.0)


def test_the_answer_of_a_process_that_was_asked_is_awaited():
    assert silent.detect(worker(), Facts(Process("S", 0.0, stack=None)), FIVE, 10.0) is None


def test_where_it_hangs_is_evidence():
    stack = ("main thread: train.py:3 in step", "    train.py:9 in <module>")
    evidence = silent.detect(worker(), Facts(Process("S", 0.0, stack=stack)), FIVE, 10.0).cause.evidence
    assert evidence[-2:] == stack
