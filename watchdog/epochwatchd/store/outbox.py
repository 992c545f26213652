"""Deliveries on their way: a notification, and for each of its channels one row that says how far it has come."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from epochwatchd.model import Delivery, Notification
from epochwatchd.store import records
from epochwatchd.store.formats import transaction

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


def put(db: sqlite3.Connection, notification: Notification, channels: Sequence[str], now_wall: float) -> None:
    """A notification is to be delivered to these channels."""
    number = _put_notification(db, records.notification_json(notification), notification, now_wall)
    db.executemany(
        "INSERT INTO delivery (notification_id, channel, changed_wall) VALUES (?, ?, ?)",
        [(number, channel, now_wall) for channel in channels],
    )


def _put_notification(db: sqlite3.Connection, content: str, told: Notification, created_wall: float) -> int | None:
    values = (content, created_wall, told.id, told.turn, told.severity == "critical")
    insert = "INSERT INTO notification (content, created_wall, incident, user, critical) VALUES (?, ?, ?, ?, ?)"
    return db.execute(insert, values).lastrowid


def pending(db: sqlite3.Connection, channel: str, after: int) -> list[Delivery]:
    """What one channel has still to deliver, the oldest first, from the delivery ``after`` on."""
    return [
        Delivery(
            row["id"], channel, row["incident"], row["user"], bool(row["critical"]), row["attempts"], _done(row["done"])
        )
        for row in db.execute(_PENDING, (channel, after))
    ]


def _done(text: str) -> tuple[str, ...]:
    try:
        return tuple(map(str, json.loads(text)))
    except (ValueError, TypeError):  # whatever stands there: somebody may get the message twice
        return ()


def notification(db: sqlite3.Connection, delivery_id: int, now_wall: float) -> Notification | None:
    """What is to be delivered; None if it is gone, or cannot be read: then it is a dead letter from now on."""
    query = """SELECT content FROM delivery JOIN notification ON notification.id = notification_id
        WHERE delivery.id = ? AND state = 'pending' AND state <> 'delivered'"""
    row = db.execute(query, (delivery_id,)).fetchone()
    if row is None:
        return None
    try:
        return records.notification_from(row["content"])
    except Exception as e:  # whatever stands there: it must not stop those behind it
        log.exception("delivery %d cannot be read and is a dead letter", delivery_id)
        mark(db, delivery_id, "dead", f"cannot be read: {type(e).__name__}: {e}", now_wall)
        return None


def counts(db: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How many deliveries wait or are dead, by channel and state."""
    query = "SELECT channel, state, count(*) AS n FROM delivery WHERE state <> 'delivered' GROUP BY channel, state"
    return {(row["channel"], row["state"]): row["n"] for row in db.execute(query)}


def mark(
    db: sqlite3.Connection,
    delivery_id: int,
    state: str,
    error: str | None,
    now_wall: float,
    *,
    done: Sequence[str] = (),
    handle: str | None = None,
) -> None:
    """An attempt was made, and this came of it. What every channel has taken need not be said again: it is dropped.

    ``handle``: by which the channel knows the message; that of an incident's first is kept.
    """
    shown = None if error is None else error.encode("utf-8", "replace").decode()
    update = (
        "UPDATE delivery SET state = ?, attempts = attempts + 1, error = ?, changed_wall = ?, done = ? WHERE id = ?"
    )
    with transaction(db):
        db.execute(update, (state, shown, now_wall, records.to_json(list(done)), delivery_id))
        if state == "delivered":
            if handle is not None:
                db.execute(_KEEP_HANDLE, (handle, now_wall, delivery_id))
            db.execute(_DROP, (delivery_id,))


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
    return db.execute(_EXPIRE, (now_wall, now_wall - LIVES_S)).rowcount


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
                "INSERT INTO delivery (notification_id, channel, attempts, changed_wall) VALUES (?, ?, ?, ?)",
                (number, letter.channel, letter.attempts, letter.changed_wall),
            )
            taken += 1
    return taken


_PENDING = """
SELECT delivery.id, attempts, done, incident, user, critical FROM delivery
JOIN notification ON notification.id = notification_id
WHERE channel = ? AND delivery.id > ? AND state = 'pending' AND state <> 'delivered' ORDER BY delivery.id
"""
_DROP = """
UPDATE notification SET content = '' WHERE id = (SELECT notification_id FROM delivery WHERE id = ?)
AND NOT EXISTS (SELECT 1 FROM delivery WHERE notification_id = notification.id AND state <> 'delivered')
"""
_KEEP_HANDLE = """
INSERT OR IGNORE INTO handle (channel, incident, handle, told_wall)
SELECT channel, incident, ?, ? FROM delivery JOIN notification ON notification.id = notification_id
WHERE delivery.id = ?
"""
_REVIVE = """
UPDATE delivery SET state = 'pending' WHERE state <> 'delivered' AND state = 'dead'
AND EXISTS (SELECT 1 FROM notification WHERE notification.id = notification_id AND created_wall > ?)
"""
_EXPIRE = """
UPDATE delivery SET state = 'dead', changed_wall = ?, error = coalesce(error, 'not tried') || ', not taken for a day'
WHERE state <> 'delivered' AND state = 'pending'
AND EXISTS (SELECT 1 FROM notification WHERE notification.id = notification_id AND created_wall < ?)
"""
_RESCUE = """
SELECT delivery.id, content, created_wall, channel, attempts, changed_wall FROM delivery NOT INDEXED
CROSS JOIN notification ON notification.id = notification_id WHERE state = 'pending' ORDER BY delivery.id
"""
