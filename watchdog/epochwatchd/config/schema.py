"""What may stand in the file, section by section: names as written, values already in seconds, paths and addresses."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from epochwatchd.config.addresses import is_loopback, parse_address
from epochwatchd.config.crontab import Crontab, parse_crontab
from epochwatchd.config.durations import parse_duration
from epochwatchd.config.problems import BadValueError, did_you_mean, is_channel_name
from epochwatchd.config.secrets import Surroundings
from epochwatchd.config.settings import OWNER, Address, Language, Quiet, StoreConfig, Style
from epochwatchd.model import CauseCode, Kind, Policy, Severity, Status
from epochwatchd.phrase import Phrase
from epochwatchd.verdicts import VERDICTS

SOCKET_PATH_MAX = 107
"""Of a Unix socket's address: sun_path less its end (unix(7))."""
DEFAULT_UDP = Address("127.0.0.1", 8765)
MINUTES_A_DAY = 24 * 60
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

if TYPE_CHECKING:
    NotifiedKind = Kind
else:
    NotifiedKind = Literal[tuple(kind for kind, verdict in VERDICTS.items() if verdict.is_alert)]


def _auto_or_duration(value: Any) -> float | None:
    return None if value == "auto" else parse_duration(value)


def _silent_after(value: Any) -> float | None:
    try:
        return _auto_or_duration(value)
    except BadValueError as e:
        raise BadValueError(e.message, Phrase("{hint}, or auto", hint=_phrase(e.hint))) from None


def _phrase(hint: str) -> Phrase:
    return hint if isinstance(hint, Phrase) else Phrase(hint)


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _path(value: Any, info: ValidationInfo) -> Any:
    return _surroundings(info).path(value) if isinstance(value, str) else value


def _key(value: Any, info: ValidationInfo) -> Any:
    return None if value is None else _surroundings(info).secret(value)


def _surroundings(info: ValidationInfo) -> Surroundings:
    return cast("Surroundings", cast("dict[str, Any]", info.context)["surroundings"])


def _udp(value: Any, info: ValidationInfo) -> Address | None:
    """Without a readable key file the address must be one that only this machine reaches."""
    if value in ("off", False):
        return None
    try:
        address = parse_address(value)
    except BadValueError as e:
        raise BadValueError(e.message, Phrase("{hint}, or off", hint=_phrase(e.hint))) from None
    if info.data.get("key_file", b"unreadable") is None and not is_loopback(address):
        raise BadValueError("others can reach this address", "give a key_file, or listen on 127.0.0.1")
    return address


def _socket(value: Any, info: ValidationInfo) -> Any:
    """Where a path would be too long for the kernel, to say so here is kinder."""
    if value in ("off", False):
        return None
    path = value if value == "auto" else _path(value, info)
    if len(os.fsencode(str(path))) > SOCKET_PATH_MAX:
        raise BadValueError(
            "the path is too long", Phrase("the kernel takes {most} bytes; or off", most=SOCKET_PATH_MAX)
        )
    return path


def _crontab(value: Any) -> Crontab | None:
    return None if value is None else parse_crontab(value)


def _of_expected(value: float | None, info: ValidationInfo) -> float | None:
    if value is not None and info.data.get("expected", "a mistake") is None:
        raise BadValueError("nothing is expected that could start", 'give the time as well: expected: "30 2 * * *"')
    return value


def _known_cause(pattern: str) -> str:
    if not fnmatch.filter(get_args(CauseCode), pattern):
        raise BadValueError("there is no such cause", did_you_mean(pattern, list(get_args(CauseCode))))
    return pattern


def _tags(value: Any) -> Any:
    if not isinstance(value, dict):
        raise BadValueError("must be a mapping of tags to patterns", "write tag: {team: vision}")
    return tuple(value.items())


def _channel_or_owner(name: str, info: ValidationInfo) -> str:
    return name if name == OWNER else _known_channel(name, info)


def _known_channel(name: str, info: ValidationInfo) -> str:
    channels = cast("dict[str, Any]", info.context)["channels"]
    if name not in channels:
        raise BadValueError("there is no such channel", did_you_mean(name, list(filter(is_channel_name, channels))))
    return name


def _off_or_duration(value: Any) -> float:
    try:
        return 0.0 if value in ("off", False) else parse_duration(value)
    except BadValueError as e:
        raise BadValueError(e.message, Phrase("{hint}, or off", hint=_phrase(e.hint))) from None


def _clock_time(value: Any) -> int:
    """Minutes of the day. YAML reads 22:00 without quotes as a number to the base of 60, which is just that."""
    found = re.fullmatch(r"([0-9]{1,2}):([0-5][0-9])", value) if isinstance(value, str) else None
    minutes = int(found[1]) * 60 + int(found[2]) if found else value
    is_time = found or (isinstance(minutes, int) and minutes >= 60)  # noqa: PLR2004 - less is no such number
    if not is_time or not 0 <= minutes <= MINUTES_A_DAY:
        raise BadValueError("not a time of the day", 'write it as "22:30"')
    return minutes


def _zone(name: Any) -> Any:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        near = did_you_mean(str(name), sorted(available_timezones())) if isinstance(name, str) else ""
        hint = near if near.startswith("did") else Phrase("write it as Asia/Seoul; `timedatectl list-timezones`")
        raise BadValueError("there is no such time zone", hint) from None


def _weekday(value: Any) -> int:
    if value not in WEEKDAYS:
        raise BadValueError("not a day of the week", Phrase("known: {words}", words=[*WEEKDAYS]))
    return WEEKDAYS.index(value)


def _off_or_many(value: Any) -> Any:
    return () if value in ("off", False) else [value] if isinstance(value, dict) else value


