"""Slack, by an incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from epochwatchd.alerting.channels._http import HttpUrl, post
from epochwatchd.alerting.rendering import headline

if TYPE_CHECKING:
    from epochwatchd.model import Notification

SECTION_MAX = 3000
FENCE = "```"


class Options(BaseModel):
    """``url``: the webhook's, ``https://hooks.slack.com/services/…``, which is all that is needed to post."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: HttpUrl


def send(options: Options, notification: Notification) -> str:
    """Post the notification and give Slack's answer. Raises ChannelError, permanent where the webhook is gone."""
    return post(options.url, json.dumps(message(notification)).encode(), {})


def message(notification: Notification) -> dict[str, Any]:
    """The headline in bold, and the rest as it is between fences, where nothing in it can be taken for formatting."""
    first = escape(headline(notification))
    rest = escape(notification.text.partition("\n")[2].strip("\n"))
    sections = [f"*{first}*", *(f"{FENCE}{part}{FENCE}" for part in _parts(rest, SECTION_MAX - 2 * len(FENCE)))]
    return {"text": first, "blocks": [_section(text) for text in sections]}


def escape(text: str) -> str:
    """``text`` without Slack's control characters, and without anything that ends a fence."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace(FENCE, "'''")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _parts(text: str, limit: int) -> Iterator[str]:
    """Whole lines, as many at a time as the limit allows; a line beyond the limit is cut."""
    part = ""
    for line in text.splitlines():
        if part and len(part) + 1 + len(line) > limit:
            yield part
            part = ""
        part = f"{part}\n{line}" if part else line[:limit]
    if part:
        yield part
