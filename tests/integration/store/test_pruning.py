"""What is old is forgotten slice by slice, and nothing else."""

from dataclasses import replace

from builders import WALL, incident, worker
from stored import MESSAGE, NOW, ROW

from epochwatchd.detection.silence import SilenceHistory
from epochwatchd.model import Notice
from epochwatchd.store import Record, read_runs

OLD = NOW._replace(wall=WALL - 1000.0)


def old_run(number, incidents=1):
    """A run that ended long ago, with its incidents, a message and a lesson."""
    key = f"old {number}"
    opened = [replace(incident(), id=f"{key} {i}", run_key=key) for i in range(incidents)]
    told = Notice(replace(MESSAGE, id=f"{key} 0"), ["team", "hook"])
    lesson = (worker()._replace(user=key), SilenceHistory())
    row = replace(ROW, key=key, ended_wall=WALL - 1000.0)
    return Record(row, opened=opened, closed=opened, notices=[told], lessons=[lesson])


def count(store, table):
    return store._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def prune_all(store, limit):
    slices = []
    while slices[-1:] != [0]:
        slices.append(store.prune(WALL, limit))
    return slices


def test_what_ended_long_ago_is_forgotten_with_all_that_hangs_on_it(store, path):
    store.record([old_run(n) for n in range(10)], OLD)
    store.record([Record(ROW, opened=[incident()], notices=[Notice(MESSAGE, ["team"])])], NOW)
    slices = prune_all(store, 7)
    assert max(slices) == 7
    assert sum(slices) == 10 + 10 + 10 + 10  # runs, incidents, messages, lessons
    assert [row.key for row in read_runs(path)] == ["run"]
    tables = ("run", "incident", "notification", "delivery", "lesson")
    assert [count(store, table) for table in tables] == [1, 1, 1, 1, 0]


def test_no_slice_is_longer_than_asked_for_however_many_incidents_a_run_had(store):
    store.record([old_run(0, incidents=50), old_run(1, incidents=0)], OLD)
    assert prune_all(store, 20)[:2] == [20, 20]
    assert count(store, "incident") == 0
    assert count(store, "run") == 0


def test_what_an_open_incident_has_still_to_deliver_is_not_forgotten(store):
    still_open = Record(ROW, opened=[incident()], notices=[Notice(MESSAGE, ["team"])])
    over = Notice(replace(MESSAGE, id="id-over"), ["team"])
    store.record([still_open, Record(replace(ROW, key="other"), notices=[over])], OLD)
    store.record([Record(replace(ROW, key="next"), notices=[over])], NOW)
    prune_all(store, 10)
    assert [d.incident for d in store.pending("team")] == [MESSAGE.id, "id-over"]
    first = store.pending("team")[0]
    store.mark([(first.id, ())], "delivered", None, None)
    prune_all(store, 10)
    assert [d.incident for d in store.pending("team")] == ["id-over"]


def test_deliveries_of_later_are_found_behind_those_that_were_forgotten(store):
    store.record([old_run(0)], OLD)
    [last] = store.pending("team")
    store.mark([(last.id, ())], "delivered", None, None)
    prune_all(store, 10)
    store.record([Record(ROW, notices=[Notice(MESSAGE, ["team"])])], NOW)
    assert [d.incident for d in store.pending("team", after=last.id)] == [MESSAGE.id]
