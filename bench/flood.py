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
from common import Goal
from datagrams import BODIES, HOST

from flatline import wire

GOAL_RATE = 100_000
ENOUGH = 0.98
"""The senders count as having kept up if this share of the rate was reached."""
SENDERS = 3
PAUSE_S = 0.001
"""A sender sends what is due, then rests so long: the load comes in small bursts, as from many machines."""


class Flood(NamedTuple):
    """What became of a flood: datagrams sent, applied and dropped by the kernel; seconds it took; the daemon's CPU."""

    sent: int
    applied: int
    dropped: int
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Datagrams sent a second."""
        return self.sent / self.seconds


def measure(*, quick: bool) -> list[Goal]:
    seconds = 3 if quick else 10
    floods = [flooded(rate, seconds) for rate in (GOAL_RATE // 2, GOAL_RATE)]
    common.print_table(
        f"A real daemon under {SENDERS} senders for {seconds} s",
        ["sent", "per second", "applied", "lost", "dropped by the kernel", "daemon's CPU %"],
        [_row(flood) for flood in floods],
    )
    f = floods[-1]
    seen = f"{f.sent - f.applied:,} of {f.sent:,} at {f.rate:,.0f}/s"
    return [Goal(f"datagrams lost at {GOAL_RATE:,}/s", "0", seen, f.rate >= ENOUGH * GOAL_RATE and f.sent == f.applied)]


def _row(f: Flood) -> list[str]:
    figures = (f.sent, f.rate, f.applied, f.sent - f.applied, f.dropped, 100 * f.cpu_s / f.seconds)
    return [f"{figure:,.0f}" for figure in figures]


def flooded(rate: int, seconds: float) -> Flood:
    """Flood a real daemon, and count what it has applied by the beats that it stores when it is told to stop."""
    port = free_port()
    with common.folder() as place, common.serving(place, heartbeats={"udp": f"{HOST}:{port}"}) as served:
        used_s = common.cpu_s(served.process.pid)
        sent, took_s = send_all(port, rate, seconds)
        common.wait_until(lambda: queue_of(port)[0] == 0, "empty socket")
        used_s, dropped = common.cpu_s(served.process.pid) - used_s, queue_of(port)[1]
        served.stop()
        snapshots = [json.loads(text) for (text,) in served.query("SELECT snapshot FROM worker")]
        applied = sum(1 + s["beats"] for s in snapshots)  # the first beat of each run only introduces it
        return Flood(sent, applied, dropped, took_s, used_s)


def send_all(port: int, rate: int, seconds: float) -> tuple[int, float]:
    """How many datagrams the senders have sent together, and in how many seconds."""
    go, total = multiprocessing.Event(), int(seconds * rate / SENDERS)
    senders = [
        multiprocessing.Process(target=send, args=(port, i, rate / SENDERS, total), kwargs={"go": go})
        for i in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    begun = time.monotonic()
    go.set()
    for sender in senders:
        sender.join()
    return SENDERS * total, time.monotonic() - begun


def send(port: int, number: int, rate: float, total: int, *, go: Event) -> None:
    """Send so many datagrams evenly at this rate, in the name of every SENDERS-th run in turn."""
    out = socket.socket(type=socket.SOCK_DGRAM)
    out.connect((HOST, port))
    datagrams = [bytearray(wire.encode_datagram(wire.Head(), body)) for body in BODIES[number::SENDERS]]
    go.wait()
    begun, sent = time.monotonic(), 0
    while sent < total:
        due = min(total, int((time.monotonic() - begun) * rate))
        for n in range(sent, due):
            datagram = datagrams[n % len(datagrams)]
            _count_up(datagram, n // len(datagrams) + 1)
            out.send(datagram)
        sent = due
        time.sleep(PAUSE_S)


def _count_up(datagram: bytearray, seq: int) -> None:
    """Write a beat's number and the checksum into a datagram, in place as the agent does."""
    wire.NUMBERS.pack_into(datagram, wire.NUMBERS_AT, wire.HAS_LOSS, seq, time.time_ns(), 0, 0.0, 0.5)
    wire.CRC.pack_into(datagram, wire.CRC_AT, zlib.crc32(memoryview(datagram)[: wire.CRC_AT]))


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
