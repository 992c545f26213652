"""How far a run has come: one number, whatever it counts by. Pure.

By steps where steps are planned, else by epochs. Epochs may be counted from 0 or from 1, be told with a fraction, once
each or many times: how a run does it is learned from its beats (``Counting``).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from epochwatch.wire import Body, Head
from epochwatchd.model import Counting, Worker

LAST_EPOCH_SLACK = 0.1
"""So much of an epoch may be missing at its end: its first beat is seen up to a second late."""


class Progress(NamedTuple):
    """What is done, of what is planned, in epochs or steps; ``stride``: what a beat adds."""

    done: float
    planned: float
    stride: float
    unit: Literal["epoch", "step"]

    @property
    def fraction(self) -> float:
        """From 0 to 1."""
        return min(1.0, max(0.0, self.done / self.planned))

    @property
    def is_reached(self) -> bool:
        """Whether the plan is done, but for what no further beat would have told."""
        slack = self.stride if self.unit == "step" else LAST_EPOCH_SLACK
        return self.planned - self.done < slack or self.done >= self.planned


def begin(head: Head) -> Counting:
    """How a run counts that is met with this beat; who begins with a 1 counts from 1."""
    return Counting(
        from_one=head.seq <= 1 and head.epoch == 1,
        steps_from_one=head.seq <= 1 and head.step == 1,
        is_fraction=head.epoch is not None and not head.epoch.is_integer(),
        began_seq=head.seq,
    )


def learn(known: Counting, old: Head, head: Head, body: Body) -> Counting:
    """How a run counts, after a beat; the same object where that teaches nothing."""
    if head.step is not None and old.step is not None and head.step != old.step:
        known = _with_step(known, old, head.step, head.seq)
    epoch, before = head.epoch, old.epoch
    if epoch is None or epoch == before:
        return known
    if not epoch.is_integer():
        return known if known.is_fraction else known._replace(is_fraction=True)
    if before is None or epoch < before:
        return begin(head)._replace(is_fraction=known.is_fraction, stride=known.stride)
    from_one = known.from_one or (epoch == body.epochs and not known.is_fraction)
    beats = (head.seq - known.began_seq) / (epoch - before)
    return known._replace(from_one=from_one, began_seq=head.seq, beats=beats)


def _with_step(known: Counting, old: Head, step: int, seq: int) -> Counting:
    assert old.step is not None
    if step < old.step:
        return known if known.resets else known._replace(resets=True)
    stride = (step - old.step) / max(1, seq - old.seq)
    if stride == known.stride:
        return known
    is_first = not known.stride and old.seq <= 1
    return known._replace(stride=stride, steps_from_one=(old.step == stride) if is_first else known.steps_from_one)


def progress_of(worker: Worker) -> Progress | None:
    """How far a worker has come; None where nothing is planned, nothing is said, or it cannot be known yet."""
    return progress(worker.counting, worker.head, worker.body)


def progress(known: Counting, head: Head, body: Body) -> Progress | None:
    """The same by what is known of how it counts."""
    steps = None if head.step is None or not body.steps else head.step + (0.0 if known.steps_from_one else 1.0)
    if steps is not None and body.steps and not (body.epochs and known.resets):
        return Progress(steps, float(body.steps), known.stride or steps / max(1, head.seq), "step")
    if not body.epochs or head.epoch is None:
        return None
    planned = float(body.epochs)
    if known.is_fraction:
        return Progress(head.epoch, planned, 0.0, "epoch")
    share = _share(known, head) if steps is None or not body.steps else steps / body.steps
    if share is None:
        return None
    done = head.epoch - known.from_one + min(1.0, share)
    return Progress(done, planned, 1 / known.beats if known.beats else done / max(1, head.seq), "epoch")


def _share(known: Counting, head: Head) -> float | None:
    """How much of its epoch a beat has done; all of it where there is one beat an epoch. None: not known yet."""
    told = head.seq - known.began_seq + 1
    if known.beats:
        return told / max(1.0, known.beats)
    return 1.0 if told <= 1 else None


def epoch_shown(known: Counting, head: Head) -> float | None:
    """The present epoch as people count: the last of five is the fifth."""
    if head.epoch is None or known.is_fraction or known.from_one:
        return head.epoch
    return head.epoch + 1.0
