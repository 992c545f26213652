"""Datagrams: how many a second one core takes, decodes and applies, beside the usual ways to receive."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress

import common
from common import Goal

from flatline import wire
from flatlined.inputs.beat_socket import RECEIVE_BUFFER, BeatSocket

HOST = "127.0.0.1"
RUNS = 100
BURST = 4_000
"""Datagrams sent before they are received: as many as the socket's buffer surely holds."""
GOAL_RATE = 100_000

BURSTS = 5

Receiver = Generator[tuple[int, Callable[[], None]]]
"""Gives a port, and what takes all datagrams that have come there."""


def measure(*, quick: bool) -> list[Goal]:
    rounds = 3 if quick else 20
    rates = {name: [] for name in RECEIVERS}
    for _ in range(rounds):
        for name, (make, receiver) in RECEIVERS.items():
            rates[name].append(rate(make, receiver))
    typical = {name: common.quantile(some, 0.5) for name, some in rates.items()}
    ours = typical[OURS]
    common.print_table(
        f"Datagrams on one core, {RUNS} runs, bursts of {BURST:,}; median of {rounds} rounds in turn",
        ["receiver", "per second", "µs each", "of ours"],
        [[name, f"{r:,.0f}", f"{1e6 / r:.1f}", f"{r / ours:.2f}×"] for name, r in typical.items()],
    )
    return [Goal("datagrams applied on one core", f"≥ {GOAL_RATE:,}/s", f"{ours:,.0f}/s", ours >= GOAL_RATE)]


def rate(make: Callable[[int], bytes], receiver: Callable[[], Receiver]) -> float:
    """Datagrams a second that a receiver takes, counted while it works and not while they are sent."""
    with closing(receiver()) as parts, closing(socket.socket(type=socket.SOCK_DGRAM)) as out:
        port, drain = next(parts)
        out.connect((HOST, port))
        spent_s = 0.0
        for at in range(0, BURSTS * BURST, BURST):
            for n in range(at, at + BURST):
                out.send(make(n))
            begun = time.perf_counter()
            drain()
            spent_s += time.perf_counter() - begun
    return BURSTS * BURST / spent_s


def as_agent(n: int) -> bytes:
    """The ``n``-th datagram of all, as the agent sends it."""
    return wire.encode_datagram(wire.Head(seq=1 + n, time_ns=n, epoch=n // 1000, loss=0.5), BODIES[n % RUNS])


def as_json(n: int) -> bytes:
    """The same, as a shell script sends it."""
    fields = {"job": "resnet50", "run": f"{n % RUNS:012x}", "host": "elsewhere", "epoch": n // 1000, "loss": 0.5}
    return json.dumps(fields).encode()


def _body(i: int) -> wire.Body:
    return wire.Body(
        job="resnet50", run=f"{i:012x}", pid=1000 + i, start=5_000_000 + i, boot="b" * 36, pidns=4026531836,
        host="elsewhere", user="mina", argv=("train.py", "--lr", "0.1"), epochs=90, python="3.11.7", announces_end=True,
    )  # fmt: skip


BODIES = [_body(i) for i in range(RUNS)]


def flatlined_core() -> Receiver:
    """The daemon's own way: decode, tie to the run, observe, judge what has ended."""
    with (
        common.folder() as place,
        closing(BeatSocket(HOST, 0, None)) as inbox,
        common.daemon_inside(place, socket=inbox) as daemon,
    ):

        def drain() -> None:
            while daemon.receive():
                pass

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
        _, protocol = loop.run_until_complete(loop.create_datagram_endpoint(KeepLast, sock=inbox))

        def drain() -> None:
            loop.run_until_complete(asyncio.wait_for(protocol.complete.wait(), 10))
            protocol.left = BURST
            protocol.complete.clear()

        yield inbox.getsockname()[1], drain


def _inbox() -> socket.socket:
    inbox = socket.socket(type=socket.SOCK_DGRAM)
    inbox.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    inbox.bind((HOST, 0))
    inbox.setblocking(False)
    return inbox


OURS = "flatlined, agent's datagrams"
RECEIVERS = {
    OURS: (as_agent, flatlined_core),
    "flatlined, JSON datagrams": (as_json, flatlined_core),
    "asyncio + json.loads, kept as it is": (as_json, asyncio_json),
    "recvfrom alone": (as_agent, bare_loop),
}


if __name__ == "__main__":
    common.main(measure)
