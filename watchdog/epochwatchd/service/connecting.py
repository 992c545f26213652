"""From the configuration of channels to what delivers over them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from pydantic import BaseModel

from epochwatchd.alerting.channels import KINDS
from epochwatchd.alerting.delivery import Channel
from epochwatchd.alerting.rendering import render
from epochwatchd.alerting.templates import Words, faults
from epochwatchd.alerting.together import together
from epochwatchd.config import OWNER, Config, Quiet
from epochwatchd.config.settings import ChannelConfig
from epochwatchd.model import Limits, Notification
from epochwatchd.phrase import Phrase
from epochwatchd.service.buttons import Listener
from epochwatchd.service.channel_memory import FileMemory
from epochwatchd.service.paths import memory_path

Say = Callable[[Notification], Notification]

log = logging.getLogger("epochwatchd")


class _Options(Mapping[str, type[BaseModel]]):
    """The options of each kind of channel; its module is imported only where it is configured."""

    def __getitem__(self, kind: str) -> type[BaseModel]:
        model: type[BaseModel] = KINDS[kind].Options
        return model

    def __contains__(self, kind: object) -> bool:
        return kind in KINDS

    def __iter__(self) -> Iterator[str]:
        return iter(KINDS)

    def __len__(self) -> int:
        return len(KINDS)


OPTIONS: Mapping[str, type[BaseModel]] = _Options()


def connected(config: Config, env: Mapping[str, str]) -> dict[str, Channel]:
    """The configured channels, by name; nothing is sent yet."""
    return {name: _channel(name, channel, config, env) for name, channel in config.channels.items()}


def _channel(name: str, channel: ChannelConfig, config: Config, env: Mapping[str, str]) -> Channel:
    kind = KINDS[channel.kind]
    refresh = getattr(kind, "refresh", None)
    language = channel.language or config.language
    say: Say = partial(render, language=language, zone=None, style=channel.style)
    own = None if channel.template is None else _in_own_words(name, channel.template, say)
    return Channel(
        send=partial(kind.send, channel.options),
        say=partial(together, say=say, language=language, zone=None, own=own),
        limits=kind.LIMITS,
        memory=FileMemory(memory_path(name, config.store.path, env)),
        refresh=None if refresh is None else partial(refresh, channel.options),
        quiet=quiet_of(name, config),
        group_interval_s=group_interval_of(name, config),
    )


def listeners(config: Config, env: Mapping[str, str]) -> dict[str, Listener]:
    """The channels whose messages have buttons."""
    return {
        name: Listener(
            partial(kind.listen, channel.options, FileMemory(memory_path(name, config.store.path, env))),
            partial(kind.answer, channel.options),
        )
        for name, channel in config.channels.items()
        if hasattr(kind := KINDS[channel.kind], "listen") and getattr(channel.options, "buttons", False)
    }


def quiet_of(name: str, config: Config) -> Sequence[Quiet]:
    """When a channel is left in peace. What machines read knows no night, unless it is said."""
    own = config.channels[name].quiet
    return own if own is not None else config.quiet if _limits(name, config).people else ()


def group_interval_of(name: str, config: Config) -> float:
    """Within what time what is alike is one message over a channel. Machines want each by itself."""
    own = config.channels[name].group_interval_s
    return (config.group_interval_s if own is None else own) if _limits(name, config).people else 0.0


def _limits(name: str, config: Config) -> Limits:
    limits: Limits = KINDS[config.channels[name].kind].LIMITS
    return limits


def _in_own_words(name: str, template: str, say: Say) -> Say:
    """What says a notification by the channel's template; by ``say`` alone where that is none."""
    try:
        words = Words(template)
    except (ValueError, ImportError) as e:
        log.error("channel %s: the template cannot be used, the built-in words are sent: %s", name, e)  # noqa: TRY400
        return say
    return lambda notification: words.say(say(notification))


def notes(config: Config) -> list[Phrase]:
    """What cannot work as it is configured, a line each."""
    found = [
        Phrase("channel {name}: {note}", name=name, note=note)
        for name, channel in config.channels.items()
        for note in getattr(KINDS[channel.kind], "notes", _nothing)(channel.options)
    ]
    for name, channel in config.channels.items():
        if channel.template is not None:
            language = channel.language or config.language
            wrong = faults(channel.template, language)
            found += [Phrase("channel {name}: template: {fault}", name=name, fault=fault) for fault in wrong]
    for name, channel in config.channels.items():
        if channel.group_interval_s and not _limits(name, config).people:
            found.append(Phrase("channel {name}: group_interval has no effect: machines get each message", name=name))
    for at, route in enumerate(config.routes, 1):
        named = [name for name in route.to if name != OWNER]
        silent = [name for name in named if not KINDS[config.channels[name].kind].LIMITS.rings]
        takes_critical = route.match.severity is None or "critical" in route.match.severity
        if takes_critical and route.to and len(silent) == len(route.to) and not route.continue_:
            found.append(
                Phrase(
                    "route {at} tells what is critical only to {channels}, which rings no phone", at=at, channels=silent
                )
            )
    return found


def _nothing(_: object) -> list[str]:
    return []
