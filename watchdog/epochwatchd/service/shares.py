"""How much of the watchdog the runs of one user may take: more than people need, and never what others need.

Every watched worker costs a descriptor, a look each second, the memory of what it says, and rows in the store when it
ends. So each user has an account, in bytes: one share for what is watched at once, one for what begins within an hour.
All senders that are not known have one account together.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

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
    """What the workers of one user take.

    bytes, runs, tied: at present.
    lately: of the bytes, what began within the last hour, as of ``at``; it runs off evenly.
    """

    bytes: int = 0
    runs: int = 0
    tied: int = 0
    lately: float = 0.0
    at: float = 0.0
    refused_at: float = float("-inf")


class Share:
    """What one worker takes, until ``close``."""

    __slots__ = ("_account", "_bytes", "_is_tied", "_shares")

    def __init__(self, shares: Shares, account: _Account) -> None:
        self._shares = shares
        self._account = account
        self._bytes = 0
        self._is_tied = False

    def grow(self, body_bytes: int, now: float) -> None:
        """The worker says so much. What it once said counts until its end.

        Raises WireError ``share`` where its user takes too much already.
        """
        account, more = self._account, RUN_BYTES + body_bytes - self._bytes
        if more <= 0:
            return
        lately = max(0.0, account.lately - (now - account.at) * AN_HOUR_BYTES / _HOUR_S)
        if account.bytes + more > AT_ONCE_BYTES or lately + more > AN_HOUR_BYTES:
            account.refused_at = now
            raise WireError("share", f"its user may not have more runs than these {account.runs}: it has to wait")
        account.runs += not self._bytes
        account.bytes += more
        account.lately, account.at = lately + more, now
        self._bytes += more

    def tie(self) -> None:
        """Its process is to be watched by a descriptor. Raises OSError EMFILE where others need those that are left."""
        if not self._is_tied:
            self._shares.tie(self._account)
            self._is_tied = True

    def close(self) -> None:
        """The worker is watched no longer."""
        self._account.bytes -= self._bytes
        self._account.runs -= bool(self._bytes)
        if self._is_tied:
            self._shares.untie(self._account)
        self._bytes, self._is_tied = 0, False


class Shares:
    """The accounts by uid, None being that of all who are not known."""

    def __init__(self, descriptors: int) -> None:
        """``descriptors``: how many the daemon may have."""
        self._always, self._together = descriptors * ALWAYS_SHARE, descriptors * TOGETHER_SHARE
        self._accounts: dict[int | None, _Account] = {}
        self._tied = 0

    def take(self, uid: int | None, body_bytes: int, now: float) -> Share:
        """A worker of this user is to be watched. Raises WireError ``share`` as ``Share.grow`` does."""
        share = Share(self, self._accounts.setdefault(uid, _Account(at=now)))
        share.grow(body_bytes, now)
        return share

    def tie(self, account: _Account) -> None:
        """See ``Share.tie``."""
        if account.tied >= self._always and self._tied >= self._together:
            raise OSError(errno.EMFILE, f"{account.tied} descriptors are enough for one user")
        account.tied += 1
        self._tied += 1

    def untie(self, account: _Account) -> None:
        """See ``Share.close``."""
        account.tied -= 1
        self._tied -= 1

    def full(self, now: float) -> list[int | None]:
        """Whose runs had to be refused lately."""
        return [uid for uid, account in self._accounts.items() if now - account.refused_at < FULL_S]
