"""Bad input: counted all of it, logged some of it, so that a flood of rubbish fills no log."""

from __future__ import annotations

import logging
from collections import Counter

log = logging.getLogger("flatlined.input")

QUIET_S = 60.0
"""Each kind of fault is logged at most this often; the next line says how many came in between."""


class Complaints:
    """Counts faults by code."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._logged: dict[str, tuple[float, int]] = {}

    def note(self, code: str, source: str, text: str, now: float) -> None:
        """One fault: a short stable ``code``, where it came from, and what is wrong with it."""
        self.counts[code] += 1
        at, count = self._logged.get(code, (float("-inf"), 0))
        if now - at < QUIET_S:
            return
        more = self.counts[code] - count - 1
        log.warning("%s: %s%s", source, text, f" (and {more} more of the kind {code!r} before)" if more else "")
        self._logged[code] = (now, self.counts[code])
