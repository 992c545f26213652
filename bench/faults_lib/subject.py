"""What the training of every row imports: it beats at its own pace until it is told to go on."""

import itertools
import os
import random
import select
import time

from epochwatch import agent

PACE_S = float(os.environ["PACE_S"])
PLACE = os.environ["PLACE"]
"""What the row prepared for it: a folder, a cgroup, a file system."""
_epochs = itertools.count()


def beat(loss: float | None = None) -> None:
    """One beat with a loss that falls as losses do, unless another is given."""
    epoch = next(_epochs)
    agent.beat(epoch, 0.5 + random.uniform(0.9, 1.1) / (epoch + 2) if loss is None else loss, step=10 * epoch)


def train(beats: int = 10, loss: float | None = None) -> None:
    """So many beats, a pace apart."""
    for _ in range(beats):
        beat(loss)
        time.sleep(PACE_S)


def train_until_told(loss: float | None = None) -> None:
    """Beat until a byte comes on standard input, or its end."""
    beat(loss)
    while not select.select([0], [], [], PACE_S)[0]:
        beat(loss)
    os.read(0, 1)
