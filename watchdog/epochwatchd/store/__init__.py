"""The memory of the watchdog: one SQLite database in WAL mode.

Every verdict, its incident, its notification and one delivery row per channel are written in one transaction, before
anything is sent: killed at any instant, the watchdog has either not judged yet or will still deliver.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from epochwatchd.detection import patience
from epochwatchd.detection.patience import Patience
from epochwatchd.model import Delivery, EpochwatchError, Incident, Moment, Notification, Worker
from epochwatchd.store import records
from epochwatchd.store.records import RunRow

MIGRATIONS = (
    "CREATE TABLE expectation (key TEXT PRIMARY KEY, settled_wall REAL NOT NULL) STRICT",
    "ALTER TABLE run ADD COLUMN suspected TEXT",
)
"""What makes of each format the next one, the oldest first. ``schema.sql`` is the newest."""
SCHEMA_VERSION = 1 + len(MIGRATIONS)
BUSY_S = 0.25
"""How long a verdict waits for somebody else who writes to the database; then the next tick tries again."""
REVIVE_DEAD_S = 2 * 86400.0
"""Dead letters this young are tried again when the daemon starts: somebody has probably mended the channel."""


class StoreError(EpochwatchError):
    """The database cannot be used; the text says why and what to do."""


class StoreRefused(StoreError):
    """The daemon must not start with it: it is another's, or of a newer format."""


class StoreUnusable(StoreError):
    """It cannot be used now (full disk, no permission, locked, …), which may pass by itself."""


class StoredRun(NamedTuple):
    """A run that has not ended, as it was stored."""

    row: RunRow
    workers: list[Worker]
    incidents: list[Incident]


class Unfinished(NamedTuple):
    """The runs that have not ended, and the keys of those that cannot be read, with why."""

    runs: list[StoredRun]
    unreadable: list[tuple[str, Exception]]


@dataclass(frozen=True, slots=True)
class Record:
    """What one run's judgement changes, to be written in one transaction.

    ``lessons``: what workers that have ended leave to the next run of their job.
    """

    run: RunRow
    workers: Sequence[Worker] = ()
    opened: Sequence[Incident] = ()
    closed: Sequence[Incident] = ()
    notices: Sequence[tuple[Notification, Sequence[str]]] = ()
    lessons: Sequence[tuple[Worker, Patience]] = ()


