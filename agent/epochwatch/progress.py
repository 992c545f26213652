"""How far a command has come, by what it prints. Pure: lines in, numbers out; wrong is worse than none.

A line says too little: ``45/235`` may be of an epoch, of the run or of an evaluation. What is told is what the lines
before make certain; the rest is left out, and what turns out to be wrong is withdrawn.
"""

from typing import Dict, NamedTuple, Optional, Set, Tuple

from epochwatch.checks import COUNT_MAX
from epochwatch.printed import Count, Said, read

WITHDRAWN = 0
"""A number of steps that was told, and is none."""
BARS_MAX = 100
"""Bars of so many lengths are told apart."""


class Reading(NamedTuple):
    """What is known after a line. ``epoch`` counts from 0, or is a fraction; None: nothing new."""

    epoch: Optional[float] = None
    epochs: Optional[int] = None
    step: Optional[int] = None
    steps: Optional[int] = None
    loss: Optional[float] = None
    metrics: Optional[Dict[str, float]] = None


class _Bars:
    """Bars that do not say of what they are: which of them is the training's."""

    def __init__(self) -> None:
        self._done: Dict[int, int] = {}
        self._latest = 0
        self._trusted: Optional[int] = None
        self._began_anew: Set[int] = set()

    def take(self, count: Count) -> Optional[Tuple[Optional[int], int]]:
        """Done and total, if it is the training's; a total of ``WITHDRAWN`` if none is any more; else None."""
        done, total = count.done, count.total
        before, trusted = self._done.get(total), self._trusted
        if before is None and len(self._done) == BARS_MAX:
            return None
        if before is not None and before // 2 <= done < before:
            return None  # another rank is a little behind
        others_came_between = self._latest != total
        self._done[total] = done
        self._latest = total
        if before is not None and done < before:
            self._began_anew.add(total)
        if total in self._began_anew:
            self._trusted = None if trusted == total else trusted
        elif trusted is None:
            if len(self._done) == 1 or (before is not None and done > before and others_came_between):
                self._trusted = total
        elif trusted != total and self._done[trusted] >= trusted:
            self._trusted = None  # what is full may have been all, or the first epoch
        if self._trusted == total:
            return done or None, total
        return (None, WITHDRAWN) if self._trusted != trusted else None


class Progress:
    """The progress of one command, from ``read`` to ``read``. ``steps``: so many are planned, whatever is printed."""

    def __init__(self, steps: Optional[int] = None) -> None:
        self._given = steps
        self._bars = _Bars()
        self._epoch: Optional[float] = None
        self._epochs: Optional[int] = None
        self._first: Optional[float] = None
        self._is_fraction = False
        self._length: Optional[int] = None
        self._is_of_epoch: Optional[bool] = None
        self._done = self._done_before = 0
        self._step: Optional[int] = None
        self._steps: Optional[int] = None
        self._stride = 0

    def read(self, line: str) -> Optional[Reading]:
        """What is known after this line; None where it says nothing."""
        said = read(line)
        if said is None or self._is_of_the_past(said):
            return None
        self._take_epoch(said)
        step, steps = said.step, None
        if said.part is not None:
            found = self._place(said.part)
            if found is None:
                return None
            step, steps = found
        elif self._epoch is not None and not self._is_fraction:
            step = None  # of the epoch, or of the run
            steps = WITHDRAWN if self._steps and self._length is None else None  # so may be what was told
        reading = Reading(self._counted(), self._planned(), step, steps, said.loss, said.metrics)
        if max(step or 0, steps or 0) > COUNT_MAX:
            return None  # no heartbeat can say that
        self._keep(reading)
        return reading

    def end(self) -> Optional[Reading]:
        """What is known when all has gone well: what is left of the plan is less than lies between two lines."""
        planned = self._given or self._steps
        if self._step is None or not planned or not 0 < planned - self._step <= self._stride:
            return None
        return Reading(step=planned)

    def _keep(self, reading: Reading) -> None:
        if reading.step is not None:
            if self._step is not None and reading.step > self._step:
                self._stride = reading.step - self._step
            self._step = reading.step
        self._steps = self._steps if reading.steps is None else reading.steps

    def _is_of_the_past(self, said: Said) -> bool:
        """Whether it is the full bar of an epoch that is over, drawn again below which the next one grows."""
        count = said.part
        if count is None or said.epoch is None or self._epoch is None:
            return False
        return count.of == "epoch" and said.epoch < self._epoch and count.done == count.total

    def _take_epoch(self, said: Said) -> None:
        if said.epoch is None:
            return
        if said.is_fraction:
            self._is_fraction = self._is_fraction or not float(said.epoch).is_integer()
            if not self._is_fraction:
                return
        if self._epoch is not None and said.epoch != self._epoch:
            self._done_before, self._done = max(self._done, self._done_before), 0
        self._epoch, self._epochs = said.epoch, said.epochs or self._epochs
        if self._first is None:
            self._first = said.epoch

    def _counted(self) -> Optional[float]:
        """The epoch as counted from 0. Who begins with a 0 counts so; all others mean the n-th."""
        if self._epoch is None or self._is_fraction:
            return self._epoch
        return self._epoch if self._first == 0 else self._epoch - 1

    def _planned(self) -> Optional[int]:
        """How many epochs; who counts from 0 may mean by the second number the last of them, or how many they are."""
        return None if self._first == 0 or self._is_fraction else self._epochs

    def _place(self, count: Count) -> Optional[Tuple[Optional[int], Optional[int]]]:
        """Step and steps of a count; None where the count is not the training's."""
        if self._epoch is None or self._is_fraction:
            if count.of == "epoch":
                return None
            if count.of == "":
                return self._bars.take(count)
            return count.done or None, count.total
        if self._length not in (None, count.total):
            return None  # an evaluation's
        return self._within_epoch(count)

    def _within_epoch(self, count: Count) -> Optional[Tuple[Optional[int], Optional[int]]]:
        """Of a count beside epochs it is seen at the second epoch whether it is of one, or of the run."""
        if count.of == "epoch":
            self._is_of_epoch = True
        elif self._is_of_epoch is None and self._done_before and not self._done:
            self._is_of_epoch = count.done <= self._done_before
        if count.done < self._done:
            return None  # another bar of this length
        self._length, self._done = count.total, count.done
        if self._is_of_epoch is False or self._epochs == 1:
            return count.done, count.total
        counted, epochs = self._counted(), self._planned()
        if counted is None or not self._is_of_epoch or self._first not in (0, 1):
            withdrawn = WITHDRAWN if self._steps else None
            return None, withdrawn  # what was told of the run may be of the first epoch
        return int(counted) * count.total + count.done, epochs and epochs * count.total
