"""Apprise, for the rest: Pushover, Gotify, Matrix and some hundred others (https://appriseit.com/services).

It says only whether all went well: what failed is tried again, whatever the reason was.
"""

from __future__ import annotations

import logging
from typing import Annotated, Any, Protocol

import apprise
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from epochwatchd.alerting.channels import _deadline
from epochwatchd.alerting.cutting import fit
from epochwatchd.model import ChannelError, Limits, Message, Taken

LIMITS = Limits(text=4000)
TYPES = {"info": "info", "warning": "warning", "critical": "failure"}

# What it logs names addresses, and in these are tokens.
logging.getLogger("apprise").disabled = True


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _known(url: SecretStr) -> SecretStr:
    if apprise.Apprise.instantiate(url.get_secret_value(), suppress_exceptions=True) is None:
        raise ValueError("is no address that Apprise knows: https://appriseit.com/services")
    return url


class Options(BaseModel):
    """``url``: one address or several, as Apprise writes them: ``pover://USER@TOKEN``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_known)], ...], BeforeValidator(_one_or_many), Field(min_length=1)
    ]


class _Service(Protocol):
    request_rate_per_sec: float
    socket_connect_timeout: float
    socket_read_timeout: float

    def notify(self, **told: Any) -> bool:
        """Whether it was taken."""


def send(options: Options, message: Message) -> Taken:
    """Hand the message to each address that has not taken it yet. Raises ChannelError."""
    done = list(message.done)
    for at, url in enumerate(options.url):
        if str(at) not in done and _handed(url, message):
            done.append(str(at))
    left = len(options.url) - len(done)
    if left:
        raise ChannelError(f"{left} of {len(options.url)} addresses did not take it", done=done)
    return Taken(f"taken by {len(done)}")


def _handed(url: SecretStr, message: Message) -> bool:
    service: _Service | None = apprise.Apprise.instantiate(url.get_secret_value(), suppress_exceptions=True)
    if service is None:
        return False
    service.request_rate_per_sec = 0.0  # when to try again is ours to say: it would sleep
    service.socket_connect_timeout = service.socket_read_timeout = _deadline.CONNECT_S
    kind, body = TYPES[message.notification.severity], fit(message.rest or message.headline, LIMITS)
    return bool(service.notify(title=message.headline, body=body, notify_type=apprise.NotifyType(kind)))
