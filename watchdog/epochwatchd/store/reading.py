"""The database as ``epochwatchd status`` reads it: without a lock, whether a daemon has it open or not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

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


class Letters(NamedTuple):
    """What one channel has not taken: how many messages, the youngest one's job, kind and time, the latest error."""

    channel: str
    state: str
    number: int
    job: str | None
    kind: str | None
    created_wall: float
    error: str | None


def read_letters(path: Path) -> list[Letters]:
    """The messages that wait for another try, or are dead letters, by channel. Raises StoreError."""
    with _reading(path) as db:
        if "done" not in {column["name"] for column in db.execute("PRAGMA table_info(delivery)")}:
            return []  # of an older daemon that still runs
        return [_letters(row) for row in db.execute(_LETTERS)]


def _letters(row: Any) -> Letters:
    try:
        told = json.loads(row["content"])
        job, kind = told["job"], told["kind"]
    except (ValueError, KeyError, TypeError):
        job = kind = None
    return Letters(row["channel"], row["state"], row["n"], job, kind, row["created_wall"], row["error"])


_LETTERS = """
SELECT channel, state, count(*) AS n, max(delivery.id), content, created_wall, error
FROM delivery JOIN notification ON notification.id = notification_id
WHERE state IN ('pending', 'dead') AND attempts > 0 GROUP BY channel, state ORDER BY state, channel
"""
"""With ``max`` the other columns are those of the row that has it: https://sqlite.org/lang_select.html#bareagg"""


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
