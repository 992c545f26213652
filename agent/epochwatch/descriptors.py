"""Descriptors in a process whose code may close, and use again, any of them."""

from __future__ import annotations

import os
from typing import Optional, Tuple

from epochwatch.guard import pass_on

_HIGH = 600


def lifted(descriptor: int) -> int:
    """``descriptor`` moved up to where none is handed out, or itself where that cannot be. It is not inherited."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
        import resource  # noqa: PLC0415 - not on Windows
    except (ImportError, OSError):  # or no descriptor is left to load them by
        return descriptor
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    above = _HIGH if soft < 0 or soft > _HIGH else soft * 3 // 4
    try:
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above)
    except OSError:
        return descriptor
    os.close(descriptor)
    return high


def inode_of(descriptor: int) -> Tuple[int, int]:
    """What tells the open file behind a descriptor from any other. Raises OSError if it is closed."""
    about = os.fstat(descriptor)
    return about.st_dev, about.st_ino


def is_same(descriptor: int, inode: Optional[Tuple[int, int]]) -> bool:
    """Whether the descriptor still is that of the open file ``inode``."""
    try:
        return inode_of(descriptor) == inode
    except OSError as error:
        pass_on(error)
        return False
