"""Full, read-only and locked disks, missing permissions: told as such, and tried again."""

import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace

import pytest
from builders import incident, worker
from stored import MESSAGE, NOW, ROW

from epochwatchd.model import Notice
from epochwatchd.store import Record, Store, StoreError, StoreUnusable, files, read_runs

EVERYTHING = Record(ROW, workers=[worker()], opened=[incident()], notices=[Notice(MESSAGE, ["team"])])


def test_a_full_disk_is_told_and_what_could_not_be_written_can_be_when_there_is_room(store):
    store.record([Record(ROW)], NOW)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    many = [replace(EVERYTHING, run=replace(ROW, key=f"run {n}")) for n in range(100)]
    with pytest.raises(StoreUnusable, match="full"):
        store.record(many, NOW)
    assert [run.row for run in store.unfinished(NOW).runs] == [ROW]
    store._db.execute("PRAGMA max_page_count = 1000000")
    assert store.record(many, NOW) == []
    assert len(store.pending("team")) == 100


def test_a_read_only_database_is_told_and_written_when_it_can_be(store):
    store.record([Record(ROW)], NOW)
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnusable, match="readonly"):
        store.check_writable()
    with pytest.raises(StoreUnusable, match="readonly"):
        store.record([EVERYTHING], NOW)
    store._db.execute("PRAGMA query_only = OFF")
    store.check_writable()
    assert store.record([EVERYTHING], NOW) == []


def test_a_lock_is_told_and_nothing_is_lost_by_it(store, path, monkeypatch):
    monkeypatch.setattr("epochwatchd.store.opening.BUSY_S", 0.0)
    store.record([Record(ROW)], NOW)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnusable, match="locked"):
            store.record([EVERYTHING], NOW)
        other.execute("ROLLBACK")
    assert store.record([EVERYTHING], NOW) == []


def test_what_is_known_is_read_at_the_start_while_somebody_else_writes(store, path):
    store.record([Record(ROW)], NOW)
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        again = Store(path, "this boot")
        assert [run.row for run in again.unfinished(NOW).runs] == [ROW]
        again.close()


def test_a_folder_that_cannot_be_made_is_told_and_tried_again(tmp_path):
    (tmp_path / "state").write_text("a file in the way")
    store = Store(tmp_path / "state" / "epochwatch.db", "this boot")
    for _ in range(2):
        with pytest.raises(StoreUnusable, match="state"):
            store.record([EVERYTHING], NOW)
    (tmp_path / "state").unlink()
    assert store.record([EVERYTHING], NOW) == []
    assert store.generation == 1
    store.close()


def test_a_store_that_was_closed_stays_so(store, path):
    store.record([Record(ROW)], NOW)
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.pending("team")
    store.checkpoint()
    assert read_runs(path) == [ROW]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_its_group_may_read_whatever_the_umask(tmp_path, umask):
    path = tmp_path / "state" / "epochwatch.db"
    before = os.umask(umask)
    try:
        store = Store(path, "this boot")
        store.record([EVERYTHING], NOW)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert modes.keys() == {f"epochwatch.db{ending}" for ending in ("", "-wal", "-shm", ".lock")}
    assert set(modes.values()) == {0o640 & ~umask}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750 & ~umask


def test_a_database_that_all_could_read_is_so_no_more(store, path):
    store.record([Record(ROW)], NOW)
    store.close()
    path.chmod(0o644)
    again = Store(path, "this boot")
    again.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    again.close()


def test_the_log_is_brought_into_the_database_and_cut(store, path, monkeypatch):
    monkeypatch.setattr("epochwatchd.store.opening.LOG_MOST_BYTES", 100_000)
    log = files.beside(path, "-wal")
    for n in range(100):
        store.record([Record(replace(ROW, key=f"run {n}"), notices=[Notice(MESSAGE, ["team"])])], NOW)
    assert log.stat().st_size > 100_000
    store.checkpoint()
    assert log.stat().st_size == 0
    assert len(store.unfinished(NOW).runs) == 100


def test_a_log_of_usual_size_is_begun_anew_after_it_was_brought_in(store, path):
    log = files.beside(path, "-wal")
    for _ in range(20):
        store.record([EVERYTHING], NOW)
    store.checkpoint()
    before = log.stat().st_size
    for _ in range(10):
        store.record([EVERYTHING], NOW)
    assert log.stat().st_size == before


def test_whether_a_daemon_has_it_is_known_without_its_lock(store, path):
    store.open()
    assert files.is_in_use(path)
    store.close()
    assert not files.is_in_use(path)
