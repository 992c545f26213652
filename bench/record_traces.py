"""Record the beats of the example trainings into ``bench/traces/examples.jsonl``, for ``bench/silence.py --traces``.

Each example runs to its end and is run again and killed in mid-run, which stands for a hang: from then on there are no
beats. The datagrams are what is recorded; of fast beats at most one in MIN_GAP_S is kept, as for who looks seldom.
"""

import argparse
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from silence_lib.traces import Trace, write

from epochwatch import wire

ROOT = Path(__file__).parents[1]
FILE = ROOT / "bench" / "traces" / "examples.jsonl"
EXAMPLES = ("plain_python", "pytorch_digits")
MIN_GAP_S = 0.02


def main() -> None:
    """Run the examples and write the file."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    FILE.parent.mkdir(exist_ok=True)
    traces = [trace for name in EXAMPLES for trace in record(name)]
    with FILE.open("w") as file:
        write(traces, file)
    print(f"{FILE.relative_to(ROOT)}: {len(traces)} traces, {FILE.stat().st_size:,} bytes")


def record(name: str) -> Iterator[Trace]:
    """Two whole runs of an example, and one that stops."""
    whole = [listen(name, f"{name}.{i}", None) for i in range(2)]
    yield from whole
    yield listen(name, f"{name}.2", random.Random(name).uniform(0.3, 0.9) * whole[0].ended_at)


def listen(example: str, name: str, hangs_after_s: float | None) -> Trace:
    """The trace of one run; ``hangs_after_s`` after its first beat it is killed."""
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0.02)
        environment = {**os.environ, "EPOCHWATCH_UDP": f"127.0.0.1:{receiver.getsockname()[1]}"}
        command = [sys.executable, str(ROOT / "examples" / f"{example}.py")]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            beats, ended_at = _collect(receiver, process, hangs_after_s)
        finally:
            process.kill()
            process.wait()
    times, epochs, steps = (np.array(c, dtype=float) for c in zip(*beats, strict=True))
    begin = times[0]
    numbers = np.arange(1, len(times) + 1)
    is_hang = hangs_after_s is not None
    return Trace(name, example, times - begin, numbers, epochs, steps, (), is_hang, ended_at - begin)


def _collect(
    receiver: socket.socket, process: subprocess.Popen[bytes], hangs_after_s: float | None
) -> tuple[list[tuple[float, float, float]], float]:
    beats: list[tuple[float, float, float]] = []
    last_seq = 0
    while True:
        now = time.monotonic()
        if beats and hangs_after_s is not None and now - beats[0][0] > hangs_after_s:
            return beats, now
        try:
            head = wire.decode_head(receiver.recv(wire.DATAGRAM_MAX))
        except TimeoutError:
            if process.poll() is not None:
                return beats, now
            continue
        if head.seq > last_seq and (not beats or now - beats[-1][0] >= MIN_GAP_S):
            beats.append((now, _number(head.epoch), _number(head.step)))
        last_seq = max(last_seq, head.seq)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


if __name__ == "__main__":
    main()
