"""The console: messages on the standard output of the daemon, which is the journal under systemd."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from epochwatchd.alerting.rendering import payload
from epochwatchd.model import ChannelError, Limits, Message, Severity, Taken

LIMITS = Limits(every_s=0.0, rings=False, people=False)

COLOURS: Mapping[Severity, str] = {"info": "\033[1;32m", "warning": "\033[1;33m", "critical": "\033[1;31m"}
PLAIN = "\033[0m"


class Options(BaseModel):
    """``format``: ``text`` for people, ``json`` for one object a line."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    format: Literal["text", "json"] = "text"


def send(options: Options, message: Message) -> Taken:
    """Print the notification. Raises ChannelError where standard output is closed or full."""
    try:
        text = _text(message)
        if options.format == "json":
            text = json.dumps(payload(message.notification), ensure_ascii=False)
        encoding = sys.stdout.encoding or "utf-8"
        print(text.encode(encoding, "replace").decode(encoding), flush=True)  # noqa: T201 - what this channel is for
    except (OSError, ValueError) as e:  # a file that was closed is a ValueError
        raise ChannelError(f"cannot print: {e}") from e
    return Taken("printed")


def _text(message: Message) -> str:
    """The text with an empty line after it, its headline coloured on a terminal (https://no-color.org)."""
    first, rest = message.headline, message.text.partition("\n")[2]
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        first = f"{COLOURS[message.notification.severity]}{first}{PLAIN}"
    return f"{first}\n{rest}\n"
