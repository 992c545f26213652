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
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from epochwatchd.alerting.channels._http import HttpOptions, HttpUrl, Request, by_status, exchange
from epochwatchd.alerting.rendering import payload
from epochwatchd.model import Limits, Message, Taken

LIMITS = Limits(every_s=0.1, people=False)


def _header_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise ValueError("must be the name of a header")
    return name


def _header_value(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value.get_secret_value()):
        raise ValueError("must be the value of a header: one line of ASCII without spaces around it")
    return value


class Options(HttpOptions):
    """Where to post. ``headers`` are added, for example ``Authorization``; their values count as secrets."""

    url: HttpUrl
    headers: dict[Annotated[str, AfterValidator(_header_name)], Annotated[SecretStr, AfterValidator(_header_value)]] = (
        Field(default_factory=dict)
    )
    secret: SecretStr | None = None


def send(options: Options, message: Message) -> Taken:
    """Post the notification and give the receiver's answer. Raises ChannelError."""
    body = json.dumps(payload(message.notification), ensure_ascii=False).encode("utf-8", "replace")
    headers = {name: value.get_secret_value() for name, value in options.headers.items()}
    headers |= {"Content-Type": "application/json", "Idempotency-Key": message.key}
    if options.secret is not None:
        headers["X-Epochwatch-Signature"] = signature(body, options.secret.get_secret_value(), int(time.time()))
    secrets = tuple(options.headers.values())
    return exchange(
        options, Request(options.url.get_secret_value(), data=body, headers=headers, secrets=secrets), by_status
    )


def signature(body: bytes, secret: str, time_s: int) -> str:
    """The value of the signature header for a body sent at this Unix time."""
    digest = hmac.new(secret.encode(), f"{time_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={time_s},v1={digest}"
