"""Who ended it: what a person or the machine's order stopped is no crash."""

import pytest
from builders import beat, worker

from epochwatch.wire import EXITING, FAILED, RUNNING, Body
from epochwatchd.detection.detectors.ended import detect
from epochwatchd.model import Exit, Facts, Policy

AGENT = Body("digits", run="r1", pid=42, start=7, announces_end=True, epochs=50)


def told(state=RUNNING, end=None, body=AGENT, epoch=8.0):
    made = worker((0.0, beat(9, body, epoch=epoch, state=state)))._replace(exit=end)
    finding = detect(made, Facts(), Policy(), 9.0)
    return finding.kind, finding.severity, finding.cause and finding.cause.code


@pytest.mark.parametrize(
    ("end", "code", "severity"),
    [
        (Exit(6.0, -2), "keyboard_interrupt", "info"),
        (Exit(6.0, 130), "keyboard_interrupt", "info"),
        (Exit(6.0, -15), "terminated", "warning"),
        (Exit(6.0, 143), "terminated", "warning"),
        (Exit(6.0, 241), "terminated", "warning"),
        (Exit(6.0, -15, goes_down=True), "shutdown", "warning"),
        (Exit(6.0, -1), "hangup", "warning"),
        (Exit(6.0, 129), "hangup", "warning"),
        (Exit(6.0, -24), "time_limit", "warning"),
        (Exit(6.0, -15, parent="timeout"), "time_limit", "warning"),
    ],
)
def test_a_signal_of_people_is_an_interruption(end, code, severity):
    assert told(end=end) == ("interrupted", severity, code)


@pytest.mark.parametrize("status", [-9, 137, -11, 3, -6, 124])
def test_all_else_stays_a_crash(status):
    assert told(end=Exit(6.0, status))[0] == "crashed"


def test_ctrl_c_told_by_the_agent_is_one():
    body = AGENT._replace(exception="KeyboardInterrupt", reason="interrupted")
    assert told(FAILED, body=body) == ("interrupted", "info", "keyboard_interrupt")


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        (("timeout", "4", "python", "train.py"), 124, "time_limit"),
        (("bash", "-c", "timeout 4 python train.py"), 124, "time_limit"),
        (("timeout", "-k", "2", "3", "python", "train.py"), 137, "time_limit"),
        (("timeout", "-k", "2", "3", "python", "train.py"), -9, "time_limit"),
        (("timeout", "3", "python", "train.py"), -9, "signal"),
        (("/usr/bin/timeout", "4", "python"), 124, "time_limit"),
        (("python", "train.py"), 124, "exit_code"),
        (("python", "train.py"), 137, "exit_code"),
    ],
)
def test_the_limit_of_timeout_is_read_from_its_status(line, status, code):
    body = AGENT._replace(command_pid=43, argv=line, exit_status=status)
    assert told(FAILED, body=body)[2] == code


@pytest.mark.parametrize(("number", "code"), [(15, "terminated"), (2, "keyboard_interrupt"), (1, "hangup"), (10, None)])
@pytest.mark.parametrize("status", [0, None])
def test_who_handles_a_signal_and_leaves_in_order_was_interrupted(number, code, status):
    kind, _, cause = told(EXITING, Exit(6.0, status), AGENT._replace(signal=number))
    assert (kind, cause) == (
        ("interrupted", code) if code else ("finished", "unseen_status" if status is None else "stopped_early")
    )


def test_who_handled_one_and_did_all_that_was_planned_has_finished():
    assert told(EXITING, Exit(6.0, 0), AGENT._replace(signal=15), epoch=49.0)[0] == "finished"


def test_who_handled_one_and_left_with_a_status_was_interrupted():
    assert told(EXITING, Exit(6.0, 1), AGENT._replace(signal=2)) == ("interrupted", "info", "keyboard_interrupt")
    assert told(EXITING, Exit(6.0, 1))[0] == "crashed"


def test_it_is_said_how_far_it_had_come():
    made = worker((0.0, beat(9, AGENT._replace(signal=15), epoch=8.0, state=EXITING)))._replace(exit=Exit(6.0, 0))
    details = detect(made, Facts(), Policy(), 9.0).cause.details
    assert (details["type"], details["signal"], details["epoch"], details["epochs"]) == (
        "orderly",
        "SIGTERM",
        "9",
        "50",
    )


@pytest.mark.parametrize(("status", "name"), [(247, "SIGKILL"), (245, "SIGSEGV"), (250, "SIGABRT")])
def test_the_status_of_a_program_that_passes_its_childs_on_names_the_signal(status, name):
    made = worker((0.0, beat(9, AGENT)))._replace(exit=Exit(6.0, status))
    finding = detect(made, Facts(), Policy(), 9.0)
    assert (finding.kind, finding.cause.code, finding.cause.details["signal"]) == ("crashed", "signal", name)


@pytest.mark.parametrize("status", [255, 254, 253, 240, 200])
def test_other_high_statuses_are_a_programs_own(status):
    assert told(end=Exit(6.0, status))[2] == "exit_code"
