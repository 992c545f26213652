"""Who has seen what, and who wants to hear nothing of what: acknowledgements and mutes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from epochwatchd.model import Kind, Mute
from epochwatchd.store import records
from epochwatchd.store.formats import transaction

FRESH_S = 7 * 86_400.0
"""A crash is never over; so long it can be acknowledged."""


class Noticed(NamedTuple):
    """An incident that somebody may acknowledge: whose it is, and what it is."""

    id: str
    run_key: str
    job: str
    user: str
    host: str
    kind: Kind


def noticed(db: sqlite3.Connection, prefix: str, now_wall: float) -> list[Noticed]:
    """The incidents that are not over and whose id begins so."""
    rows = db.execute(_NOTICED, {"like": f"{prefix}*", "since": now_wall - FRESH_S}).fetchall()
    return [Noticed(*row) for row in rows]


def told_with(db: sqlite3.Connection, incident: str, owner: str | None) -> list[str]:
    """This incident, and those that stood in one message with it; of this user's runs only, unless that is None."""
    others = db.execute(_TOLD_WITH, {"incident": incident, "owner": owner})
    return [incident, *(row["id"] for row in others)]


class Ack(NamedTuple):
    """Who has seen it, when, until when that counts (None: as long as it lasts), and what there is to say."""

    who: str
    at_wall: float
    until_wall: float | None = None
    note: str = ""


def is_for(db: sqlite3.Connection, incident: str, channel: str) -> bool:
    """Whether a channel is to take, or took, a message of an incident.

    Not only what is known as delivered: a person may read, and press, before the peer's answer is here, or without it.
    """
    query = """SELECT 1 FROM notification JOIN delivery ON notification_id = notification.id
        WHERE incident = ? AND channel = ? LIMIT 1"""
    return db.execute(query, (incident, channel)).fetchone() is not None


def acknowledge(db: sqlite3.Connection, incidents: Sequence[str], ack: Ack) -> None:
    """Somebody has seen these."""
    with transaction(db):
        values = [(incident, *ack) for incident in incidents]
        db.executemany("INSERT OR REPLACE INTO ack VALUES (?, ?, ?, ?, ?)", values)


def mutes(db: sqlite3.Connection, now_wall: float) -> list[Mute]:
    """The mutes that hold, the first to end first."""
    query = "SELECT * FROM mute WHERE until_wall > ? ORDER BY until_wall, id"
    return [records.mute_from(row) for row in db.execute(query, (now_wall,))]


def mute(db: sqlite3.Connection, new: Mute) -> None:
    """This is not to be heard of; an earlier one of that id is long over."""
    values = (new.id, records.to_json(dict(new.match)), new.from_wall, new.until_wall, new.who, new.why, new.owner)
    db.execute("INSERT OR REPLACE INTO mute VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def unmute(db: sqlite3.Connection, mute_id: str, now_wall: float) -> None:
    """It is to be heard of again, from now on."""
    db.execute("UPDATE mute SET until_wall = ? WHERE id = ?", (now_wall, mute_id))


_NOTICED = """
SELECT incident.id, run_key, job, user, host, kind FROM incident JOIN run ON run.key = run_key
WHERE incident.id GLOB :like AND (closed_wall IS NULL OR (kind = 'crashed' AND opened_wall > :since))
ORDER BY opened_wall DESC
"""
_TOLD_WITH = """
SELECT DISTINCT incident.id FROM delivery JOIN notification ON notification.id = notification_id
JOIN incident ON incident.id = notification.incident JOIN run ON run.key = run_key
WHERE incident.id <> :incident AND (:owner IS NULL OR run.user = :owner) AND lead IN (
    SELECT lead FROM notification JOIN delivery ON notification_id = notification.id
    WHERE incident = :incident AND lead IS NOT NULL)
"""
