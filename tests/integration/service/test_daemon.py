"""The daemon in this process, on real files and a real store: what goes wrong inside it."""

import errno
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest
from watching import CONFIG, watching, write

from epochwatch import wire
from epochwatchd.config import Route
from epochwatchd.inputs.gpu.nvml import GpuSample, ProcessSample
from epochwatchd.inputs.heartbeats.files import Folder
from epochwatchd.model import Finding
from epochwatchd.service.paths import Places, store_path, stores_to_read
from epochwatchd.service.runs import current_row
from epochwatchd.store import Record, StoreUnusable


@pytest.fixture
def watch(tmp_path):
    with watching(tmp_path) as watch:
        yield watch


def test_a_tick_finds_runs_and_stores_them(watch):
    noticed = []
    watch.daemon.on_notice = lambda: noticed.append(1)
    watch.beat("a")
    watch.tick()
    assert [(row.job, row.verdict) for row in watch.rows()] == [("digits", "running")]
    assert watch.told() == [("digits", "started")]
    assert noticed


def test_the_file_of_a_run_that_is_over_is_removed_when_others_had_time_to_read_it(watch):
    path = watch.beat("a")
    watch.tick()
    write(path, seq=2, state=wire.FINISHED)
    watch.tick()
    assert watch.told() == [("digits", "started"), ("digits", "finished")]
    assert watch.daemon.registry.runs == {}
    assert path.exists()
    watch.wait(11)
    assert not path.exists()


def test_progress_in_the_store_follows_the_beats(watch):
    path = watch.beat("a", epoch=1.0)
    watch.tick()
    watch.wait(11)
    write(path, seq=2, epoch=2.0)
    watch.wait(11)
    assert [row.progress["epoch"] for row in watch.rows()] == [2]


def test_a_suspicion_is_stored_when_it_begins_and_when_it_ends(watch):
    path = watch.beat("a")
    watch.tick()
    watch.wait(6)
    assert [row.suspected_of for row in watch.rows()] == ["silent"]
    write(path, seq=2)
    watch.tick()
    assert [row.suspected_of for row in watch.rows()] == [None]


def test_a_suspicion_is_known_after_a_restart_and_can_end(tmp_path):
    with watching(tmp_path) as watch:
        path = watch.beat("a")
        watch.tick()
        run = next(iter(watch.daemon.registry.runs.values()))
        row = replace(current_row(run, watch.clock()), suspected={"code": "silent"})
        watch.ledger.record([Record(row)], watch.clock())
    write(path, seq=2)
    with watching(tmp_path) as again:
        again.tick()
        assert [row.suspected for row in again.rows()] == [None]


def test_a_detector_that_breaks_is_named_and_the_others_go_on(watch, caplog):
    def breaks(*_):
        raise ZeroDivisionError

    watch.daemon.evaluator.detectors = {**watch.daemon.evaluator.detectors, "broken": breaks}
    path = watch.beat("a")
    for seq in range(2, 5):
        watch.tick()
        write(path, seq=seq, loss=float("nan"))
    watch.tick()
    [said] = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert said.startswith("digits (run a, user ")
    assert "broken broke, and is left alone for an hour" in said
    assert [kind for job, kind in watch.told() if job == "digits"] == ["started", "watchdog", "diverged"]


def test_what_cannot_be_stored_is_told_from_memory_and_stored_later(watch, monkeypatch):
    def full(*_):
        raise StoreUnusable("database or disk is full")

    path = watch.beat("a")
    watch.tick()
    write(path, seq=2, loss=float("nan"))
    with monkeypatch.context() as broken:
        broken.setattr(watch.ledger._store, "record", full)
        watch.tick()
        told = [watch.ledger.notification(d.id) for d in watch.ledger.fresh("team")]
    assert [(m.kind, m.stored) for m in told] == [("started", True), ("diverged", False)]
    assert watch.told() == [("digits", "started")]
    watch.wait(3)
    assert watch.told() == [("digits", "started"), ("digits", "diverged")]
    assert watch.ledger.fresh("team") == []


