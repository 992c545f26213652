"""The desktop: a notification on the screen of whoever is logged in, by notify-send (libnotify)."""

from __future__ import annotations

import html
import os
import shutil
import subprocess

from pydantic import BaseModel, ConfigDict

from epochwatchd.alerting.cutting import fit
from epochwatchd.alerting.wording import one_line
from epochwatchd.model import ChannelError, Limits, Message, Taken
from epochwatchd.phrase import Phrase

LIMITS = Limits(text=1000, every_s=0.0)
URGENCIES = {"info": "low", "warning": "normal", "critical": "critical"}
PROGRAM = "notify-send"
PATIENCE_S = 10.0


class Options(BaseModel):
    """Nothing is to be said."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def notes(_: Options) -> list[str]:
    """What is missing for it."""
    found: list[str] = []
    if os.geteuid() == 0 or not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        found.append(Phrase("works only for a daemon that you start in your own desktop session, not for the service"))
    if shutil.which(PROGRAM) is None:
        found.append(Phrase("{program} is missing: sudo apt install libnotify-bin", program=PROGRAM))
    return found


def send(_: Options, message: Message) -> Taken:
    """Show the notification. Raises ChannelError."""
    line = [PROGRAM, "--app-name=epochwatch", f"--urgency={URGENCIES[message.notification.severity]}", "--"]
    body = html.escape(fit(message.rest, LIMITS), quote=False)  # a body may hold markup; a summary does not
    try:
        subprocess.run(  # noqa: S603 - one program, and no shell
            [*line, message.headline.replace("\0", ""), body.replace("\0", "")],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=PATIENCE_S,
        )  # fmt: skip
    except FileNotFoundError:
        raise ChannelError(f"{PROGRAM} is missing: sudo apt install libnotify-bin", "channel") from None
    except subprocess.TimeoutExpired:
        raise ChannelError(f"{PROGRAM} did not come back within {PATIENCE_S:g} s") from None
    except subprocess.CalledProcessError as e:
        words = one_line(e.stderr.decode("utf-8", "replace"), 120)
        raise ChannelError(f"{PROGRAM} left with {e.returncode}: {words}") from None
    return Taken("shown")
