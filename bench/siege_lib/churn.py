"""Jobs that come and go, and bad datagrams without end: does the daemon grow, and what does it write?"""

import os
import random
import socket
import time

import common
from common import Goal
from siege_lib.besieged import Besieged, besieged, descriptors, rss_kib
from siege_lib.jobs import ENDS, EXITS, SLEEPS

BAD, QUICK_BAD = 1_000_000, 100_000
GROWTH_KIB, WRITTEN_PER_S = 5 * 1024, 50_000
LIVE_JOBS = 3


def measure(minutes: float, seed: int, *, quick: bool) -> list[Goal]:
    """What three live jobs write, what bad datagrams cost, and what is left after minutes of short jobs."""
    with besieged() as daemon:
        daemon.start()
        written = _written_by_live_jobs(daemon, 20.0 if quick else 60.0)
        grown_kib = _bad_datagrams(daemon, QUICK_BAD if quick else BAD)
        _short_jobs(daemon, 60.0 * minutes / 4, seed)
        before = _held(daemon)
        jobs = _short_jobs(daemon, 60.0 * minutes, seed + 1)
        after = _held(daemon)
    common.print_table(
        f"{jobs} short jobs in {minutes:g} min",
        ["", "before", "after"],
        [[what, old, new] for what, old, new in zip(("RSS KiB", "descriptors", "threads"), before, after, strict=True)],
    )
    more = after[1] - before[1], after[2] - before[2]
    return [
        Goal(
            f"written with {LIVE_JOBS} live jobs", "≤ 50 kB/s", f"{written / 1000:.1f} kB/s", written <= WRITTEN_PER_S
        ),
        Goal("RSS after bad datagrams", "+ ≤ 5 MiB", f"+ {grown_kib / 1024:.1f} MiB", grown_kib <= GROWTH_KIB),
        Goal("descriptors and threads after churn", "+ ≤ 2", f"+ {max(more)}", max(more) <= 2),
    ]


def _pid(daemon: Besieged) -> int:
    assert daemon.process is not None
    return daemon.process.pid


def _written_by_live_jobs(daemon: Besieged, seconds: float) -> float:
    """Bytes a second that reach its files, by what is added to them, and rewritten, as its writes say (wchar)."""
    jobs = [daemon.job(f"live{number}") for number in range(LIVE_JOBS)]
    end, before = time.monotonic() + seconds, _wchar(daemon)
    while time.monotonic() < end:
        for job in jobs:
            job.beat()
        time.sleep(1.0)
    return (_wchar(daemon) - before) / seconds


def _wchar(daemon: Besieged) -> int:
    with open(f"/proc/{_pid(daemon)}/io") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def _bad_datagrams(daemon: Besieged, count: int) -> int:
    """By how many KiB it has grown after so many, each of its own."""
    daemon.is_well()
    before, head = rss_kib(_pid(daemon)), b"EPWT\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(count):
            sender.sendto(head + os.urandom(16) if number % 2 else b'{"jib": "%d"}' % number, daemon.udp)
    daemon.is_well()
    return rss_kib(_pid(daemon)) - before


def _short_jobs(daemon: Besieged, seconds: float, seed: int) -> int:
    """Jobs one after the other, ten a second; gives how many."""
    chance, end, count = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        how = chance.choice(list(ENDS))
        job = daemon.job(f"short{seed}-{count}", command=EXITS if how == "exited" else SLEEPS)
        time.sleep(0.1)
        job.end(how)
        count += 1
    return count


def _held(daemon: Besieged) -> tuple[int, int, int]:
    """Its memory in KiB, descriptors and threads, once all is told."""
    for _ in range(6):
        daemon.is_well()
    return rss_kib(_pid(daemon)), descriptors(_pid(daemon)), len(os.listdir(f"/proc/{_pid(daemon)}/task"))
