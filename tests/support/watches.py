"""Watches of workers: apart from the builders, which need no library of the daemon's."""

from __future__ import annotations

from epochwatchd.model import Worker
from epochwatchd.service.watch import Watch


def watched(*workers: Worker) -> dict[str, Watch]:
    """The watches of these workers, by key, as a run has them."""
    return {worker.key: Watch(worker) for worker in workers}
