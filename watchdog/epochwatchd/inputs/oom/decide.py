"""Whether the kernel killed a process because memory had run out: from the evidence to a cause. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from epochwatchd.model import Cause
from epochwatchd.phrase import Phrase


class LastSeen(NamedTuple):
    """Sizes in MiB as last seen: of a process, of its cgroup at most, that one's limit, the machine's rest.

    own_peak_mib, ago_s: how much the process has held at most, and how long ago it was looked at.
    """

    counter: str = ""
    rss_mib: float | None = None
    peak_mib: float | None = None
    limit_mib: float | None = None
    available_mib: float | None = None
    own_peak_mib: float | None = None
    ago_s: float | None = None


UNSEEN = LastSeen()


@dataclass(frozen=True, slots=True)
class KillEvidence:
    """What is known of a death that may have been an out-of-memory kill.

    ``sigkill``: it surely died of that signal; otherwise how it died is not known. ``log``: the kernel log's words on
    the kill of this very process; ``log_is_whole``: there is a log and it was read without a gap, so that its silence
    means something. ``counter`` names whose kills were counted, ``kills`` is how many there were about the time of the
    death, ``others`` how many other processes may have been their victims; None: not known.
    """

    sigkill: bool = True
    log: tuple[str, ...] = ()
    log_is_whole: bool = False
    counter: str = ""
    kills: int | None = None
    others: int | None = None
    sizes: LastSeen = UNSEEN


def judge_kill(seen: KillEvidence) -> Cause | None:
    """``oom_kill`` with its evidence if the kernel surely did it for want of memory; None: it did not, or who knows.

    The kernel log names its victims. Without it there are only counts of kills: this process was a victim if there were
    more kills than others who may have been.
    """
    if seen.log:
        return _cause(seen, seen.log)
    if not seen.sigkill or seen.log_is_whole or seen.kills is None or seen.others is None:
        return None
    if seen.kills <= seen.others:
        return None
    return _cause(seen, (Phrase(_COUNTED[seen.kills == 1], kills=seen.kills, group=seen.counter),))


_COUNTED = {
    True: "the kernel counted 1 out-of-memory kill in {group} as the process died",
    False: "the kernel counted {kills} out-of-memory kills in {group} as the process died",
}


def _cause(seen: KillEvidence, evidence: tuple[str, ...]) -> Cause:
    details: dict[str, Any] = {"signal": "SIGKILL", "rss_mib": seen.sizes.rss_mib, "limit_mib": seen.sizes.limit_mib}
    known = {name: value for name, value in details.items() if value is not None}
    return Cause("oom_kill", known, (*evidence, *last_seen(seen.sizes)))


def last_seen(sizes: LastSeen) -> tuple[str, ...]:
    """Sizes as lines of evidence."""
    lines = (
        (sizes.rss_mib, _HELD[sizes.ago_s is not None, sizes.own_peak_mib is not None]),
        (sizes.peak_mib, _SIZES["peak"]),
        (sizes.limit_mib, _SIZES["limit"]),
        (sizes.available_mib, _SIZES["available"]),
    )
    known = {"group": sizes.counter, "ago_s": max(0.0, sizes.ago_s or 0.0), "peak_mib": sizes.own_peak_mib}
    return tuple(Phrase(line, mib=size, **known) for size, line in lines if size is not None)


_HELD = {
    (False, False): "it was last seen holding {mib:.0f} MiB",
    (True, False): "it was last seen holding {mib:.0f} MiB, {ago_s:.0f} s before its end",
    (False, True): "it was last seen holding {mib:.0f} MiB (at most {peak_mib:.0f} MiB)",
    (True, True): "it was last seen holding {mib:.0f} MiB, {ago_s:.0f} s before its end (at most {peak_mib:.0f} MiB)",
}
"""Whether it is known when that was, and how much it has held at most."""
_SIZES = {
    "peak": "{group} has held up to {mib:.0f} MiB",
    "limit": "{group} may use {mib:.0f} MiB",
    "available": "the machine had {mib:.0f} MiB available",
}
