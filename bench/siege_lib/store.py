"""The store breaks, at the start and while the daemon runs: is a death meanwhile told at once, and in history later?"""

import contextlib
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import common
from common import Goal
from siege_lib.besieged import Besieged, besieged

TOLD_WITHIN_S = 15.0
AT_ONCE = 3


class Row(NamedTuple):
    """What becomes of the store, and how that is mended (None: the daemon does it)."""

    name: str
    spoil: Callable[[Besieged, contextlib.ExitStack], None]
    mend: Callable[[Besieged], None] | None = None
    tmpfs: bool = False


def measure() -> list[Goal]:
    """Try every row while the daemon runs, and before it starts."""
    rows = [row for row in ROWS if os.geteuid() == 0 or not row.tmpfs]
    tries = [(row, at_start) for row in rows for at_start in (False, True)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        faults = list(pool.map(lambda one: _try(*one), tries))
    common.print_table(
        "A store that breaks",
        ["what happens to it", "when", ""],
        [
            [row.name, "at the start" if at_start else "while it runs", "held" if not fault else f"NOT HELD: {fault}"]
            for (row, at_start), fault in zip(tries, faults, strict=True)
        ],
    )
    held = sum(1 for fault in faults if not fault)
    return [Goal("rows of a broken store held", str(len(tries)), str(held), held == len(tries))]


def _try(row: Row, at_start: bool) -> str:  # noqa: FBT001 - as the table has it
    """What went wrong; empty if it was held."""
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(besieged())
        daemon.store.parent.mkdir()
        if row.tmpfs:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "siege", daemon.store.parent], check=True)
            stack.callback(subprocess.run, ["umount", "--lazy", daemon.store.parent], check=False)
            stack.callback(daemon.end)
        daemon.start()
        first = daemon.job("first")
        if daemon.hook.wait(TOLD_WITHIN_S, job="first", kind="started") is None:
            return "a training was not seen"
        if at_start:
            daemon.end()
        row.spoil(daemon, stack)
        if at_start:
            daemon.start()
        second = daemon.job("second")
        for job in (first, second):
            if job is second and daemon.hook.wait(TOLD_WITHIN_S, job="second", kind="started") is None:
                return "a new training was not seen"
            job.end("killed")
            if daemon.hook.wait(TOLD_WITHIN_S, job=job.name, kind="crashed") is None:
                return f"the death of the {job.name} was not told"
        if not daemon.is_well(10.0):
            return "it no longer says that it is well"
        if row.mend is not None:
            row.mend(daemon)
        return "" if _in_history(daemon) else "history has not caught up"


def _in_history(daemon: Besieged) -> bool:
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(daemon.store)) as db:
            if set(db.execute("SELECT job FROM run WHERE verdict = 'crashed'")) >= {("first",), ("second",)}:
                return True
        time.sleep(0.2)
    return False


def _fill(daemon: Besieged, _: contextlib.ExitStack) -> None:
    with contextlib.suppress(OSError), (daemon.store.parent / "ballast").open("wb") as file:
        while True:
            file.write(b"x" * 4096)
            file.flush()


def _lock(daemon: Besieged, stack: contextlib.ExitStack) -> None:
    db = stack.enter_context(contextlib.closing(sqlite3.connect(daemon.store, isolation_level=None)))
    db.execute("BEGIN IMMEDIATE")
    daemon.locked = db  # type: ignore[attr-defined] - for the one who mends it


def _overwrite(part: str, at: float, size: int) -> Callable[[Besieged, contextlib.ExitStack], None]:
    def spoil(daemon: Besieged, _: contextlib.ExitStack) -> None:
        path = Path(f"{daemon.store}{part}")
        if path.exists():
            with path.open("r+b") as file:
                file.seek(int(path.stat().st_size * at))
                file.write(os.urandom(size))

    return spoil


def _truncate(daemon: Besieged, _: contextlib.ExitStack) -> None:
    os.truncate(daemon.store, daemon.store.stat().st_size // 2)


def _garbage(daemon: Besieged, _: contextlib.ExitStack) -> None:
    daemon.store.write_bytes(os.urandom(50_000))


def _remove(daemon: Besieged, _: contextlib.ExitStack) -> None:
    for path in daemon.store.parent.glob("epochwatch.db*"):
        path.unlink()


ROWS = (
    Row("its disk is full", _fill, lambda daemon: (daemon.store.parent / "ballast").unlink(), tmpfs=True),
    Row("it is locked by somebody", _lock, lambda daemon: daemon.locked.rollback()),  # type: ignore[attr-defined]
    Row("garbage in its place", _garbage),
    Row("cut in half", _truncate),
    Row("one page overwritten", _overwrite("", 0.5, 4096)),
    Row("its first page overwritten", _overwrite("", 0.0, 4096)),
    Row("its log overwritten", _overwrite("-wal", 0.3, 8192)),
    Row("removed", _remove),
)
"""A file system that is made read-only with files open for writing refuses that (EBUSY), so that is not among them."""
