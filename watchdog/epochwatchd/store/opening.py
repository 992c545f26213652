"""A connection to the database: made where there is none, brought to the present format, looked at for damage."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from importlib.resources import files as package_files
from pathlib import Path

from epochwatchd.store import files
from epochwatchd.store.faults import DamagedError, StoreRefused
from epochwatchd.store.formats import SCHEMA_VERSION, migrate

BUSY_S = 0.25
"""How long a verdict waits for somebody else who writes to the database; then the next tick tries again."""
LOG_BYTES = 1024 * 1024
"""What is left of the log on the disk once all of it is in the database."""
LOG_MOST_BYTES = 16 * 1024 * 1024
CHECKPOINT_BUSY_S = 5.0


def open_database(path: Path) -> sqlite3.Connection:
    """The database of the daemon, in the present format.

    Raises StoreRefused; DamagedError; sqlite3.Error or OSError where the surroundings do not let us.
    """
    files.make_private(path)
    db = connect(path)
    try:
        _look(db, path)
        _set_up(db)
        migrate(db, path, schema())
        _check(db)
    except sqlite3.IntegrityError as e:  # rows that no daemon has written
        db.close()
        raise DamagedError(str(e)) from e
    except BaseException:
        db.close()
        raise
    return db


def connect(path: Path, *, mode: str = "rw", timeout_s: float = BUSY_S, options: str = "") -> sqlite3.Connection:
    """A connection in which transactions are begun by hand. Text is read whatever its bytes are."""
    uri = f"{path.absolute().as_uri()}?mode={mode}{options}"
    db = sqlite3.connect(uri, uri=True, timeout=timeout_s, isolation_level=None)
    db.row_factory = sqlite3.Row
    db.text_factory = partial(str, encoding="utf-8", errors="replace")
    return db


def bring_in(path: Path) -> None:
    """Bring the log into the database, by a connection of its own. Verdicts go on, but where the log has grown long.

    The next writer begins the log anew and cuts what is longer than LOG_BYTES: one who always writes leaves no time for
    that, so that a long log is cut here, while writers wait.
    """
    with closing(connect(path, timeout_s=CHECKPOINT_BUSY_S)) as db:
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        if files.beside(path, "-wal").stat().st_size > LOG_MOST_BYTES:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def schema() -> str:
    """The statements that make an empty database."""
    return package_files(__package__).joinpath("schema.sql").read_text("utf-8")


def version_of(db: sqlite3.Connection, path: Path) -> int:
    """The format of a database; 0: it is empty. Raises StoreRefused for a newer one, or another program's."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        hint = "install that version again, or set store.path"
        raise StoreRefused(f"{path}: it was written by a newer epochwatchd (format {version}); {hint}")
    tables = {name for name, _ in shape(db)}
    if tables and "run" not in tables:
        raise StoreRefused(f"{path}: this is the database of another program; set store.path")
    return version


def shape(db: sqlite3.Connection) -> set[tuple[str, str]]:
    """Every table and column of a database."""
    query = "SELECT t.name, c.name FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table'"
    return {(table, column) for table, column in db.execute(query)}


def _set_up(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL never corrupts and loses nothing when the process dies; FULL would also sync at every commit,
    # to survive a power cut, at milliseconds each.
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")  # no verdict waits for the disk: see ``Store.checkpoint``
    db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    db.execute("PRAGMA foreign_keys = ON")


def _look(db: sqlite3.Connection, path: Path) -> None:
    try:
        version_of(db, path)
    except sqlite3.DatabaseError as e:
        if '"STRICT"' in str(e):
            hint = "start it once with a Python whose SQLite is 3.37 or newer"
            raise StoreRefused(f"{path}: an older epochwatchd wrote it for a newer SQLite; {hint}") from e
        raise
    found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    if found != "ok":
        raise DamagedError(found)


def _check(db: sqlite3.Connection) -> None:
    """Whether every table and column is there: a database can be whole, and still not what its format says."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(schema())
        missing = shape(fresh) - shape(db)
    if missing:
        raise DamagedError(f"no {'.'.join(min(missing))} is in it")
