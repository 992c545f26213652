"""However a run counts, how far it has come is one number, and people read it as they count."""

import pytest
from builders import beat, worker

from epochwatch.wire import Body
from epochwatchd.detection.observing import plan_is_reached
from epochwatchd.detection.progress import epoch_shown, progress_of


def run(beats, epochs=None, steps=None):
    """A worker after these beats, (epoch, step) each, a second apart."""
    body = Body("digits", run="r1", pid=42, start=7, epochs=epochs, steps=steps)
    return worker(*((float(i), beat(i + 1, body, epoch=e, step=s)) for i, (e, s) in enumerate(beats)))


def whole(first, last):
    return [(float(epoch), None) for epoch in range(first, last + 1)]


def many(first, last, each=10):
    """Beats with the number of the epoch, so many times each."""
    return [(float(epoch), None) for epoch in range(first, last + 1) for _ in range(each)]


def steps(*numbers):
    return [(None, step) for step in numbers]


HALF_OF_THE_LAST = many(0, 3) + many(4, 4, each=5)
TABLE = {
    # how it counts: (the beats, epochs, steps, fraction, is the plan reached, the epoch as people count)
    "from 0, in mid-run": (whole(0, 1), 5, None, 0.4, False, 2),
    "from 0, done": (whole(0, 4), 5, None, 1.0, True, 5),
    "from 1, in mid-run": (whole(1, 2), 5, None, 0.4, False, 2),
    "from 1, done": (whole(1, 5), 5, None, 1.0, True, 5),
    "from 0, the last but one": (whole(0, 3), 5, None, 0.8, False, 4),
    "one epoch, beaten once": (whole(0, 0), 1, None, 1.0, True, 1),
    "one epoch, beaten many times": (many(0, 0), 1, None, None, False, 1),
    "many beats an epoch, from 0": (HALF_OF_THE_LAST, 5, None, 0.9, False, 5),
    "many beats an epoch, the first of the last": (many(0, 3) + whole(4, 4), 5, None, 0.82, False, 5),
    "many beats an epoch, done": (many(0, 4), 5, None, 1.0, True, 5),
    "many beats an epoch, from 1": (many(1, 4) + many(5, 5, each=5), 5, None, 0.9, False, 5),
    "training and evaluation, twice each": (many(0, 4, each=2), 5, None, 1.0, True, 5),
    "a fraction": ([(0.5, None), (1.0, None), (2.5, None)], 5, None, 0.5, False, 2.5),
    "a fraction, done": ([(0.5, None), (2.98, None), (3.0, None)], 3, None, 1.0, True, 3),
    "a fraction of one epoch": ([(0.25, None), (0.5, None)], 1, None, 0.5, False, 0.5),
    "steps from 0": (steps(*range(100)), None, 100, 1.0, True, None),
    "steps from 1": (steps(*range(1, 51)), None, 100, 0.5, False, None),
    "every tenth step from 0": (steps(*range(0, 150, 10)), None, 150, 0.94, True, None),
    "every tenth step, as done": (steps(*range(10, 60, 10)), None, 100, 0.5, False, None),
    "steps before epochs": ([(0.0, 0), (0.0, 1), (1.0, 2)], 3, 150, 0.02, False, 2),
    "steps of each epoch": ([(0.0, 0), (0.0, 99), (1.0, 0), (1.0, 49)], 2, 100, 0.75, False, 2),
    "nothing planned": (whole(0, 4), None, None, None, False, 5),
    "nothing said": (steps(), 5, None, None, False, None),
    "resumed": (whole(3, 4), 10, None, 0.5, False, 5),
}


@pytest.mark.parametrize(("beats", "epochs", "planned", "fraction", "reached", "shown"), TABLE.values(), ids=TABLE)
def test_how_far_a_run_has_come(beats, epochs, planned, fraction, reached, shown):  # noqa: PLR0917
    one = run(beats or [(None, None)], epochs, planned)
    progress = progress_of(one)
    assert (progress and progress.fraction) == (fraction and pytest.approx(fraction, abs=1e-3))
    assert plan_is_reached(one) == reached
    assert epoch_shown(one.counting, one.head) == shown


def test_the_lowest_loss_and_where_it_was():
    losses = [0.9, 0.4, float("nan"), 0.6, None, float("-inf")]
    one = worker(*((float(i), beat(i + 1, epoch=float(i), loss=loss)) for i, loss in enumerate(losses)))
    assert one.best == (0.4, 1.0, None)
