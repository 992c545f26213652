"""The configuration as the rest of the watchdog sees it: frozen, complete, in seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from epochwatchd.config.crontab import Crontab
from epochwatchd.config.problems import masked
from epochwatchd.model import Kind, Policy, Severity, Status

if TYPE_CHECKING:
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from pydantic import BaseModel

Language = Literal["en", "ko"]
Style = Literal["full", "short"]

POLICIES_REMEMBERED = 16_384
"""Job names come from datagrams: the cache of policies must not grow with whatever is sent."""


@dataclass(frozen=True)
class Address:
    """Where datagrams are received. Port 0 takes any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True)
class Heartbeats:
    """Where beats come from. ``directories`` are watched besides the default places; no ``udp``: no datagrams.

    ``socket``: the Unix socket for datagrams whose sender is known, in the usual place where it is ``auto``.

    ``udp_is_default``: nobody asked for that address, so that failing to bind it is no mistake of the user's.
    """

    directories: tuple[Path, ...] = ()
    udp: Address | None = None
    udp_is_default: bool = False
    key: bytes | None = field(default=None, repr=False)
    socket: Path | Literal["auto"] | None = "auto"


@dataclass(frozen=True)
class Expected:
    """When a run must begin, and how many seconds after that it is missing."""

    at: Crontab
    within_s: float


@dataclass(frozen=True)
class JobRule:
    """What jobs whose name fits the shell pattern ``match`` ask for instead; ``overrides`` are fields of Policy.

    ``expected``: when a run of such a job must begin; of any that fits, whichever rule it takes its policy from.
    """

    match: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    expected: Expected | None = None

    def over(self, defaults: Policy) -> Policy:
        """This rule laid over the defaults."""
        return replace(defaults, **self.overrides)


@dataclass(frozen=True)
class Match:
    """What a route takes: every condition must hold, None holds always.

    Job, user, host, cause, failure and the values of tags are shell patterns. ``not_``: what it leaves out of it.
    """

    severity: tuple[Severity, ...] | None = None
    kind: tuple[Kind, ...] | None = None
    status: tuple[Status, ...] | None = None
    job: tuple[str, ...] | None = None
    user: tuple[str, ...] | None = None
    host: tuple[str, ...] | None = None
    cause: tuple[str, ...] | None = None
    failure: tuple[str, ...] | None = None
    tag: tuple[tuple[str, tuple[str, ...]], ...] | None = None
    not_: Match | None = None


@dataclass(frozen=True)
class Quiet:
    """Hours in which a channel is left in peace, in minutes of the day by the clock of ``zone`` (None: the machine's).

    ``until_min`` not behind ``from_min`` is on the day after. ``days``: on which it begins, 0 for Monday.
    ``passes``: severities that are told all the same.
    """

    from_min: int
    until_min: int
    zone: ZoneInfo | None = None
    days: frozenset[int] = frozenset(range(7))
    passes: tuple[Severity, ...] = ("critical",)


@dataclass(frozen=True)
class Escalation:
    """Whoever is told too, when nobody has acknowledged so many seconds after the first message was delivered."""

    after_s: float
    to: tuple[str, ...]


OWNER = "@user"
"""In a route: the channels of the run's user, as ``people`` says."""


@dataclass(frozen=True)
class Route:
    """Notifications that fit ``match`` go to the channels ``to``; with ``continue_`` later routes are tried too.

    ``OWNER`` among them stands for the channels of the run's user.
    """

    match: Match = Match()
    to: tuple[str, ...] = ()
    repeat_every_s: float | None = None
    continue_: bool = False
    escalate: tuple[Escalation, ...] = ()


@dataclass(frozen=True)
class ChannelConfig:
    """A channel's kind, and its options as the kind's own model has checked them.

    ``language`` of its messages: None is the configuration's. ``style``: all that is known, or the headline and advice.
    ``template``: words of one's own instead. ``quiet`` and ``group_interval_s``: None is the configuration's.
    ``digest``: when it gets a summary.
    """

    kind: str
    options: BaseModel
    language: Language | None = None
    style: Style = "full"
    template: str | None = None
    quiet: tuple[Quiet, ...] | None = None
    group_interval_s: float | None = None
    digest: Crontab | None = None


@dataclass(frozen=True)
class StoreConfig:
    """Where verdicts are kept (None: the service's or user's state folder), and for how many seconds."""

    path: Path | None = None
    keep_s: float = 90 * 86_400.0


class Unsaved(NamedTuple):
    """What a file will hold, and the secret files beside it by their names."""

    text: str
    secrets: Mapping[str, bytes]


@dataclass(frozen=True)
class Config:
    """A whole, checked configuration. ``source`` is None where the built-in defaults were taken.

    ``more``: the files laid over it. ``places``: file and line of what is said of jobs.
    ``people``: the channels of users.
    ``quiet``, ``group_interval_s``: of channels that people read.
    ``control``: the socket for commands, in the usual place where it is ``auto``; None for none.
    ``hidden``: texts that must never be shown (secrets, and what came from the environment), and what to show instead.
    """

    heartbeats: Heartbeats
    defaults: Policy
    jobs: tuple[JobRule, ...]
    channels: Mapping[str, ChannelConfig]
    routes: tuple[Route, ...]
    store: StoreConfig
    language: Language
    source: Path | None = None
    hidden: Mapping[str, str] = field(default_factory=dict, repr=False)
    more: tuple[Path, ...] = ()
    places: Mapping[tuple[str | int, ...], str] = field(default_factory=dict, repr=False)
    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    quiet: tuple[Quiet, ...] = ()
    group_interval_s: float = 30.0
    control: Path | Literal["auto"] | None = "auto"

    def shown(self, text: str) -> str:
        """``text`` as it may be shown to anybody."""
        return masked(text, self.hidden)

    def policy(self, job: str) -> Policy:
        """What the job asks for: the first rule that matches its name, laid over the defaults."""
        return self._policy_of(job)

    @cached_property
    def _policy_of(self) -> Callable[[str], Policy]:
        @lru_cache(maxsize=POLICIES_REMEMBERED)
        def policy_of(job: str) -> Policy:
            rule = next((rule for rule in self.jobs if fnmatchcase(job, rule.match)), None)
            return rule.over(self.defaults) if rule else self.defaults

        return policy_of