def test_that_a_run_cannot_be_watched_is_said_once(watch, monkeypatch, caplog):
    def out_of_descriptors(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    watch.beat("a")
    with monkeypatch.context() as scarce:
        scarce.setattr(watch.daemon.exits, "watch", out_of_descriptors)
        watch.tick()
        watch.tick()
    assert caplog.text.count("cannot be watched") == 1
    watch.tick()
    assert [one.pid for one in watch.daemon.registry.watches.values()] == [os.getpid()]


def test_a_gpu_is_tied_to_the_run_that_holds_memory_on_it(watch):
    seen = []
    watch.daemon.evaluator.detectors = {"spy": lambda *seen_by_detector: seen.append(seen_by_detector[1])}
    watch.beat("a")
    watch.tick()
    holder = ProcessSample(pid=os.getpid(), memory_mib=512.0, use_pct=40, stamp_us=1)
    watch.daemon.gpus_seen([GpuSample(index=0, uuid="GPU-1", name="H100", utilization_pct=40.0, processes=(holder,))])
    watch.tick()
    assert [(gpu.name, gpu.memory_mib) for gpu in seen[-1].gpus] == [("H100", 512.0)]
    watch.daemon.gpus_seen([GpuSample(index=0, lost=True)])
    watch.daemon.gpus_unanswered(7.0)
    watch.tick()
    assert [(gpu.lost, gpu.unanswered_since) for gpu in seen[-1].gpus] == [(True, 7.0)]


def test_a_bad_file_is_counted_once_and_others_go_on(watch):
    (watch.beats / "bad.beat").write_bytes(b"EPWT" * 100)
    watch.beat("good", job="good")
    watch.tick()
    watch.tick()
    assert watch.daemon.input_errors.counts == {"file.version": 1}
    assert watch.told() == [("good", "started")]


def test_a_run_that_is_over_is_not_begun_again_by_its_lingering_file(watch):
    path = watch.beat("a", state=wire.FINISHED)
    watch.tick()
    watch.tick()
    assert path.exists()
    assert watch.told() == [("digits", "finished")]


def test_one_verdict_in_the_row_is_the_worst(watch):
    watch.daemon.evaluator.detectors = {"two": lambda *_: Finding("silent", "critical", 0.0)}
    watch.beat("a")
    watch.tick()
    assert [row.verdict for row in watch.rows()] == ["silent"]


class TestPlaces:
    def test_every_directory_an_agent_may_choose_is_looked_at(self, tmp_path):
        places = {str(folder.path) for folder in Places(CONFIG, {"XDG_RUNTIME_DIR": str(tmp_path)}).folders()}
        assert {"/run/epochwatch", str(tmp_path / "epochwatch"), f"/tmp/epochwatch-{os.getuid()}"} <= places

    def test_a_daemon_with_a_directory_of_its_own_keeps_to_it(self, tmp_path):
        assert Places(CONFIG, {"EPOCHWATCH_DIR": str(tmp_path)}).folders() == [Folder(tmp_path)]

    @pytest.mark.parametrize(
        ("env", "expected"),
        [
            ({"STATE_DIRECTORY": "/var/lib/epochwatch"}, "/var/lib/epochwatch/epochwatch.db"),
            ({"XDG_STATE_HOME": "/home/mina/state"}, "/home/mina/state/epochwatch/epochwatch.db"),
        ],
    )
    def test_the_store_is_in_the_services_or_the_users_state_folder(self, env, expected):
        assert str(store_path(None, env)) == expected

    def test_status_looks_for_its_own_store_first_then_for_the_services(self, tmp_path):
        assert stores_to_read(tmp_path, {}) == [tmp_path, Path("/var/lib/epochwatch/epochwatch.db")]


def test_a_channel_that_takes_nothing_is_told_on_the_others_and_so_is_its_end(tmp_path):
    both = replace(CONFIG, routes=(Route(to=("team", "mail")),))
    with watching(tmp_path, both) as watch:
        parked = {"team": "answered 404 no_service"}
        watch.daemon.parked_channels = lambda: parked
        watch.tick()
        [fault] = watch.messages("mail")
        assert (fault.kind, fault.cause["code"]) == ("watchdog", "channel_parked")
        assert "the channel team takes no messages" in fault.text
        assert "answered 404 no_service" in fault.text
        assert "test-alert team" in fault.text
        assert "the channel team takes no messages: answered 404 no_service" in watch.daemon.problems()
        parked.clear()
        watch.tick()
        assert [m.status for m in watch.messages("mail")] == ["firing", "resolved"]
        assert watch.messages("team") == []


def test_a_login_that_ends_soon_is_told_on_the_other_channels(tmp_path):
    both = replace(CONFIG, routes=(Route(to=("team", "mail")),))
    with watching(tmp_path, both) as watch:
        watch.daemon.ending_logins = lambda: {"team": "2026-12-04"}
        watch.tick()
        [fault] = watch.messages("mail")
        assert (fault.cause["code"], "2026-12-04" in fault.text, "epochwatchd login team" in fault.text) == (
            "login_ends", True, True,
        )  # fmt: skip
        assert watch.messages("team") == []
