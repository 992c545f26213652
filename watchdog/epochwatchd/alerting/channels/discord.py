"""Discord, by a channel's webhook (https://docs.discord.com/developers/resources/webhook#execute-webhook)."""

from __future__ import annotations

import contextlib
import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from epochwatchd.alerting.channels._http import Answer, GoneError, HttpOptions, HttpUrl, Request, by_status, exchange
from epochwatchd.alerting.cutting import LENGTHS, fit, head
from epochwatchd.model import Limits, Message, Taken

LIMITS = Limits(text=4096, every_s=0.5)
"""Of the embed's description; the headline stands above it."""
CONTENT_MAX = 2000
COLOURS = {"info": 0x2ECC71, "warning": 0xF1C40F, "critical": 0xE74C3C}
AGENT = "DiscordBot (https://pypi.org/project/epochwatch, 1)"
UNKNOWN_MESSAGE = 10008


class Options(HttpOptions):
    """``url``: the webhook's, ``https://discord.com/api/webhooks/…``; one of a thread ends in ``?thread_id=…``."""

    url: HttpUrl


def send(options: Options, message: Message) -> Taken:
    """Post the message, or correct the first of its incident. Raises ChannelError."""
    if message.before is not None and message.is_correction:
        with contextlib.suppress(GoneError):  # then it is sent anew
            return _ask(options, message, "PATCH", f"/messages/{message.before}")
    return _ask(options, message, "POST", "")


def body_of(message: Message) -> dict[str, Any]:
    """The headline, and the rest between fences in a coloured frame. Nobody is mentioned, whatever it says."""
    body: dict[str, Any] = {
        "content": head(escape(message.headline), CONTENT_MAX, LENGTHS["characters"]),
        "allowed_mentions": {"parse": []},
    }
    if message.rest:
        fenced = fit(message.rest.replace("```", "'''"), LIMITS, reserved=len("```\n\n```"))
        colour = COLOURS[message.notification.severity]
        body["embeds"] = [{"description": f"```\n{fenced}\n```", "color": colour}]
    return body


def escape(text: str) -> str:
    """``text`` in which nothing is taken for formatting, a mention or a link."""
    return re.sub(r"([\\`*_~|>#<\[\]():@-])", r"\\\1", text)


def _ask(options: Options, message: Message, method: str, below: str) -> Taken:
    scheme, netloc, path, query, _ = urlsplit(options.url.get_secret_value())
    # Without wait=true Discord says 204 even to what it does not keep.
    wanted = "&".join(filter(None, [query, "wait=true" if method == "POST" else ""]))
    url = urlunsplit((scheme, netloc, path.rstrip("/") + below, wanted, ""))
    request = Request(url, json=body_of(message), headers={"User-Agent": AGENT}, method=method)
    return exchange(options, request, _judge, whole=True)


def _judge(answer: Answer) -> Taken:
    said = answer.object()
    if answer.is_ok:
        return Taken(str(answer.status), said.get("id"))
    if isinstance(said.get("retry_after"), (int, float)):
        raise answer.refused("later", wait_s=float(said["retry_after"]))
    if said.get("code") == UNKNOWN_MESSAGE:
        raise GoneError(f"answered {answer.said}", "message")
    return by_status(answer)
