"""What channels must not forget, each in a file of its own: tokens that were renewed, a chat that has moved."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from epochwatchd.model import ChannelError

FILE_MODE, FOLDER_MODE = 0o600, 0o700
MOST_BYTES = 16 * 1024 * 1024


class FileMemory:
    """The memory of one channel: a JSON object in a file that only its owner reads, written anew each time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Any]:
        """What was saved last; nothing at first. Raises ChannelError where it cannot be read."""
        try:
            with self._path.open("rb") as file:
                known = json.loads(file.read(MOST_BYTES))
        except FileNotFoundError:
            return {}
        except OSError as e:
            raise ChannelError(f"{self._path} cannot be read: {e.strerror}") from None
        except ValueError:
            raise ChannelError(f"{self._path} is no JSON: remove it, and set the channel up again", "channel") from None
        return known if isinstance(known, dict) else {}

    def save(self, known: Mapping[str, Any]) -> None:
        """Keep this from now on. It outlives a power cut when this returns. Raises ChannelError."""
        unfinished, parent = self._path.with_name(f"{self._path.name}.new"), self._path.parent
        try:
            if not parent.exists():
                parent.mkdir(mode=FOLDER_MODE, parents=True)
                _give(parent, parent.parent)
            unfinished.unlink(missing_ok=True)
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
            _give(descriptor, parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(known).encode())
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._path)
            folder = os.open(parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as e:
            raise ChannelError(f"{self._path} cannot be written: {e.strerror}") from None


def _give(what: int | Path, around: Path) -> None:
    """Root, who tries a channel by hand, leaves it to whom the folder around it belongs: the daemon's user."""
    if os.geteuid() == 0:
        owner = around.stat()
        os.chown(what, owner.st_uid, owner.st_gid)
