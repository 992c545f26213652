from builders import beat, finding, steady, worker

from flatline.wire import Body
from flatlined.detection.judge import examine, judge
from flatlined.model import Cause, Facts, Policy

COMMAND = Body("train", run="r1", pid=1, command_pid=2)


def kinds(found):
    return [f.kind for f, _ in judge(found)]


def test_nothing_found_is_running():
    assert judge([(worker(), [])]) == []


def test_the_worst_comes_first():
    assert kinds([(worker(), [finding("diverged", "warning"), finding("silent"), finding("overdue", "warning")])]) == [
        "silent",
        "diverged",
        "overdue",
    ]


def test_an_end_leaves_nothing_else_to_say():
    assert kinds([(worker(), [finding("silent"), finding("crashed")])]) == ["crashed"]


def test_one_crash_ends_the_run_and_the_earliest_is_named():
    a, b, c = worker(key="a"), worker(key="b"), worker(key="c")
    found = [(a, []), (b, [finding("crashed", since=5.0)]), (c, [finding("crashed", since=4.0)])]
    assert [(f.since, w.key) for f, w in judge(found)] == [(4.0, "c")]


def test_one_worker_finishing_is_not_the_run_finishing():
    done = finding("finished", "info")
    assert kinds([(worker(key="a"), [done]), (worker(key="b"), [])]) == []
    assert kinds([(worker(key="a"), [done]), (worker(key="b"), [done])]) == ["finished"]


def test_a_wrapped_run_ends_only_with_its_command():
    command, inside = worker((0.0, beat(0, COMMAND)), key="c"), worker(key="i")
    assert kinds([(command, []), (inside, [finding("crashed")])]) == []
    assert kinds([(command, [finding("finished", "info")]), (inside, [finding("crashed")])]) == ["finished"]


def test_a_wrapped_crash_is_told_with_the_exception_of_the_worker_inside():
    command, inside = worker((0.0, beat(0, COMMAND)), key="c"), worker(key="i")
    exit_1, raised = Cause("exit_code", {"status": 1}), Cause("exception", {"type": "ValueError"})
    found = [(command, [finding("crashed", cause=exit_1)]), (inside, [finding("crashed", cause=raised)])]
    assert [(f.cause, w.key) for f, w in judge(found)] == [(raised, "i")]


def test_a_wrapped_kill_is_told_by_the_commands_status():
    command, inside = worker((0.0, beat(0, COMMAND)), key="c"), worker(key="i")
    killed, unknown = Cause("signal", {"signal": "SIGKILL"}), Cause("unknown")
    found = [(command, [finding("crashed", cause=killed)]), (inside, [finding("crashed", cause=unknown)])]
    assert [(f.cause, w.key) for f, w in judge(found)] == [(killed, "i")]


def test_a_detector_that_breaks_is_named_and_the_others_go_on():
    def breaks(*_):
        raise ZeroDivisionError

    detectors = {"broken": breaks, "whole": lambda *_: finding("silent")}
    findings, failures = examine(steady(1.0, 3, key="/x"), Facts(), Policy(), 9.0, detectors)
    assert [f.kind for f in findings] == ["silent"]
    assert [(f.detector, f.worker_key, type(f.error)) for f in failures] == [("broken", "/x", ZeroDivisionError)]
