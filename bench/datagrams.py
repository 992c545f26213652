"""Datagrams: how many a second one core takes, decodes and applies, beside the usual ways to receive."""

import asyncio
import itertools
import json
import socket
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from typing import NamedTuple

import common
from common import Goal

from epochwatch import wire
from epochwatchd.inputs.heartbeats.sockets import RECEIVE_BUFFER, bind_udp

HOST = "127.0.0.1"
BURST = 4_000
"""Datagrams sent before they are received: as many as the socket's buffer surely holds."""
BURSTS = 25
BURSTS_PER_TICK = 25
"""The daemon looks at the newest of each sender once a second: after as many bursts as the goal sends in that time."""
MANY, FEW = BURST, 100
"""Runs that the datagrams are of. With few, most datagrams are overtaken before the tick."""
GOAL_RATE = 100_000

Receiver = Generator[tuple[int, Callable[[], None]]]
"""Gives a port, and what takes all datagrams that have come there."""


def measure(*, quick: bool) -> list[Goal]:
    rounds = 2 if quick else 10
    rates = {case: [] for case in CASES}
    for _ in range(rounds):
        for case in CASES:
            rates[case].append(rate(case))
    typical = {case: common.quantile(some, 0.5) for case, some in rates.items()}
    ours = typical[CASES[0]]
    common.print_table(
        f"Datagrams on one core, bursts of {BURST:,}; median of {rounds} rounds in turn",
        ["receiver", "runs", "per second", "µs each", "ratio"],
        [[c.name, f"{c.runs:,}", f"{r:,.0f}", f"{1e6 / r:.1f}", f"{r / ours:.2f}"] for c, r in typical.items()],
    )
    return [Goal("datagrams applied on one core", f"≥ {GOAL_RATE:,}/s", f"{ours:,.0f}/s", ours >= GOAL_RATE)]


def rate(case: "Case") -> float:
    """Datagrams a second that a receiver takes, counted while it works and not while they are sent.

    The first burst, from which it learns the runs, is not counted.
    """
    with closing(case.receiver()) as parts, closing(socket.socket(type=socket.SOCK_DGRAM)) as out:
        port, drain = next(parts)
        out.connect((HOST, port))
        spent_s = 0.0
        for number in range(1 + BURSTS):
            for i in range(BURST):
                out.send(case.make(i % case.runs, number * BURST + i))
            begun = time.perf_counter()
            drain()
            spent_s += time.perf_counter() - begun if number else 0.0
    return BURSTS * BURST / spent_s


def as_agent(run: int, n: int) -> bytes:
    """The ``n``-th datagram of all, of this run, as the agent sends it."""
    return wire.encode_datagram(wire.Head(seq=1 + n, time_ns=n, epoch=n // 1000, loss=0.5), body_of(run))


def as_json(run: int, n: int) -> bytes:
    """The same, as a shell script sends it."""
    fields = {"job": "resnet50", "run": f"{run:012x}", "host": "elsewhere", "epoch": n // 1000, "loss": 0.5}
    return json.dumps(fields).encode()


def body_of(run: int) -> wire.Body:
    """Who sends, of a length as usual."""
    return wire.Body(
        job="resnet50", run=f"{run:012x}", pid=1000 + run, start=5_000_000 + run, boot="b" * 36, pidns=4026531836,
        host="elsewhere", user="mina", argv=("train.py", "--lr", "0.1"), epochs=90, python="3.11.7", announces_end=True,
    )  # fmt: skip


def epochwatchd_core() -> Receiver:
    """The daemon's own way: decode, tie to the run, observe, judge what has ended."""
    with (
        common.folder() as place,
        closing(bind_udp(HOST, 0)) as inbox,
        common.daemon_inside(place, sockets=[inbox]) as daemon,
    ):
        drained = itertools.count(1)

        def drain() -> None:
            while daemon.receive():
                pass
            if next(drained) % BURSTS_PER_TICK == 0:  # the tick of every second, at the goal's rate
                daemon.tick()

        yield inbox.port, drain


def bare_loop() -> Receiver:
    """What Python can receive at most: nothing is decoded."""
    with closing(_inbox()) as inbox:

        def drain() -> None:
            with suppress(BlockingIOError):  # all taken
                while True:
                    inbox.recvfrom(65536)

        yield inbox.getsockname()[1], drain


class KeepLast(asyncio.DatagramProtocol):
    """Keeps the last JSON object of each run, and says when a burst is complete."""

    def __init__(self) -> None:
        self.last: dict[str, object] = {}
        self.left = BURST
        self.complete = asyncio.Event()

    def datagram_received(self, data: bytes, _sender: object) -> None:
        """Take one."""
        fields = json.loads(data)
        self.last[fields["run"]] = fields
        self.left -= 1
        if not self.left:
            self.complete.set()


def asyncio_json() -> Receiver:
    """The usual way, which checks and applies nothing."""
    with closing(_inbox()) as inbox, closing(asyncio.new_event_loop()) as loop:
        transport, protocol = loop.run_until_complete(loop.create_datagram_endpoint(KeepLast, sock=inbox))

        def drain() -> None:
            loop.run_until_complete(asyncio.wait_for(protocol.complete.wait(), 10))
            protocol.left = BURST
            protocol.complete.clear()

        try:
            yield inbox.getsockname()[1], drain
        finally:
            transport.close()
            loop.run_until_complete(asyncio.sleep(0))  # it closes in the loop's next turn


def _inbox() -> socket.socket:
    inbox = socket.socket(type=socket.SOCK_DGRAM)
    inbox.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    inbox.bind((HOST, 0))
    inbox.setblocking(False)
    return inbox


class Case(NamedTuple):
    """Who receives what: datagrams of so many runs in turn."""

    name: str
    runs: int
    make: Callable[[int, int], bytes]
    receiver: Callable[[], Receiver]


CASES = (
    Case("epochwatchd, agent's datagrams", MANY, as_agent, epochwatchd_core),
    Case("epochwatchd, agent's datagrams", FEW, as_agent, epochwatchd_core),
    Case("epochwatchd, JSON datagrams", MANY, as_json, epochwatchd_core),
    Case("asyncio + json.loads, nothing applied", MANY, as_json, asyncio_json),
    Case("recvfrom alone", MANY, as_agent, bare_loop),
)


if __name__ == "__main__":
    common.main(measure)
