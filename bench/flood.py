"""Datagrams lost: a real daemon under 100,000 datagrams a second from several processes."""

import json
import multiprocessing
import socket
import time
import zlib
from contextlib import closing
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

import common
from common import Goal, Served
from datagrams import HOST, body_of

from epochwatch import wire

RUNS = 4_998
"""At 20 datagrams a second, the most that the agent sends, these make 100,000; each sender has as many."""
GOAL_RATE = 100_000
ENOUGH = 0.98
"""The senders count as having kept up if this share of the rate was reached."""
SENDERS = 3
PAUSE_S = 0.001
"""A sender sends what is due, then rests so long: the load comes in small bursts, as from many machines."""
INTRODUCED = 50
"""New runs at once: fewer datagrams than the smallest receive buffer holds."""


class Flood(NamedTuple):
    """What became of a flood: how many were sent, in how many seconds, and how many the kernel dropped.

    ``behind``: the runs whose last beat did not arrive. ``cpu_s``: what the daemon used meanwhile.
    """

    sent: int
    seconds: float
    dropped: int
    behind: int
    cpu_s: float

    @property
    def rate(self) -> float:
        """Datagrams sent a second."""
        return self.sent / self.seconds


def measure(*, quick: bool) -> list[Goal]:
    seconds = 3 if quick else 10
    floods = [flooded(rate, seconds) for rate in ((GOAL_RATE,) if quick else (GOAL_RATE // 2, GOAL_RATE))]
    common.print_table(
        f"A real daemon, {RUNS:,} runs, {SENDERS} senders for {seconds} s",
        ["sent", "per second", "dropped by the kernel", "runs without their last beat", "daemon's CPU %"],
        [_row(flood) for flood in floods],
    )
    f = floods[-1]
    seen = f"{f.dropped:,} of {f.sent:,} at {f.rate:,.0f}/s"
    met = f.rate >= ENOUGH * GOAL_RATE and not f.dropped and not f.behind
    return [Goal(f"datagrams lost at {GOAL_RATE:,}/s", "none", seen, met)]


def _row(f: Flood) -> list[str]:
    return [f"{figure:,.0f}" for figure in (f.sent, f.rate, f.dropped, f.behind, 100 * f.cpu_s / f.seconds)]


def flooded(rate: int, seconds: float) -> Flood:
    """Flood a real daemon that knows the runs already, and compare what it then knows with what was sent."""
    port = free_port()
    with common.folder() as place, common.serving(place, heartbeats={"udp": f"{HOST}:{port}"}) as served:
        introduce(served, port)
        used_s = common.cpu_s(served.process.pid)
        beats, took_s = send_all(port, rate, seconds)
        common.wait_until(lambda: queue_of(port)[0] == 0, "empty socket")
        used_s, dropped = common.cpu_s(served.process.pid) - used_s, queue_of(port)[1]
        served.stop()  # it stores what it knows
        seen = [json.loads(snapshot)["head"]["seq"] for (snapshot,) in served.query("SELECT snapshot FROM worker")]
        return Flood(beats * RUNS, took_s, dropped, sum(seq < 1 + beats for seq in seen), used_s)


def introduce(served: Served, port: int) -> None:
    """Have the daemon take up every run, by a first beat of each."""
    with closing(connected(port)) as out:
        for run in range(RUNS):
            out.send(wire.encode_datagram(wire.Head(seq=1), body_of(run)))
            if run % INTRODUCED == 0:
                common.wait_until(lambda: queue_of(port)[0] == 0, "empty socket")
    common.wait_until(lambda: served.query("SELECT count(*) FROM run") == [(RUNS,)], f"{RUNS} runs in the store")


def send_all(port: int, rate: int, seconds: float) -> tuple[int, float]:
    """Send together; gives how many beats each run has sent, and how many seconds it took."""
    go, beats = multiprocessing.Event(), int(seconds * rate / RUNS)
    senders = [
        multiprocessing.Process(target=send, args=(port, number, rate / SENDERS, beats), kwargs={"go": go})
        for number in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    begun = time.monotonic()
    go.set()
    for sender in senders:
        sender.join()
    return beats, time.monotonic() - begun


def send(port: int, number: int, rate: float, beats: int, *, go: Event) -> None:
    """Send so many beats of every SENDERS-th run in turn, evenly at this rate."""
    datagrams = [bytearray(wire.encode_datagram(wire.Head(), body_of(run))) for run in range(number, RUNS, SENDERS)]
    total, sent = beats * len(datagrams), 0
    with closing(connected(port)) as out:
        go.wait()
        begun = time.monotonic()
        while sent < total:
            due = min(total, int((time.monotonic() - begun) * rate))
            for n in range(sent, due):
                turn, run = divmod(n, len(datagrams))
                _write_seq(datagrams[run], 2 + turn)
                out.send(datagrams[run])
            sent = due
            time.sleep(PAUSE_S)


def _write_seq(datagram: bytearray, seq: int) -> None:
    """Write a beat's number and the checksum into a datagram, in place as the agent does."""
    wire.NUMBERS.pack_into(datagram, wire.NUMBERS_AT, wire.HAS_LOSS, seq, time.time_ns(), 0, 0.0, 0.5)
    wire.CRC.pack_into(datagram, wire.CRC_AT, zlib.crc32(memoryview(datagram)[: wire.CRC_AT]))


def connected(port: int) -> socket.socket:
    """A socket that sends to the daemon."""
    out = socket.socket(type=socket.SOCK_DGRAM)
    out.connect((HOST, port))
    return out


def free_port() -> int:
    """A port that nobody uses now."""
    with closing(socket.socket(type=socket.SOCK_DGRAM)) as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def queue_of(port: int) -> tuple[int, int]:
    """Bytes waiting in the socket bound to a port, and how many datagrams the kernel has dropped for want of room."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port:
            return int(fields[4].split(":")[1], 16), int(fields[12])
    raise RuntimeError(f"nobody listens on {port}")


if __name__ == "__main__":
    common.main(measure)
