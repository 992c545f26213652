"""The detectors: one file each, found by listing this folder.

Each gives ``detect(worker, facts, policy, now) -> Finding | None`` and reads no clock, file or socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeAlias

from epochwatchd.model import Facts, Finding, Policy, Worker

Detector: TypeAlias = Callable[[Worker, Facts, Policy, float], Finding | None]


def find() -> Mapping[str, Detector]:
    """Every detector by the name of its file."""
    return {m.name: import_module(f"{__name__}.{m.name}").detect for m in iter_modules(__path__)}
