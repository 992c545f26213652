"""Softmax regression on the Iris data set, in plain Python: an ordinary script, with epochwatch's two lines added.

It can be told to go wrong as trainings do: ``--damage-at N`` lets a damaged row into the data at epoch N, and
``--diverge-at N`` raises the learning rate far too high.
"""

import argparse
import csv
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from epochwatch import agent

DATA = Path(__file__).with_name("iris.csv")
SPECIES = ("setosa", "versicolor", "virginica")
RATE = 0.08
FAR_TOO_HIGH = 1e308
PAUSE_S = 0.05
"""Iris is gone through in a millisecond; a real epoch takes its time."""

Weights = list[list[float]]


class Flower(NamedTuple):
    """A row of the data: a one for the bias and the four measurements, and the number of the species."""

    measures: list[float]
    species: int


def main() -> None:
    """Train, and say after each epoch how it goes."""
    options = _options()
    flowers = list(_load())
    weights: Weights = [[0.0] * 5 for _ in SPECIES]
    for epoch in range(options.epochs):
        if epoch == options.damage_at:
            _say("a damaged row comes in")
            flowers[70] = Flower([1.0, 5.9, 3.2, "4.8 cm", 1.8], 1)  # type: ignore[list-item]  # that is the damage
        diverges = options.diverge_at is not None and epoch >= options.diverge_at
        loss = train_one_epoch(weights, flowers, FAR_TOO_HIGH if diverges else RATE)
        _say(f"epoch {epoch} loss {loss:.4f}")
        agent.beat(epoch, loss)
        time.sleep(PAUSE_S)
    right = sum(_scores(weights, f)[f.species] == max(_scores(weights, f)) for f in flowers)
    _say(f"done: {right} of {len(flowers)} flowers told right")


def _say(text: str) -> None:
    """Log a line with the time; the monotonic clock is the same for all processes of a machine."""
    print(f"{time.monotonic():.6f} {text}", flush=True)  # noqa: T201 - trainings print


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--damage-at", type=int, metavar="EPOCH")
    parser.add_argument("--diverge-at", type=int, metavar="EPOCH")
    return parser.parse_args()


def _load() -> Iterator[Flower]:
    with DATA.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            species = SPECIES.index(row.pop("species"))
            yield Flower([1.0, *map(float, row.values())], species)


def train_one_epoch(weights: Weights, flowers: list[Flower], rate: float) -> float:
    """One step down the gradient of the whole data; gives the mean cross-entropy before it."""
    gradient = [[0.0] * len(row) for row in weights]
    loss = 0.0
    for flower in flowers:
        probabilities, surprise = _softmax(_scores(weights, flower), flower.species)
        loss += surprise / len(flowers)
        for k, probability in enumerate(probabilities):
            error = (probability - (k == flower.species)) / len(flowers)
            for i, x in enumerate(flower.measures):
                gradient[k][i] += error * x
    for row, slopes in zip(weights, gradient, strict=True):
        row[:] = [w - rate * slope for w, slope in zip(row, slopes, strict=True)]
    return loss


def _scores(weights: Weights, flower: Flower) -> list[float]:
    return [sum(w * x for w, x in zip(row, flower.measures, strict=True)) for row in weights]


def _softmax(scores: list[float], species: int) -> tuple[list[float], float]:
    """The probabilities of the species, and the negative logarithm of the right one's."""
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers], math.log(total) - (scores[species] - highest)


if __name__ == "__main__":
    main()
