"""From the configuration of channels to what delivers over them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from epochwatchd.alerting.channels import KINDS
from epochwatchd.alerting.delivery import Channel
from epochwatchd.alerting.rendering import render
from epochwatchd.config import Config
from epochwatchd.config.settings import ChannelConfig
from epochwatchd.service.channel_memory import FileMemory
from epochwatchd.service.paths import memory_path


def connected(config: Config, env: Mapping[str, str]) -> dict[str, Channel]:
    """The configured channels, by name; nothing is sent yet."""
    return {name: _channel(name, channel, config, env) for name, channel in config.channels.items()}


def _channel(name: str, channel: ChannelConfig, config: Config, env: Mapping[str, str]) -> Channel:
    kind = KINDS[channel.kind]
    refresh = getattr(kind, "refresh", None)
    return Channel(
        send=partial(kind.send, channel.options),
        say=partial(render, language=channel.language or config.language, zone=None, style=channel.style),
        limits=kind.LIMITS,
        memory=FileMemory(memory_path(name, config.store.path, env)),
        refresh=None if refresh is None else partial(refresh, channel.options),
    )


def notes(config: Config) -> list[str]:
    """What cannot work as it is configured, a line each."""
    found = [
        f"channel {name}: {note}"
        for name, channel in config.channels.items()
        for note in getattr(KINDS[channel.kind], "notes", _nothing)(channel.options)
    ]
    for at, route in enumerate(config.routes, 1):
        silent = [name for name in route.to if not KINDS[config.channels[name].kind].LIMITS.rings]
        takes_critical = route.match.severity is None or "critical" in route.match.severity
        if takes_critical and route.to and len(silent) == len(route.to) and not route.continue_:
            found.append(f"route {at} tells what is critical only to {', '.join(silent)}, which rings no phone")
    return found


def _nothing(_: object) -> list[str]:
    return []
