"""The store as the daemon uses it: it never refuses.

What cannot be written (full disk, read-only, locked, no folder) is kept in memory and told from there at once; when the
store can be written again, history catches up. What was told so may be told again after a restart: at least once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from epochwatchd.alerting.digest import Summary
from epochwatchd.detection.silence import SilenceHistory
from epochwatchd.model import ChannelError, Delivery, Incident, Moment, Mute, Notice, Notification, Told, Worker
from epochwatchd.store.attention import Ack, Noticed
from epochwatchd.store.faults import StoreError, StoreUnusable
from epochwatchd.store.records import Record
from epochwatchd.store.store import Store, Unfinished

KEPT_MAX = 20_000
"""Verdicts kept for a store that cannot be written: after days of a full disk the oldest are only history."""
TRY_AGAIN_S, TRY_AGAIN_MOST_S = 1.0, 15.0
_T = TypeVar("_T")


class _Kept(NamedTuple):
    """Records that could not be written, when that was, and the ids under which their messages go out meanwhile."""

    records: Sequence[Record]
    moment: Moment
    ids: Sequence[int]


class _Mark(NamedTuple):
    """What became of a delivery, for the store."""

    state: str
    error: str | None
    done: tuple[str, ...]
    handle: str | None


@dataclass(slots=True)
class _Memory:
    """What is known only here while the store cannot be written.

    ``messages``: deliveries told from memory, by ids below 0. ``fresh``: those of a channel that it has not taken yet.
    ``rows``: the ids in the store of those written since. ``marks``: what became of deliveries, not yet in the store.
    """

    kept: deque[_Kept] = field(default_factory=deque)
    messages: dict[int, Notification] = field(default_factory=dict)
    fresh: dict[str, list[Delivery]] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)
    marks: dict[int, _Mark] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    last_id: int = 0


class Ledger:
    """Verdicts, incidents and messages; in the store as soon as it can be written."""

    def __init__(self, store: Store) -> None:
        """Raises StoreRefused where the daemon must not start: the store is another daemon's, or of a newer format."""
        self._store = store
        self._memory = _Memory()
        self._cursors: dict[str, int] = {}
        self._generation = 0
        self._has_changed = False
        self._mutes: list[Mute] | None = None
        self._wait_s = TRY_AGAIN_S
        self._try_at = float("-inf")
        self.problem: str | None = None
        self._open()

    def _open(self) -> None:
        try:
            self._store.open()
            self._generation = self._store.generation
        except StoreUnusable as e:
            self._failed(e)

    def _failed(self, error: StoreError) -> None:
        self.problem = str(error)

    def _ask(self, call: Callable[[Store], _T], default: _T) -> _T:
        """What the store answers; ``default`` where it cannot."""
        try:
            return call(self._store)
        except StoreError as e:
            self._failed(e)
            return default
        finally:
            self._look_at_generation()

    def _write(self, call: Callable[[Store], None]) -> bool:
        """Whether the store has taken it."""

        def written(store: Store) -> bool:
            call(store)
            return True

        return self._ask(written, default=False)

    def _look_at_generation(self) -> None:
        """Of another store than before, nothing is known: neither what was given of it, nor what was written to it."""
        if self._store.generation != self._generation:
            self._generation = self._store.generation
            self._cursors.clear()
            self._memory.rows.clear()
            self._has_changed = True

    @property
    def replaced(self) -> str | None:
        """The file that a damaged store was set aside as; None if there was none."""
        return self._store.replaced

    @property
    def is_behind(self) -> bool:
        """Whether something is known only in memory, or the store could not be asked lately."""
        return bool(self._memory.kept or self._memory.marks or self.problem)

    def is_new(self) -> bool:
        """Whether the store is another one than at the last call: then nothing of what goes on is in it."""
        self._look_at_generation()
        has_changed, self._has_changed = self._has_changed, False
        return has_changed

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    # Writing

    def record(self, records: Sequence[Record], moment: Moment) -> list[tuple[Record, Exception]]:
        """Write what was judged, or keep it for later; gives those records that cannot be written, ever, and why."""
        if not self._memory.kept:
            try:
                return self._store.record(records, moment)
            except StoreError as e:
                self._failed(e)
            finally:
                self._look_at_generation()
        self._keep(records, moment)
        return []

    def refresh(self, records: Sequence[Record], moment: Moment) -> list[tuple[Record, Exception]]:
        """Write how far runs are; where that cannot be, it is not kept: the next look knows more."""
        if not records or self._memory.kept:
            return []
        return self._ask(lambda store: store.record(records, moment), [])

    def _keep(self, records: Sequence[Record], moment: Moment) -> None:
        memory = self._memory
        records = [replace(r, notices=[_unstored(notice) for notice in r.notices]) for r in records]
        ids = [
            self._tell(notice, channel, moment.wall)
            for record in records
            for notice in record.notices
            for channel in notice.channels
        ]
        memory.ended.update((r.run.key, r.run.ended_wall) for r in records if r.run.ended_wall is not None)
        memory.kept.append(_Kept(records, moment, ids))
        if len(memory.kept) > KEPT_MAX:
            memory.kept.popleft()

    def _tell(self, notice: Notice, channel: str, now_wall: float) -> int:
        memory, notification = self._memory, notice.notification
        memory.last_id -= 1
        delivery = Delivery(
            memory.last_id,
            channel,
            notification.id,
            notification.turn,
            notification.severity == "critical",
            group=notification.group,
            due_wall=now_wall + (notice.after_s or 0.0),
            after_s=notice.after_s,
        )
        memory.messages[delivery.id] = notification
        memory.fresh.setdefault(channel, []).append(delivery)
        return delivery.id

    def catch_up(self, now: float) -> bool:
        """Try to write what is only in memory, now and then; whether the store has everything. Call it every second."""
        if not self.is_behind:
            self._wait_s = TRY_AGAIN_S
            return True
        if now >= self._try_at:
            self._wait_s = min(2 * self._wait_s, TRY_AGAIN_MOST_S)
            self._try_at = now + self._wait_s
            try:
                self._write_kept()
                self.problem = None
            except StoreError as e:
                self._failed(e)
        return not self.is_behind

    def _write_kept(self) -> None:
        """Raises StoreError while that cannot be."""
        store, memory = self._store, self._memory
        while memory.kept:
            kept = memory.kept[0]
            before = store.last_delivery_id()
            self._look_at_generation()
            refused = store.record(kept.records, kept.moment)
            memory.kept.popleft()
            if not refused and store.generation == self._generation:
                memory.rows.update(zip(kept.ids, store.delivery_ids_after(before), strict=True))
        self._write_marks(store)
        store.check_writable()
        memory.ended.clear()

    def _write_marks(self, store: Store) -> None:
        for delivery_id, mark in list(self._memory.marks.items()):
            row = self._row_of(delivery_id)
            if row is not None:
                store.mark([(row, mark.done)], mark.state, mark.error, mark.handle)
            del self._memory.marks[delivery_id]

    # The outbox: see alerting.delivery

    def fresh(self, channel: str) -> list[Delivery]:
        """The deliveries of a channel that were not given before, the oldest first."""
        nothing: list[Delivery] = []
        stored = self._ask(lambda store: store.pending(channel, self._cursors.get(channel, 0)), nothing)
        if stored:
            self._cursors[channel] = stored[-1].id
        told = {*self._memory.rows.values()}
        return [d for d in stored if d.id not in told] + self._memory.fresh.pop(channel, [])

    def notification(self, delivery_id: int) -> Notification | None:
        """The message of a delivery; None where it is gone, with a store that has been replaced, say.

        Raises ChannelError where the store cannot be read right now.
        """
        if delivery_id < 0:
            return self._memory.messages.get(delivery_id)
        row = self._row_of(delivery_id)
        if row is None:
            return None
        try:
            return self._store.notification(row)
        except StoreError as e:
            self._failed(e)
            raise ChannelError(f"the message cannot be read: {e}") from e

    def _row_of(self, delivery_id: int) -> int | None:
        """The row of a delivery in the store; None if it is in none yet."""
        return self._memory.rows.get(delivery_id) if delivery_id < 0 else delivery_id

    def handle(self, channel: str, incident: str) -> str | None:
        """The handle that a channel gave for the first message of an incident."""
        return self._ask(lambda store: store.handle_of(channel, incident), None)

    def open_incidents(self) -> frozenset[str]:
        """The ids of all that is still wrong. Raises ChannelError while the store does not know of everything."""
        found = None if self._memory.kept else self._ask(lambda store: store.open_incidents(), None)
        if found is None:
            raise ChannelError(f"what is open cannot be read: {self.problem}")
        return found

    def mark(
        self, deliveries: Sequence[Delivery], state: str, error: str | None = None, handle: str | None = None
    ) -> None:
        """What became of a message of these deliveries: ``delivered``, ``dead``, or ``pending`` with the error."""
        rows = {d.id: row for d in deliveries if (row := self._row_of(d.id)) is not None}
        told = [(rows[d.id], d.done) for d in deliveries if d.id in rows]
        is_written = bool(told) and self._write(lambda store: store.mark(told, state, error, handle))
        for delivery in deliveries:
            if not is_written or delivery.id not in rows:
                self._memory.marks[delivery.id] = _Mark(state, error, delivery.done, handle)
            elif state != "pending":
                self._memory.rows.pop(delivery.id, None)
            if state != "pending":
                self._memory.messages.pop(delivery.id, None)

    def lead(self, deliveries: Sequence[Delivery], leader: Delivery | None, started_wall: float | None = None) -> None:
        """These go as one message from now on, also after a restart; None: each for itself again."""
        rows, first = self._rows_of(deliveries), None if leader is None else self._row_of(leader.id)
        if rows and (leader is None or first is not None):
            self._ask(lambda store: store.lead(rows, first, started_wall), None)

    def hold(self, deliveries: Sequence[Delivery], why: str, due_wall: float, group: str | None) -> None:
        """These wait until then; with ``group``, as of that from now on."""
        rows = self._rows_of(deliveries)
        if rows:
            self._ask(lambda store: store.hold(rows, why, due_wall, group), None)

    def drop(self, deliveries: Sequence[Delivery], why: str) -> None:
        """These need not be sent any more."""
        rows = self._rows_of(deliveries)
        is_written = bool(rows) and self._write(lambda store: store.drop(rows, why))
        for delivery in deliveries:
            if not is_written or self._row_of(delivery.id) is None:
                self._memory.marks[delivery.id] = _Mark("dropped", why, delivery.done, None)
            self._memory.messages.pop(delivery.id, None)

    def _rows_of(self, deliveries: Sequence[Delivery]) -> list[int]:
        return [row for d in deliveries if (row := self._row_of(d.id)) is not None]

    def starts(self, channel: str, since_wall: float) -> list[tuple[str, float]]:
        """When messages of which groups went at once over a channel since then, in that order."""
        nothing: list[tuple[str, float]] = []
        return self._ask(lambda store: store.starts(channel, since_wall), nothing)

    def told(self, channel: str, about: Notification, now_wall: float) -> Told:
        """How it stands with a notification's incident on a channel; where that cannot be read, it is told."""
        return self._ask(lambda store: store.told(channel, about, now_wall), Told())

    # Who has seen what, and who wants to hear nothing of what. Whoever asks for it is told where it cannot be stored:
    # these raise StoreError.

    def noticed(self, prefix: str, now_wall: float) -> list[Noticed]:
        """The incidents that are not over and whose id begins so."""
        return self._store.noticed(prefix, now_wall)

    def is_for(self, incident: str, channel: str) -> bool:
        """Whether a channel is to take, or took, a message of an incident."""
        return self._store.is_for(incident, channel)

    def acknowledge(self, incidents: Sequence[str], ack: Ack, owner: str | None) -> list[str]:
        """Somebody has seen these, and what was told with them of this user's runs (None: of all); gives all."""
        return self._store.acknowledge(incidents, ack, owner)

    def mute(self, new: Mute) -> None:
        """This is not to be heard of."""
        self._store.mute(new)
        self._mutes = None

    def unmute(self, mute_id: str, now_wall: float) -> None:
        """It is to be heard of again, from now on."""
        self._store.unmute(mute_id, now_wall)
        self._mutes = None

    def mutes(self, now_wall: float) -> list[Mute]:
        """The mutes that hold, the first to end first; those known last where the store cannot be read."""
        if self._mutes is None:
            self._mutes = self._ask(lambda store: store.mutes(now_wall), None)
        return [mute for mute in self._mutes or () if mute.until_wall > now_wall]

    # Summaries: one that cannot be read, or written, now is made later

    def digest_wall(self, channel: str, now_wall: float) -> float:
        """Until when a channel has had its summary; now, where it has had none."""
        return self._ask(lambda store: store.digest_wall(channel, now_wall), now_wall)

    def summary(self, from_wall: float, until_wall: float) -> Summary | None:
        """What happened in this time; None where that cannot be read."""
        return self._ask(lambda store: store.summary(from_wall, until_wall), None)

    def put_digest(self, channel: str, notice: Notice, until_wall: float, now_wall: float) -> bool:
        """A channel gets its summary, once; whether that is written."""
        return self._write(lambda store: store.put_digest(channel, notice, until_wall, now_wall))

    # Reading

    def unfinished(self, moment: Moment) -> Unfinished:
        """The runs that had not ended, and those that cannot be read."""
        return self._ask(lambda store: store.unfinished(moment), Unfinished([], []))

    def ended_wall(self, run_key: str) -> float | None:
        """When the end of this run was recorded; None if it was not."""
        if run_key in self._memory.ended:
            return self._memory.ended[run_key]
        return self._ask(lambda store: store.ended_wall(run_key), None)

    def watched_wall(self) -> float | None:
        """Until when, at least, the last daemon watched; None if nothing tells."""
        return self._ask(lambda store: store.watched_wall(), None)

    def lesson_for(self, worker: Worker) -> SilenceHistory:
        """What earlier runs of a worker's job have taught."""
        return self._ask(lambda store: store.lesson_for(worker), SilenceHistory())

    def crash_of(self, run_key: str, moment: Moment) -> Incident | None:
        """The crash with which a run ended; None if it ended otherwise, or did not."""
        return self._ask(lambda store: store.crash_of(run_key, moment), None)

    def expect(self, keys: Sequence[str], now_wall: float) -> dict[str, float]:
        """When each of these expectations was last settled: now for those not known; all others are forgotten."""
        return self._ask(lambda store: store.expect(keys, now_wall), dict.fromkeys(keys, now_wall))

    def settle(self, key: str, settled_wall: float) -> None:
        """What was due until then need not be asked for again."""
        self._ask(lambda store: store.settle(key, settled_wall), None)

    def latest_begins(self) -> Iterable[tuple[str, float]]:
        """When the latest run of each job began."""
        return self._ask(lambda store: store.latest_begins(), [])

    def pending_counts(self) -> dict[tuple[str, str], int]:
        """How many deliveries wait, are held until a time, or are dead, by channel and state."""
        return self._ask(lambda store: store.pending_counts(), {})

    def revive_dead(self, now_wall: float) -> int:
        """Put young dead letters back among the pending, to be given anew; gives how many."""
        revived = self._ask(lambda store: store.revive_dead(now_wall), 0)
        if revived:
            self._cursors.clear()  # they lie before what was given; what waits already is not taken twice
        return revived

    def expire(self, now_wall: float) -> int:
        """Make dead letters of what was not taken for a day; gives how many they are."""
        return self._ask(lambda store: store.expire(now_wall), 0)

    def prune(self, before_wall: float, limit: int) -> int:
        """Forget some of what is older; 0 when there is no more."""
        return self._ask(lambda store: store.prune(before_wall, limit), 0)

    def checkpoint(self) -> None:
        """Bring the log into the database file; to be called from a thread of its own."""
        self._ask(lambda store: store.checkpoint(), None)


def _unstored(notice: Notice) -> Notice:
    return notice._replace(notification=replace(notice.notification, stored=False))
