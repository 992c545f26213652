"""A webhook: the notification as the contract's JSON, posted to any URL.

With a ``secret``, ``X-Epochwatch-Signature: t=UNIXTIME,v1=HEX`` proves who sent it: HEX is the HMAC-SHA256, keyed with
the secret, of ``UNIXTIME.BODY``. ``Idempotency-Key`` is the same whenever the same message is sent again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from epochwatchd.alerting.channels._http import HttpUrl, post
from epochwatchd.alerting.rendering import payload

if TYPE_CHECKING:
    from epochwatchd.model import Notification


def _header_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise ValueError("must be the name of a header")
    return name


def _header_value(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value.get_secret_value()):
        raise ValueError("must be the value of a header: one line of ASCII without spaces around it")
    return value


class Options(BaseModel):
    """Where to post. ``headers`` are added, for example ``Authorization``; their values count as secrets."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: HttpUrl
    headers: dict[Annotated[str, AfterValidator(_header_name)], Annotated[SecretStr, AfterValidator(_header_value)]] = (
        Field(default_factory=dict)
    )
    secret: SecretStr | None = None


def send(options: Options, notification: Notification) -> str:
    """Post the notification and give the receiver's answer. Raises ChannelError."""
    body = json.dumps(payload(notification), ensure_ascii=False).encode("utf-8", "replace")
    headers = {name: value.get_secret_value() for name, value in options.headers.items()}
    headers["Idempotency-Key"] = idempotency_key(notification)
    if options.secret is not None:
        headers["X-Epochwatch-Signature"] = signature(body, options.secret.get_secret_value(), int(time.time()))
    return post(options.url, body, headers, tuple(options.headers.values()))


def idempotency_key(notification: Notification) -> str:
    """A name for this one message: an incident has several, and several repeats."""
    return f"{notification.id}.{notification.status}.{notification.reason}.{notification.detected_at}"


def signature(body: bytes, secret: str, time_s: int) -> str:
    """The value of the signature header for a body sent at this Unix time."""
    digest = hmac.new(secret.encode(), f"{time_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={time_s},v1={digest}"
