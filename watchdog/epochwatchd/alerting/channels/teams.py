"""Microsoft Teams, by a workflow that is started by a URL ("Post to a channel when a webhook request is received")."""

from __future__ import annotations

import json
import re
from typing import Any

from epochwatchd.alerting.channels._http import HttpOptions, HttpUrl, Request, by_status, exchange
from epochwatchd.alerting.cutting import fit
from epochwatchd.model import Limits, Message, Taken

LIMITS = Limits(text=14_000, unit="bytes", every_s=0.5)
"""A card takes 28 KB in all, one client 21 KB; JSON makes a text longer."""
CARD_MAX_BYTES = 21_000
COLOURS = {"info": "good", "warning": "warning", "critical": "attention"}


class Options(HttpOptions):
    """``url``: the workflow's, which is all that is needed to post."""

    url: HttpUrl


def send(options: Options, message: Message) -> Taken:
    """Post the message as a card. Raises ChannelError."""
    return exchange(options, Request(options.url.get_secret_value(), json=body_of(message)), by_status)


def body_of(message: Message) -> dict[str, Any]:
    """A card: the headline in the severity's colour, the rest as code, so that it stays as it is."""
    limit = LIMITS.text or 0
    while True:
        card = _card(message, Limits(limit, "bytes"))
        if len(json.dumps(card, ensure_ascii=False).encode("utf-8", "replace")) <= CARD_MAX_BYTES:
            return card
        limit //= 2


def _card(message: Message, limits: Limits) -> dict[str, Any]:
    colour = COLOURS[message.notification.severity]
    first = {"type": "TextBlock", "text": escape(message.headline), "weight": "bolder", "wrap": True, "color": colour}
    rest = {"type": "CodeBlock", "codeSnippet": fit(message.rest, limits), "language": "PlainText"}
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "msteams": {"width": "Full"},
        "body": [first, rest] if message.rest else [first],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


def escape(text: str) -> str:
    """``text`` in which nothing is taken for Markdown, nor for a mention."""
    return re.sub(r"([\\`*_\[\]()#<>~-])", r"\\\1", text)
