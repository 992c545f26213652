"""The memory of the watchdog: one SQLite database in WAL mode.

Every verdict, its incident, its notification and one delivery row per channel are written in one transaction, before
anything is sent: killed at any instant, the watchdog has either not judged yet or will still deliver. No decision is
made here.
"""

from epochwatchd.store.faults import StoreError, StoreRefused, StoreUnusable
from epochwatchd.store.files import is_in_use
from epochwatchd.store.reading import Letters, read_letters, read_recent, read_runs
from epochwatchd.store.records import Record, RunRow
from epochwatchd.store.store import Store, StoredRun, Unfinished

__all__ = [
    "Letters",
    "Record",
    "RunRow",
    "Store",
    "StoreError",
    "StoreRefused",
    "StoreUnusable",
    "StoredRun",
    "Unfinished",
    "is_in_use",
    "read_letters",
    "read_recent",
    "read_runs",
]
