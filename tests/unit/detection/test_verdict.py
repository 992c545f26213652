import pytest
from builders import beat, finding, steady, worker

from epochwatch.wire import Body
from epochwatchd.detection.verdict import Judged, examine, judge
from epochwatchd.model import Cause, Exit, Facts, Policy

COMMAND = Body("train", run="r1", pid=1, command_pid=2)


def kinds(found):
    return [f.kind for f, _ in judge(found).found]


def test_nothing_found_is_running():
    assert judge([(worker(), [])]) == Judged([])


def test_the_worst_comes_first():
    assert kinds([(worker(), [finding("diverged", "warning"), finding("silent"), finding("overdue", "warning")])]) == [
        "silent",
        "diverged",
        "overdue",
    ]


def test_a_gpu_that_failed_explains_a_silence_and_one_that_idles_does_not():
    silence = finding("silent")
    assert kinds([(worker(), [silence, finding("stalled", "critical")])]) == ["stalled", "silent"]
    assert kinds([(worker(), [silence, finding("stalled", "warning")])]) == ["silent", "stalled"]


def test_an_end_leaves_nothing_else_to_say():
    assert kinds([(worker(), [finding("silent"), finding("crashed")])]) == ["crashed"]


def test_one_crash_is_told_at_once_and_the_earliest_is_named():
    a, b, c = worker(key="a"), worker(key="b"), worker(key="c")
    found = [(a, []), (b, [finding("crashed", since=5.0)]), (c, [finding("crashed", since=4.0)])]
    judged = judge(found)
    assert [(f.since, w.key) for f, w in judged.found] == [(4.0, "c")]
    assert not judged.is_over
    assert judged.found[0][0].cause.evidence == ("the other processes of the run: 1 running, 1 crashed",)


@pytest.mark.parametrize(
    "cause",
    [Cause("terminated"), Cause("exception", {"failure": "peer_lost"}), Cause("signal", {"failure": "nccl_error"})],
    ids=["told to go", "left by its peer", "aborted with its peer"],
)
@pytest.mark.parametrize(
    ("since", "now", "told"),
    [(5.2, 5.3, ["b"]), (5.7, 5.8, ["a"]), (None, 5.3, []), (None, 5.6, ["a"])],
    ids=["a crash a moment later", "a crash much later", "no crash yet", "no crash"],
)
def test_one_that_may_have_ended_for_another_gives_way_to_the_crash_that_it_ended_for(cause, since, now, told):
    a, b, c = worker(key="a"), worker(key="b"), worker(key="c")
    crash = [] if since is None else [finding("crashed", since=since)]
    judged = judge([(a, [finding("crashed", since=5.0, cause=cause)]), (b, crash), (c, [])], now)
    assert [w.key for _, w in judged.found] == told


def test_the_run_is_over_when_all_have_ended():
    a, b = worker(key="a"), worker(key="b")
    judged = judge([(a, [finding("finished", "info")]), (b, [finding("crashed")])])
    assert ([f.kind for f, _ in judged.found], judged.is_over) == (["crashed"], True)


def test_a_rank_that_was_started_anew_stands_for_the_one_before():
    def rank(key, number, started_at):
        return worker((started_at, beat(1, Body("j", rank=number))), key=key)

    crashed = finding("crashed")
    assert kinds([(rank("old", 1, 0.0), [crashed]), (rank("new", 1, 5.0), []), (rank("other", 0, 0.0), [])]) == []
    assert kinds([(rank("a", 1, 0.0), [crashed]), (rank("b", 0, 5.0), [])]) == ["crashed"]


def test_of_ranks_that_hang_the_one_furthest_behind_is_named_and_where_the_others_are():
    def rank(number, step):
        return worker((0.0, beat(1, Body("j", rank=number, world_size=3), step=step)), key=f"{number}")

    hung = [(rank(0, 101), [finding("silent", since=3.0)]), (rank(1, 100), [finding("silent", since=3.5)])]
    told, who = judge([*hung, (rank(2, 101), [finding("silent", since=3.0)])]).found[0]
    assert who.body.rank == 1
    assert told.cause.evidence == ("the other processes of the run: 2 silent at step 101 (rank 0, 2)",)


def test_of_ranks_at_one_step_the_one_that_does_not_just_wait_is_named():
    def rank(number, code):
        silence = finding("silent", since=number, cause=Cause(code))
        return worker((0.0, beat(1, Body("j", rank=number), step=20)), key=f"{number}"), [silence]

    assert judge([rank(0, "deadlock"), rank(1, "stopped"), rank(2, "deadlock")]).found[0][1].body.rank == 1


