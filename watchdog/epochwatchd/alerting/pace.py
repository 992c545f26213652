"""How far apart messages go over one channel: learned from its peer's complaints, forgotten as it goes well. Pure."""

from __future__ import annotations

from dataclasses import dataclass

GAP_MOST_S = 60.0
EASED = 0.8
GONE_BELOW_S = 0.1


@dataclass(slots=True)
class Pace:
    """``every_s``: the gap after a first complaint. ``next_at``: nothing goes before."""

    every_s: float
    gap_s: float = 0.0
    next_at: float = 0.0

    def refused(self, now: float, wait_s: float) -> None:
        """The peer asks for so many seconds without a message: it was too much."""
        self.gap_s = min(GAP_MOST_S, max(self.every_s, 2 * self.gap_s))
        self.next_at = now + wait_s

    def taken(self, now: float) -> None:
        """A message went well."""
        self.next_at = now + self.gap_s
        self.gap_s = self.gap_s * EASED if self.gap_s * EASED >= GONE_BELOW_S else 0.0
