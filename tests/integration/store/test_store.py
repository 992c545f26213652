import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from builders import WALL, beat, incident, moment, worker

from epochwatch.wire import Body
from epochwatchd.model import Cause, Notification, Pace, Rhythm, Windows
from epochwatchd.store import Record, Store, StoreError, read_runs
from epochwatchd.store.records import RunRow

NOW = moment(100.0)
ROW = RunRow("run", "digits", "r1", "gpu01", "mina", 42, "running", WALL, None, WALL, WALL, None, {"epoch": 3})
MESSAGE = Notification(
    "id-silent", "silent", "firing", "first", "critical", "digits", "r1", "gpu01", "mina", 42, None,
    "2027-01-15T08:00:00.000Z", "2027-01-15T08:00:01.000Z", None, {"epoch": 3}, 12.5, "text",
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "epochwatch.db"


@pytest.fixture
def store(path):
    store = Store(path, "this boot")
    yield store
    store.close()


def reopened(store, boot="this boot"):
    store.close()
    return Store(store.path, boot)


def test_what_was_recorded_is_there_after_a_restart(store):
    watched = worker((0.0, beat(7, epoch=3.0, loss=float("inf"))))._replace(rhythm=Rhythm(2.5), not_finite_at=50.0)
    open_ = incident(notified_wall={"team": WALL})
    store.record([Record(ROW, workers=[watched], opened=[open_], notices=[(MESSAGE, ["team", "hook"])])], NOW)
    again = reopened(store)
    [(row, [restored], [same])] = again.unfinished(moment(200.0))
    assert row == ROW
    assert restored == watched
    assert (same.id, same.finding.kind, same.notified_wall) == (open_.id, "silent", {"team": WALL})
    assert [d.notification for d in again.pending("team")] == [MESSAGE]
    again.close()


def test_after_a_reboot_times_are_moved_to_the_new_clock(store):
    store.record([Record(ROW, workers=[worker((90.0, beat()))])], NOW)
    again = reopened(store, "another boot")
    [(_, [restored], _)] = again.unfinished(moment(5.0)._replace(wall=NOW.wall + 60.0))
    assert restored.beat_at == pytest.approx(5.0 - 70.0)
    again.close()


def test_what_steps_took_survives_and_is_moved_to_the_new_clock(store):
    pace = Pace(80.0, 85.0, 3.0, True, Windows(7, 60.0, (0.5, 0.25), (2.0,), 30.0))
    store.record([Record(ROW, workers=[worker((90.0, beat()))._replace(pace=pace)])], NOW)
    [(_, [restored], _)] = store.unfinished(NOW)
    assert restored.pace == pace
    again = reopened(store, "another boot")
    [(_, [moved], _)] = again.unfinished(moment(5.0)._replace(wall=NOW.wall + 60.0))
    assert moved.pace == Pace(-75.0, -70.0, 3.0, True, Windows(7, -95.0, (0.5, 0.25), (2.0,), -125.0))
    again.close()


def test_until_when_it_was_watched_is_told_by_what_was_stored_last(store):
    assert store.watched_wall() is None
    store.record([Record(ROW, workers=[worker((90.0, beat()))])], NOW)
    assert store.watched_wall() == NOW.wall
    store.record([Record(replace(ROW, key="other", ended_wall=NOW.wall + 5.0))], NOW)
    assert store.watched_wall() == NOW.wall + 5.0


def test_a_cause_survives_with_its_details_and_evidence(store):
    made = incident()
    made = replace(made, finding=replace(made.finding, cause=Cause("signal", {"signal": "SIGKILL"}, ("a", "b"))))
    store.record([Record(ROW, opened=[made])], NOW)
    [(_, _, [restored])] = store.unfinished(NOW)
    assert restored.finding.cause == made.finding.cause


def test_a_closed_incident_and_an_ended_run_are_not_taken_up_again(store):
    store.record([Record(ROW, opened=[incident()])], NOW)
    store.record([Record(replace(ROW, ended_wall=NOW.wall), closed=[incident()])], NOW)
    assert store.unfinished(NOW) == []
    assert store.ended_wall("run") == NOW.wall
    assert store.ended_wall("another") is None


def test_all_or_nothing(store):
    unwritable = replace(ROW, key="other", progress={"epoch": object()})
    with pytest.raises(TypeError):
        store.record([Record(ROW, notices=[(MESSAGE, ["team"])]), Record(unwritable)], NOW)
    assert store.unfinished(NOW) == []
    assert store.pending("team") == []


def test_deliveries_come_in_order_and_leave_once_delivered(store):
    store.record([Record(ROW, notices=[(MESSAGE, ["team"]), (replace(MESSAGE, reason="repeat"), ["team"])])], NOW)
    first, second = store.pending("team")
    assert store.pending("team", after=first.id) == [second]
    store.mark_delivered(first.id)
    store.mark_failed(second.id, "no answer", dead=False)
    assert [(d.id, d.attempts) for d in store.pending("team")] == [(second.id, 1)]


def test_dead_letters_are_kept_and_revived(store):
    store.record([Record(ROW, notices=[(MESSAGE, ["team"])])], NOW)
    [letter] = store.pending("team")
    store.mark_failed(letter.id, "404 no_service", dead=True)
    assert store.pending("team") == []
    assert store.pending_counts() == {("team", "dead"): 1}
    assert store.revive_dead(0.0) == 1
    assert len(store.pending("team")) == 1


def test_pruning_forgets_ended_runs_only(store):
    store.record([Record(ROW), Record(replace(ROW, key="old", ended_wall=WALL - 10.0), workers=[worker()])], NOW)
    assert store.prune(WALL) == 1
    assert [row.key for row in read_runs(store.path)] == ["run"]


def make_it_old(store):
    """Turn the database into the one that a daemon of the first format would have written."""
    store.close()
    newer = store.path.rename(store.path.with_name("newer.db"))
    with closing(sqlite3.connect(store.path)) as db:
        db.executescript(Path(__file__).with_name("schema_1.sql").read_text())
        db.execute("ATTACH ? AS newer", (str(newer),))
        for table in ("run", "worker", "incident"):
            columns = ", ".join(column[1] for column in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table} SELECT {columns} FROM newer.{table}")
        db.execute("UPDATE main.worker SET snapshot = json_remove(snapshot, '$.pace', '$.patience.stands')")
        db.execute("PRAGMA main.user_version = 1")
        db.commit()


def test_a_daemon_goes_on_with_the_database_of_an_older_one(store):
    watched = worker((0.0, beat(7, epoch=3.0)))
    store.record([Record(ROW, workers=[watched], opened=[incident()])], NOW)
    make_it_old(store)
    again = Store(store.path, "this boot")
    [(row, [restored], [_])] = again.unfinished(NOW)
    assert (row, restored) == (ROW, watched._replace(pace=Pace()))
    assert again.expect(["nightly"], WALL) == {"nightly": WALL}
    again.record([Record(replace(ROW, suspected={"code": "slow"}))], NOW)
    again.close()
    assert [row.suspected_of for row in read_runs(store.path)] == ["slow"]


def test_the_database_of_an_older_daemon_that_still_runs_can_be_shown(store):
    store.record([Record(ROW)], NOW)
    make_it_old(store)
    assert read_runs(store.path) == [ROW]


@pytest.mark.usefixtures("store")
def test_a_second_daemon_is_refused(path):
    with pytest.raises(StoreError, match="another epochwatchd"):
        Store(path, "this boot")


def test_a_database_of_a_newer_epochwatchd_is_left_alone(store, path):
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="newer"):
        Store(path, "this boot")


