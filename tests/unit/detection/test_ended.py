import pytest
from builders import beat, worker

from epochwatch.wire import EXITING, FAILED, FINISHED, RUNNING, Body
from epochwatchd.detection.detectors.ended import detect
from epochwatchd.model import Exit, Facts, Policy

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
        pytest.param(
            EXITING, AGENT, Exit(6.0), ("finished", "unseen_status"), id="left in order, status never learned"
        ),
        pytest.param(FINISHED, AGENT, Exit(6.0), ("finished", None), id="said so, status never learned"),
        pytest.param(EXITING, AGENT, Exit(6.0, 3), ("crashed", "exit_code"), id="sys.exit(3)"),
        pytest.param(EXITING, AGENT, Exit(6.0, -11), ("crashed", "signal"), id="segfault while exiting"),
        pytest.param(FINISHED, AGENT, None, ("finished", None), id="said so"),
        pytest.param(FINISHED, AGENT, Exit(6.0, -9), ("finished", None), id="said so, then killed"),
        pytest.param(RUNNING, AGENT, Exit(6.0, 0), ("crashed", "exit_code"), id="os._exit(0) in mid-run"),
        pytest.param(RUNNING, AGENT, Exit(6.0, 0, program="sh eval.sh"), ("finished", "exec"), id="another program"),
        pytest.param(RUNNING, AGENT, Exit(6.0, 3, program="sh eval.sh"), ("crashed", "exit_code"), id="that failed"),
        pytest.param(RUNNING, AGENT, Exit(6.0, program="sh eval.sh"), ("crashed", "unknown"), id="that is gone"),
        pytest.param(RUNNING, SCRIPT, Exit(6.0, 0), ("finished", None), id="a script just ends"),
        pytest.param(RUNNING, AGENT, Exit(6.0, -9), ("crashed", "signal"), id="SIGKILL"),
        pytest.param(RUNNING, AGENT, Exit(6.0, -15), ("interrupted", "terminated"), id="SIGTERM"),
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


TORCHRUN = """\
Failures:
[0]:
  time      : 2026-11-28_06:50:04
  rank      : 0 (local_rank: 0)
  exitcode  : -15 (pid: 26209)  (SIGTERM)
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-28_06:50:03
  host      : gpu01
  rank      : 3 (local_rank: 1)
  exitcode  : {status} (pid: 26211)
  error_file: <N/A>
"""


@pytest.mark.parametrize(("status", "code"), [("-9", "signal"), ("1", "exit_code")])
def test_of_torchruns_output_the_rank_that_fell_first_is_the_cause(status, code):
    tail = tuple(TORCHRUN.format(status=status).splitlines())
    body = AGENT._replace(exit_status=1, tail=tail, command_pid=9)
    cause = detect(worker((0.0, beat(1, body, state=FAILED))), Facts(), Policy(), 9.0).cause
    assert cause.code == code
    assert "the launcher says: rank 3 fell first, pid 26211" in cause.evidence


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


def test_one_that_nobody_reaps_is_dead_and_how_is_not_known_yet():
    end = Exit(6.0, unreaped_by=77, evidence=("it ran in Slurm's job 4711",))
    cause = detect(worker()._replace(exit=end), Facts(), Policy(), 2.0).cause
    assert (cause.code, cause.details) == ("unknown", {"status": "unreaped"})
    assert cause.evidence == (
        "the process is dead, and its parent, process 77, has not asked yet how it ended",
        "it ran in Slurm's job 4711",
    )


def test_what_was_seen_around_a_death_is_evidence():
    end = Exit(6.0, -15, evidence=("it ran in Slurm's job 4711",))
    cause = detect(worker()._replace(exit=end), Facts(), Policy(), 9.0).cause
    assert cause.evidence == ("it ran in Slurm's job 4711", "killed by signal 15 SIGTERM")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (137, "exit status 137 = 128 + 9, SIGKILL"),
        (134, "exit status 134 = 128 + 6, SIGABRT"),
        (128, "exit status 128"),
        (255, "exit status 255"),
    ],
)
def test_a_shells_status_for_a_signal_is_read_as_one(status, words):
    cause = detect(worker()._replace(exit=Exit(6.0, status)), Facts(), Policy(), 9.0).cause
    assert (cause.code, cause.evidence) == ("exit_code", (words,))


def test_death_dates_the_verdict():
    assert detect(worker()._replace(exit=Exit(6.5, -9)), Facts(), Policy(), 9.0).since == 6.5


