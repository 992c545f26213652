"""What a process that stands still waits for: for what may still come, or for what cannot.

A lock, a queue, a pipe or a child is given by somebody within the process or below it. Where all of these wait so
themselves, and none was woken since, nobody is left to give it: a closed wait. Sleeps, polls and sockets are open: a
clock or another machine ends them. The kernel's names of its waits are of various versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from epochwatchd.model import Wait, WaitKind

_NO_WAITS = "RDTt"
"""It computes, waits for a disk, or is stopped: others tell of these."""
BUSY_SHARE = 0.01
BUSY_BYTES_PER_S = 1_000
"""A process tree that uses more of one core, or moves more, works."""
WAKES_PER_S, AS_OFTEN = 0.5, 2.0
"""A thread that wakes all the time is known by how often it does: no more and no less than so many times that."""
PIPES = ("anon_pipe_read", "pipe_read", "pipe_wait")
_CLOSED = ("futex", *PIPES, "do_wait")
_NETWORK = (
    *("wait_woken", "sk_", "tcp_", "inet_", "unix_", "skb_", "__skb_", "netlink_"),
    *("nfs", "rpc_", "svc_"),
)
"""``wait_woken`` is a TCP socket, or a terminal."""


class Thread(NamedTuple):
    """A thread as it is right now.

    is_main: it is the main thread of the process that beats.
    state: the kernel's letter.
    switches: how often it has begun to wait so far.
    channel: the kernel function that it waits in; None where that is not shown to us.
    is_timed: it waits for a time of its own at most.
    """

    is_main: bool
    state: str
    switches: int
    channel: str | None
    is_timed: bool = False

    @property
    def is_closed(self) -> bool:
        """Whether somebody else has to end its wait."""
        return (self.channel or "").startswith(_CLOSED) and not self.is_timed


class Sample(NamedTuple):
    """All threads of a process and of those below it, by number; the CPU seconds that they used, and bytes moved."""

    at: float
    threads: Mapping[int, Thread]
    cpu_s: float = 0.0
    moved_bytes: int = 0


class Standing(NamedTuple):
    """A process since its sample ``since``: what it waits for, if it stands still (``kind``)."""

    since: Sample
    kind: WaitKind | None = None

    @property
    def wait(self) -> Wait | None:
        """The same in short."""
        return None if self.kind is None else Wait(self.kind, self.since.at)


class Habits(NamedTuple):
    """What the threads besides the main one do while beats come: monitors, servers, loaders.

    channels: what they were seen to wait in.
    samples: how many there were.
    rates: how often they woke, a second; of those that were seen twice.
    """

    sample: Sample
    channels: Mapping[int, frozenset[str | None]]
    rates: Mapping[int, float]
    samples: int = 1

    def are_of(self, tid: int, since: Thread, now: Thread, passed_s: float) -> bool:
        """Whether a thread goes on with what it does all the time: it waits in the same, or wakes as often."""
        if now.channel in self.channels.get(tid, ()):
            return True
        usual, lately = self.rates.get(tid, 0.0), (now.switches - since.switches) / max(passed_s, 1.0)
        return usual >= WAKES_PER_S and usual / AS_OFTEN <= lately <= usual * AS_OFTEN


def habits(before: Habits | None, now: Sample) -> Habits:
    """What is usual with one sample more that was taken while beats came."""
    others = {tid: it for tid, it in now.threads.items() if not it.is_main}
    if before is None or now.at <= before.sample.at:
        return Habits(now, {tid: frozenset((it.channel,)) for tid, it in others.items() if not it.is_closed}, {})
    earlier, passed_s = before.sample.threads, now.at - before.sample.at
    rates = {tid: (it.switches - earlier[tid].switches) / passed_s for tid, it in others.items() if tid in earlier}
    channels = {
        tid: before.channels.get(tid, frozenset()) | {it.channel}
        for tid, it in others.items()
        if rates.get(tid) or not it.is_closed
    }
    return Habits(now, channels, rates, before.samples + 1)


def follow(before: Standing | None, now: Sample, known: Habits | None, *, disturbed: bool = False) -> Standing:
    """What is to be said with one sample more; with the first, by the channels alone.

    disturbed: we have woken it ourselves meanwhile, to ask it.
    """
    before = before or Standing(now)
    if before.since.threads.keys() != now.threads.keys() or _does_not_wait(before.since, now):
        return Standing(now)
    since = before.since._replace(threads=now.threads) if disturbed else before.since
    kind = _kind(since, now, known)
    return Standing(since if kind in ("closed", "still") else now, kind)


def _does_not_wait(since: Sample, now: Sample) -> bool:
    passed_s = now.at - since.at
    return (
        any(thread.state in _NO_WAITS for thread in now.threads.values())
        or now.cpu_s - since.cpu_s > BUSY_SHARE * passed_s
        or now.moved_bytes - since.moved_bytes > BUSY_BYTES_PER_S * passed_s
    )


def _kind(since: Sample, now: Sample, known: Habits | None) -> WaitKind:
    """Of the main thread first, then of those others that do not just go on with what they do all the time."""
    passed_s = now.at - since.at
    heeded = {
        tid: it
        for tid, it in now.threads.items()
        if it.is_main or known is None or not known.are_of(tid, since.threads[tid], it, passed_s)
    }
    awake = [it for tid, it in heeded.items() if it.switches != since.threads[tid].switches]
    unended = [it for it in heeded.values() if not it.is_closed]
    if not awake and all(it.channel is None for it in unended):
        return "still" if unended else "closed"
    telling = [it for it in (*awake, *unended) if it.is_main] or [*awake, *unended]
    return "network" if any((it.channel or "").startswith(_NETWORK) for it in telling) else "polls"
