import random

import pytest
from builders import beat, worker

from epochwatchd.detection.detectors.diverged import detect
from epochwatchd.detection.loss_baseline import NEW_LEVEL
from epochwatchd.model import Facts, Policy


def training(*losses):
    return worker(*((float(i), beat(i + 1, loss=loss)) for i, loss in enumerate(losses)))


def found(*losses):
    run = training(*losses)
    finding = detect(run, Facts(), Policy(), run.beat_at)
    return finding and finding.cause.code


def falling(count=200, noise=0.1):
    rng = random.Random(1)
    return [2.0 * 0.99**i + 0.2 + noise * rng.random() for i in range(count)]


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        pytest.param(falling(), None, id="an ordinary training"),
        pytest.param([*falling(), 5.0, 5.0, 5.0], "loss_exploded", id="many times the usual, and it stays"),
        pytest.param([*falling(), 5.0, 5.0, 0.4], None, id="a bad batch or two"),
        pytest.param([0.5] * 100 + [0.7] * 10, None, id="a small change of a steady loss"),
        pytest.param([9.0, 1.0, 9.0, 9.0, 9.0], None, id="too early to know what is usual"),
        pytest.param([-3.0, -3.1] * 50 + [40.0] * 3, "loss_exploded", id="a loss below zero"),
        pytest.param([0.5] * 100 + [5.0] * (NEW_LEVEL + 30), None, id="a new level is the usual in the end"),
    ],
)
def test_a_loss_has_exploded(losses, expected):
    assert found(*losses) == expected


def test_heavy_tails_are_usual_where_they_are():
    rng = random.Random(2)
    assert found(*(rng.lognormvariate(0.0, 1.5) for _ in range(2000))) is None


def test_it_is_dated_from_the_first_loss_that_was_far_above():
    run = training(*[0.5] * 100, 50.0, 60.0, 70.0)
    assert detect(run, Facts(), Policy(), 200.0).since == 100.0
