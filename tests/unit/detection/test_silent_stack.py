"""``silent``: what the process and those below it do, and where its Python code stands."""

import pytest
from builders import worker

from flatlined.detection.detectors import silent
from flatlined.model import Child, Facts, Policy, Process, Stack

FIVE = Policy(silent_after_s=5.0)
ASLEEP = Process("S", 0.0)
KILLED = Child(7, "pt_data_worker", "Z", -9)


def cause_of(process):
    return silent.detect(worker(), Facts(process), FIVE, 10.0).cause


def with_child(**its):
    return Process("S", 0.0, below=(KILLED._replace(**its),))


def test_the_answer_of_a_process_that_was_asked_is_awaited():
    assert silent.detect(worker(), Facts(Process("S", 0.0, stack=None)), FIVE, 10.0) is None


def test_a_process_that_beats_in_the_name_of_a_later_run_is_not_silent():
    assert silent.detect(worker(), Facts(Process("S", 0.0, went_on=True)), FIVE, 10.0) is None


def test_where_it_hangs_is_evidence_and_its_place_a_detail():
    stack = Stack(("main thread: train.py:3 in step", "    train.py:9 in <module>"), "train.py:3 in step")
    cause = cause_of(Process("S", 0.0, stack=stack))
    assert cause.evidence[-2:] == stack.lines
    assert cause.details["at"] == "train.py:3 in step"


@pytest.mark.parametrize(
    ("process", "code"),
    [
        pytest.param(Process("S", 0.0, moved_at=9.0), "io_wait", id="moves data"),
        pytest.param(Process("S", 0.0, gpu_at=9.0), "busy", id="its GPU works"),
        pytest.param(Process("S", 9.0, moved_at=9.0), "busy", id="computes and moves data"),
        pytest.param(Process("R", 9.0, program="sleep 600"), "exec", id="has become another program"),
        pytest.param(with_child(), "deadlock", id="a child was killed"),
        pytest.param(with_child(state="T", status=None), "stopped", id="a child is stopped"),
        pytest.param(with_child(state="D", status=None), "io_wait", id="a child is in the kernel"),
        pytest.param(Process("S", 9.0, below=(KILLED._replace(state="T"),)), "busy", id="works all the same"),
    ],
)
def test_what_it_does_instead_of_beating(process, code):
    assert cause_of(process).code == code


def test_a_worker_that_computes_is_named():
    cause = cause_of(Process("S", 9.0, below=(Child(7, "pt_data_worker", "R"),)))
    assert (cause.code, cause.details["child"]) == ("busy", "7 (pt_data_worker)")
    assert "worker process 7 (pt_data_worker) uses the CPU" in cause.evidence


@pytest.mark.parametrize(
    ("status", "said"),
    [(-9, {"child_signal": "SIGKILL"}), (-7, {"child_signal": "SIGBUS"}), (1, {"child_status": 1})],
)
def test_a_worker_that_ended_badly_is_named(status, said):
    details = cause_of(with_child(status=status)).details
    assert details["child"] == "7 (pt_data_worker)"
    assert said.items() <= details.items()


@pytest.mark.parametrize("status", [None, -15, -2])
def test_a_helper_that_nobody_reaped_is_mentioned_but_not_blamed(status):
    cause = cause_of(with_child(status=status))
    assert "child" not in cause.details
    assert any("worker process 7 (pt_data_worker)" in line for line in cause.evidence)
