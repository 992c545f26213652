"""Deliveries on their way: a notification, and for each of its channels one row that says how far it has come."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from epochwatchd.model import ACK_ID, Delivery, Notice, Notification, Told
from epochwatchd.store import records
from epochwatchd.store.formats import transaction
from epochwatchd.verdicts import EXPLAINED, EXPLAINS

log = logging.getLogger("epochwatchd")

LIVES_S = 86400.0
"""A message that was not taken for so long is a dead letter. Younger ones that a channel refused are tried again when
the daemon starts or reads its configuration: somebody has probably mended the channel."""


class Undelivered(NamedTuple):
    """What a damaged database still gave of a delivery."""

    content: str
    created_wall: float
    channel: str
    attempts: int
    changed_wall: float


def put(db: sqlite3.Connection, notice: Notice, now_wall: float) -> None:
    """A notification is to be delivered to these channels."""
    told, due_wall = notice.notification, now_wall + (notice.after_s or 0.0)
    number = _put_notification(db, records.notification_json(told), told, now_wall)
    db.executemany(
        "INSERT INTO delivery (notification_id, channel, changed_wall, reason, group_key, due_wall, after_s)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(number, channel, now_wall, told.reason, told.group, due_wall, notice.after_s) for channel in notice.channels],
    )


def _put_notification(db: sqlite3.Connection, content: str, told: Notification, created_wall: float) -> int | None:
    values = (content, created_wall, told.id, told.turn, told.severity == "critical")
    insert = "INSERT INTO notification (content, created_wall, incident, user, critical) VALUES (?, ?, ?, ?, ?)"
    return db.execute(insert, values).lastrowid


def pending(db: sqlite3.Connection, channel: str, after: int) -> list[Delivery]:
    """What one channel has still to deliver, the oldest first, from the delivery ``after`` on."""
    return [_delivery(row, channel) for row in db.execute(_PENDING, (channel, after))]


def _delivery(row: sqlite3.Row, channel: str) -> Delivery:
    return Delivery(
        row["id"],
        channel,
        row["incident"],
        row["user"],
        bool(row["critical"]),
        row["attempts"],
        _done(row["done"]),
        group=row["group_key"],
        due_wall=row["due_wall"],
        held=row["why"],
        lead=row["lead"],
        after_s=row["after_s"],
    )


def _done(text: str) -> tuple[str, ...]:
    try:
        return tuple(map(str, json.loads(text)))
    except (ValueError, TypeError):  # whatever stands there: somebody may get the message twice
        return ()


def notification(db: sqlite3.Connection, delivery_id: int, now_wall: float) -> Notification | None:
    """What is to be delivered; None if it is gone, or cannot be read: then it is a dead letter from now on."""
    query = """SELECT content FROM delivery JOIN notification ON notification.id = notification_id
        WHERE delivery.id = ? AND state = 'pending'"""
    row = db.execute(query, (delivery_id,)).fetchone()
    if row is None:
        return None
    try:
        return records.notification_from(row["content"])
    except Exception as e:  # whatever stands there: it must not stop those behind it
        log.exception("delivery %d cannot be read and is a dead letter", delivery_id)
        mark(db, [(delivery_id, ())], "dead", f"cannot be read: {type(e).__name__}: {e}", now_wall)
        return None


def counts(db: sqlite3.Connection, now_wall: float) -> dict[tuple[str, str], int]:
    """How many deliveries wait or are dead, by channel and state; ``held`` are those that are not due yet."""
    return {(row["channel"], row["how"]): row["n"] for row in db.execute(_COUNTS, (now_wall,))}


def mark(
    db: sqlite3.Connection,
    deliveries: Sequence[tuple[int, Sequence[str]]],
    state: str,
    error: str | None,
    now_wall: float,
    *,
    handle: str | None = None,
) -> None:
    """An attempt was made, and this came of it. What every channel has taken need not be said again: it is dropped.

    ``deliveries``: those of one message, and of each the recipients that need not be asked again. ``handle``: by which
    the channel knows the message; that of an incident's first is kept.
    """
    shown = None if error is None else error.encode("utf-8", "replace").decode()
    update = (
        "UPDATE delivery SET state = ?, attempts = attempts + 1, error = ?, changed_wall = ?, done = ? WHERE id = ?"
    )
    ids = [(number,) for number, _ in deliveries]
    with transaction(db):
        values = [(state, shown, now_wall, records.to_json(list(done)), number) for number, done in deliveries]
        db.executemany(update, values)
        if state == "delivered":
            if handle is not None:
                db.executemany(_KEEP_HANDLE, [(handle, now_wall, number) for (number,) in ids])
            db.executemany(_DROP, ids)


def lead(db: sqlite3.Connection, ids: Sequence[int], leader: int | None, started_wall: float | None) -> None:
    """These go as one message from now on, whatever happens, in the group of the first; None: each for itself again."""
    update = """UPDATE delivery SET lead = ?,
        group_key = coalesce((SELECT group_key FROM delivery WHERE id = ?), group_key) WHERE id = ?"""
    with transaction(db):
        db.executemany(update, [(leader, leader, number) for number in ids])
        if started_wall is not None:
            db.execute("UPDATE delivery SET started_wall = ? WHERE id = ?", (started_wall, leader))


def hold(db: sqlite3.Connection, ids: Sequence[int], why: str, due_wall: float, group: str | None) -> None:
    """These wait until then; with ``group``, as of that from now on."""
    update = "UPDATE delivery SET why = ?, due_wall = ?, group_key = coalesce(?, group_key) WHERE id = ?"
    with transaction(db):
        db.executemany(update, [(why, due_wall, group, number) for number in ids])


def drop(db: sqlite3.Connection, ids: Sequence[int], why: str, now_wall: float) -> None:
    """These need not be sent any more."""
    with transaction(db):
        update = "UPDATE delivery SET state = 'dropped', why = ?, changed_wall = ? WHERE id = ?"
        db.executemany(update, [(why, now_wall, number) for number in ids])
        db.executemany(_DROP, [(number,) for number in ids])


def starts(db: sqlite3.Connection, channel: str, since_wall: float) -> list[tuple[str, float]]:
    """When messages of which groups went at once over a channel since then, in that order."""
    query = "SELECT group_key, started_wall FROM delivery WHERE channel = ? AND started_wall > ? ORDER BY started_wall"
    return [(row["group_key"], row["started_wall"]) for row in db.execute(query, (channel, since_wall))]


def told(db: sqlite3.Connection, channel: str, about: Notification, now_wall: float) -> Told:
    """How it stands with a notification's incident on a channel."""
    row = db.execute(_TOLD, {"channel": channel, "incident": about.id, "now": now_wall}).fetchone()
    explains = None
    code = (about.cause or {}).get("code")
    if code in EXPLAINED and about.status == "firing":
        for other in db.execute(_OPEN_THERE, {"channel": channel, "host": about.host, "incident": about.id}):
            if code in EXPLAINS.get(other["code"], ()):
                explains = other["id"][:ACK_ID]
    return Told(
        bool(row["is_open"]),
        bool(row["is_told"]),
        bool(row["kept_back"]),
        row["first_wall"],
        bool(row["acked"]),
        explains,
    )


