"""What is told together, without making the first wait. Pure.

The first of a group goes at once. What comes within the interval after it is told as one message when that ends; this
one starts no interval. So forty runs that die together are two messages, and one that dies alone is told at once.
What comes again and again is told three times, and then once in half an hour: warnings of several runs, and the crashes
of one command that is started again after each, and crashes soon in the same way (a restart loop).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from epochwatchd.alerting.deciding import Hold
from epochwatchd.model import FLAPS, FLAPS_WITHIN_S, SEVERITIES

MESSAGE_MAX = 200
LOOP_S = FLAPS_WITHIN_S / FLAPS
"""A run that lasted longer is not part of a restart loop: not so many would fit into that time."""

_NUMBERS = re.compile(r"[0-9]+")

if TYPE_CHECKING:
    from epochwatchd.model import Notification


def hold_of(starts: Sequence[float], now_wall: float, interval_s: float, *, may_flap: bool) -> Hold | None:
    """Until when a message of a group waits for others; None: it goes at once, and starts an interval.

    may_flap: of what came three times, more is told once in half an hour. For one run see ``detection.incidents``.
    starts: when messages of the group went at once, the latest last. Those ahead of now are of a clock set back.
    """
    known = lately(starts, now_wall)
    if known and now_wall - known[-1] < interval_s:
        return Hold("grouped", known[-1] + interval_s)
    if may_flap and interval_s and len(known) >= FLAPS:
        return Hold("flapping", known[-FLAPS] + FLAPS_WITHIN_S)
    return None


def lately(starts: Sequence[float], now_wall: float) -> list[float]:
    """Those of the last half hour."""
    return [start for start in starts if 0.0 <= now_wall - start < FLAPS_WITHIN_S]


def is_fault(group: str) -> bool:
    """Whether a ``Notification.group`` is of faults, or of their ends: not of news, nor of what is said once more."""
    return group.split("/", 4)[3:4] in (["firing"], ["resolved"])


def hold_of_loop(told: Notification, starts: Sequence[float], now_wall: float, interval_s: float) -> Hold | None:
    """The same of a run that may be part of a restart loop; ``starts`` are those of ``loop_of``.

    It was started after the last message, so runs side by side are none. Of unknown senders nobody can hold up another.
    """
    known = lately(starts, now_wall)
    is_part = told.verified and bool(known) and told.elapsed_s <= min(LOOP_S, now_wall - known[-1])
    return hold_of(known, now_wall, interval_s, may_flap=True) if is_part else None


def may_loop(group: str) -> bool:
    """Whether a ``Notification.group`` is of crashes or starts: a restart loop has both."""
    return group.split("/", 2)[1:2] in (["crashed"], ["started"])


def loop_of(told: Notification) -> str:
    """What is the same in each run of a restart loop: job, command, folder, and how it crashed, but for numbers."""
    details = (told.cause or {}).get("details", {})
    how = [details.get(name) for name in ("failure", "status", "signal", "type")]
    message = _NUMBERS.sub("0", str(details.get("message"))[:MESSAGE_MAX])
    return repr((told.group, told.job, tuple(told.argv), told.cwd, how, message))


def said_once(notifications: Sequence[Notification]) -> list[Notification]:
    """What one message says of these: of each incident its latest state, what is still wrong first, the worst before.

    Of one that began and ended before anything was told, the end is the first that is said.
    """
    latest: dict[str, Notification] = {}
    for notification in notifications:
        is_first = notification.id in latest and latest[notification.id].reason == "first"
        latest[notification.id] = replace(notification, reason="first") if is_first else notification
    return sorted(latest.values(), key=lambda n: (n.status == "resolved", SEVERITIES.index(n.severity) * -1))
