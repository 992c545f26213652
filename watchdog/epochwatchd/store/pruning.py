"""Forgetting what is old, a few rows at a time: the daemon has other things to do between two slices."""

from __future__ import annotations

import sqlite3


def prune(db: sqlite3.Connection, before_wall: float, limit: int) -> int:
    """Delete at most ``limit`` old rows, with the deliveries and workers that hang on them; gives how many."""
    gone = _runs(db, before_wall, limit)
    for delete in (_NOTIFICATIONS, _LESSONS, _HANDLES, _ACKS, _MUTES):
        if gone < limit:
            gone += db.execute(delete, (before_wall, limit - gone)).rowcount
    return gone


def _runs(db: sqlite3.Connection, before_wall: float, limit: int) -> int:
    """A run may have any number of incidents: they go first, and it only after the last of them."""
    gone = 0
    for (key,) in db.execute(_OLD_RUNS, (before_wall, limit)).fetchall():
        gone += db.execute(_INCIDENTS, (key, limit - gone)).rowcount
        if gone >= limit:
            break
        gone += db.execute("DELETE FROM run WHERE key = ?", (key,)).rowcount
        if gone >= limit:
            break
    return gone


_OLD_RUNS = "SELECT key FROM run WHERE ended_wall < ? ORDER BY ended_wall LIMIT ?"
_INCIDENTS = "DELETE FROM incident WHERE rowid IN (SELECT rowid FROM incident WHERE run_key = ? LIMIT ?)"
_NOTIFICATIONS = """
DELETE FROM notification WHERE id IN (
    SELECT id FROM notification WHERE created_wall < ? AND id < (SELECT max(id) FROM notification) AND NOT (
        EXISTS (SELECT 1 FROM incident WHERE incident.id = notification.incident AND closed_wall IS NULL)
        AND EXISTS (SELECT 1 FROM delivery WHERE notification_id = notification.id AND state IN ('pending', 'dead')))
    ORDER BY created_wall LIMIT ?)
"""
"""The newest stays, for its id: who asks for deliveries behind the last that it knows must find the next ones there."""
_LESSONS = "DELETE FROM lesson WHERE rowid IN (SELECT rowid FROM lesson WHERE changed_wall < ? LIMIT ?)"
_ACKS = "DELETE FROM ack WHERE rowid IN (SELECT rowid FROM ack WHERE at_wall < ? LIMIT ?)"
_MUTES = "DELETE FROM mute WHERE rowid IN (SELECT rowid FROM mute WHERE until_wall < ? LIMIT ?)"
_HANDLES = "DELETE FROM handle WHERE rowid IN (SELECT rowid FROM handle WHERE told_wall < ? LIMIT ?)"
