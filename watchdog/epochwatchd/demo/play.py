"""The course of the demo: what is done to the trainings and when, and what comes of it."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from epochwatchd.demo.scenarios import Alert, Scenario, delay_s
from epochwatchd.demo.screen import Screen
from epochwatchd.demo.stage import DAEMON, Line, Stage
from epochwatchd.model import EpochwatchError

LONGEST_S = 38.0
LISTEN_S = 3.0
"""After the last training has ended: some ticks of the daemon more, for whatever should not come."""
HIT_AT_EPOCH = 40
_READY = "watching "
_SAID = re.compile(r"([\d.]+) (.+)")
_EPOCH = re.compile(r"epoch (\d+) (loss .+)")


class DemoError(EpochwatchError):
    """The demo cannot go on; the text says why."""


@dataclass
class Play:
    """One demo of some scenarios, by job: the alerts that came, and when what they tell of happened (``Faults``)."""

    stage: Stage
    screen: Screen
    scenarios: Mapping[str, Scenario]
    begun: float
    alerts: list[Alert] = field(default_factory=list)
    faults: dict[tuple[str, str], float] = field(default_factory=dict)
    _log: list[str] = field(default_factory=list)
    _ended: set[str] = field(default_factory=set)

    def perform(self) -> None:
        """Go on until the trainings have ended, or until it is too late, and listen a little longer."""
        deadline = self.begun + LONGEST_S
        while (event := self.stage.next(deadline)) is not None:
            if isinstance(event, Alert):
                self._take(event)
            elif event.source == DAEMON:
                self._follow_daemon(event)
            elif event.text is not None:
                self._follow_training(self.scenarios[event.source], event.text)
            else:
                self._ended.add(event.source)
                if self._ended == self.scenarios.keys():
                    deadline = min(deadline, event.at + LISTEN_S)

    def _follow_daemon(self, line: Line) -> None:
        """The trainings begin as soon as somebody watches. Raises DemoError if nobody does any more."""
        if line.text is None:
            raise DemoError("the daemon of the demo has ended; it said:\n" + "\n".join(self._log))
        self._log.append(line.text)
        if _READY in line.text:
            self.screen.start(self.scenarios.values())
            for scenario in self.scenarios.values():
                self.stage.start_training(scenario)

    def _follow_training(self, scenario: Scenario, line: str) -> None:
        said = _SAID.match(line)
        if said is None:  # part of a traceback
            return
        for expected in scenario.expected:
            if expected.after in said[2]:
                self.faults.setdefault((scenario.job, expected.after), float(said[1]))
        if now := _EPOCH.match(said[2]):
            epoch = int(now[1])
            self.screen.show_epoch(scenario.job, epoch, now[2])
            if scenario.hit and epoch >= HIT_AT_EPOCH and self._is_watched(scenario.job):
                self._send(scenario.job, scenario.hit)

    def _is_watched(self, job: str) -> bool:
        return any(alert.message["job"] == job for alert in self.alerts)

    def _send(self, job: str, number: signal.Signals) -> None:
        """Send a signal, once."""
        if (job, number.name) not in self.faults:
            self.faults[job, number.name] = time.monotonic()
            self.stage.send(job, number)
            self.screen.show_signal(job, number.name)

    def _take(self, alert: Alert) -> None:
        scenario = self.scenarios.get(alert.message["job"])
        if scenario is None:  # a namesake's of another user
            return
        self.alerts.append(alert)
        self.screen.tell(alert.at - self.begun, alert.message, delay_s(scenario, alert, self.faults))
        if scenario.relief and alert.message["kind"] == "silent":
            self._send(scenario.job, scenario.relief)