def test_a_launch_of_another_size_needs_fewer_ranks():
    def rank(number, started_at, size, exit_=None):
        body = Body("j", rank=number, world_size=size)
        return worker((started_at, beat(1, body)), key=f"{number}@{started_at}")._replace(exit=exit_)

    old = [(rank(n, 0.0, 2, Exit(5.0, -9)), [finding("crashed")]) for n in (0, 1)]
    assert kinds([*old, (rank(0, 9.0, 1), [])]) == []
    assert kinds([*old, (rank(0, 9.0, 2), [])]) == ["crashed"]


def test_one_worker_finishing_is_not_the_run_finishing():
    done = finding("finished", "info")
    assert kinds([(worker(key="a"), [done]), (worker(key="b"), [])]) == []
    assert kinds([(worker(key="a"), [done]), (worker(key="b"), [done])]) == ["finished"]


def test_of_several_finishes_one_with_a_note_is_told():
    early, done = finding("finished", since=5.0, cause=Cause("stopped_early")), finding("finished", since=6.0)
    [(told, _)] = judge([(worker(key="a"), [done]), (worker(key="b"), [early])]).found
    assert told.cause == early.cause


def test_a_wrapped_command_that_finished_early_says_so_by_the_worker_inside():
    early = finding("finished", "info", 1.0, Cause("stopped_early"))
    inside, command = worker(key="inside"), worker((0.0, beat(1, COMMAND)), key="command")
    [(told, speaker)] = judge([(command, [finding("finished", "info", 2.0)]), (inside, [early])]).found
    assert (told.cause.code, told.since, speaker.key) == ("stopped_early", 2.0, "inside")


def wrapped(*inside, end=None):
    """What is found of a wrapper and of those inside: (when it began, its bad end or None)."""
    command = worker((0.0, beat(0, COMMAND)), key="c")
    found = [(command, [end] if end else [])]
    for number, (began, fall) in enumerate(inside):
        found.append((worker((began, beat(1)), key=f"i{number}"), [fall] if fall else []))
    return found


def fell(at):
    return finding("crashed", since=at, cause=Cause("exception", {"type": "KeyError"}))


DONE = finding("finished", "info", since=50.0)


def test_a_fall_inside_a_wrapper_that_lives_on_is_told_after_a_while():
    assert [f.kind for f, _ in judge(wrapped((1.0, fell(5.0))), 14.0).found] == []
    judged = judge(wrapped((1.0, fell(5.0))), 15.0)
    assert ([f.kind for f, _ in judged.found], judged.is_over) == (["crashed"], False)


def test_it_is_none_where_another_training_began_in_it_since():
    assert judge(wrapped((1.0, fell(5.0)), (7.0, None)), 60.0).found == []


def test_what_a_pipe_hides_is_the_end_of_the_run():
    [(told, speaker)] = judge(wrapped((1.0, fell(5.0)), end=DONE), 60.0).found
    assert (told.kind, told.cause.code, speaker.key) == ("crashed", "exception", "i0")
    assert told.cause.evidence[-1].startswith("the command around it left with 0")


def test_a_retry_that_finishes_says_how_often_it_fell():
    retried = wrapped((1.0, fell(5.0)), (7.0, fell(9.0)), (11.0, finding("finished", "info", since=49.0)), end=DONE)
    [(told, speaker)] = judge(retried, 60.0).found
    assert (told.kind, told.cause.code, told.cause.details, speaker.key) == ("finished", "retried", {"times": 2}, "i2")


def test_of_several_the_last_counts():
    [(told, _)] = judge(wrapped((1.0, finding("finished", "info", since=4.0)), (5.0, fell(9.0)), end=DONE)).found
    assert told.kind == "crashed"


def test_a_launcher_that_was_killed_is_told_and_those_who_live_on_are_watched():
    killed = finding("crashed", since=50.0, cause=Cause("signal", {"signal": "SIGKILL"}))
    assert judge(wrapped((1.0, None), (1.0, None), end=killed), 51.0) == Judged([])
    judged = judge(wrapped((1.0, None), (1.0, None), end=killed), 52.0)
    [(told, speaker)] = judged.found
    assert "2 processes of the run live on: 42, 42" in told.cause.evidence
    assert (speaker.key, judged.is_over) == ("c", False)
    assert judge(wrapped((1.0, fell(60.0)), (1.0, fell(61.0)), end=killed), 62.0).is_over


