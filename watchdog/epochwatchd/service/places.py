"""Where heartbeats are looked for, and where the store is."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

from epochwatch import transport
from epochwatchd.config import Config
from epochwatchd.inputs.beat_files import Folder

log = logging.getLogger("epochwatchd")

FOLDERS_MAX = 1000
ENTRIES_MAX = 100_000
"""Names looked at in a shared folder: more is an accident or an attack."""
SETTLED_NS = 10**9
"""A folder that changed less than this before it was listed may have changed again within the clock's grain."""
SOCKET_NAME = "beats"
STORE_NAME = "epochwatch.db"
SERVICE_STATE = Path("/var/lib/epochwatch")


class Places:
    """Every folder that an agent of this machine may have chosen. Ask for ``folders`` every second.

    A daemon that is itself told ``EPOCHWATCH_DIR`` keeps to that and to what is configured: a world of its own. With
    ``only_uid`` the folders of other users are left out.
    """

    def __init__(self, config: Config, env: Mapping[str, str], only_uid: int | None = None) -> None:
        places = [Path(env["EPOCHWATCH_DIR"])] if env.get("EPOCHWATCH_DIR") else map(Path, transport.directories(env))
        self._known = list(map(Folder, dict.fromkeys([*config.heartbeats.directories, *places])))
        self._shared = (
            []
            if env.get("EPOCHWATCH_DIR") or only_uid is not None
            else [
                SharedFolder(Path("/run/user"), "", "epochwatch"),
                SharedFolder(Path(tempfile.gettempdir()), "epochwatch-", ""),
            ]
        )

    def folders(self) -> list[Folder]:
        """The folders, those that do not exist among them."""
        return [*self._known, *(folder for shared in self._shared for folder in shared.folders())]


class SharedFolder:
    """A folder in which each user may have one of their own, named by ``prefix`` and the user's number.

    It is listed when it has changed: a neighbour who fills it costs next to nothing. Their folders count only where the
    number is that of their owner, so there is one of each user at most.
    """

    def __init__(self, parent: Path, prefix: str, below: str) -> None:
        self._parent, self._prefix, self._below = parent, prefix, below
        self._found: list[Folder] = []
        self._seen = (-1, 0)
        self._is_full = False

    def folders(self) -> list[Folder]:
        """The folders of users, at most FOLDERS_MAX."""
        with suppress(OSError):  # not there: nobody has one
            changed_ns = self._parent.stat().st_mtime_ns
            settled = changed_ns < self._seen[1] - SETTLED_NS
            if changed_ns != self._seen[0] or not settled:
                self._seen = changed_ns, time.time_ns()
                self._found = self._list()
        return self._found

    def _list(self) -> list[Folder]:
        found: list[Folder] = []
        with os.scandir(self._parent) as entries:
            for entry in islice(entries, ENTRIES_MAX):
                number = entry.name.removeprefix(self._prefix)
                if not (entry.name.startswith(self._prefix) and number.isascii() and number.isdecimal()):
                    continue
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(about.st_mode) and about.st_uid == int(number):
                    found.append(Folder(Path(entry.path, self._below), about.st_uid))
        if len(found) > FOLDERS_MAX and not self._is_full:
            self._is_full = True
            log.warning("%s: more than %d folders of users; the others are not watched", self._parent, FOLDERS_MAX)
        return found[:FOLDERS_MAX]


def watched_uid() -> int | None:
    """Whose trainings a daemon of our user watches: everybody's (None) for root and the service; else its own."""
    try:
        is_service = Path(transport.RUN_DIRECTORY).stat().st_uid == os.geteuid()
    except OSError:
        is_service = False
    return None if is_service or os.geteuid() == 0 else os.geteuid()


def make_own_directory(env: Mapping[str, str]) -> None:
    """Make the folder that this user's agents fall back to, so that even their first run is seen when it appears."""
    with suppress(OSError):  # there already, or not to be had: then the agent makes it, or goes without
        Path(transport.directories(env)[-1]).mkdir(mode=0o700)


def socket_path(config: Config, env: Mapping[str, str]) -> Path | None:
    """Where datagrams of known senders come in: as configured, else in the service's runtime folder, or the user's."""
    if config.heartbeats.socket != "auto":
        return config.heartbeats.socket
    if env.get("RUNTIME_DIRECTORY"):
        return Path(env["RUNTIME_DIRECTORY"].split(":")[0]) / SOCKET_NAME
    if env.get("XDG_RUNTIME_DIR"):
        return Path(env["XDG_RUNTIME_DIR"]) / "epochwatchd" / SOCKET_NAME
    return Path("/run/epochwatchd") / SOCKET_NAME if os.geteuid() == 0 else None


def store_path(configured: Path | None, env: Mapping[str, str]) -> Path:
    """The database: as configured, else in the service's state folder, else in the user's."""
    if configured is not None:
        return configured
    if env.get("STATE_DIRECTORY"):
        return Path(env["STATE_DIRECTORY"].split(":")[0]) / STORE_NAME
    return user_state(env) / STORE_NAME


def user_state(env: Mapping[str, str]) -> Path:
    """The user's state folder for epochwatch."""
    base = env.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local/state") / "epochwatch"


def stores_to_read(configured: Path | None, env: Mapping[str, str]) -> list[Path]:
    """Where ``epochwatchd status`` looks for a database, the likeliest first: its own, then the service's."""
    return list(dict.fromkeys([store_path(configured, env), SERVICE_STATE / STORE_NAME]))
