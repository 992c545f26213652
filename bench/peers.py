"""The calls that ``beat.py`` compares, each as a context that gives the call to be timed.

Run as a script it times one of them in a process of its own: ``python bench/peers.py NAME FOLDER CALLS REST_S``.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

Call = Callable[[int], object]
"""What is timed; it is told the number of the call."""

WARM_UP = 200


@contextmanager
def nothing(_: Path) -> Iterator[Call]:
    """The floor: what timing an empty call costs."""
    yield lambda i: None  # noqa: ARG005 - every call takes its number


@contextmanager
def epochwatch_written(folder: Path) -> Iterator[Call]:
    """A beat that is written: its epoch is new."""
    agent = _agent(EPOCHWATCH_DIR=str(folder))
    yield lambda i: agent.beat(i, 0.5)


@contextmanager
def epochwatch_coalesced(folder: Path) -> Iterator[Call]:
    """A beat that only replaces the numbers of the last: it comes sooner than the file is written again."""
    agent = _agent(EPOCHWATCH_DIR=str(folder))
    yield lambda i: agent.beat(7, 0.5, step=i)


@contextmanager
def epochwatch_phase(folder: Path) -> Iterator[Call]:
    """Into a phase and out again."""
    agent = _agent(EPOCHWATCH_DIR=str(folder))

    def enter_and_leave(_: int) -> None:
        with agent.phase("eval", 60):
            pass

    yield enter_and_leave


@contextmanager
def epochwatch_datagram(_: Path) -> Iterator[Call]:
    """A beat with a new epoch, sent to this machine if the last was 5 ms ago; else only its numbers are kept."""
    with closing(_sink()) as sink:
        agent = _agent(EPOCHWATCH_UDP="{}:{}".format(*sink.getsockname()))
        yield lambda i: agent.beat(i, 0.5)


def _agent(**environment: str):
    os.environ.update(environment)
    from epochwatch import agent  # noqa: PLC0415 - it looks at the environment, and each peer loads only itself

    agent.start("bench")
    return agent


@contextmanager
def tqdm_update(_: Path) -> Iterator[Call]:
    """The progress bar's step."""
    from tqdm import tqdm  # noqa: PLC0415

    with open(os.devnull, "w") as out, tqdm(total=10**9, file=out) as bar:
        yield lambda i: bar.update()  # noqa: ARG005


@contextmanager
def prometheus_gauge(_: Path) -> Iterator[Call]:
    """A gauge in memory, for somebody else to scrape."""
    from prometheus_client import Gauge  # noqa: PLC0415

    yield Gauge("loss", "bench").set


@contextmanager
def statsd_gauge(_: Path) -> Iterator[Call]:
    """A datagram to a statsd on this machine."""
    from statsd import StatsClient  # noqa: PLC0415

    with closing(_sink()) as sink:
        client = StatsClient(*sink.getsockname())
        yield lambda i: client.gauge("loss", i)


@contextmanager
def tensorboard_scalar(folder: Path) -> Iterator[Call]:
    """A point of a curve."""
    from tensorboardX import SummaryWriter  # noqa: PLC0415

    with SummaryWriter(str(folder)) as writer:
        yield lambda i: writer.add_scalar("loss", 0.5, i)


@contextmanager
def wandb_offline(folder: Path) -> Iterator[Call]:
    """A row of the history, kept on this machine, of which wandb tells nobody."""
    os.environ["WANDB_ERROR_REPORTING"] = "false"
    os.environ.update({f"WANDB_{place}_DIR": str(folder) for place in ("CACHE", "CONFIG", "DATA")})
    import wandb  # noqa: PLC0415

    settings = wandb.Settings(silent=True, console="off")
    with wandb.init(mode="offline", project="bench", dir=str(folder), settings=settings) as run:
        yield lambda i: run.log({"epoch": i, "loss": 0.5})


@contextmanager
def file_and_rename(folder: Path) -> Iterator[Call]:
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


def times_ns(name: str, folder: Path, calls: int, rest_s: float) -> list[int]:
    """Nanoseconds of each of so many calls, each after a rest if one is wanted."""
    with globals()[name](folder) as call:
        for i in range(WARM_UP):
            call(i)
        clock, times = time.perf_counter_ns, [0] * calls
        for i in range(calls):
            if rest_s:
                time.sleep(rest_s)
            begun = clock()
            call(WARM_UP + i)
            times[i] = clock() - begun
        return times


if __name__ == "__main__":
    chosen, place, number, rest = sys.argv[1:]
    json.dump(times_ns(chosen, Path(place), int(number), float(rest)), sys.stdout)
