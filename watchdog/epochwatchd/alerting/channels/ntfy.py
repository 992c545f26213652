"""ntfy, on ntfy.sh or a server of one's own (https://docs.ntfy.sh/publish/#publish-as-json)."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from typing import Any

from pydantic import Field, SecretStr, model_validator

from epochwatchd.alerting.channels._http import Answer, HttpOptions, Request, ServerUrl, by_status, exchange
from epochwatchd.alerting.cutting import LENGTHS, fit, head
from epochwatchd.model import Limits, Message, Taken

LIMITS = Limits(text=4096, unit="bytes", every_s=5.0)
TITLE_MAX = 250
PRIORITIES = {"info": 2, "warning": 3, "critical": 5}
DAILY = 42908
"""The code of a day's quota that is used up."""


class Options(HttpOptions):
    """``topic``: whoever knows it reads along. ``token``, or ``user`` and ``password``: where the server wants them."""

    topic: SecretStr = Field(min_length=1)
    url: ServerUrl = "https://ntfy.sh"
    token: SecretStr | None = None
    user: str | None = None
    password: SecretStr | None = None

    @model_validator(mode="after")
    def _together(self) -> Options:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        return self


def send(options: Options, message: Message) -> Taken:
    """Publish the message. Raises ChannelError; ``until`` tomorrow where the day's messages are used up."""
    request = Request(
        options.url + "/",
        json=body_of(options, message),
        headers=_authorization(options),
        secrets=tuple(filter(None, (options.topic, options.token, options.password))),
    )
    return exchange(options, request, _judge, whole=True)


def body_of(options: Options, message: Message) -> dict[str, Any]:
    """The headline as the title, and the rest below it."""
    return {
        "topic": options.topic.get_secret_value(),
        "title": head(message.headline, TITLE_MAX, LENGTHS["bytes"]),
        "message": fit(message.rest or message.headline, LIMITS),
        "priority": PRIORITIES[message.notification.severity],
    }


def _authorization(options: Options) -> dict[str, str]:
    if options.token is not None:
        return {"Authorization": f"Bearer {options.token.get_secret_value()}"}
    if options.user is None or options.password is None:
        return {}
    pair = f"{options.user}:{options.password.get_secret_value()}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _judge(answer: Answer) -> Taken:
    said = answer.object()
    if said.get("code") == DAILY:
        now = datetime.now(timezone.utc)
        tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=1, second=0, microsecond=0)
        raise answer.refused("until", "the messages of this day are used up", wait_s=(tomorrow - now).total_seconds())
    return by_status(answer)._replace(handle=said.get("id"))
