"""The database as ``epochwatchd status`` reads it: without a lock, whether a daemon has it open or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from epochwatchd.store import files
from epochwatchd.store.faults import DamagedError, StoreError, explained
from epochwatchd.store.opening import connect, version_of
from epochwatchd.store.records import RunRow, run_from

PATIENCE_S = 5.0


def read_runs(path: Path) -> list[RunRow]:
    """Every run, the latest first. Raises StoreError."""
    with _reading(path) as db:
        return _rows(db.execute("SELECT * FROM run ORDER BY started_wall DESC"))


def read_recent(path: Path, since_wall: float, most: int | None) -> tuple[list[RunRow], int]:
    """The runs that go on and, the latest first, at most so many that ended since then; and how many more did.

    What was missing and has begun is shown as the run that it is, and what is well again not at all. Raises StoreError.
    """
    ended = "FROM run WHERE ended_wall > ? AND verdict NOT IN ('missing', 'watchdog')"
    with _reading(path) as db:
        running = _rows(db.execute("SELECT * FROM run WHERE ended_wall IS NULL ORDER BY started_wall DESC"))
        count = int(db.execute(f"SELECT count(*) {ended}", (since_wall,)).fetchone()[0])
        shown = count if most is None else min(most, count)
        latest = _rows(db.execute(f"SELECT * {ended} ORDER BY ended_wall DESC LIMIT ?", (since_wall, shown)))
        return running + latest, count - shown


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    # Without a log nobody has it open: then nothing may be written beside it either, where only its group reads it.
    options = "" if files.beside(path, "-wal").exists() else "&immutable=1"
    try:
        with explained(path), closing(connect(path, mode="ro", timeout_s=PATIENCE_S, options=options)) as db:
            if version_of(db, path) == 0:
                raise StoreError(f"{path}: nothing is in it yet; `epochwatchd serve` begins it")
            db.execute("BEGIN")  # one view of everything that is read
            yield db
    except (DamagedError, sqlite3.Error) as e:
        raise StoreError(f"{path}: the database is damaged ({e}); a daemon that starts sets it aside") from e


def _rows(rows: sqlite3.Cursor) -> list[RunRow]:
    return [_shown(row) for row in rows]


def _shown(row: Any) -> RunRow:
    """A run whose JSON cannot be read is shown without it."""
    try:
        return run_from(row)
    except ValueError:
        return run_from({**dict(row), "progress": "{}", "suspected": None, "about": None})
