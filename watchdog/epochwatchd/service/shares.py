"""How much of the watchdog the runs of one user may take: more than people need, and never what others need.

Every watched worker costs a descriptor, a look each second, the memory of what it says, and rows in the store when it
ends. So each user has an account, in bytes: one share for what is watched at once, one for what begins within an hour.
All senders that are not known have one account together.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from epochwatch.wire import WireError

RUN_BYTES = 2048
"""What a worker costs besides what it says."""
AT_ONCE_BYTES = 32 * 1024 * 1024
"""About 12,000 usual runs, or 1,000 whose bodies are as long as they may be."""
AN_HOUR_BYTES = 2 * AT_ONCE_BYTES
ALWAYS_SHARE, TOGETHER_SHARE = 1 / 4, 1 / 2
"""Of the descriptors: so many are always a user's; more only while all together have taken no more than this."""
FULL_S = 60.0
"""Whoever was refused so lately is said to be."""
_HOUR_S = 3600.0


@dataclass(slots=True)
class _Account:
    """What one user's workers take. ``lately`` is what began within the last hour, as of ``at``: it runs off evenly."""

    bytes: int = 0
    lately: float = 0.0
    at: float = 0.0
    refused_at: float = float("-inf")
    costs: dict[str, int] = field(default_factory=dict)
    tied: set[str] = field(default_factory=set)


class Shares:
    """The accounts by uid, None being that of all who are not known."""

    def __init__(self, descriptors: int) -> None:
        """``descriptors``: how many the daemon may have."""
        self._always, self._together = descriptors * ALWAYS_SHARE, descriptors * TOGETHER_SHARE
        self._accounts: dict[int | None, _Account] = {}
        self._tied = 0

    def take(self, uid: int | None, key: str, body_bytes: int, now: float) -> None:
        """A worker is to be watched, or says more than before. Raises WireError ``share`` where that is too much."""
        account = self._accounts.setdefault(uid, _Account(at=now))
        before, cost = account.costs.get(key, 0), RUN_BYTES + body_bytes
        lately = max(0.0, account.lately - (now - account.at) * AN_HOUR_BYTES / _HOUR_S)
        new = cost - before
        if new <= 0:  # what it once said counts until its end
            return
        if account.bytes + new > AT_ONCE_BYTES or lately + new > AN_HOUR_BYTES:
            account.refused_at = now
            raise WireError("share", f"its user may not have more runs than these {len(account.costs)}: it has to wait")
        account.bytes += new
        account.lately, account.at = lately + new, now
        account.costs[key] = cost

    def tie(self, uid: int | None, key: str) -> None:
        """The process of a worker is to be watched by a descriptor. Raises OSError EMFILE where others need them."""
        account = self._accounts.setdefault(uid, _Account())
        if key not in account.tied:
            if len(account.tied) >= self._always and self._tied >= self._together:
                raise OSError(errno.EMFILE, f"{len(account.tied)} descriptors are enough for one user")
            account.tied.add(key)
            self._tied += 1

    def give_back(self, uid: int | None, key: str) -> None:
        """A worker is watched no longer."""
        account = self._accounts.get(uid)
        if account:
            account.bytes -= account.costs.pop(key, 0)
            self._tied -= key in account.tied
            account.tied.discard(key)

    def full(self, now: float) -> list[int | None]:
        """Whose runs had to be refused lately."""
        return [uid for uid, account in self._accounts.items() if now - account.refused_at < FULL_S]
