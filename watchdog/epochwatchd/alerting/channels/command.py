"""A command: it gets the notification as JSON on its standard input, and runs as the daemon's user.

Its exit status says what became of it: 0, done; anything else, to be tried again later.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from epochwatchd.alerting.rendering import payload
from epochwatchd.alerting.wording import one_line
from epochwatchd.config.durations import parse_duration
from epochwatchd.model import ChannelError, Limits, Message, Taken
from epochwatchd.phrase import Phrase

LIMITS = Limits(every_s=0.0, people=False)
SAID_BYTES, SAID_CHARACTERS = 512, 120
TIMEOUT_MOST_S = 600.0


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Options(BaseModel):
    """``run``: the program and its arguments, as a list; no shell is between. ``timeout``: then it is killed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    run: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_one_or_many), Field(min_length=1)]
    timeout: Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=TIMEOUT_MOST_S)] = 20.0


def notes(options: Options) -> list[str]:
    """Whether the program is there."""
    program = options.run[0]
    if "/" in program and not os.access(program, os.X_OK):
        return [Phrase("{program} is not there, or may not be executed", program=program)]
    if "/" in program:
        return []
    return [Phrase("{program} is looked for in the daemon's PATH: a whole path is safer", program=program)]


def send(options: Options, message: Message) -> Taken:
    """Run the command. Raises ChannelError where it cannot be run, fails, or takes too long."""
    told = json.dumps(payload(message.notification), ensure_ascii=False).encode("utf-8", "replace")
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(told)
        given.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 - the administrator's own command
                options.run, stdin=given, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
            )
        except OSError as e:
            raise ChannelError(f"{Path(options.run[0]).name} cannot be run: {e.strerror}", "channel") from None
        try:
            status = process.wait(options.timeout)
        except subprocess.TimeoutExpired:
            raise ChannelError(f"it was not done within {options.timeout:g} s and was killed") from None
        finally:
            _end(process)
        if status != 0:
            said.seek(0)
            words = one_line(said.read(SAID_BYTES).decode("utf-8", "replace"), SAID_CHARACTERS)
            raise ChannelError(f"it left with {status}" + (f": {words}" if words else ""))
    return Taken("it left with 0")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it with all that it started, if it is not done: it leads a session of its own."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):  # it has just left by itself
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