def test_a_worker_of_an_earlier_version_has_no_estimate_yet(store):
    store.record([Record(ROW, workers=[worker()._replace(estimate_s=60.0)])], NOW)
    with store._db as db:
        db.execute("UPDATE worker SET snapshot = json_remove(snapshot, '$.estimate_s')")
    [(_, [restored], _)] = store.unfinished(NOW)
    assert restored == worker()


def test_what_is_no_longer_expected_is_forgotten(store):
    assert store.expect(["a", "b"], WALL) == {"a": WALL, "b": WALL}
    store.settle("a", WALL + 5.0)
    assert store.expect(["a"], WALL + 9.0) == {"a": WALL + 5.0}
    assert store.expect(["a", "b"], WALL + 10.0) == {"a": WALL + 5.0, "b": WALL + 10.0}


def test_what_was_missing_is_no_run_that_began(store):
    store.record([Record(ROW), Record(replace(ROW, key="r2", started_wall=WALL + 5.0))], NOW)
    store.record([Record(replace(ROW, key="expected:d*", job="d*", verdict="missing"))], NOW)
    assert store.latest_begins() == [("digits", WALL + 5.0)]


def test_what_is_no_database_is_named(path):
    path.write_bytes(b"this is a diary, not a database" * 100)
    with pytest.raises(StoreError, match=r"epochwatch\.db"):
        Store(path, "this boot")


def test_a_body_with_everything_in_it_survives(store):
    body = Body("j", run="r", argv=("a", "b"), tags={"k": "v"}, metrics={"acc": 0.5}, tail=("x",), announces_end=True)
    store.record([Record(ROW, workers=[worker((0.0, beat(1, body)))])], NOW)
    [(_, [restored], _)] = store.unfinished(NOW)
    assert restored.body == body