def test_the_class_of_a_failure_is_named_with_the_line_that_proves_it():
    tail = ("epoch 3", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
    body = AGENT._replace(exit_status=1, tail=tail)
    cause = detect(worker((0.0, beat(1, body, state=FAILED))), Facts(), Policy(), 1.0).cause
    assert (cause.code, cause.details) == ("exit_code", {"status": 1, "failure": "cuda_oom"})
    assert tail[1] in cause.evidence


@pytest.mark.parametrize(
    ("status", "tail", "failure"),
    [
        (-11, (), "segfault"),
        (-9, ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0.",), "host_oom"),
        (
            -15,
            ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2025-01-01T00:00:00 DUE TO TIME LIMIT ***",),
            "time_limit",
        ),
        (-6, ("terminate called after throwing an instance of 'std::bad_alloc'",), "host_oom"),
        (-9, (), None),
        (-15, (), None),
        (-2, (), None),
    ],
)
def test_a_signal_keeps_its_name_and_is_given_a_class_where_one_is_proven(status, tail, failure):
    for made in (
        worker((0.0, beat(1, AGENT._replace(exit_status=status, tail=tail), state=FAILED))),
        worker((0.0, beat(1, AGENT._replace(tail=tail))))._replace(exit=Exit(6.0, status)),
    ):
        cause = detect(made, Facts(), Policy(), 9.0).cause
        assert cause.details.get("failure") == failure
        interrupted = {-15: "time_limit" if failure else "terminated", -2: "keyboard_interrupt"}
        assert cause.code == interrupted.get(status, "signal")
        assert len(set(cause.evidence)) == len(cause.evidence)


def test_a_reason_that_the_program_gave_is_given_its_class():
    body = AGENT._replace(reason="CUDA out of memory. Tried to allocate 2.00 GiB")
    cause = detect(worker((0.0, beat(1, body, state=FAILED))), Facts(), Policy(), 1.0).cause
    assert (cause.code, cause.details["failure"]) == ("reported", "cuda_oom")


def test_an_ordinary_bug_has_no_class():
    body = AGENT._replace(exception="ValueError: bad batch", traceback="ValueError: bad batch")
    cause = detect(worker((0.0, beat(1, body, state=FAILED))), Facts(), Policy(), 1.0).cause
    assert "failure" not in cause.details


@pytest.mark.parametrize(
    ("plan", "last", "seq", "expected"),
    [
        pytest.param({"epochs": 90}, {"epoch": 89.0}, 90, None, id="all of it"),
        pytest.param({"epochs": 90}, {"epoch": 37.0}, 38, {"epoch": "38", "epochs": "90"}, id="stopped early"),
        pytest.param({"epochs": 90}, {"epoch": 36.5}, 9000, {"epoch": "36.5", "epochs": "90"}, id="in mid-epoch"),
        pytest.param({"epochs": 90}, {"epoch": 88.0}, 45, None, id="it beats every other epoch"),
        pytest.param({"steps": 1000}, {"step": 950}, 20, None, id="it beats every 50 steps, from 0 on"),
        pytest.param({"steps": 9000}, {"step": 1000}, 21, {"step": "1,000", "steps": "9,000"}, id="by steps"),
        pytest.param({"epochs": 90}, {"step": 7}, 7, None, id="it planned in epochs and told none"),
        pytest.param({}, {"epoch": 3.0}, 4, None, id="nothing was planned"),
    ],
)
def test_a_finish_with_less_done_than_planned_says_so(plan, last, seq, expected):
    made = worker((0.0, beat(seq, AGENT._replace(**plan), state=FINISHED, **last)))
    found = detect(made, Facts(), Policy(), 1.0)
    assert (found.kind, found.severity) == ("finished", "info")
    assert (found.cause and dict(found.cause.details)) == expected


def test_where_a_run_stopped_stands_beside_its_own_note():
    body = AGENT._replace(reason="no better for 10 epochs", epochs=90)
    cause = detect(worker((0.0, beat(38, body, epoch=37.0, state=FINISHED))), Facts(), Policy(), 1.0).cause
    assert cause.code == "reported"
    assert cause.details == {"reason": "no better for 10 epochs", "epoch": "38", "epochs": "90"}


@pytest.mark.parametrize(("epoch", "severity"), [(37.0, "warning"), (89.0, "info")])
def test_a_finish_whose_status_nobody_saw_is_a_warning_if_less_was_done_than_planned(epoch, severity):
    made = worker((0.0, beat(38, AGENT._replace(epochs=90), epoch=epoch, state=EXITING)))
    end = Exit(1.0, evidence=("nobody watched",))
    found = detect(made._replace(exit=end), Facts(), Policy(), 1.0)
    assert (found.kind, found.severity, found.cause.code) == ("finished", severity, "unseen_status")
    assert found.cause.evidence == ("nobody watched",)


@pytest.mark.parametrize(("ended_at", "severity"), [(599.9, "warning"), (600.0, "info")])
@pytest.mark.parametrize("state", [FINISHED, EXITING])
def test_a_finish_sooner_than_its_shortest_runtime_is_a_warning(ended_at, severity, state):
    made = worker((0.0, beat(1, AGENT._replace(reason="done"), state=state)))._replace(exit=Exit(ended_at, 0))
    found = detect(made, Facts(), Policy(min_runtime_s=600.0), 700.0)
    assert (found.kind, found.severity) == ("finished", severity)
    if severity == "warning":
        assert (found.cause.code, found.cause.details) == ("too_fast", {"least_s": 600.0})
        assert found.cause.evidence == ("it took 599.9 s", "its last word: done")


def test_a_crash_is_never_too_fast():
    found = detect(worker()._replace(exit=Exit(1.0, -9)), Facts(), Policy(min_runtime_s=600.0), 2.0)
    assert (found.kind, found.cause.code) == ("crashed", "signal")
