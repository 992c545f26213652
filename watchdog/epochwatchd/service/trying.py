"""Trying a channel by hand: a message that says that it is a test, a login, and what came of it."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TextIO

from epochwatchd.alerting.catalogue import example, typical
from epochwatchd.alerting.channels import KINDS
from epochwatchd.alerting.composing import stamp
from epochwatchd.alerting.delivery import Channel
from epochwatchd.config import Config
from epochwatchd.model import ChannelError, Kind, Message, Notification
from epochwatchd.service.connecting import connected
from epochwatchd.service.login import expected

EXAMPLE_AGE_S = 960.0


def tried(channel: Channel, notification: Notification) -> tuple[bool, str]:
    """Send the message; gives whether it was taken, and what the peer answered."""
    try:
        return True, channel.send(Message(channel.say([notification]), channel.memory)).said
    except ChannelError as e:
        return False, str(e)


def trial(kind: Kind | None = None) -> Notification:
    """A message that says that it is a test; of this kind if one is given, with a cause as it may be."""
    now = time.time()
    plain = {"code": "test", "details": {}, "evidence": []}
    told = replace(example("started", None), severity="info", progress={}, argv=(), cwd=None, cause=plain)
    return replace(
        told if kind is None else example(kind, typical(kind)),
        id=f"test-{time.time_ns():x}",
        job="epochwatchd test-alert",
        run="test",
        host=socket.gethostname(),
        user=os.environ.get("USER", ""),
        pid=os.getpid(),
        since=stamp(now if kind is None else now - EXAMPLE_AGE_S),
        detected_at=stamp(now),
    )


def wants_login(kind: str) -> bool:
    """Whether somebody has to log in before such a channel can send."""
    return hasattr(KINDS[kind], "login_url")


def log_in(name: str, config: Config, env: Mapping[str, str], lines: TextIO, show: Callable[[str, str], None]) -> None:
    """Log in to a channel by a browser, or by an address pasted into ``lines``. Raises EpochwatchError.

    show: is given the page to open, and the address that it leads to.
    """
    kind: Any = KINDS[config.channels[name].kind]
    options: Any = config.channels[name].options
    state = secrets.token_urlsafe(16)
    with expected(options.redirect_uri) as address:
        show(kind.login_url(options, state), f"{options.redirect_uri}?code=…")
        kind.log_in(options, connected(config, env)[name].memory, address(lines), state)
