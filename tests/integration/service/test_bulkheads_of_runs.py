"""One run on which something breaks, beside others that must not notice."""

import subprocess

import pytest
from watching import watching

from epochwatch import wire
from epochwatchd.alerting import notices
from epochwatchd.service import facts, judging, runs
from epochwatchd.service.watch import Watch


@pytest.fixture
def watch(tmp_path):
    with watching(tmp_path) as watch:
        yield watch


def breaks_on(job, function, *, but="watchdog:"):
    """``function``, but it breaks on what holds the name of a job, unless that is the watchdog's word on it."""

    def broken(*args, **kwargs):
        if job in repr(args) and not (but and but in repr(args)):
            raise ZeroDivisionError("a bug")
        return function(*args, **kwargs)

    return broken


def kinds(watch, job):
    return [kind for name, kind in watch.told() if name == job]


WHERE_IT_BREAKS = [
    (facts, "is_suspect"), (judging, "judge"), (judging, "advance"), (notices, "compose"),
    (notices, "channels_for"), (judging, "row"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "name"), WHERE_IT_BREAKS)
def test_wherever_one_run_breaks_the_others_are_told_and_its_owner_is_told_of_that(watch, monkeypatch, module, name):
    but = "kind='watchdog'" if name == "channels_for" else "watchdog:"
    monkeypatch.setattr(module, name, breaks_on("poison", getattr(module, name), but=but))
    watch.beat("poison", job="poison")
    watch.beat("good", job="good")
    watch.tick()
    watch.beat("good", job="good", seq=2, loss=float("nan"))
    watch.beat("poison", job="poison", seq=2, loss=float("nan"))
    watch.tick()
    watch.beat("good", job="good", seq=3, state=wire.FINISHED)
    watch.tick()
    assert kinds(watch, "good") == ["started", "diverged", "finished"]
    [fault] = [m for m in watch.messages() if m.kind == "watchdog"]
    assert fault.cause["code"] == "run_set_aside"
    assert "poison (run poison, user " in fault.text


def test_where_even_its_name_breaks_the_message_it_is_told_without(watch, monkeypatch):
    monkeypatch.setattr(notices, "channels_for", breaks_on("poison", notices.channels_for, but=None))
    watch.beat("poison", job="poison")
    watch.beat("good", job="good")
    watch.tick()
    watch.tick()
    [fault] = [m for m in watch.messages() if m.kind == "watchdog"]
    assert "a run is not judged for now" in fault.text
    assert kinds(watch, "good") == ["started"]


def test_a_run_that_broke_is_judged_again_after_an_hour_and_that_is_told(watch, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(notices, "compose", breaks_on("poison", notices.compose))
        watch.beat("poison", job="poison")
        watch.tick()
        watch.tick()
        assert watch.bulkheads.broken(watch.clock().mono)
    watch.jump(3600.0)
    watch.beat("poison", job="poison", seq=2, loss=float("nan"))
    watch.wait(8)
    told = [(m.kind, m.status) for m in watch.messages() if m.kind != "started"]
    assert told == [("watchdog", "firing"), ("diverged", "firing"), ("watchdog", "resolved")]


def test_a_row_that_can_never_be_written_is_that_runs_own(watch, monkeypatch):
    real_row = runs.row

    def bad_row(run, *args, **kwargs):
        made = real_row(run, *args, **kwargs)
        return judging.replace(made, pid=2**70) if made.job == "poison" else made

    monkeypatch.setattr(judging, "row", bad_row)
    watch.beat("poison", job="poison")
    watch.beat("good", job="good")
    watch.tick()
    watch.tick()
    assert [row.job for row in watch.rows() if row.verdict == "running"] == ["good"]
    assert kinds(watch, "good") == ["started"]
    assert [m.cause["code"] for m in watch.messages() if m.kind == "watchdog"] == ["run_set_aside"]


def test_a_death_is_told_although_asking_why_breaks(watch, monkeypatch):
    def breaks(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Watch, "explained", breaks)
    with subprocess.Popen(["sleep", "60"]) as process:
        watch.beat("a", job="lenet", pid=process.pid)
        watch.tick()
        process.kill()
    watch.daemon.processes_died()
    assert kinds(watch, "lenet") == ["started", "crashed"]


def test_what_all_share_may_break_and_is_named(watch, monkeypatch):
    def breaks(*_):
        raise OSError("too many open files")

    monkeypatch.setattr(watch.daemon._oom, "tick", breaks)
    watch.beat("good", job="good")
    assert watch.tick()
    assert kinds(watch, "good") == ["started"]
    assert any("memory broke (OSError: too many open files" in line for line in watch.daemon.problems())


def test_a_tick_that_could_not_judge_says_so(watch, monkeypatch):
    def breaks(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(watch.daemon.evaluator, "judge", breaks)
    assert not watch.tick()


def test_a_hundred_runs_of_one_user_that_break_are_one_message(watch, monkeypatch):
    monkeypatch.setattr(notices, "compose", breaks_on("poison", notices.compose))
    for number in range(100):
        watch.beat(f"poison{number}", job="poison")
    watch.tick()
    watch.wait(5)
    [message] = [m for m in watch.messages() if m.kind == "watchdog"]
    [shown] = [row for row in watch.rows() if row.verdict == "watchdog"]
    assert shown.suspected["text"].startswith("poison (run poison")
    assert "100 runs of" in message.text
    assert "and 90 more" in message.text
    assert (message.job, message.run, message.pid) == (None, None, None)


def test_a_run_whose_stored_state_cannot_be_read_is_found_again_by_its_heartbeat(tmp_path):
    with watching(tmp_path) as watch:
        watch.beat("a", job="spoiled")
        watch.beat("b", job="good")
        watch.tick()
        with watch.ledger._store._db as db:
            db.execute("UPDATE worker SET snapshot = '{\"head\": 3}' WHERE key LIKE '%a.beat'")
    with watching(tmp_path) as again:
        again.tick()
        assert sorted(run.speaker.body.job for run in again.daemon.registry.runs.values()) == ["good", "spoiled"]
        again.beat("a", job="spoiled", seq=2, state=wire.FINISHED)
        again.tick()
        assert "finished" in kinds(again, "spoiled")


def test_a_fault_of_the_watchdog_that_is_gone_after_a_restart_is_told_to_be_over(tmp_path):
    with watching(tmp_path) as watch:
        watch.daemon.refused_config = "config.yaml:1: chanels: unknown key"
        watch.tick()
    with watching(tmp_path) as again:
        again.tick()
        assert [(m.cause["code"], m.status) for m in again.messages()] == [
            ("config_refused", "firing"),
            ("config_refused", "resolved"),
        ]
        assert again.bulkheads.broken(again.clock().mono) == []
