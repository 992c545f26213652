"""What is told together, without making the first wait. Pure.

The first of a group goes at once. What comes within the interval after it is told as one message when that ends; this
one starts no interval. So forty runs that die together are two messages, and one that dies alone is told at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from epochwatchd.alerting.deciding import Hold
from epochwatchd.model import FLAPS, FLAPS_WITHIN_S, SEVERITIES

if TYPE_CHECKING:
    from epochwatchd.model import Notification


def hold_of(starts: Sequence[float], now_wall: float, interval_s: float, *, may_flap: bool) -> Hold | None:
    """Until when a message of a group waits for others; None: it goes at once, and starts an interval.

    may_flap: of warnings that came and went so often, more is told once in a while: they are of several runs, see
        ``detection.incidents`` for those of one.
    starts: when messages of the group went at once, the latest last. Those ahead of now are of a clock set back.
    """
    known = [start for start in starts if 0.0 <= now_wall - start < FLAPS_WITHIN_S]
    if known and now_wall - known[-1] < interval_s:
        return Hold("grouped", known[-1] + interval_s)
    if may_flap and interval_s and len(known) >= FLAPS:
        return Hold("flapping", known[-1] + FLAPS_WITHIN_S)
    return None


def is_fault(group: str) -> bool:
    """Whether a ``Notification.group`` is of faults, or of their ends: not of news, nor of what is said once more."""
    return group.split("/", 4)[3:4] in (["firing"], ["resolved"])


def said_once(notifications: Sequence[Notification]) -> list[Notification]:
    """What one message says of these: of each incident its latest state, what is still wrong first, the worst before.

    Of one that began and ended before anything was told, the end is the first that is said.
    """
    latest: dict[str, Notification] = {}
    for notification in notifications:
        is_first = notification.id in latest and latest[notification.id].reason == "first"
        latest[notification.id] = replace(notification, reason="first") if is_first else notification
    return sorted(latest.values(), key=lambda n: (n.status == "resolved", SEVERITIES.index(n.severity) * -1))
