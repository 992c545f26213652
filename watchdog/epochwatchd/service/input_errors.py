"""Bad input: counted all of it, logged some of it, so that a flood of rubbish fills no log."""

from __future__ import annotations

import logging
from collections import Counter

from epochwatch.wire import clean

log = logging.getLogger("epochwatchd.input")

QUIET_S = 60.0
"""A kind of fault of one source is logged at most this often; the next line says how many came in between."""
LINES = 5
"""And of all sources together at most so many lines of a kind: a neighbour with bad names hides no other fault."""


class InputErrors:
    """Counts faults by code."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._logged: dict[str, dict[str, float]] = {}
        self._told: dict[str, int] = {}

    def note(self, code: str, source: str, text: str, now: float, times: int = 1) -> None:
        """A fault: a short stable ``code``, where it came from, what is wrong with it, and how often it was seen."""
        self.counts[code] += times
        lately = {where: at for where, at in self._logged.get(code, {}).items() if now - at < QUIET_S}
        self._logged[code] = lately
        if source in lately or len(lately) >= LINES:
            return
        more = self.counts[code] - self._told.get(code, 0) - 1
        log.warning(
            "%s: %s%s", clean(source), clean(text), f" (and {more} more of the kind {code!r} before)" if more else ""
        )
        lately[source], self._told[code] = now, self.counts[code]