def test_a_training_that_a_shell_left_in_the_background_goes_on():
    assert judge(wrapped((1.0, None), end=DONE), 99.0) == Judged([])
    finished = finding("finished", "info", since=98.0)
    assert judge(wrapped((1.0, finished), end=DONE), 99.0).is_over


def test_a_training_that_waits_inside_its_wrapper_after_all_is_done_has_finished():
    waits = finding("finished", "info", since=98.0, cause=Cause("still_there"))
    [(told, _)] = judge(wrapped((1.0, waits)), 99.0).found
    assert told.cause.code == "still_there"


def test_a_wrapped_crash_is_told_with_the_exception_of_the_worker_inside():
    command, inside = worker((0.0, beat(0, COMMAND)), key="c"), worker(key="i")
    exit_1, raised = Cause("exit_code", {"status": 1}), Cause("exception", {"type": "ValueError"})
    found = [(command, [finding("crashed", cause=exit_1)]), (inside, [finding("crashed", cause=raised)])]
    assert [(f.cause, w.key) for f, w in judge(found).found] == [(raised, "i")]


def test_a_wrapped_kill_is_told_by_the_commands_status():
    command, inside = worker((0.0, beat(0, COMMAND)), key="c"), worker(key="i")
    killed, unknown = Cause("signal", {"signal": "SIGKILL"}), Cause("unknown")
    found = [(command, [finding("crashed", cause=killed)]), (inside, [finding("crashed", cause=unknown)])]
    assert [(f.cause, w.key) for f, w in judge(found).found] == [(killed, "i")]


@pytest.mark.parametrize(
    ("status", "inside", "told"),
    [
        pytest.param(1, Cause("oom_kill", {"signal": "SIGKILL"}), "oom_kill", id="who ran out of memory inside"),
        pytest.param(139, Cause("signal", {"signal": "SIGSEGV"}), "signal", id="the signal that the status stands for"),
        pytest.param(143, Cause("terminated", {"signal": "SIGTERM"}), "terminated", id="so too if asked to end"),
        pytest.param(1, Cause("signal", {"signal": "SIGSEGV"}), "exit_code", id="not a signal that was got over"),
        pytest.param(137, Cause("unknown"), "exit_code", id="not what is not known"),
        pytest.param(3, Cause("exit_code", {"status": 1}), "exit_code", id="not another status"),
    ],
)
def test_a_wrapped_status_is_told_by_who_knows_more_inside(status, inside, told):
    command, worker_inside = worker((0.0, beat(0, COMMAND)), key="c"), worker(key="i")
    end = Cause("exit_code", {"status": status})
    found = [(command, [finding("crashed", cause=end)]), (worker_inside, [finding("crashed", cause=inside)])]
    [(said, _)] = judge(found).found
    assert said.cause == (end if told == "exit_code" else inside)


def test_a_detector_that_breaks_is_named_and_the_others_go_on():
    def breaks(*_):
        raise ZeroDivisionError

    detectors = {"broken": breaks, "whole": lambda *_: finding("silent")}
    findings, failures = examine(steady(1.0, 3, key="/x"), Facts(), Policy(), 9.0, detectors)
    assert [f.kind for f in findings] == ["silent"]
    assert [(f.detector, f.worker_key, type(f.error)) for f in failures] == [("broken", "/x", ZeroDivisionError)]


def test_a_wrapper_that_was_itself_killed_leaves_the_word_to_those_inside():
    killed = worker((0.0, beat(0, COMMAND)), key="c")._replace(exit=Exit(5.0, -9))
    inside = worker(key="i")
    assert kinds([(killed, [finding("crashed")]), (inside, [])]) == []
    assert kinds([(killed, [finding("crashed")]), (inside, [finding("finished", "info")])]) == ["finished"]
    assert kinds([(killed, [finding("crashed")])]) == ["crashed"]


def test_a_wrapped_finish_brings_the_note_of_the_worker_inside():
    command, inside = worker((0.0, beat(0, COMMAND)), key="c"), worker(key="i")
    note = Cause("reported", {"reason": "accuracy 0.97"})
    found = [(command, [finding("finished", "info")]), (inside, [finding("finished", "info", cause=note)])]
    assert [f.cause for f, _ in judge(found).found] == [note]
