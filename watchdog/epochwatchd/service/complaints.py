"""Bad input: counted all of it, logged some of it, so that a flood of rubbish fills no log."""

from __future__ import annotations

import logging
from collections import Counter

from epochwatch.wire import clean

log = logging.getLogger("epochwatchd.input")

QUIET_S = 60.0
"""A kind of fault of one source is logged at most this often; the next line says how many came in between."""
LINES = 20
"""And of all sources together at most so many lines in that time."""


class Complaints:
    """Counts faults by code."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._logged: dict[tuple[str, str], float] = {}
        self._told: dict[str, int] = {}

    def note(self, code: str, source: str, text: str, now: float, times: int = 1) -> None:
        """A fault: a short stable ``code``, where it came from, what is wrong with it, and how often it was seen."""
        self.counts[code] += times
        self._logged = {key: at for key, at in self._logged.items() if now - at < QUIET_S}
        if (code, source) in self._logged or len(self._logged) >= LINES:
            return
        more = self.counts[code] - self._told.get(code, 0) - 1
        log.warning(
            "%s: %s%s", clean(source), clean(text), f" (and {more} more of the kind {code!r} before)" if more else ""
        )
        self._logged[code, source], self._told[code] = now, self.counts[code]