Duration = Annotated[float, BeforeValidator(parse_duration)]
FilePath = Annotated[Path, BeforeValidator(_path)]
Text = Annotated[str, Field(min_length=1)]
Patterns = Annotated[tuple[Text, ...], BeforeValidator(_one_or_many)]
Causes = Annotated[tuple[Annotated[Text, AfterValidator(_known_cause)], ...], BeforeValidator(_one_or_many)]
Tags = Annotated[tuple[tuple[Text, Patterns], ...], BeforeValidator(_tags)]
Receivers = Annotated[tuple[Annotated[str, AfterValidator(_channel_or_owner)], ...], BeforeValidator(_one_or_many)]
Channels = Annotated[tuple[Annotated[str, AfterValidator(_known_channel)], ...], BeforeValidator(_one_or_many)]


class Section(BaseModel):
    """A mapping of known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)


class HeartbeatsSection(Section):
    """Where beats come from. The key stands first: the address is judged by it."""

    key_file: Annotated[bytes | None, BeforeValidator(_key)] = None
    directories: tuple[FilePath, ...] = ()
    udp: Annotated[Address | None, BeforeValidator(_udp)] = DEFAULT_UDP
    socket: Annotated[Path | Literal["auto"] | None, BeforeValidator(_socket)] = "auto"


class PolicySection(Section):
    """What jobs ask for. Key by key the fields of model.Policy, without their unit."""

    silent_after: Annotated[float | None, BeforeValidator(_silent_after)] = Policy().silent_after_s
    first_beat_within: Duration = Policy().first_beat_within_s
    max_runtime: Duration | None = Policy().max_runtime_s
    gpu_stalled_after: Duration = Policy().gpu_stalled_after_s
    min_runtime: Duration | None = Policy().min_runtime_s

    def overrides(self) -> dict[str, Any]:
        """The fields of Policy that were given."""
        names = self.model_fields_set & PolicySection.model_fields.keys()
        return {f"{name}_s": getattr(self, name) for name in sorted(names)}


class JobSection(PolicySection):
    """A rule for the jobs that match. What is expected stands before the time within which it is."""

    match: Text
    expected: Annotated[Crontab | None, BeforeValidator(_crontab)] = None
    start_within: Annotated[Duration | None, AfterValidator(_of_expected)] = None


class QuietSection(Section):
    """Hours in which a channel is left in peace."""

    from_: Annotated[int, BeforeValidator(_clock_time)] = Field(alias="from")
    until: Annotated[int, BeforeValidator(_clock_time)]
    zone: Annotated[ZoneInfo | None, BeforeValidator(_zone)] = None
    days: Annotated[tuple[Annotated[int, BeforeValidator(_weekday)], ...], BeforeValidator(_one_or_many)] = (*range(7),)
    passes: Annotated[tuple[Severity, ...], BeforeValidator(_one_or_many)] = Quiet(0, 0).passes

    @model_validator(mode="after")
    def _is_some_time(self) -> QuietSection:
        if self.from_ % MINUTES_A_DAY == self.until % MINUTES_A_DAY and self.from_ >= self.until:
            raise BadValueError("begins when it ends", 'a whole day is from "00:00" until "24:00"')
        return self


Quieted = Annotated[tuple[QuietSection, ...] | None, BeforeValidator(_off_or_many)]


class ChannelSection(Section):
    """What every channel may say, of whatever kind."""

    language: Language | None = None
    style: Style = "full"
    template: Text | None = None
    quiet: Quieted = None
    group_interval: Annotated[float, BeforeValidator(_off_or_duration)] | None = None
    digest: Annotated[Crontab | None, BeforeValidator(_crontab)] = None


class MatchSection(Section):
    """Which notifications a route takes."""

    severity: Annotated[tuple[Severity, ...] | None, BeforeValidator(_one_or_many)] = None
    kind: Annotated[tuple[NotifiedKind, ...] | None, BeforeValidator(_one_or_many)] = None
    status: Annotated[tuple[Status, ...] | None, BeforeValidator(_one_or_many)] = None
    job: Patterns | None = None
    user: Patterns | None = None
    host: Patterns | None = None
    cause: Causes | None = None
    failure: Patterns | None = None
    tag: Tags | None = None
    not_: MatchSection | None = Field(default=None, alias="not")


class EscalationSection(Section):
    """Who is told too, where nobody acknowledges."""

    after: Duration
    to: Receivers


class RouteSection(Section):
    """Who is told of what matches."""

    match: MatchSection = MatchSection()
    to: Receivers
    repeat_every: Duration | None = None
    continue_: bool = Field(default=False, alias="continue")
    escalate: Annotated[tuple[EscalationSection, ...], BeforeValidator(_off_or_many)] = ()


class ControlSection(Section):
    """Where commands come from."""

    path: Annotated[FilePath | Literal["auto"] | None, BeforeValidator(_socket)] = "auto"


class StoreSection(Section):
    """Where verdicts are kept, and for how long."""

    path: FilePath | None = None
    keep: Duration = StoreConfig().keep_s


class FileSection(Section):
    """The whole file. Channels are checked by the models of their kinds, before the rest."""

    heartbeats: HeartbeatsSection = HeartbeatsSection()
    defaults: PolicySection = PolicySection()
    jobs: tuple[JobSection, ...] = ()
    channels: Any = None
    routes: tuple[RouteSection, ...] | None = None
    people: dict[Text, Channels] = {}
    quiet: Quieted = None
    group_interval: Annotated[float, BeforeValidator(_off_or_duration)] = 30.0
    control: ControlSection = ControlSection()
    store: StoreSection = StoreSection()
    language: Language = "en"

    @model_validator(mode="before")
    @classmethod
    def _without_empty_sections(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data
