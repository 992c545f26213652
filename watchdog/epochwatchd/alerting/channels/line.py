"""LINE, by the Messaging API's push messages (https://developers.line.biz/en/reference/messaging-api/)."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any

from pydantic import Field, SecretStr

from epochwatchd.alerting.channels._http import Answer, HttpOptions, Request, ServerUrl, by_status, exchange
from epochwatchd.alerting.cutting import fit
from epochwatchd.model import Limits, Message, Taken

LIMITS = Limits(text=5000, unit="utf16")
NAMES = uuid.UUID("0b1f6c1e-9d0c-5f0e-9f55-6f2b2a8d1c11")
"""From a message and this a retry key is made: the same one whenever the message is sent again."""
MONTHLY = "monthly limit"
JAPAN = timezone(timedelta(hours=9))


class Options(HttpOptions):
    """``token``: the channel's access token; ``to``: the id of a person, a group or a room (U…, C…, R…)."""

    token: SecretStr = Field(min_length=1)
    to: str = Field(min_length=1)
    api: ServerUrl = "https://api.line.me"


def send(options: Options, message: Message) -> Taken:
    """Push the message. Raises ChannelError; ``until`` next month where the free ones are used up."""
    request = Request(
        f"{options.api}/v2/bot/message/push",
        json=body_of(options, message),
        headers={
            "Authorization": f"Bearer {options.token.get_secret_value()}",
            "X-Line-Retry-Key": str(uuid.uuid5(NAMES, f"{options.to} {message.key}")),
        },
        secrets=(options.token,),
    )
    return exchange(options, request, _judge, whole=True)


def body_of(options: Options, message: Message) -> dict[str, Any]:
    """One text message; it rings for all that is not just for information."""
    said = [{"type": "text", "text": fit(message.text, LIMITS)}]
    return {"to": options.to, "messages": said, "notificationDisabled": message.notification.severity == "info"}


def _judge(answer: Answer) -> Taken:
    if answer.status == HTTPStatus.CONFLICT:
        return Taken("accepted before")
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS and MONTHLY in str(answer.object().get("message", "")).lower():
        raise answer.refused(
            "until", "the messages of this month are used up", wait_s=month_left_s(datetime.now(JAPAN))
        )
    return by_status(answer)


def month_left_s(now: datetime) -> float:
    """The seconds until the next month begins."""
    next_month = (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (next_month - now).total_seconds()
