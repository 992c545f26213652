"""A sound on the machine's own loudspeaker: a tone for good news, three for bad ones, or a file of yours."""

from __future__ import annotations

import math
import os
import shutil
import struct
import subprocess
import tempfile
import wave
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from epochwatchd.alerting.wording import one_line
from epochwatchd.model import ChannelError, Limits, Message, Severity, Taken
from epochwatchd.phrase import Phrase

LIMITS = Limits(every_s=0.0)
PLAYERS = ("pw-play", "paplay", "aplay")
PATIENCE_S = 20.0
RATE, TONE_S, PAUSE_S, LOUDNESS = 22_050, 0.25, 0.12, 0.4
TONES: dict[Severity, tuple[float, ...]] = {
    "info": (660.0,),
    "warning": (520.0, 520.0),
    "critical": (880.0, 660.0, 880.0),
}
"""In hertz, one after another."""


class Options(BaseModel):
    """``file``: a sound that the machine's player knows (WAV), instead of tones."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    file: Path | None = None


def notes(options: Options) -> list[str]:
    """What is missing for it."""
    found: list[str] = []
    if os.geteuid() == 0:
        found.append(Phrase("works only for a daemon that you start in your own desktop session, not for the service"))
    if _player() is None:
        found.append(Phrase("no player is installed: sudo apt install alsa-utils"))
    if options.file is not None and not options.file.exists():
        found.append(Phrase("{file} is not there", file=str(options.file)))
    return found


def send(options: Options, message: Message) -> Taken:
    """Play it. Raises ChannelError."""
    player = _player()
    if player is None:
        raise ChannelError("no player is installed: sudo apt install alsa-utils", "channel")
    with tempfile.NamedTemporaryFile(suffix=".wav") as made:
        if options.file is None:
            _write_tones(made.name, TONES[message.notification.severity])
        _play(player, options.file or Path(made.name))
    return Taken("played")


def _player() -> str | None:
    return next(filter(None, map(shutil.which, PLAYERS)), None)


def _play(player: str, file: Path) -> None:
    try:
        subprocess.run(  # noqa: S603 - one program, and no shell
            [player, str(file)],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=PATIENCE_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as e:
        raise ChannelError(f"{Path(player).name} could not play it: {type(e).__name__}") from None
    except subprocess.CalledProcessError as e:
        words = one_line(e.stderr.decode("utf-8", "replace"), 120)
        raise ChannelError(f"{Path(player).name} left with {e.returncode}: {words}") from None


def _write_tones(path: str, tones: tuple[float, ...]) -> None:
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for hertz in tones:
            count = int(RATE * TONE_S)
            turn = 2 * math.pi * hertz / RATE
            shape = (LOUDNESS * 32767 * math.sin(turn * n) * math.sin(math.pi * n / count) for n in range(count))
            file.writeframes(b"".join(struct.pack("<h", int(value)) for value in shape))
            file.writeframes(b"\0\0" * int(RATE * PAUSE_S))
