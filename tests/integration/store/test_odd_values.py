"""One run's bad row is its own fault: whatever cannot be written, or read again, harms no other."""

import json
import math
import sqlite3
from dataclasses import replace

import pytest
from builders import beat, worker
from stored import MESSAGE, NOW, ROW

from epochwatch.wire import Body
from epochwatchd.model import Notice, Spread
from epochwatchd.store import Record


def test_a_record_that_cannot_be_written_is_given_back_and_others_are_written(store):
    odd = [
        ({"job": "lone \udce9"}, UnicodeEncodeError),
        ({"pid": 2**64}, OverflowError),
        ({"progress": {"epoch": object()}}, TypeError),
        ({"since_wall": float("nan")}, sqlite3.IntegrityError),
    ]
    records = [
        Record(replace(ROW, key=f"odd {number}", **changes), notices=[Notice(MESSAGE, ["team"])])
        for number, (changes, _) in enumerate(odd)
    ]
    good = Record(ROW, notices=[Notice(MESSAGE, ["team"])])
    refused = store.record([*records[:2], good, *records[2:]], NOW)
    assert [(record, type(error)) for record, error in refused] == list(
        zip(records, [kind for _, kind in odd], strict=True)
    )
    assert [run.row for run in store.unfinished(NOW).runs] == [ROW]
    assert len(store.pending("team")) == 1


def test_of_a_record_that_cannot_be_written_nothing_is(store):
    notices = [Notice(MESSAGE, ["team"]), Notice(replace(MESSAGE, text="lone \udce9"), ["team"])]
    [(_, error)] = store.record([Record(ROW, workers=[worker()], notices=notices)], NOW)
    assert isinstance(error, UnicodeEncodeError)
    assert store.unfinished(NOW) == ([], [])
    assert store.pending("team") == []


def test_a_run_that_cannot_be_read_is_named_and_others_are_taken_up(store):
    store.record([Record(ROW), Record(replace(ROW, key="odd"), workers=[worker()])], NOW)
    store._db.execute("UPDATE worker SET snapshot = '{'")
    runs, [(key, error)] = store.unfinished(NOW)
    assert [run.row for run in runs] == [ROW]
    assert (key, type(error)) == ("odd", json.JSONDecodeError)


def test_text_that_is_not_utf_8_harms_nobody(store):
    store.record([Record(ROW), Record(replace(ROW, key="odd"))], NOW)
    store._db.execute("UPDATE run SET job = CAST(x'6aff' AS TEXT) WHERE key = 'odd'")
    assert sorted(run.row.job for run in store.unfinished(NOW).runs) == ["digits", "j\ufffd"]
    assert store.ended_wall("lone \udce9") is None


def test_a_message_that_cannot_be_read_is_a_dead_letter_and_stops_no_other(store):
    store.record([Record(ROW, notices=[Notice(MESSAGE, ["team"])] * 3)], NOW)
    store._db.execute("UPDATE notification SET content = '[1, 2' WHERE id = 1")
    store._db.execute("""UPDATE notification SET content = '{"id": "x"}' WHERE id = 2""")
    assert [store.notification(delivery.id) for delivery in store.pending("team")] == [None, None, MESSAGE]
    assert len(store.pending("team")) == 1
    assert store.pending_counts()["team", "dead"] == 2


def test_a_message_of_another_version_is_read_as_far_as_it_is_known(store):
    store.record([Record(ROW, notices=[Notice(MESSAGE, ["team"])])], NOW)
    [(content,)] = store._db.execute("SELECT content FROM notification").fetchall()
    said = {**json.loads(content), "colour": "red"}
    del said["text"], said["version"]
    store._db.execute("UPDATE notification SET content = ?", (json.dumps(said),))
    [delivery] = store.pending("team")
    assert store.notification(delivery.id) == replace(MESSAGE, text="")


def test_numbers_that_json_lacks_are_written_as_texts_and_read_as_numbers(store):
    body = Body("j", run="r", metrics={"a": float("inf"), "b": -float("inf"), "c": 1.5}, tags={"NaN": "NaN"})
    odd = worker((0.0, beat(1, body, loss=float("inf"), phase="Infinity")))
    odd = odd._replace(spread=Spread(3, float("inf"), float("nan")), estimate_s=float("inf"))
    store.record([Record(replace(ROW, progress={"loss": float("nan")}), workers=[odd])], NOW)
    for (text,) in store._db.execute("SELECT snapshot FROM worker UNION ALL SELECT progress FROM run").fetchall():
        json.loads(text, parse_constant=pytest.fail)
    [(_, [restored], _, *_)], [] = store.unfinished(NOW)
    assert math.isnan(restored.spread.variance)
    assert restored._replace(spread=odd.spread) == odd


def test_bare_nan_of_an_older_daemon_is_read(store):
    store.record([Record(ROW, workers=[worker((0.0, beat(1, loss=0.5)))])], NOW)
    store._db.execute("""UPDATE worker SET snapshot = replace(snapshot, '"loss":0.5', '"loss":NaN')""")
    [(_, [restored], _, *_)], [] = store.unfinished(NOW)
    assert math.isnan(restored.head.loss)
    assert store.watched_wall() == NOW.wall
