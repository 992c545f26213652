import pytest
from builders import beat, worker

from flatline.wire import EXITING, FAILED, FINISHED, RUNNING, Body
from flatlined.detection.detectors.ended import detect
from flatlined.model import Exit, Facts, Policy

AGENT = Body("digits", announces_end=True)
SCRIPT = Body("digits")


def ended(state, body, end, **head):
    made = worker((0.0, beat(1, body)), (5.0, beat(2, body, state=state, **head)))._replace(exit=end)
    found = detect(made, Facts(), Policy(), 9.0)
    return (found.kind, found.cause.code if found.cause else None) if found else None


@pytest.mark.parametrize(
    ("state", "body", "end", "expected"),
    [
        pytest.param(RUNNING, AGENT, None, None, id="alive"),
        pytest.param(EXITING, AGENT, None, None, id="exiting: its status will tell"),
        pytest.param(EXITING, AGENT, Exit(6.0, 0), ("finished", None), id="left in order"),
        pytest.param(EXITING, AGENT, Exit(6.0), ("finished", None), id="left in order, status never learned"),
        pytest.param(EXITING, AGENT, Exit(6.0, 3), ("crashed", "exit_code"), id="sys.exit(3)"),
        pytest.param(EXITING, AGENT, Exit(6.0, -11), ("crashed", "signal"), id="segfault while exiting"),
        pytest.param(FINISHED, AGENT, None, ("finished", None), id="said so"),
        pytest.param(FINISHED, AGENT, Exit(6.0, -9), ("finished", None), id="said so, then killed"),
        pytest.param(RUNNING, AGENT, Exit(6.0, 0), ("crashed", "exit_code"), id="os._exit(0) in mid-run"),
        pytest.param(RUNNING, SCRIPT, Exit(6.0, 0), ("finished", None), id="a script just ends"),
        pytest.param(RUNNING, AGENT, Exit(6.0, -9), ("crashed", "signal"), id="SIGKILL"),
        pytest.param(RUNNING, AGENT, Exit(6.0, -15), ("crashed", "terminated"), id="SIGTERM"),
        pytest.param(RUNNING, AGENT, Exit(6.0, 1), ("crashed", "exit_code"), id="status 1"),
        pytest.param(RUNNING, AGENT, Exit(6.0), ("crashed", "unknown"), id="status never learned"),
        pytest.param(RUNNING, AGENT, Exit(6.0, rebooted=True), ("crashed", "reboot"), id="another boot"),
        pytest.param(FAILED, AGENT._replace(exception="ValueError: bad"), None, ("crashed", "exception"), id="raised"),
        pytest.param(FAILED, AGENT._replace(reason="no data"), None, ("crashed", "reported"), id="agent.fail"),
        pytest.param(FAILED, AGENT._replace(exit_status=2), None, ("crashed", "exit_code"), id="wrapped, status 2"),
        pytest.param(FAILED, AGENT._replace(exit_status=-11), None, ("crashed", "signal"), id="wrapped, SIGSEGV"),
    ],
)
def test_how_a_run_ended(state, body, end, expected):
    assert ended(state, body, end) == expected


def test_leaving_with_status_0_after_the_last_planned_epoch_is_a_finish():
    assert ended(RUNNING, AGENT._replace(epochs=10), Exit(6.0, 0), epoch=9.0) == ("finished", None)


def test_an_exception_brings_its_type_message_and_traceback():
    body = AGENT._replace(exception="ValueError: a: b", traceback="line 1\nline 2")
    cause = detect(worker((0.0, beat(1, body, state=FAILED))), Facts(), Policy(), 1.0).cause
    assert cause.details == {"type": "ValueError", "message": "a: b"}
    assert cause.evidence == ("line 1", "line 2")


def test_a_wrapped_command_brings_the_tail_of_its_output():
    body = AGENT._replace(exit_status=1, tail=("CUDA out of memory",))
    cause = detect(worker((0.0, beat(1, body, state=FAILED))), Facts(), Policy(), 1.0).cause
    assert cause.evidence == ("CUDA out of memory", "exit status 1")


def test_a_finish_brings_its_note():
    body = AGENT._replace(reason="accuracy 0.97")
    cause = detect(worker((0.0, beat(1, body, state=FINISHED))), Facts(), Policy(), 1.0).cause
    assert cause.details == {"reason": "accuracy 0.97"}


def test_a_core_dump_and_a_signal_without_a_name_are_told():
    made = worker()._replace(exit=Exit(1.0, -64, core_dumped=True))
    cause = detect(made, Facts(), Policy(), 2.0).cause
    assert cause.details == {"signal": "SIGRTMAX", "core": True}
    assert cause.evidence == ("killed by signal 64 SIGRTMAX (core dumped)",)


def test_death_dates_the_verdict():
    assert detect(worker()._replace(exit=Exit(6.5, -9)), Facts(), Policy(), 9.0).since == 6.5


def test_the_class_of_a_failure_is_named_with_the_line_that_proves_it():
    tail = ("epoch 3", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
    body = AGENT._replace(exit_status=1, tail=tail)
    cause = detect(worker((0.0, beat(1, body, state=FAILED))), Facts(), Policy(), 1.0).cause
    assert (cause.code, cause.details) == ("exit_code", {"status": 1, "failure": "cuda_oom"})
    assert tail[1] in cause.evidence


def test_an_ordinary_bug_has_no_class():
    body = AGENT._replace(exception="ValueError: bad batch", traceback="ValueError: bad batch")
    cause = detect(worker((0.0, beat(1, body, state=FAILED))), Facts(), Policy(), 1.0).cause
    assert "failure" not in cause.details
