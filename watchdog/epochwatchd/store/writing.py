"""What one run's judgement changes, written row by row within somebody's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from epochwatchd.model import Incident, Moment, Worker
from epochwatchd.store import outbox, records
from epochwatchd.store.faults import is_damage, is_of_the_surroundings
from epochwatchd.store.records import RUN_COLUMNS, Record, RunRow


def write_each(
    db: sqlite3.Connection, items: Iterable[Record], moment: Moment, boot: str
) -> list[tuple[Record, Exception]]:
    """Write records, each as a whole or not at all; gives those that cannot be written, and why.

    Faults of the surroundings, and damage, are raised: whatever else is written would meet them too.
    """
    refused: list[tuple[Record, Exception]] = []
    for item in items:
        db.execute("SAVEPOINT item")
        try:
            write(db, item, moment, boot)
        except Exception as e:
            if is_of_the_surroundings(e) or is_damage(e):
                raise
            db.execute("ROLLBACK TO item")
            refused.append((item, e))
        db.execute("RELEASE item")
    return refused


def write(db: sqlite3.Connection, item: Record, moment: Moment, boot: str) -> None:
    """Write one record."""
    db.execute(_UPSERT_RUN, _run_values(item.run))
    if item.run.ended_wall is None:
        rows = [(w.key, item.run.key, records.worker_snapshot(w, moment, boot), moment.wall) for w in item.workers]
        db.executemany(_UPSERT_WORKER, rows)
    else:  # nobody goes on watching it
        db.execute("DELETE FROM worker WHERE run_key = ?", (item.run.key,))
    db.executemany(_UPSERT_INCIDENT, [_incident_values(i, moment) for i in item.opened])
    db.executemany("UPDATE incident SET closed_wall = ? WHERE id = ?", [(moment.wall, i.id) for i in item.closed])
    db.executemany(
        "INSERT OR REPLACE INTO lesson VALUES (?, ?, ?, ?, ?)",
        [(*pupil(worker), records.history_json(learned), moment.wall) for worker, learned in item.lessons],
    )
    for notice in item.notices:
        outbox.put(db, notice, moment.wall)


def pupil(worker: Worker) -> tuple[str, str, int]:
    """Whose lessons a worker's are: its user's, job's, rank's. Who only says to be somebody teaches nobody else."""
    return (
        worker.user if worker.uid is not None else f"?{worker.user}",
        worker.body.job,
        -1 if worker.body.rank is None else worker.body.rank,
    )


def _run_values(run: RunRow) -> tuple[Any, ...]:
    values = (getattr(run, column) for column in RUN_COLUMNS)
    return tuple(records.to_json(value) if isinstance(value, Mapping) else value for value in values)


def _incident_values(incident: Incident, moment: Moment) -> tuple[Any, ...]:
    finding = incident.finding
    return (
        incident.id, incident.run_key, finding.kind, finding.severity, moment.wall_of(finding.since),
        records.cause_json(finding.cause), incident.opened_wall, records.to_json(dict(incident.notified_wall)),
        incident.times,
    )  # fmt: skip


_UPSERT_RUN = (
    f"INSERT INTO run ({', '.join(RUN_COLUMNS)}) VALUES ({', '.join('?' * len(RUN_COLUMNS))})"  # noqa: S608 - our own names
    f" ON CONFLICT (key) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in RUN_COLUMNS[1:])}"
)
_UPSERT_WORKER = """
INSERT INTO worker (key, run_key, snapshot, watched_wall) VALUES (?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    run_key = excluded.run_key, snapshot = excluded.snapshot, watched_wall = excluded.watched_wall
"""
_UPSERT_INCIDENT = """
INSERT INTO incident (id, run_key, kind, severity, since_wall, cause, opened_wall, notified, times)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, cause = excluded.cause, notified = excluded.notified
"""
