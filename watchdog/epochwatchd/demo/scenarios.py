"""What happens to each training of the demo, what the watchdog should say of it, and whether it did. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from signal import SIGCONT, SIGKILL, SIGSTOP, Signals
from typing import Any, NamedTuple

from epochwatchd.model import Kind

Message = Mapping[str, Any]
"""A notification as the webhook posts it."""
Faults = Mapping[tuple[str, str], float]
"""When what a message is counted from happened, by job and ``Expected.after``; monotonic."""


class Alert(NamedTuple):
    """A message that arrived, and when by the monotonic clock."""

    at: float
    message: Message


@dataclass(frozen=True, slots=True)
class Expected:
    """A message that must come. ``after`` is what it is counted from: a signal, or words that the training prints.

    ``or_unknown``: the honest cause ``unknown`` will do as well.
    """

    kind: Kind
    cause: str | None
    did: str
    after: str
    status: str = "firing"
    or_unknown: bool = False

    def fits(self, message: Message) -> bool:
        """Whether ``message`` is this one."""
        causes = (self.cause, "unknown") if self.or_unknown else (self.cause,)
        return (self.kind, self.status) == (message["kind"], message["status"]) and cause_of(message) in causes


@dataclass(frozen=True, slots=True)
class Scenario:
    """One training: its arguments, the signal sent to it once it is under way, and the one after that one's alert."""

    job: str
    arguments: tuple[str, ...]
    epochs: int
    expected: tuple[Expected, ...]
    hit: Signals | None = None
    relief: Signals | None = None


class Row(NamedTuple):
    """One line of the reckoning: ``delay_s`` is from the fault to the alert. What came unasked is not expected."""

    job: str
    expected: Expected | None
    seen: Message | None
    delay_s: float | None

    @property
    def is_right(self) -> bool:
        """Whether what was expected is what was seen."""
        return self.expected is not None and self.seen is not None


TELLS_EXITS = (6, 15)
"""Before this version of Linux only a process's parent can be sure to learn of which signal it died."""

_FINISHED = Expected("finished", None, "left alone to the end", "done:", "notice")


def scenarios(kernel: tuple[int, ...]) -> tuple[Scenario, ...]:
    """The five trainings, for a version of the Linux kernel."""
    killed = Expected("crashed", "signal", "SIGKILL", "SIGKILL", or_unknown=kernel < TELLS_EXITS)
    return (
        Scenario("iris-finished", (), 120, (_FINISHED,)),
        Scenario("iris-killed", (), 400, (killed,), hit=SIGKILL),
        Scenario(
            "iris-frozen",
            (),
            160,
            (
                Expected("silent", "stopped", "SIGSTOP", "SIGSTOP"),
                Expected("silent", "stopped", "SIGCONT", "SIGCONT", "resolved"),
                _FINISHED,
            ),
            hit=SIGSTOP,
            relief=SIGCONT,
        ),
        Scenario(
            "iris-failed",
            ("--damage-at", "60"),
            120,
            (Expected("crashed", "exception", "a damaged row in the data", "damaged row"),),
        ),
        Scenario(
            "iris-diverged",
            ("--diverge-at", "50"),
            140,
            (Expected("diverged", "loss_nan", "a learning rate of 1e308", "loss nan"), _FINISHED),
        ),
    )


def cause_of(message: Message) -> str | None:
    """The code of a message's cause."""
    return message["cause"]["code"] if message["cause"] else None


def reckon(chosen: Iterable[Scenario], alerts: Sequence[Alert], faults: Faults) -> list[Row]:
    """Expected against seen, by job; what is missing, wrong or came twice makes a row that is not right."""
    return [row for scenario in chosen for row in _rows(scenario, alerts, faults)]


def _rows(scenario: Scenario, alerts: Sequence[Alert], faults: Faults) -> Iterable[Row]:
    left = [a for a in alerts if a.message["job"] == scenario.job and a.message["kind"] != "started"]
    for expected in scenario.expected:
        seen = next((a for a in left if expected.fits(a.message)), None)
        if seen is None:
            yield Row(scenario.job, expected, None, None)
        else:
            left.remove(seen)
            yield Row(scenario.job, expected, seen.message, delay_s(scenario, seen, faults))
    yield from (Row(scenario.job, None, alert.message, None) for alert in left)


def delay_s(scenario: Scenario, alert: Alert, faults: Faults) -> float | None:
    """How long after its fault an alert came, in seconds; None for one that was not expected."""
    expected = next((e for e in scenario.expected if e.fits(alert.message)), None)
    fault_at = faults.get((scenario.job, expected.after)) if expected else None
    return None if fault_at is None else alert.at - fault_at
