"""The daemon in this process, on real files and a real store: what goes wrong inside it."""

import errno
import logging
import os
import sqlite3
import time
import zlib
from dataclasses import replace

import pytest

from epochwatch import wire
from epochwatch.wire import Body, Head
from epochwatchd.config import Config, Heartbeats, Route, StoreConfig
from epochwatchd.inputs import processes
from epochwatchd.inputs.beat_files import BeatFiles
from epochwatchd.inputs.nvml import GpuSample, ProcessSample
from epochwatchd.model import Finding, Moment, Policy
from epochwatchd.service.daemon import Daemon, read_clocks
from epochwatchd.service.places import beat_directories, store_path, stores_to_read
from epochwatchd.service.runs import current_row
from epochwatchd.store import Record, Store, read_runs

CONFIG = Config(Heartbeats(), Policy(), (), {}, (Route(to=("team",)),), StoreConfig(), "en")


@pytest.fixture
def beats(tmp_path):
    (tmp_path / "beats").mkdir()
    return tmp_path / "beats"


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "epochwatch.db", processes.boot_id())
    yield store
    store.close()


@pytest.fixture
def daemon(store, beats):
    files = BeatFiles()
    committed = []
    daemon = Daemon(CONFIG, store, files, None, directories=lambda: [beats], committed=lambda: committed.append(1))
    daemon.committed_calls = committed
    yield daemon
    daemon.close()
    files.close()


def write(path, *, job="digits", seq=1, **head):
    """The heartbeat of this very process."""
    start = processes.read_stat(os.getpid()).start
    body = wire.encode_body(Body(job, run=path.stem, pid=os.getpid(), start=start, boot=processes.boot_id()))
    made = Head(seq=seq, body_at=wire.HEAD_SIZE, body_len=len(body), body_crc=zlib.crc32(body), **head)
    path.write_bytes(wire.encode_head(made) + body)
    return path


def told(store):
    return [(n.job, n.kind) for n in (store.notification(d.id) for d in store.pending("team"))]


def test_a_tick_finds_runs_and_stores_them(daemon, store, beats):
    write(beats / "a.beat")
    daemon.tick()
    assert [(row.job, row.verdict) for row in read_runs(store.path)] == [("digits", "running")]
    assert told(store) == [("digits", "started")]
    assert daemon.committed_calls


def test_the_file_of_a_run_that_is_over_is_removed_when_others_had_time_to_read_it(daemon, store, beats, monkeypatch):
    path = write(beats / "a.beat")
    daemon.tick()
    write(path, seq=2, state=wire.FINISHED)
    daemon.tick()
    assert told(store) == [("digits", "started"), ("digits", "finished")]
    assert daemon.roster.runs == {}
    assert path.exists()
    monkeypatch.setattr("epochwatchd.service.daemon.read_clocks", lambda: Moment(time.monotonic() + 11.0, time.time()))
    daemon.tick()
    assert not path.exists()


def test_progress_in_the_store_follows_the_beats_every_ten_seconds(daemon, store, beats, monkeypatch):
    begun = time.monotonic()
    path = write(beats / "a.beat", epoch=1.0)
    shown = []
    for later_s in (0.0, 1.0, 9.0, 11.0, 12.0):
        now = Moment(begun + later_s, time.time())
        monkeypatch.setattr("epochwatchd.service.daemon.read_clocks", lambda now=now: now)
        daemon._last_tick_at = now.mono
        write(path, seq=2 + int(later_s), epoch=later_s)
        daemon.tick()
        shown += [row.progress["epoch"] for row in read_runs(store.path)]
    assert shown == [0, 0, 0, 11, 11]


def test_a_suspicion_is_stored_when_it_begins_and_ends_and_not_between(daemon, store, beats, monkeypatch):
    written = []
    monkeypatch.setattr(store, "record", lambda items, _: written.extend(i.run for i in items) or [])
    clock = iter(range(1000, 2000))
    monkeypatch.setattr("epochwatchd.service.daemon.read_clocks", lambda: Moment(float(next(clock)), time.time()))
    path = write(beats / "a.beat")
    for _ in range(6):
        daemon.tick()
    assert [(row.verdict, row.suspected_of) for row in written] == [("running", None), ("running", "silent")]
    write(path, seq=2)
    daemon.tick()
    assert [(row.verdict, row.suspected_of) for row in written[2:]] == [("running", None)]


def test_a_suspicion_is_known_after_a_restart_and_can_end(store, beats, daemon):
    path = write(beats / "a.beat")
    daemon.tick()
    run = next(iter(daemon.roster.runs.values()))
    row = replace(current_row(run, read_clocks()), suspected={"code": "silent"})
    store.record([Record(row)], read_clocks())
    files = BeatFiles()
    again = Daemon(CONFIG, store, files, None, directories=lambda: [beats], committed=lambda: None)
    write(path, seq=2)
    again.restore(read_clocks())
    again.tick()
    assert [row.suspected for row in read_runs(store.path)] == [None]
    again.close()
    files.close()


