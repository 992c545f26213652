"""A damaged database is set aside, and a new one is begun: at the start and in the midst of work."""

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from builders import incident, worker
from stored import MESSAGE, NOW, ROW

from epochwatchd.model import Notice
from epochwatchd.store import Record, Store, StoreError, StoreUnusable, files, read_runs

PAGE = 4096


def set_aside(path):
    return sorted(p.name for p in path.parent.glob("*.damaged-*") if not p.name.endswith(("-wal", "-shm")))


def fill(store, runs=200):
    """Some runs with an undelivered message each, all of it in the database file itself."""
    rows = [replace(ROW, key=f"run {number}") for number in range(runs)]
    store.record([Record(row, workers=[worker(key=row.key)], notices=[Notice(MESSAGE, ["team"])]) for row in rows], NOW)
    store.close()


def root_page(path, name):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]


def overwrite(path, at, data):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def garbage(path):
    path.write_bytes(b"this is a diary, not a database" * 1000)


def short(path):
    path.write_bytes(path.read_bytes()[:100])


def cut_in_half(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // PAGE // 2 * PAGE])


def one_page_overwritten(path):
    overwrite(path, (root_page(path, "run") - 1) * PAGE, b"\xa5" * PAGE)


def first_page_overwritten(path):
    overwrite(path, 100, b"\xa5" * (PAGE - 100))


def a_table_lost(path):
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE incident")


def rows_of_nobody(path):
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript("DROP TABLE run; CREATE TABLE run (key TEXT); INSERT INTO run VALUES ('x')")
        db.execute("PRAGMA user_version = 3")


DAMAGES = [
    garbage,
    short,
    cut_in_half,
    one_page_overwritten,
    first_page_overwritten,
    a_table_lost,
    rows_of_nobody,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=[damage.__name__ for damage in DAMAGES])
def test_a_damaged_database_is_set_aside_and_a_new_one_is_begun(store, path, damage):
    fill(store)
    damage(path)
    damaged = path.read_bytes()
    again = Store(path, "this boot")
    again.open()
    assert again.replaced is not None
    assert set_aside(path) == [again.replaced]
    assert path.with_name(again.replaced).read_bytes()[PAGE:] == damaged[PAGE:] or damage is rows_of_nobody
    assert again.unfinished(NOW) == ([], [])
    assert again.record([Record(ROW)], NOW) == []
    again.close()
    assert read_runs(path) == [ROW]


def test_what_was_to_be_delivered_is_rescued_as_far_as_it_can_be_read(store, path):
    fill(store)
    one_page_overwritten(path)
    again = Store(path, "this boot")
    rescued = again.pending("team")
    assert len(rescued) == 200
    assert again.notification(rescued[0].id) == MESSAGE
    again.close()


def test_of_damaged_deliveries_those_on_both_sides_of_the_damage_are_rescued(store, path):
    fill(store, 1000)
    with closing(sqlite3.connect(path)) as db:
        pages = len(path.read_bytes()) // PAGE
        texts = [number for number in range(pages) if b"detected_at" in path.read_bytes()[number * PAGE :][:PAGE]]
        assert db.execute("SELECT count(*) FROM delivery").fetchone() == (1000,)
    overwrite(path, texts[len(texts) // 2] * PAGE, b"\xa5" * PAGE)
    again = Store(path, "this boot")
    rescued = len(again.pending("team"))
    assert 900 < rescued < 1000
    again.close()


def test_damage_met_in_the_midst_of_work_costs_no_verdict(store, path):
    store.record([Record(replace(ROW, key=f"run {n}"), notices=[Notice(MESSAGE, ["team"])]) for n in range(200)], NOW)
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store._db.execute("PRAGMA shrink_memory")  # what is still in memory is not read from the disk
    generation = store.generation
    garbage(path)
    assert store.record([Record(ROW, opened=[incident()], notices=[Notice(MESSAGE, ["team"])])], NOW) == []
    assert (store.replaced, store.generation) == (set_aside(path)[0], generation + 1)
    assert ROW in [run.row for run in store.unfinished(NOW).runs]
    store.close()
    assert ROW in read_runs(path)


def test_a_damaged_log_costs_only_what_it_held(store, path):
    store.record([Record(ROW)], NOW)
    store.checkpoint()
    store.record([Record(replace(ROW, key="later"))], NOW)
    kept = path.with_name("kept.db")
    shutil.copy(path, kept)
    shutil.copy(files.beside(path, "-wal"), files.beside(kept, "-wal"))
    log = files.beside(kept, "-wal")
    log.write_bytes(log.read_bytes()[:32] + b"\xa5" * 10_000)
    again = Store(kept, "this boot")
    assert [run.row for run in again.unfinished(NOW).runs] == [ROW]
    assert again.replaced is None
    again.close()


def test_an_empty_file_is_simply_new(path):
    path.touch()
    store = Store(path, "this boot")
    store.record([Record(ROW)], NOW)
    assert (store.replaced, store.generation) == (None, 1)
    store.close()


def test_a_folder_in_its_place_is_left_alone(path):
    path.mkdir()
    store = Store(path, "this boot")
    with pytest.raises(StoreUnusable, match="unable to open"):
        store.open()
    path.rmdir()
    assert store.record([Record(ROW)], NOW) == []
    store.close()


def test_only_the_latest_damaged_databases_are_kept_and_none_is_overwritten(path):
    texts = [f"diary {number} ".encode() * 100 for number in range(5)]
    for text in texts:
        path.write_bytes(text)
        store = Store(path, "this boot")
        store.open()
        store.close()
    assert sorted(path.with_name(name).read_bytes() for name in set_aside(path)) == texts[2:]


@pytest.mark.parametrize("harm", ["emptied", "table lost"])
def test_a_database_that_is_spoiled_while_it_is_open_is_begun_anew(store, path, harm):
    store.record([Record(ROW)], NOW)
    if harm == "emptied":
        store.checkpoint()
        os.truncate(path, 0)
    else:
        with closing(sqlite3.connect(path)) as other:
            other.execute("DROP TABLE worker")
    assert store.record([Record(ROW, workers=[worker()])], NOW) == []
    assert [run.row for run in store.unfinished(NOW).runs] == [ROW]


def test_a_database_that_is_taken_away_is_begun_anew(store, path):
    store.record([Record(ROW)], NOW)
    path.unlink()
    assert store.record([Record(replace(ROW, key="next"))], NOW) == []
    assert (store.generation, store.replaced) == (2, None)
    store.close()
    assert [row.key for row in read_runs(path)] == ["next"]


def test_a_damaged_database_is_told_in_a_line_to_who_reads_it(store, path):
    fill(store)
    garbage(path)
    with pytest.raises(StoreError, match="damaged"):
        read_runs(path)


def test_what_was_rescued_is_kept_until_the_new_database_can_be_written(store, path, monkeypatch):
    def fails(*_):
        raise sqlite3.OperationalError("database or disk is full")

    fill(store)
    one_page_overwritten(path)
    again = Store(path, "this boot")
    with monkeypatch.context() as full:
        full.setattr("epochwatchd.store.outbox._put_notification", fails)
        with pytest.raises(StoreUnusable, match="full"):
            again.open()
    assert len(again.pending("team")) == 200
    again.close()
