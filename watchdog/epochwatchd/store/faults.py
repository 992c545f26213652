"""What can be wrong with the store, and how SQLite says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from epochwatchd.model import EpochwatchError


class StoreError(EpochwatchError):
    """The database cannot be used; the text says why and what to do."""


class StoreRefused(StoreError):  # noqa: N818 - named for what the store says
    """The daemon must not start with this database: another daemon has it, or a newer one wrote it."""


class StoreUnusable(StoreError):  # noqa: N818
    """The disk is full, read-only or broken, somebody holds a lock, a permission is missing: it may pass by itself."""


class DamagedError(Exception):
    """The file is no database any more. The store sets it aside and begins a new one; nobody else sees this."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """SQLite's and the kernel's faults as the store's own; all others are those of what was to be written, and pass."""
    try:
        yield
    except Exception as e:
        if is_damage(e):
            raise DamagedError(str(e)) from e
        if is_of_the_surroundings(e):
            raise StoreUnusable(f"{path}: {e}") from e
        raise


def is_of_the_surroundings(error: Exception) -> bool:
    """Whether the disk, a lock or a permission is to blame."""
    return isinstance(error, (sqlite3.OperationalError, OSError))


def is_damage(error: Exception) -> bool:
    """Whether SQLite says CORRUPT or NOTADB, or that a table is gone while the database was open.

    It has no class of its own for the first two, and no code before Python 3.11.
    """
    return type(error) is sqlite3.DatabaseError or (
        isinstance(error, sqlite3.OperationalError) and str(error).startswith("no such ")
    )
