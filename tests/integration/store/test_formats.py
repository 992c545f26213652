"""Databases that other versions have written."""

import json
import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from builders import WALL, beat, incident, worker
from stored import MESSAGE, NOW, ROW

from epochwatchd.model import Moment, Notice, Pace
from epochwatchd.store import Record, Store, StoreRefused, StoreUnusable, read_runs
from epochwatchd.store.records import worker_from

OLDEST = Path(__file__).with_name("schema_1.sql").read_text("utf-8")
IS_STRICT = sqlite3.sqlite_version_info >= (3, 37)
FIRST = ("run", "worker", "notification", "delivery", "incident")
"""The tables of the first format."""


def make_it_old(store):
    """Turn the database into the one that a daemon of the first format would have written."""
    store.close()
    newer = store.path.rename(store.path.with_name("newer.db"))
    with closing(sqlite3.connect(store.path)) as db:
        db.executescript(OLDEST if IS_STRICT else OLDEST.replace(") STRICT", ")"))
        db.execute("ATTACH ? AS newer", (str(newer),))
        for table in FIRST:
            columns = ", ".join(column[1] for column in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
        for key, text in db.execute("SELECT key, snapshot FROM main.worker").fetchall():
            said = json.loads(text)
            said["patience"] = said.pop("history")
            del said["pace"], said["patience"]["stands"]
            db.execute("UPDATE main.worker SET snapshot = ? WHERE key = ?", (json.dumps(said), key))
        db.execute("PRAGMA main.user_version = 1")
        db.commit()


def test_a_daemon_goes_on_with_the_database_of_an_older_one(store):
    watched = worker((0.0, beat(7, epoch=3.0)))
    store.record([Record(ROW, workers=[watched], opened=[incident()])], NOW)
    make_it_old(store)
    again = Store(store.path, "this boot")
    [(row, [restored], [_], *_)], [] = again.unfinished(NOW)
    assert (row, restored) == (ROW, watched._replace(pace=Pace()))
    assert again.expect(["nightly"], WALL) == {"nightly": WALL}
    again.record([Record(replace(ROW, suspected={"code": "slow"}))], NOW)
    again.close()
    assert [row.suspected_of for row in read_runs(store.path)] == ["slow"]


def test_the_database_of_an_older_daemon_that_still_runs_can_be_shown(store):
    store.record([Record(ROW)], NOW)
    make_it_old(store)
    assert read_runs(store.path) == [ROW]


def test_what_waits_to_be_delivered_survives_a_new_format(store):
    store.record([Record(ROW, notices=[Notice(MESSAGE, ["team", "hook"])])], NOW)
    make_it_old(store)
    again = Store(store.path, "this boot")
    [delivery] = again.pending("hook")
    assert (delivery.incident, delivery.user, delivery.critical) == (MESSAGE.id, "mina", True)
    assert again.notification(delivery.id) == MESSAGE
    again.close()


def test_json_that_cannot_be_read_stops_no_new_format(store):
    store.record([Record(ROW, workers=[worker()], notices=[Notice(MESSAGE, ["team"])])], NOW)
    make_it_old(store)
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute("UPDATE worker SET snapshot = '['")
        db.execute("UPDATE notification SET content = '[1]'")
    again = Store(store.path, "this boot")
    assert [key for key, _ in again.unfinished(NOW).unreadable] == ["run"]
    [delivery] = again.pending("team")
    assert again.notification(delivery.id) is None
    again.close()


def test_the_database_is_kept_as_it_was_before_a_new_format(store):
    store.record([Record(ROW)], NOW)
    make_it_old(store)
    again = Store(store.path, "this boot")
    again.open()
    again.close()
    copy = store.path.with_name("epochwatch.db.format-1")
    assert read_runs(copy) == [ROW]
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert copy.stat().st_mode & 0o777 == 0o640


def test_a_new_format_that_fails_half_way_leaves_the_old_one(store, monkeypatch):
    def fails(_):
        raise sqlite3.OperationalError("database or disk is full")

    store.record([Record(ROW)], NOW)
    make_it_old(store)
    again = Store(store.path, "this boot")
    with monkeypatch.context() as full:
        full.setattr("epochwatchd.store.formats._fill", fails)
        with pytest.raises(StoreUnusable, match="full"):
            again.open()
    assert [run.row for run in again.unfinished(NOW).runs] == [ROW]
    again.close()


def test_a_database_of_a_newer_epochwatchd_is_left_alone(store, path):
    store.record([Record(ROW)], NOW)
    store.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match="newer"):
        Store(path, "this boot").open()
    with pytest.raises(StoreRefused, match="newer"):
        read_runs(path)
    assert path.read_bytes() == before


def test_the_database_of_another_program_is_left_alone(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipe (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match="another program"):
        Store(path, "this boot").open()
    assert path.read_bytes() == before


@pytest.mark.skipif(IS_STRICT, reason="this SQLite reads STRICT tables")
def test_a_strict_database_is_left_alone_by_an_sqlite_that_knows_no_strict_tables(path):
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE run (key TEXT)")
        db.execute("PRAGMA user_version = 1")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = sql || ' STRICT'")
    with pytest.raises(StoreRefused, match=r"3\.37"):
        Store(path, "this boot").open()


def test_a_worker_of_an_earlier_version_has_no_estimate_yet(store):
    store.record([Record(ROW, workers=[worker()._replace(estimate_s=60.0)])], NOW)
    [(text,)] = store._db.execute("SELECT snapshot FROM worker").fetchall()
    said = {name: value for name, value in json.loads(text).items() if name != "estimate_s"}
    store._db.execute("UPDATE worker SET snapshot = ?", (json.dumps(said),))
    [(_, [restored], _, *_)], [] = store.unfinished(NOW)
    assert restored == worker()


def test_a_worker_stored_before_its_parts_were_renamed_goes_on_with_all_it_has_learned():
    snapshot = (Path(__file__).parent / "snapshot_of_the_first_epochwatch.json").read_text("utf-8")
    before = json.loads(snapshot)
    at = Moment(*before["moment"])
    known = worker_from("/w", snapshot, at, "this boot")
    assert (known.head.seq, known.body.job, known.uid, known.beats) == (899, "digits", 1000, 898)
    assert math.isnan(known.body.metrics["acc"])
    assert known.history.lived_s == before["patience"]["lived_s"]
    assert known.history.ends.seen == before["patience"]["ends"][0] > 0
    assert known.pace.windows.usual == tuple(before["pace"][4][2])
    rebooted = worker_from("/w", snapshot, Moment(10.0, at.wall + 100.0), "another boot")
    assert rebooted.beat_at == pytest.approx(10.0 - 100.0 - (at.mono - known.beat_at))
    assert rebooted.pace_from == (known.pace_from[0], pytest.approx(known.pace_from[1] - at.mono - 90.0))