def handle_of(db: sqlite3.Connection, channel: str, incident: str) -> str | None:
    """The handle that a channel gave for the first message of an incident."""
    query = "SELECT handle FROM handle WHERE channel = ? AND incident = ?"
    row = db.execute(query, (channel, incident)).fetchone()
    return None if row is None else str(row["handle"])


def revive_dead(db: sqlite3.Connection, now_wall: float) -> int:
    """Put young dead letters back among the pending; gives how many."""
    return db.execute(_REVIVE, (now_wall - LIVES_S,)).rowcount


def expire(db: sqlite3.Connection, now_wall: float) -> int:
    """Make dead letters of what was not taken for too long; gives how many they are."""
    return db.execute(_EXPIRE, (now_wall, now_wall - LIVES_S, now_wall - LIVES_S)).rowcount


def rescued(db: sqlite3.Connection) -> list[Undelivered]:
    """The pending deliveries that a damaged database still gives: from both ends, as far as each can be read."""
    found: dict[int, Undelivered] = {}
    for direction in ("ASC", "DESC"):
        try:
            for number, *told in db.execute(f"{_RESCUE} {direction}"):
                found[number] = Undelivered(*told)
        except sqlite3.DatabaseError as e:
            log.warning("of the damaged database's deliveries some cannot be read: %s", e)
    return [found[number] for number in sorted(found)]


