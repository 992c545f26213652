"""Formats of the database, and how one that an older daemon wrote becomes one of today.

Its tables are made anew from ``schema.sql`` and filled with what the old ones had, in one transaction: so there is one
way from every format to the newest. What the old ones lacked has the default that the schema gives it.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from epochwatchd.store import files

log = logging.getLogger("epochwatchd")

SCHEMA_VERSION = 7
"""1: the first. 2: expectations. 3: suspicions. 4: light deliveries, no STRICT tables (they need SQLite 3.37).
5: how runs were started. 6: handles, recipients. 7: groups, acknowledgements, mutes."""


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing of what the block writes."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def migrate(db: sqlite3.Connection, path: Path, schema: str) -> None:
    """Bring the database to the present format; of an older one a copy is kept beside it."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == SCHEMA_VERSION:
        return
    if version == 0:
        # Ids of deliveries go on from the time in ms: what is said of one of a database that was set aside, or removed
        # under us, must not hit another delivery of its successor.
        first = f"INSERT INTO sqlite_sequence (name, seq) VALUES ('delivery', {int(time.time() * 1000)});"  # noqa: S608 - our own clock
        db.executescript(f"BEGIN IMMEDIATE; {schema} {first} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        return
    copy = files.beside(path, f".format-{version}")
    _copy(db, copy)
    log.info("%s: brought from format %d to %d; it is kept as it was in %s", path, version, SCHEMA_VERSION, copy.name)
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute("PRAGMA legacy_alter_table = ON")  # renaming a table must not rename it where others refer to it
    try:
        _rebuild(db, schema)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.execute("PRAGMA legacy_alter_table = OFF")
        db.execute("PRAGMA foreign_keys = ON")


def _copy(db: sqlite3.Connection, target: Path) -> None:
    unfinished = files.beside(target, ".new")
    unfinished.unlink(missing_ok=True)
    files.create(unfinished)
    with closing(sqlite3.connect(unfinished)) as other:
        db.backup(other)
    unfinished.replace(target)


def _rebuild(db: sqlite3.Connection, schema: str) -> None:
    before = _columns(db)
    indices = db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    clearing = [f"DROP INDEX {index['name']};" for index in indices]
    clearing += [f"ALTER TABLE {table} RENAME TO old_{table};" for table in before]
    db.executescript(f"BEGIN IMMEDIATE; {' '.join(clearing)} {schema}")
    now = _columns(db)
    for table in before.keys() & now.keys():
        both = ", ".join(column for column in now[table] if column in before[table])
        db.execute(f"INSERT INTO {table} ({both}) SELECT {both} FROM old_{table}")  # noqa: S608 - our own names
    _fill(db)
    for table in before:
        db.execute(f"DROP TABLE old_{table}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


def _columns(db: sqlite3.Connection) -> dict[str, list[str]]:
    tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall()
    return {t["name"]: [c["name"] for c in db.execute(f"PRAGMA table_info({t['name']})")] for t in tables}


def _fill(db: sqlite3.Connection) -> None:
    """What format 4 and newer have in columns of its own, from the JSON where it stood before.

    JSON that cannot be read stays as it is, for those who read it one by one and name it.
    """
    db.execute("DELETE FROM worker WHERE run_key IN (SELECT key FROM run WHERE ended_wall IS NOT NULL)")
    for key, text in db.execute("SELECT key, snapshot FROM worker").fetchall():
        with suppress(ValueError, KeyError, TypeError, IndexError):
            db.execute("UPDATE worker SET watched_wall = ? WHERE key = ?", (json.loads(text)["moment"][1], key))
    undone = "SELECT notification_id FROM delivery WHERE state IN ('pending', 'dead')"
    db.execute(f"UPDATE notification SET content = '' WHERE id NOT IN ({undone})")  # noqa: S608 - our own words
    for number, text in db.execute("SELECT id, content FROM notification WHERE content <> ''").fetchall():
        with suppress(ValueError, KeyError, TypeError):
            said = json.loads(text)
            db.execute(
                "UPDATE notification SET incident = ?, user = ?, critical = ? WHERE id = ?",
                (said["id"], said["user"], said["severity"] == "critical", number),
            )
