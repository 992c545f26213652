"""What the store says of a stretch of time, for a summary."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress

from epochwatchd.alerting.digest import Ended, Stuck, Summary
from epochwatchd.model import Notice
from epochwatchd.store import outbox
from epochwatchd.store.formats import transaction


def digest_wall(db: sqlite3.Connection, channel: str, now_wall: float) -> float:
    """Until when a channel has had its summary; now, where it has had none."""
    db.execute("INSERT OR IGNORE INTO digest VALUES (?, ?)", (channel, now_wall))
    return float(db.execute("SELECT until_wall FROM digest WHERE channel = ?", (channel,)).fetchone()[0])


def summary(db: sqlite3.Connection, from_wall: float, until_wall: float) -> Summary:
    """What happened in this time."""
    times = {"from": from_wall, "until": until_wall}
    ended = [Ended(*row) for row in db.execute(_ENDED, times)]
    stuck = [Stuck._make([*row[:-1], _gpus(row["cause"])]) for row in db.execute(_STUCK, times)]
    running = int(db.execute(_RUNNING, times).fetchone()[0])
    return Summary(from_wall, until_wall, ended, stuck, running)


def put(db: sqlite3.Connection, channel: str, notice: Notice, until_wall: float, now_wall: float) -> None:
    """A channel gets its summary, once."""
    with transaction(db):
        outbox.put(db, notice, now_wall)
        db.execute("UPDATE digest SET until_wall = ? WHERE channel = ?", (until_wall, channel))


def _gpus(cause: str | None) -> int:
    """How many GPUs were held, as far as the cause says."""
    with suppress(ValueError, TypeError, AttributeError):
        details = json.loads(cause or "{}").get("details", {})
        return len(details.get("held") or details.get("gpus") or ())
    return 0


_OURS = "verdict NOT IN ('watchdog', 'missing')"
_ENDED = f"""
SELECT job, user, verdict, cause FROM run
WHERE ended_wall > :from AND ended_wall <= :until AND {_OURS} ORDER BY ended_wall
"""  # noqa: S608 - our own words
_RUNNING = f"SELECT count(*) FROM run WHERE (ended_wall IS NULL OR ended_wall > :until) AND {_OURS}"  # noqa: S608
_STUCK = """
SELECT run_key, job, user, incident.since_wall, coalesce(closed_wall, :until) AS until_wall, incident.cause
FROM incident JOIN run ON run.key = run_key
WHERE kind IN ('silent', 'stalled') AND (closed_wall IS NULL OR closed_wall > :from) AND incident.since_wall < :until
"""