def put_back(db: sqlite3.Connection, letters: Sequence[Undelivered]) -> int:
    """Deliver what was rescued; gives how many can be."""
    taken = 0
    with transaction(db):
        for letter in letters:
            try:
                told = records.notification_from(letter.content)
            except (ValueError, TypeError) as e:
                log.warning("a delivery to channel %s of the damaged database is lost: %s", letter.channel, e)
                continue
            number = _put_notification(db, letter.content, told, letter.created_wall)
            db.execute(
                "INSERT INTO delivery (notification_id, channel, attempts, changed_wall, reason, group_key)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (number, letter.channel, letter.attempts, letter.changed_wall, told.reason, told.group),
            )
            taken += 1
    return taken


_PENDING = """
SELECT delivery.id, attempts, done, incident, user, critical, group_key, due_wall, why, lead, after_s FROM delivery
JOIN notification ON notification.id = notification_id
WHERE channel = ? AND delivery.id > ? AND state IN ('pending', 'dead') AND state = 'pending' ORDER BY delivery.id
"""
_DROP = """
UPDATE notification SET content = '' WHERE id = (SELECT notification_id FROM delivery WHERE id = ?)
AND NOT EXISTS (SELECT 1 FROM delivery WHERE notification_id = notification.id AND state IN ('pending', 'dead'))
"""
_KEEP_HANDLE = """
INSERT OR IGNORE INTO handle (channel, incident, handle, told_wall)
SELECT channel, incident, ?, ? FROM delivery JOIN notification ON notification.id = notification_id
WHERE delivery.id = ?
"""
_REVIVE = """
UPDATE delivery SET state = 'pending', lead = NULL WHERE state IN ('pending', 'dead') AND state = 'dead'
AND EXISTS (SELECT 1 FROM notification WHERE notification.id = notification_id AND created_wall > ?)
"""
_EXPIRE = """
UPDATE delivery SET state = 'dead', changed_wall = ?, error = coalesce(error, 'not tried') || ', not taken for a day'
WHERE state IN ('pending', 'dead') AND state = 'pending' AND due_wall < ?
AND EXISTS (SELECT 1 FROM notification WHERE notification.id = notification_id AND created_wall < ?)
"""
_COUNTS = """
SELECT channel, CASE WHEN state = 'pending' AND due_wall > ? THEN 'held' ELSE state END AS how, count(*) AS n
FROM delivery WHERE state IN ('pending', 'dead') GROUP BY channel, how
"""
_TOLD = """
SELECT
    coalesce((SELECT closed_wall IS NULL OR kind = 'crashed' FROM incident WHERE id = :incident), 1) AS is_open,
    (SELECT min(changed_wall) FROM notification JOIN delivery ON notification_id = notification.id
        WHERE incident = :incident AND state = 'delivered') AS first_wall,
    EXISTS (SELECT 1 FROM notification JOIN delivery ON notification_id = notification.id
        WHERE incident = :incident AND channel = :channel AND state = 'delivered') AS is_told,
    EXISTS (SELECT 1 FROM notification JOIN delivery ON notification_id = notification.id
        WHERE incident = :incident AND channel = :channel AND state = 'dropped') AS kept_back,
    EXISTS (SELECT 1 FROM ack WHERE incident = :incident AND coalesce(until_wall, :now + 1) > :now) AS acked
"""
_OPEN_THERE = """
SELECT incident.id, json_extract(incident.cause, '$.code') AS code FROM incident JOIN run ON run.key = run_key
WHERE closed_wall IS NULL AND host = :host AND incident.cause IS NOT NULL AND incident.id <> :incident
AND EXISTS (SELECT 1 FROM notification JOIN delivery ON notification_id = notification.id
    WHERE incident = incident.id AND channel = :channel AND state = 'delivered')
"""
_RESCUE = """
SELECT delivery.id, content, created_wall, channel, attempts, changed_wall FROM delivery NOT INDEXED
CROSS JOIN notification ON notification.id = notification_id WHERE state = 'pending' ORDER BY delivery.id
"""
