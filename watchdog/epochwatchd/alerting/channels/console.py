"""The console: messages on the standard output of the daemon, which is the journal under systemd."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from epochwatchd.alerting.rendering import headline, payload
from epochwatchd.model import ChannelError, Severity

if TYPE_CHECKING:
    from epochwatchd.model import Notification

COLOURS: Mapping[Severity, str] = {"info": "\033[1;32m", "warning": "\033[1;33m", "critical": "\033[1;31m"}
PLAIN = "\033[0m"


class Options(BaseModel):
    """``format``: ``text`` for people, ``json`` for one object a line."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    format: Literal["text", "json"] = "text"


def send(options: Options, notification: Notification) -> str:
    """Print the notification. Raises ChannelError where standard output is closed or full."""
    try:
        text = (
            json.dumps(payload(notification), ensure_ascii=False) if options.format == "json" else _text(notification)
        )
        encoding = sys.stdout.encoding or "utf-8"
        print(text.encode(encoding, "replace").decode(encoding), flush=True)  # noqa: T201 - what this channel is for
    except (OSError, ValueError) as e:  # a file that was closed is a ValueError
        raise ChannelError(f"cannot print: {e}") from e
    return "printed"


def _text(notification: Notification) -> str:
    """The text with an empty line after it, its headline coloured on a terminal (https://no-color.org)."""
    first, rest = headline(notification), notification.text.partition("\n")[2]
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        first = f"{COLOURS[notification.severity]}{first}{PLAIN}"
    return f"{first}\n{rest}\n"
