"""The store as the daemon uses it: opened when first needed, opened again when it can be, begun anew when damaged."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from epochwatchd.alerting.digest import Summary
from epochwatchd.detection.silence import SilenceHistory
from epochwatchd.model import FLAPS_WITHIN_S, Delivery, Incident, Kind, Moment, Mute, Notice, Notification, Told, Worker
from epochwatchd.store import attention, files, outbox, pruning, records, summing, writing
from epochwatchd.store.attention import Ack, Noticed
from epochwatchd.store.faults import DamagedError, StoreError, StoreUnusable, explained
from epochwatchd.store.formats import SCHEMA_VERSION, transaction
from epochwatchd.store.opening import bring_in, connect, open_database
from epochwatchd.store.records import Record, RunRow

log = logging.getLogger("epochwatchd")

_T = TypeVar("_T")


class StoredRun(NamedTuple):
    """A run that has not ended, as it was stored. ``openings``: when its latest incidents were opened."""

    row: RunRow
    workers: list[Worker]
    incidents: list[Incident]
    openings: Sequence[tuple[Kind, float]] = ()


class Unfinished(NamedTuple):
    """The runs that have not ended; and the keys of those that cannot be read, each with the reason."""

    runs: list[StoredRun]
    unreadable: list[tuple[str, Exception]]


class Store:
    """The database of a daemon. All times given and taken are Unix seconds, but for those inside model objects.

    Every method raises StoreUnusable while the surroundings do not let it work, StoreRefused where the database is
    another's, and nothing else; calls after that try again. A damaged database is set aside, and the call is made on a
    new one. ``replaced``: the name of the file that was set aside last. ``generation`` rises with every database that
    is opened: whoever has open runs writes them again when it has changed.
    """

    def __init__(self, path: Path, boot: str, clock: Callable[[], float] = time.time) -> None:
        """The database at ``path``; nothing is opened yet. ``boot`` names the present boot of the machine."""
        self.path = path
        self._clock = clock
        self.replaced: str | None = None
        self.generation = 0
        self._boot = boot
        self._resources = ExitStack()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._rescued: list[outbox.Undelivered] = []
        self._checkpointing = threading.Lock()
        self._is_closed = False

    def open(self) -> None:
        """Open or create the database now, where it would else be opened by the first call."""
        self._do(lambda _: None)

    def close(self) -> None:
        """Close the database and let go of its lock."""
        self._is_closed = True
        with self._checkpointing:
            self._connection = None
            self._resources.close()

    # What the runs are

    def record(self, items: Iterable[Record], moment: Moment) -> list[tuple[Record, Exception]]:
        """Write judgements of runs in one transaction; gives those that cannot be written, and why: none of them is."""
        each = list(items)

        def write(db: sqlite3.Connection) -> list[tuple[Record, Exception]]:
            with transaction(db):
                return writing.write_each(db, each, moment, self._boot)

        return self._do(write)

    def unfinished(self, moment: Moment) -> Unfinished:
        """Every run that has not ended, with its workers and open incidents."""

        def read(db: sqlite3.Connection) -> list[tuple[Any, list[Any], list[Any], list[Any]]]:
            open_ = "SELECT * FROM incident WHERE run_key = ? AND closed_wall IS NULL"
            return [
                (
                    row,
                    db.execute("SELECT * FROM worker WHERE run_key = ?", (row["key"],)).fetchall(),
                    db.execute(open_, (row["key"],)).fetchall(),
                    db.execute(_OPENINGS, (row["key"], moment.wall - FLAPS_WITHIN_S)).fetchall(),
                )
                for row in db.execute("SELECT * FROM run WHERE ended_wall IS NULL").fetchall()
            ]

        found: list[StoredRun] = []
        unreadable: list[tuple[str, Exception]] = []
        for row, workers, incidents, openings in self._do(read):
            try:
                found.append(
                    StoredRun(
                        records.run_from(row),
                        [records.worker_from(w["key"], w["snapshot"], moment, self._boot) for w in workers],
                        [records.incident_from(i, moment) for i in incidents],
                        [(o["kind"], o["opened_wall"]) for o in openings],
                    )
                )
            except Exception as e:  # noqa: BLE001 - whatever stands there: it is one run's
                unreadable.append((str(row["key"]), e))
        return Unfinished(found, unreadable)

    def watched_wall(self) -> float | None:
        """Until when, at least, the last daemon watched; None if it has left nothing that tells."""
        query = """SELECT max(wall) FROM
            (SELECT max(ended_wall) AS wall FROM run UNION ALL SELECT max(watched_wall) FROM worker)"""
        wall: float | None = self._do(lambda db: db.execute(query).fetchone())[0]
        return wall

    def lesson_for(self, worker: Worker) -> SilenceHistory:
        """What earlier runs of a worker's job have taught; nothing if there were none, or of another version."""
        query = "SELECT patience FROM lesson WHERE user = ? AND job = ? AND rank = ?"
        row = self._do(lambda db: db.execute(query, _storable(writing.pupil(worker))).fetchone())
        try:
            return records.history_from(row["patience"]) if row else SilenceHistory()
        except Exception as e:  # noqa: BLE001 - whatever stands there: the job is learned anew
            log.warning("what earlier runs of %r have taught cannot be read: %s", worker.body.job, e)
            return SilenceHistory()

    def ended_wall(self, run_key: str) -> float | None:
        """When the end of this run was recorded; None if it was not."""
        query = "SELECT ended_wall FROM run WHERE key = ?"
        row = self._do(lambda db: db.execute(query, _storable((run_key,))).fetchone())
        return row["ended_wall"] if row else None

    def crash_of(self, run_key: str, moment: Moment) -> Incident | None:
        """The crash with which a run ended; None if it ended otherwise, or did not, or it cannot be read."""
        query = """SELECT incident.* FROM incident JOIN run ON run.key = run_key
            WHERE run_key = ? AND ended_wall IS NOT NULL AND verdict = 'crashed' AND kind = 'crashed'
            ORDER BY opened_wall DESC LIMIT 1"""
        row = self._do(lambda db: db.execute(query, _storable((run_key,))).fetchone())
        try:
            return records.incident_from(row, moment) if row else None
        except Exception as e:  # noqa: BLE001 - whatever stands there: it is told as a run of its own
            log.warning("the crash of the run %r cannot be read: %s", run_key, e)
            return None

    # What is expected

    def expect(self, keys: Sequence[str], now_wall: float) -> dict[str, float]:
        """When each of these expectations was last settled: now for those not known; all others are forgotten."""

        def settle_new(db: sqlite3.Connection) -> dict[str, float]:
            with transaction(db):
                db.executemany("INSERT OR IGNORE INTO expectation VALUES (?, ?)", [(key, now_wall) for key in keys])
                known = {row["key"]: row["settled_wall"] for row in db.execute("SELECT * FROM expectation")}
                db.executemany("DELETE FROM expectation WHERE key = ?", [(key,) for key in known.keys() - {*keys}])
            return {key: known[key] for key in keys}

        return self._do(settle_new)

    def settle(self, key: str, settled_wall: float) -> None:
        """What was due until then need not be asked for again."""
        self._do(lambda db: db.execute("UPDATE expectation SET settled_wall = ? WHERE key = ?", (settled_wall, key)))

    def latest_begins(self) -> list[tuple[str, float]]:
        """When the latest run of each job began; what was missing is none."""
        query = "SELECT job, max(started_wall) AS began FROM run WHERE verdict <> 'missing' GROUP BY job"
        return [(row["job"], row["began"]) for row in self._do(lambda db: db.execute(query).fetchall())]

    # What is to be delivered

    def pending(self, channel: str, after: int = 0) -> list[Delivery]:
        """What one channel has still to deliver, the oldest first, from the delivery ``after`` on."""
        return self._do(lambda db: outbox.pending(db, channel, after))

    def notification(self, delivery_id: int) -> Notification | None:
        """What is to be delivered; None if it is gone, or cannot be read: then it is a dead letter from now on."""
        return self._do(lambda db: outbox.notification(db, delivery_id, self._clock()))

    def pending_counts(self) -> dict[tuple[str, str], int]:
        """How many deliveries wait or are dead, by channel and state; ``held`` are those that are not due yet."""
        return self._do(lambda db: outbox.counts(db, self._clock()))

    def mark(
        self, deliveries: Sequence[tuple[int, Sequence[str]]], state: str, error: str | None, handle: str | None
    ) -> None:
        """What became of one message, and for each delivery in it whom it has reached.

        ``delivered``, ``pending``, or ``dead``: never to be tried again as it is.
        """
        self._do(lambda db: outbox.mark(db, deliveries, state, error, self._clock(), handle=handle))

    def lead(self, ids: Sequence[int], leader: int | None, started_wall: float | None) -> None:
        """These deliveries go as one message; None: each for itself again."""
        self._do(lambda db: outbox.lead(db, ids, leader, started_wall))

    def hold(self, ids: Sequence[int], why: str, due_wall: float, group: str | None) -> None:
        """These deliveries wait until then; with ``group``, as of that from now on."""
        self._do(lambda db: outbox.hold(db, ids, why, due_wall, group))

    def drop(self, ids: Sequence[int], why: str) -> None:
        """These deliveries need not be sent any more."""
        self._do(lambda db: outbox.drop(db, ids, why, self._clock()))

    def starts(self, channel: str, since_wall: float) -> list[tuple[str, float]]:
        """When messages of which groups went at once over a channel since then, in that order."""
        return self._do(lambda db: outbox.starts(db, channel, since_wall))

    def told(self, channel: str, about: Notification, now_wall: float) -> Told:
        """How it stands with a notification's incident on a channel."""
        return self._do(lambda db: outbox.told(db, channel, about, now_wall))

    def handle_of(self, channel: str, incident: str) -> str | None:
        """The handle that a channel gave for the first message of an incident."""
        return self._do(lambda db: outbox.handle_of(db, channel, incident))

    def open_incidents(self) -> frozenset[str]:
        """The ids of all incidents that are not closed."""
        query = "SELECT id FROM incident WHERE closed_wall IS NULL"
        return frozenset(row["id"] for row in self._do(lambda db: db.execute(query).fetchall()))

    def expire(self, now_wall: float) -> int:
        """Make dead letters of what was not taken for a day; gives how many they are."""
        return self._do(lambda db: outbox.expire(db, now_wall))

    def last_delivery_id(self) -> int:
        """The highest id that a delivery has; 0 for none."""
        return int(self._do(lambda db: db.execute("SELECT coalesce(max(id), 0) FROM delivery").fetchone())[0])

    def delivery_ids_after(self, delivery_id: int) -> list[int]:
        """The ids above this one, in order."""
        query = "SELECT id FROM delivery WHERE id > ? ORDER BY id"
        return [row["id"] for row in self._do(lambda db: db.execute(query, (delivery_id,)).fetchall())]

    def revive_dead(self, now_wall: float) -> int:
        """Put young dead letters back among the pending; gives how many."""
        return self._do(lambda db: outbox.revive_dead(db, now_wall))

    # Who has seen what, and who wants to hear nothing of what: see ``attention``

    def noticed(self, prefix: str, now_wall: float) -> list[Noticed]:
        """The incidents that are not over and whose id begins so."""
        return self._do(lambda db: attention.noticed(db, prefix, now_wall))

    def is_for(self, incident: str, channel: str) -> bool:
        """Whether a channel is to take, or took, a message of an incident."""
        return self._do(lambda db: attention.is_for(db, incident, channel))

    def acknowledge(self, incidents: Sequence[str], ack: Ack, owner: str | None) -> list[str]:
        """Somebody has seen these, and what was told with them of this user's runs (None: of all); gives all."""

        def acknowledge(db: sqlite3.Connection) -> list[str]:
            seen = list(dict.fromkeys(other for one in incidents for other in attention.told_with(db, one, owner)))
            attention.acknowledge(db, seen, ack)
            return seen

        return self._do(acknowledge)

    def mutes(self, now_wall: float) -> list[Mute]:
        """The mutes that hold, the first to end first."""
        return self._do(lambda db: attention.mutes(db, now_wall))

    def mute(self, new: Mute) -> None:
        """This is not to be heard of."""
        self._do(lambda db: attention.mute(db, new))

    def unmute(self, mute_id: str, now_wall: float) -> None:
        """It is to be heard of again, from now on."""
        self._do(lambda db: attention.unmute(db, mute_id, now_wall))

    # Summaries

    def digest_wall(self, channel: str, now_wall: float) -> float:
        """Until when a channel has had its summary; now, where it has had none."""
        return self._do(lambda db: summing.digest_wall(db, channel, now_wall))

    def summary(self, from_wall: float, until_wall: float) -> Summary:
        """What happened in this time."""
        return self._do(lambda db: summing.summary(db, from_wall, until_wall))

    def put_digest(self, channel: str, notice: Notice, until_wall: float, now_wall: float) -> None:
        """A channel gets its summary, once."""
        self._do(lambda db: summing.put(db, channel, notice, until_wall, now_wall))

    # Housekeeping

    def check_writable(self) -> None:
        """Write a page as it is, to see whether that can be done now. Raises StoreUnusable."""

        def write_a_page(db: sqlite3.Connection) -> None:
            with transaction(db):
                db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

        self._do(write_a_page)

    def prune(self, before_wall: float, limit: int) -> int:
        """Forget at most ``limit`` rows of runs that ended before, older notifications and lessons; gives how many.

        0: nothing more is to be forgotten. What an open incident has still to deliver stays.
        """

        def slice_(db: sqlite3.Connection) -> int:
            with transaction(db):
                return pruning.prune(db, before_wall, limit)

        return self._do(slice_)

    def checkpoint(self) -> None:
        """Bring the log into the database file. It waits for the disk: the one method to call from another thread."""
        with self._checkpointing:
            if self._connection is None:
                return
            try:
                with explained(self.path):
                    bring_in(self.path)
            except DamagedError as e:  # the next call that meets it sets the database aside
                raise StoreUnusable(f"{self.path}: {e}") from e

    def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """What ``work`` gives; on a new database, if this one turns out to be damaged."""
        try:
            with explained(self.path):
                return work(self._opened())
        except DamagedError as e:
            damage = e
        try:
            with explained(self.path):
                self._replace(damage)
                return work(self._opened())
        except DamagedError as e:
            raise StoreUnusable(f"{self.path}: damaged again at once: {e}") from e

    @property
    def _db(self) -> sqlite3.Connection:
        return self._opened()

    def _opened(self) -> sqlite3.Connection:
        """The open database: opened if it is not, and if its file was taken away or is another now."""
        if self._connection is not None and files.identity(self.path) == self._file:
            return self._connection
        if self._is_closed:
            raise StoreError(f"{self.path}: the store was closed")
        with self._checkpointing:
            self._connection = None
            self._resources.close()
            with ExitStack() as opening:
                self.path.parent.mkdir(mode=files.FOLDER_MODE, parents=True, exist_ok=True)
                opening.enter_context(files.locked(self.path))
                connection = opening.enter_context(closing(open_database(self.path)))
                taken_over = outbox.put_back(connection, self._rescued) if self._rescued else 0
                self._resources = opening.pop_all()
        if self._rescued:
            log.warning("%s: %d of %d deliveries go on in the new database", self.path, taken_over, len(self._rescued))
        self._rescued = []
        self._connection, self._file = connection, files.identity(self.path)
        self.generation += 1
        return connection

    def _replace(self, damage: DamagedError) -> None:
        """Set the damaged database aside; the next call begins a new one, with what can be rescued of this."""
        with self._checkpointing:
            aside = files.set_aside(self.path)  # before it is closed: SQLite would remove its log by name
            self._connection = None
            self._resources.close()
            self.replaced = aside.name
            log.error(
                "%s: the database is damaged (%s): it is kept as %s, a new one is begun", self.path, damage, aside.name
            )
            with closing(connect(aside)) as db:
                self._rescued += outbox.rescued(db)


_OPENINGS = "SELECT kind, opened_wall FROM incident WHERE run_key = ? AND opened_wall > ? ORDER BY opened_wall"


def _storable(values: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Values to look for. What is not Unicode was never stored: it is looked for as something that is not there."""
    return tuple(v.encode("utf-8", "backslashreplace").decode() if isinstance(v, str) else v for v in values)
