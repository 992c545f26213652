"""The calls that ``beat.py`` compares, each as a generator that gives the call to be timed.

Run as a script it times one of them in a process of its own: ``python bench/peers.py NAME FOLDER CALLS``.
"""

import importlib.metadata
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

Peer = Generator[Callable[[int], object]]
"""Gives the call; it is told the number of the call, and cleans up afterwards."""

WARM_UP = 200


def nothing(_: Path) -> Peer:
    """The floor: what timing an empty call costs."""
    yield lambda i: None  # noqa: ARG005 - every call takes its number


def flatline_written(folder: Path) -> Peer:
    """A beat that is written: its epoch is new."""
    agent = _agent(FLATLINE_DIR=str(folder))
    yield lambda i: agent.beat(i, 0.5)


def flatline_coalesced(folder: Path) -> Peer:
    """A beat that only replaces the numbers of the last: it comes sooner than the file is written again."""
    agent = _agent(FLATLINE_DIR=str(folder))
    yield lambda i: agent.beat(7, 0.5, step=i)


def flatline_phase(folder: Path) -> Peer:
    """Into a phase and out again."""
    agent = _agent(FLATLINE_DIR=str(folder))

    def enter_and_leave(_: int) -> None:
        with agent.phase("eval", 60):
            pass

    yield enter_and_leave


def flatline_datagram(_: Path) -> Peer:
    """A beat to a port of this machine; the epoch is new, so that it would be sent if datagrams were not limited."""
    with closing(_sink()) as sink:
        agent = _agent(FLATLINE_UDP="{}:{}".format(*sink.getsockname()))
        yield lambda i: agent.beat(i, 0.5)


def _agent(**environment: str):
    os.environ.update(environment)
    from flatline import agent  # noqa: PLC0415 - it looks at the environment, and each peer loads only itself

    agent.start("bench")
    return agent


def tqdm_update(_: Path) -> Peer:
    """The progress bar's step."""
    from tqdm import tqdm  # noqa: PLC0415

    with open(os.devnull, "w") as out, tqdm(total=10**9, file=out) as bar:  # noqa: PTH123 - not a path of ours
        yield lambda i: bar.update()  # noqa: ARG005


def prometheus_gauge(_: Path) -> Peer:
    """A gauge in memory, for somebody else to scrape."""
    from prometheus_client import Gauge  # noqa: PLC0415

    yield Gauge("loss", "bench").set


def statsd_gauge(_: Path) -> Peer:
    """A datagram to a statsd on this machine."""
    from statsd import StatsClient  # noqa: PLC0415

    with closing(_sink()) as sink:
        client = StatsClient(*sink.getsockname())
        yield lambda i: client.gauge("loss", i)


def tensorboard_scalar(folder: Path) -> Peer:
    """A point of a curve."""
    from tensorboardX import SummaryWriter  # noqa: PLC0415

    with SummaryWriter(str(folder)) as writer:
        yield lambda i: writer.add_scalar("loss", 0.5, i)


def wandb_offline(folder: Path) -> Peer:
    """A row of the history, kept on this machine."""
    import wandb  # noqa: PLC0415

    settings = wandb.Settings(silent=True, console="off")
    with wandb.init(mode="offline", project="bench", dir=str(folder), settings=settings) as run:
        yield lambda i: run.log({"epoch": i, "loss": 0.5})


def file_and_rename(folder: Path) -> Peer:
    """The usual home-made heartbeat: JSON into a temporary file, renamed over the last."""
    path, hidden = folder / "heartbeat.json", folder / "heartbeat.json.new"

    def replace(i: int) -> None:
        with hidden.open("w") as out:
            json.dump({"epoch": i, "loss": 0.5, "time": time.time()}, out)
        hidden.replace(path)

    yield replace


def _sink() -> socket.socket:
    """A bound port that nobody reads: the kernel drops what does not fit."""
    sink = socket.socket(type=socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    return sink


def version(package: str) -> str:
    """What is installed of a package."""
    return importlib.metadata.version(package)


def times_ns(peer: Callable[[Path], Peer], folder: Path, calls: int) -> list[int]:
    """Nanoseconds of each of so many calls."""
    with closing(peer(folder)) as given:
        call = next(given)
        for i in range(WARM_UP):
            call(i)
        clock, times = time.perf_counter_ns, [0] * calls
        for i in range(calls):
            begun = clock()
            call(WARM_UP + i)
            times[i] = clock() - begun
        return times


if __name__ == "__main__":
    name, place, number = sys.argv[1:]
    json.dump(times_ns(globals()[name], Path(place), int(number)), sys.stdout)