def test_a_detector_that_breaks_is_named_once_and_set_aside(daemon, store, beats, caplog):
    def breaks(*_):
        raise ZeroDivisionError

    daemon._verdicts.detectors = {**daemon._verdicts.detectors, "broken": breaks}
    path = write(beats / "a.beat")
    for seq in range(2, 5):
        daemon.tick()
        write(path, seq=seq, loss=float("nan"))
    daemon.tick()
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR] == [
        f"detector broken broke on {path} and is not asked about it for an hour"
    ]
    assert told(store) == [("digits", "started"), ("digits", "diverged")]


def test_verdicts_that_cannot_be_stored_are_reached_again_when_they_can(daemon, store, beats, monkeypatch):
    def fails(*_):
        raise sqlite3.OperationalError("database or disk is full")

    path = write(beats / "a.beat")
    daemon.tick()
    write(path, seq=2, loss=float("nan"))
    with monkeypatch.context() as broken:
        broken.setattr("epochwatchd.store.writing.write", fails)
        daemon.tick()
        assert daemon.complaints.counts["store"] >= 1
    assert told(store) == [("digits", "started")]
    daemon.tick()
    assert told(store) == [("digits", "started"), ("digits", "diverged")]


def test_that_a_run_cannot_be_watched_is_said_once(daemon, beats, monkeypatch, caplog):
    def out_of_descriptors(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    write(beats / "a.beat")
    with monkeypatch.context() as scarce:
        scarce.setattr(daemon.deaths, "watch", out_of_descriptors)
        daemon.tick()
        daemon.tick()
    assert caplog.text.count("cannot be watched") == 1
    daemon.tick()
    assert len(daemon.roster.pid_of) == 1


def test_a_gpu_is_tied_to_the_run_that_holds_memory_on_it(daemon, beats):
    seen = []
    daemon._verdicts.detectors = {"spy": lambda *seen_by_detector: seen.append(seen_by_detector[1])}
    write(beats / "a.beat")
    daemon.tick()
    holder = ProcessSample(pid=os.getpid(), memory_mib=512.0, use_pct=40, stamp_us=1)
    daemon.gpus_seen([GpuSample(index=0, uuid="GPU-1", name="H100", utilization_pct=40.0, processes=(holder,))])
    daemon.tick()
    assert [(gpu.name, gpu.memory_mib) for gpu in seen[-1].gpus] == [("H100", 512.0)]
    daemon.gpus_seen([GpuSample(index=0, lost=True)])
    daemon.gpus_unanswered(7.0)
    daemon.tick()
    assert [(gpu.lost, gpu.unanswered_since) for gpu in seen[-1].gpus] == [(True, 7.0)]


def test_a_bad_file_is_counted_once_and_others_go_on(daemon, store, beats):
    (beats / "bad.beat").write_bytes(b"EPWT" * 100)
    write(beats / "good.beat", job="good")
    daemon.tick()
    daemon.tick()
    assert daemon.complaints.counts == {"file.version": 1}
    assert told(store) == [("good", "started")]


def test_a_run_that_is_over_is_not_begun_again_by_its_lingering_file(daemon, store, beats):
    path = write(beats / "a.beat", state=wire.FINISHED)
    daemon.tick()
    daemon.tick()
    assert path.exists()
    assert told(store) == [("digits", "finished")]


def test_one_verdict_in_the_row_is_the_worst(daemon, store, beats):
    daemon._verdicts.detectors = {"two": lambda *_: Finding("silent", "critical", 0.0)}
    write(beats / "a.beat")
    daemon.tick()
    assert [row.verdict for row in read_runs(store.path)] == ["silent"]


class TestPlaces:
    def test_every_directory_an_agent_may_choose_is_looked_at(self, tmp_path):
        places = set(map(str, beat_directories(CONFIG, {"XDG_RUNTIME_DIR": str(tmp_path)})))
        assert {"/run/epochwatch", str(tmp_path / "epochwatch"), f"/tmp/epochwatch-{os.getuid()}"} <= places

    def test_a_daemon_with_a_directory_of_its_own_keeps_to_it(self, tmp_path):
        assert beat_directories(CONFIG, {"EPOCHWATCH_DIR": str(tmp_path)}) == [tmp_path]

    @pytest.mark.parametrize(
        ("env", "expected"),
        [
            ({"STATE_DIRECTORY": "/var/lib/epochwatch"}, "/var/lib/epochwatch/epochwatch.db"),
            ({"XDG_STATE_HOME": "/home/mina/state"}, "/home/mina/state/epochwatch/epochwatch.db"),
        ],
    )
    def test_the_store_is_in_the_services_or_the_users_state_folder(self, env, expected):
        assert str(store_path(CONFIG, env)) == expected

    def test_status_reads_only_what_is_there(self, tmp_path):
        assert tmp_path / "nowhere" not in stores_to_read(CONFIG, {"STATE_DIRECTORY": str(tmp_path / "nowhere")})