class Store:
    """The open database. All times given and taken are Unix seconds, but for those inside model objects."""

    def __init__(self, path: Path, boot: str) -> None:
        """Open or create the database; ``boot`` names the present boot of the machine.

        Raises StoreError if another daemon has it, or if it cannot be used.
        """
        self.path = path
        self._boot = boot
        self._resources = ExitStack()
        self.replaced: str | None = None
        self.generation = 0
        try:
            self._db = self._open()
        except BlockingIOError:
            self.close()
            raise StoreRefused(
                f"{path}: another epochwatchd is using this database; stop it or set store.path"
            ) from None
        except (OSError, sqlite3.Error) as e:
            self.close()
            raise StoreUnusable(f"{path}: the database cannot be used: {e}") from e

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = self._resources.enter_context(_lock_of(self.path).open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        db = self._resources.enter_context(closing(sqlite3.connect(self.path, timeout=BUSY_S)))
        _prepare(db)
        _migrate(db)
        return db

    def close(self) -> None:
        """Close the database and let go of its lock."""
        self._resources.close()

    def checkpoint(self) -> None:
        """Bring the log into the database file. It waits for the disk, so call it from a thread of its own."""
        with closing(sqlite3.connect(self.path, timeout=5)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def record(self, items: Sequence[Record], moment: Moment) -> list[tuple[Record, Exception]]:
        """Write judgements of runs; gives those that cannot be written, ever, and why. Raises StoreUnusable."""
        try:
            self._record_all(items, moment)
        except sqlite3.OperationalError as e:
            raise StoreUnusable(f"{self.path}: {e}") from e
        except Exception:  # noqa: BLE001 - one of them is to blame: each by itself
            return [(item, e) for item in items if (e := self._recorded(item, moment)) is not None]
        return []

    def _recorded(self, item: Record, moment: Moment) -> Exception | None:
        try:
            self._record_all([item], moment)
        except sqlite3.OperationalError as e:
            raise StoreUnusable(f"{self.path}: {e}") from e
        except Exception as e:  # noqa: BLE001 - given back
            return e
        return None

    def _record_all(self, items: Iterable[Record], moment: Moment) -> None:
        with self._db:
            for item in items:
                self._record(item, moment)

    def last_delivery_id(self) -> int:
        """The highest id of a delivery so far."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM delivery").fetchone()[0])

    def delivery_ids_after(self, delivery_id: int) -> list[int]:
        """The ids of deliveries above one, in order."""
        return [row[0] for row in self._db.execute("SELECT id FROM delivery WHERE id > ? ORDER BY id", (delivery_id,))]

    def mark(self, delivery_id: int, state: str, error: str | None) -> None:
        """What became of an attempt."""
        self._mark(delivery_id, state, error)

    def notification(self, delivery_id: int) -> Notification | None:
        """The message of a delivery; None if there is none."""
        query = (
            "SELECT content FROM notification JOIN delivery ON notification.id = notification_id WHERE delivery.id = ?"
        )
        row = self._db.execute(query, (delivery_id,)).fetchone()
        return records.notification_from(row["content"]) if row else None

    def _record(self, item: Record, moment: Moment) -> None:
        self._db.execute(_UPSERT_RUN, _run_values(item.run))
        self._db.executemany(
            "INSERT INTO worker VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET snapshot = excluded.snapshot",
            [(w.key, item.run.key, records.worker_snapshot(w, moment, self._boot)) for w in item.workers],
        )
        self._db.executemany(_UPSERT_INCIDENT, [_incident_values(i, moment) for i in item.opened])
        self._db.executemany(
            "UPDATE incident SET closed_wall = ? WHERE id = ?", [(moment.wall, i.id) for i in item.closed]
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO lesson VALUES (?, ?, ?, ?, ?)",
            [(*_pupil(worker), json.dumps(patience.dump(learned)), moment.wall) for worker, learned in item.lessons],
        )
        for notification, channels in item.notices:
            content = records.notification_json(notification)
            row = self._db.execute(
                "INSERT INTO notification (content, created_wall) VALUES (?, ?)", (content, moment.wall)
            )
            self._db.executemany(
                "INSERT INTO delivery (notification_id, channel, changed_wall) VALUES (?, ?, ?)",
                [(row.lastrowid, channel, moment.wall) for channel in channels],
            )

    def unfinished(self, moment: Moment) -> Unfinished:
        """Every run that has not ended, with its workers and open incidents."""
        result: list[StoredRun] = []
        for row in self._db.execute("SELECT * FROM run WHERE ended_wall IS NULL").fetchall():
            workers = self._db.execute("SELECT * FROM worker WHERE run_key = ?", (row["key"],))
            incidents = self._db.execute(
                "SELECT * FROM incident WHERE run_key = ? AND closed_wall IS NULL", (row["key"],)
            )
            result.append(
                StoredRun(
                    _run_row(row),
                    [records.worker_from(w["key"], w["snapshot"], moment, self._boot) for w in workers],
                    [records.incident_from(i, moment) for i in incidents],
                )
            )
        return Unfinished(result, [])

    def watched_wall(self) -> float | None:
        """Until when, at least, the last daemon watched; None if it has left nothing that tells."""
        query = """SELECT max(wall) AS wall FROM (SELECT max(ended_wall) AS wall FROM run UNION ALL
            SELECT json_extract(snapshot, '$.moment[1]') FROM worker JOIN run ON run.key = run_key
            WHERE ended_wall IS NULL)"""
        wall: float | None = self._db.execute(query).fetchone()["wall"]
        return wall

    def lesson_for(self, worker: Worker) -> Patience:
        """What earlier runs of a worker's job have taught; nothing if there were none, or of another version."""
        query = "SELECT patience FROM lesson WHERE user = ? AND job = ? AND rank = ?"
        row = self._db.execute(query, _pupil(worker)).fetchone()
        return patience.load(json.loads(row["patience"])) if row else Patience()

    def ended_wall(self, run_key: str) -> float | None:
        """When the end of this run was recorded; None if it was not."""
        row = self._db.execute("SELECT ended_wall FROM run WHERE key = ?", (run_key,)).fetchone()
        return row["ended_wall"] if row else None

    def crash_of(self, run_key: str, moment: Moment) -> Incident | None:
        """The crash with which a run ended; None if it ended otherwise, or did not."""
        query = """SELECT incident.* FROM incident JOIN run ON run.key = run_key
            WHERE run_key = ? AND ended_wall IS NOT NULL AND verdict = 'crashed' AND kind = 'crashed'
            ORDER BY opened_wall DESC LIMIT 1"""
        row = self._db.execute(query, (run_key,)).fetchone()
        return records.incident_from(row, moment) if row else None

    def expect(self, keys: Sequence[str], now_wall: float) -> dict[str, float]:
        """When each of these expectations was last settled: now for those not known; all others are forgotten."""
        with self._db:
            self._db.executemany("INSERT OR IGNORE INTO expectation VALUES (?, ?)", [(key, now_wall) for key in keys])
            known = {row["key"]: row["settled_wall"] for row in self._db.execute("SELECT * FROM expectation")}
            self._db.executemany("DELETE FROM expectation WHERE key = ?", [(key,) for key in known.keys() - {*keys}])
        return {key: known[key] for key in keys}

    def settle(self, key: str, settled_wall: float) -> None:
        """What was due until then need not be asked for again. Raises StoreError."""
        try:
            with self._db:
                self._db.execute("UPDATE expectation SET settled_wall = ? WHERE key = ?", (settled_wall, key))
        except sqlite3.Error as e:
            raise StoreError(f"{self.path}: {e}") from e

    def latest_begins(self) -> list[tuple[str, float]]:
        """When the latest run of each job began; what was missing is none."""
        query = "SELECT job, max(started_wall) AS began FROM run WHERE verdict <> 'missing' GROUP BY job"
        return [(row["job"], row["began"]) for row in self._db.execute(query)]

    def pending(self, channel: str, after: int = 0) -> list[Delivery]:
        """What one channel has still to deliver, the oldest first, from the delivery ``after`` on."""
        return [
            Delivery(row["id"], channel, n.id, n.user or "", n.severity == "critical", row["attempts"])
            for row in self._db.execute(_PENDING, (channel, after))
            if (n := records.notification_from(row["content"]))
        ]

    def pending_counts(self) -> dict[tuple[str, str], int]:
        """How many deliveries wait or are dead, by channel and state."""
        query = "SELECT channel, state, count(*) AS n FROM delivery WHERE state <> 'delivered' GROUP BY channel, state"
        return {(row["channel"], row["state"]): row["n"] for row in self._db.execute(query)}

    def mark_delivered(self, delivery_id: int) -> None:
        """The channel took it."""
        self._mark(delivery_id, "delivered", None)

    def mark_failed(self, delivery_id: int, error: str, *, dead: bool) -> None:
        """The channel did not take it; ``dead``: and never will as it is."""
        self._mark(delivery_id, "dead" if dead else "pending", error)

    def _mark(self, delivery_id: int, state: str, error: str | None) -> None:
        with self._db:
            self._db.execute(
                "UPDATE delivery SET state = ?, attempts = attempts + 1, error = ?, changed_wall = ? WHERE id = ?",
                (state, error, time.time(), delivery_id),
            )

    def revive_dead(self, now_wall: float) -> int:
        """Put young dead letters back among the pending; gives how many."""
        with self._db:
            query = "UPDATE delivery SET state = 'pending' WHERE state = 'dead' AND changed_wall > ?"
            return self._db.execute(query, (now_wall - REVIVE_DEAD_S,)).rowcount

    def prune(self, before_wall: float, limit: int) -> int:  # noqa: ARG002
        """Forget runs that ended before, and older notifications; gives the number of runs."""
        with self._db:
            self._db.execute("DELETE FROM notification WHERE created_wall < ?", (before_wall,))
            self._db.execute("DELETE FROM lesson WHERE changed_wall < ?", (before_wall,))
            return self._db.execute("DELETE FROM run WHERE ended_wall < ?", (before_wall,)).rowcount


def read_runs(path: Path) -> list[RunRow]:
    """The runs in a database that a daemon may have open, the latest first. Raises StoreError."""
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        db.row_factory = sqlite3.Row
        try:
            rows = db.execute("SELECT * FROM run ORDER BY started_wall DESC").fetchall()
        finally:
            db.close()
    except sqlite3.Error as e:
        raise StoreError(f"{path}: cannot be read: {e}") from e
    return [_run_row(row) for row in rows]


def is_in_use(path: Path) -> bool:
    """Whether a daemon has the database open. To try its lock might keep a daemon from starting: the kernel is asked.

    Raises OSError where there is no lock, or /proc does not tell.
    """
    inode = _lock_of(path).stat().st_ino
    locks = (line.split() for line in Path("/proc/locks").read_text("utf-8").splitlines())
    return any(lock[1] == "FLOCK" and lock[5].rpartition(":")[2] == str(inode) for lock in locks)


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _prepare(db: sqlite3.Connection) -> None:
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL never corrupts and loses nothing when the process dies; FULL would also sync at every commit,
    # to survive a power cut, at milliseconds each.
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")  # no verdict waits for the disk: see ``checkpoint``
    db.execute("PRAGMA foreign_keys = ON")


def _migrate(db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"it was written by a newer epochwatchd (format {version})")
    if version == 0:
        schema = files(__package__).joinpath("schema.sql").read_text("utf-8")
        db.executescript(f"BEGIN; {schema}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    elif version < SCHEMA_VERSION:
        steps = "; ".join(MIGRATIONS[version - 1 :])
        db.executescript(f"BEGIN; {steps}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")


_RUN_COLUMNS = tuple(RunRow.__dataclass_fields__)
_UPSERT_RUN = (
    f"INSERT INTO run ({', '.join(_RUN_COLUMNS)}) VALUES ({', '.join('?' * len(_RUN_COLUMNS))})"  # noqa: S608 - our own names
    f" ON CONFLICT (key) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in _RUN_COLUMNS[1:])}"
)
_UPSERT_INCIDENT = """
INSERT INTO incident (id, run_key, kind, severity, since_wall, cause, opened_wall, notified)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, cause = excluded.cause, notified = excluded.notified
"""
_PENDING = """
SELECT delivery.id, attempts, content FROM delivery JOIN notification ON notification.id = notification_id
WHERE channel = ? AND delivery.id > ? AND state = 'pending' ORDER BY delivery.id LIMIT 1000
"""


def _pupil(worker: Worker) -> tuple[str, str, int]:
    return worker.user, worker.body.job, -1 if worker.body.rank is None else worker.body.rank


def _run_values(run: RunRow) -> tuple[Any, ...]:
    return tuple(_json_if_mapping(getattr(run, c)) for c in _RUN_COLUMNS)


def _json_if_mapping(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else value


def _run_row(row: sqlite3.Row) -> RunRow:
    values = dict(row)
    suspected = values.get("suspected")  # absent where the database is still that of an older daemon
    progress = json.loads(values["progress"])
    return RunRow(**{**values, "progress": progress, "suspected": suspected and json.loads(suspected)})


def _incident_values(incident: Incident, moment: Moment) -> tuple[Any, ...]:
    finding = incident.finding
    return (
        incident.id, incident.run_key, finding.kind, finding.severity, moment.wall_of(finding.since),
        records.cause_json(finding.cause), incident.opened_wall, json.dumps(dict(incident.notified_wall)),
    )  # fmt: skip
