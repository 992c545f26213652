"""Whether the kernel killed a process because memory had run out: from the evidence to a cause. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from epochwatchd.model import Cause


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


_UNSEEN = LastSeen()


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
    sizes: LastSeen = _UNSEEN


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
    return _cause(seen, (f"the kernel counted {_kills(seen.kills)} in {seen.counter} as the process died",))


def _cause(seen: KillEvidence, evidence: tuple[str, ...]) -> Cause:
    details: dict[str, Any] = {"signal": "SIGKILL", "rss_mib": seen.sizes.rss_mib, "limit_mib": seen.sizes.limit_mib}
    known = {name: value for name, value in details.items() if value is not None}
    return Cause("oom_kill", known, (*evidence, *last_seen(seen.sizes)))


def _kills(count: int) -> str:
    return "1 out-of-memory kill" if count == 1 else f"{count} out-of-memory kills"


def _when(sizes: LastSeen) -> str:
    ago = "" if sizes.ago_s is None else f", {max(0.0, sizes.ago_s):.0f} s before its end"
    return ago + ("" if sizes.own_peak_mib is None else f" (at most {sizes.own_peak_mib:.0f} MiB)")


def last_seen(sizes: LastSeen) -> tuple[str, ...]:
    """Sizes as lines of evidence."""
    lines = (
        (sizes.rss_mib, f"it was last seen holding {{0:.0f}} MiB{_when(sizes)}"),
        (sizes.peak_mib, "{1} has held up to {0:.0f} MiB"),
        (sizes.limit_mib, "{1} may use {0:.0f} MiB"),
        (sizes.available_mib, "the machine had {0:.0f} MiB available"),
    )
    return tuple(line.format(size, sizes.counter) for size, line in lines if size is not None)
