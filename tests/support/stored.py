"""What tests of the store write into it."""

from __future__ import annotations

from builders import WALL, moment

from epochwatchd.model import Notification
from epochwatchd.store.records import RunRow

NOW = moment(100.0)
ROW = RunRow("run", "digits", "r1", "gpu01", "mina", 42, "running", WALL, None, WALL, WALL, None, {"epoch": 3})
MESSAGE = Notification(
    "id-silent", "silent", "firing", "first", "critical", "digits", "r1", "gpu01", "mina", 42, None,
    "2027-01-15T08:00:00.000Z", "2027-01-15T08:00:01.000Z", None, {"epoch": 3}, 12.5, "text",
)  # fmt: skip
