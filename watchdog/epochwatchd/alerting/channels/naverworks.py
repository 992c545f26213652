"""Naver Works, by a room's incoming webhook (https://developers.worksmobile.com)."""

from __future__ import annotations

from typing import Any

from epochwatchd.alerting.channels._http import HttpOptions, HttpUrl, Request, by_status, exchange
from epochwatchd.alerting.cutting import LENGTHS, fit, head
from epochwatchd.model import Limits, Message, Taken

LIMITS = Limits(text=2000)
TITLE_MAX = 200


class Options(HttpOptions):
    """``url``: of the room's webhook, which is all that is needed to post."""

    url: HttpUrl


def send(options: Options, message: Message) -> Taken:
    """Post the message. Raises ChannelError."""
    return exchange(options, Request(options.url.get_secret_value(), json=body_of(message)), by_status)


def body_of(message: Message) -> dict[str, Any]:
    """The headline as the title, and the rest below it."""
    title = head(message.headline, TITLE_MAX, LENGTHS["characters"])
    return {"title": title, "body": {"text": fit(message.rest or message.headline, LIMITS)}}
