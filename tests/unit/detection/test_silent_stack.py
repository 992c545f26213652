"""``silent``: what the process and those below it do, and where its Python code stands."""

import pytest
from builders import worker

from epochwatchd.detection.detectors import silent
from epochwatchd.model import Child, Facts, Policy, Process, Stack

FIVE = Policy(silent_after_s=5.0)
ASLEEP = Process("S", 0.0)
KILLED = Child(7, "pt_data_worker", "Z", -9, is_worker=True)
AT_PROMPT = Stack(("main thread: /usr/lib/python3.11/cmd.py:126 in cmdloop",), "cmd.py:126 in cmdloop", is_prompt=True)


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


def test_one_that_was_killed_and_is_still_there_is_said_to_be():
    evidence = cause_of(Process("D", 0.0, wchan="rpc_wait_bit_killable", is_killed=True)).evidence
    assert evidence[-1] == "it was killed (SIGKILL), and ends when the kernel lets go of it"


@pytest.mark.parametrize(
    ("process", "code"),
    [
        pytest.param(Process("S", 0.0, moved_at=9.0), "io_wait", id="moves data"),
        pytest.param(Process("S", 0.0, gpu_at=9.0), "busy", id="its GPU works"),
        pytest.param(Process("S", 9.0, moved_at=9.0), "busy", id="computes and moves data"),
        pytest.param(Process("R", 9.0, program="sleep"), "exec", id="has become another program"),
        pytest.param(with_child(), "deadlock", id="a child was killed"),
        pytest.param(with_child(state="T", status=None), "stopped", id="a worker is stopped"),
        pytest.param(with_child(state="T", status=None, is_worker=False), "deadlock", id="a helper is stopped"),
        pytest.param(Process("S", 0.0, stack=AT_PROMPT), "stopped", id="a person is asked"),
        pytest.param(Process("S", 9.0, stack=AT_PROMPT), "busy", id="computes behind a prompt"),
        pytest.param(with_child(state="D", status=None), "io_wait", id="a child is in the kernel"),
        pytest.param(Process("S", 9.0, below=(KILLED._replace(state="T"),)), "busy", id="works all the same"),
    ],
)
def test_what_it_does_instead_of_beating(process, code):
    assert cause_of(process).code == code


def test_a_worker_that_computes_is_named():
    cause = cause_of(Process("S", 9.0, below=(Child(7, "pt_data_worker", "R", is_worker=True),)))
    assert (cause.code, cause.details["child"]) == ("busy", "7 (pt_data_worker)")
    assert "worker process 7 (pt_data_worker) uses the CPU" in cause.evidence


@pytest.mark.parametrize(
    ("status", "said"),
    [(-9, "SIGKILL"), (-7, "SIGBUS"), (-11, "SIGSEGV"), (-6, "SIGABRT")],
)
def test_a_worker_that_was_killed_is_named(status, said):
    details = cause_of(with_child(status=status)).details
    assert (details["child"], details["child_signal"]) == ("7 (pt_data_worker)", said)


@pytest.mark.parametrize("its", [{"status": 1}, {"status": -9}, {"state": "T", "status": None}])
def test_a_helper_that_may_have_been_so_for_long_is_mentioned_but_not_blamed(its):
    cause = cause_of(with_child(name="sh", is_worker=False, **its))
    assert (cause.code, "child" in cause.details) == ("deadlock", False)
    assert any("process below it: 7 (sh)" in line for line in cause.evidence)


@pytest.mark.parametrize("status", [None, 1, -15, -2])
def test_a_worker_that_may_have_ended_for_itself_is_mentioned_but_not_blamed(status):
    cause = cause_of(with_child(status=status))
    assert "child" not in cause.details
    assert any("worker process 7 (pt_data_worker)" in line for line in cause.evidence)
