"""Whether a message goes now, waits, or is not needed any more. Pure: everything it depends on is given to it.

A message is decided on when it is about to go, and again whenever it was made to wait. What is decided has a name: it
stands in the log and in the store. ``acked``, ``muted ID``, ``quiet``, ``inhibited by ID``, ``unacked``, ``over``,
``untold``; and ``grouped`` and ``flapping`` (see ``grouping``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from epochwatchd.alerting.routing import matches
from epochwatchd.verdicts import EXPLAINED, VERDICTS

if TYPE_CHECKING:
    from epochwatchd.config import Match
    from epochwatchd.model import Mute, Notification, Told

_KEPT_BACK = ("muted ", "inhibited ")
LOOK_AGAIN_S = 60.0
"""What is held for another incident is looked at again so often."""


class Tell(NamedTuple):
    """It goes."""


class Hold(NamedTuple):
    """It waits until then. ``together``: with all that waits so, for one message."""

    why: str
    until_wall: float
    together: str | None = None


class Drop(NamedTuple):
    """It never goes."""

    why: str


Decision: TypeAlias = Tell | Hold | Drop


class Muted(NamedTuple):
    """A mute, and its conditions as they are asked."""

    mute: Mute
    match: Match

    def takes(self, notification: Notification) -> bool:
        """Whether it is meant. A user's mutes are of that user's runs: a name that anybody may give is not enough."""
        owner = self.mute.owner
        is_theirs = owner is None or (notification.verified and notification.user == owner)
        return is_theirs and matches(self.match, notification)


def is_plain(notification: Notification, mutes: Sequence[Muted], after_s: float | None, held: str | None) -> bool:
    """Whether it does not matter how it stands with its incident: so it is with most, and to ask takes time."""
    is_new = notification.status != "resolved" and notification.reason not in ("reminder", "unacked")
    is_explicable = (notification.cause or {}).get("code") in EXPLAINED
    was_kept_back = held is not None and held.startswith(_KEPT_BACK)
    return is_new and not (mutes or is_explicable or was_kept_back or after_s is not None)


def decide(
    notification: Notification,
    told: Told,
    *,
    mutes: Sequence[Muted] = (),
    quiet_until: float | None = None,
    after_s: float | None = None,
    held: str | None = None,
    now_wall: float,
) -> Decision:
    """What becomes of a message now.

    told: how it stands with its incident on this channel.
    quiet_until: until when the channel is left in peace; None if what is so severe is told.
    after_s: it goes only where nobody acknowledges within this time of the first delivered message.
    held: why it has waited until now.
    """
    for decision in (
        _needless(notification, told, held),
        _muted(notification, told, mutes, now_wall),
        _explained(notification, told, now_wall),
        _too_early(told, after_s, now_wall),
    ):
        if decision is not None:
            return decision
    if quiet_until is not None and quiet_until > now_wall:
        return Hold("quiet", quiet_until, together="quiet")
    return Tell()


def _needless(notification: Notification, told: Told, held: str | None) -> Drop | None:
    """What was seen, or is over, is not said once more; what nobody was to hear of is not told when it is over."""
    if notification.reason in ("reminder", "unacked"):
        if told.acked:
            return Drop("acked")
        if not told.is_open and not VERDICTS[notification.kind].is_end:
            return Drop("over")
    if held is not None and held.startswith(_KEPT_BACK) and notification.status != "resolved" and not told.is_open:
        return Drop(held)
    is_untold = notification.status == "resolved" and told.kept_back and not told.is_told
    return Drop("untold") if is_untold else None


def _muted(notification: Notification, told: Told, mutes: Sequence[Muted], now_wall: float) -> Hold | Drop | None:
    mute = next((m.mute for m in mutes if m.mute.until_wall > now_wall and m.takes(notification)), None)
    return None if mute is None else _kept_back(f"muted {mute.id}", mute.until_wall, notification, told)


def _explained(notification: Notification, told: Told, now_wall: float) -> Hold | Drop | None:
    if told.inhibited_by is None:
        return None
    return _kept_back(f"inhibited by {told.inhibited_by}", now_wall + LOOK_AGAIN_S, notification, told)


def _too_early(told: Told, after_s: float | None, now_wall: float) -> Hold | None:
    """Whoever was told first has so much time to say that it was seen."""
    if after_s is None:
        return None
    due_wall = (now_wall if told.first_wall is None else told.first_wall) + after_s
    return Hold("unacked", due_wall) if due_wall > now_wall else None


def _kept_back(why: str, until_wall: float, notification: Notification, told: Told) -> Hold | Drop:
    """Told later if the fault is still there then: no news, nothing that is over by then, never a bare all-clear."""
    is_awaited = told.is_told if notification.status == "resolved" else told.is_open and notification.status == "firing"
    return Hold(why, until_wall) if is_awaited else Drop(why)
