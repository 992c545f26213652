"""Where heartbeats are looked for, and where the store is."""

from __future__ import annotations

import heapq
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Literal

from epochwatch import transport
from epochwatchd.config import Config
from epochwatchd.inputs import missed
from epochwatchd.inputs.heartbeats.folders import Folder

FOLDERS_MAX = 1000
ENTRIES_MAX = 100_000
"""Names looked at in a shared folder: more is an accident or an attack."""
SETTLED_NS = 10**9
"""A folder that changed less than this before it was listed may have changed again within the clock's grain."""
REST = 200
"""After a listing so many times its length goes by before the next: whoever fills a folder costs half a per cent."""
LOOK_AGAIN_S = 60.0
"""A folder that was not its user's alone may have been mended, which does not change the folder around it."""
SOCKET_NAME = "beats"
CONTROL_NAME = "control"
STORE_NAME = "epochwatch.db"
SERVICE_STATE = Path("/var/lib/epochwatch")


class Places:
    """Every folder that an agent of this machine may have chosen. Ask for ``folders`` every second.

    A daemon that is itself told ``EPOCHWATCH_DIR`` keeps to that and to what is configured: a world of its own. With
    ``only_uid`` the folders of other users are left out.
    """

    def __init__(self, config: Config, env: Mapping[str, str], only_uid: int | None = None) -> None:
        if env.get("EPOCHWATCH_DIR"):
            places, self._shared = [Folder(Path(env["EPOCHWATCH_DIR"]))], []
        else:
            places, self._shared = _own(env), [] if only_uid is not None else _shared()
        self._known = [*map(Folder, config.heartbeats.directories), *places]

    def folders(self) -> list[Folder]:
        """The folders, those that do not exist among them."""
        found = [*(folder for shared in self._shared for folder in shared.folders()), *self._known]
        return list({folder.path: folder for folder in found}.values())


def _own(env: Mapping[str, str]) -> list[Folder]:
    """Those that our own user's agents may choose; all but the machine's must be ours, for others may put them up."""
    me = os.geteuid()
    return [Folder(Path(path), None if path == transport.RUN_DIRECTORY else me) for path in transport.directories(env)]


def _shared() -> list[SharedFolder]:
    return [
        SharedFolder(Path("/run/user"), "", "epochwatch"),
        SharedFolder(Path(tempfile.gettempdir()), "epochwatch-", ""),
    ]


class SharedFolder:
    """A folder in which each user may have one of their own, named by ``prefix`` and the user's number.

    It is listed when it has changed: a neighbour who fills it costs next to nothing. Their folders count only where the
    number is that of their owner, so there is one of each user at most.
    """

    def __init__(self, parent: Path, prefix: str, below: str) -> None:
        self._parent, self._prefix, self._below = parent, prefix, below
        self._found: list[Folder] = []
        self._listed_ns = self._changed_ns = -1
        self._not_before = self._at_latest = 0.0

    def folders(self) -> list[Folder]:
        """The folders of users, at most FOLDERS_MAX, those with the smallest numbers. It may be asked every second."""
        now = time.monotonic()
        with suppress(FileNotFoundError):  # not there: nobody has one
            if now >= self._not_before and (self._has_changed() or now >= self._at_latest):
                try:
                    self._found = self._list()
                except OSError as e:  # no descriptor is left, say: those that were found stay
                    missed.note("folder.shared", str(self._parent), e)
                done = time.monotonic()
                self._not_before, self._at_latest = done + REST * (done - now), done + LOOK_AGAIN_S
        return self._found

    def _has_changed(self) -> bool:
        changed_ns, before_ns = self._parent.stat().st_mtime_ns, self._changed_ns
        is_settled = changed_ns < self._listed_ns - SETTLED_NS
        if changed_ns == before_ns and is_settled:
            return False
        self._changed_ns, self._listed_ns = changed_ns, time.time_ns()
        return True

    def _list(self) -> list[Folder]:
        uids: list[int] = []
        with os.scandir(self._parent) as entries:
            for entry in islice(entries, ENTRIES_MAX):
                number = entry.name.removeprefix(self._prefix)
                if number.isascii() and number.isdecimal() and entry.name == f"{self._prefix}{int(number)}":
                    uids += _if_of(entry, int(number))
        if len(uids) > FOLDERS_MAX:
            missed.note(
                "folder.many", str(self._parent), f"more than {FOLDERS_MAX} folders of users: the rest is left out"
            )
        chosen = heapq.nsmallest(FOLDERS_MAX, uids)  # people come before numbers that one of them was lent many of
        return [Folder(self._parent / f"{self._prefix}{uid}" / self._below, uid) for uid in chosen]


def _if_of(entry: os.DirEntry[str], uid: int) -> list[int]:
    """The uid, if the folder is there and belongs to it."""
    try:
        about = entry.stat(follow_symlinks=False)
    except OSError:  # gone since it was listed; or a file system of its user's that keeps even root out
        return []
    return [uid] if stat.S_ISDIR(about.st_mode) and about.st_uid == uid else []


def watched_uid() -> int | None:
    """Whose trainings a daemon of our user watches: everybody's (None) for root and the service; else its own."""
    try:
        is_service = Path(transport.RUN_DIRECTORY).stat().st_uid == os.geteuid()
    except OSError:
        is_service = False
    return None if is_service or os.geteuid() == 0 else os.geteuid()


def make_own_directories(env: Mapping[str, str]) -> None:
    """Make the folders that this user's agents may take, so that even their first run is seen when it appears."""
    own = [*([Path(env["XDG_RUNTIME_DIR"]) / "epochwatch"] if env.get("XDG_RUNTIME_DIR") else []),
           Path(transport.directories(env)[-1])]  # fmt: skip
    for folder in own:
        with suppress(OSError):  # there already, or not to be had: then the agent makes it, or goes without
            folder.mkdir(mode=0o700)


def socket_path(config: Config, env: Mapping[str, str]) -> Path | None:
    """Where datagrams of known senders come in: as configured, else in the service's runtime folder, or the user's."""
    return _runtime_path(config.heartbeats.socket, SOCKET_NAME, env)


def control_path(config: Config, env: Mapping[str, str]) -> Path | None:
    """Where commands come in."""
    return _runtime_path(config.control, CONTROL_NAME, env)


def _runtime_path(configured: Path | Literal["auto"] | None, name: str, env: Mapping[str, str]) -> Path | None:
    """A socket as configured, else in the service's runtime folder, or the user's."""
    if configured != "auto":
        return configured
    if env.get("RUNTIME_DIRECTORY"):
        return Path(env["RUNTIME_DIRECTORY"].split(":")[0]) / name
    if env.get("XDG_RUNTIME_DIR"):
        return Path(env["XDG_RUNTIME_DIR"]) / "epochwatchd" / name
    return Path("/run/epochwatchd") / name if os.geteuid() == 0 else None


def store_path(configured: Path | None, env: Mapping[str, str]) -> Path:
    """The database: as configured, else in the service's state folder, else in the user's."""
    if configured is not None:
        return configured
    if env.get("STATE_DIRECTORY"):
        return Path(env["STATE_DIRECTORY"].split(":")[0]) / STORE_NAME
    return user_state(env) / STORE_NAME


def memory_path(channel: str, configured: Path | None, env: Mapping[str, str]) -> Path:
    """What a channel must not forget: a file beside the database. Root, who tries a channel, means the service's."""
    store, of_service = store_path(configured, env), SERVICE_STATE / STORE_NAME
    if os.geteuid() == 0 and not store.exists() and of_service.exists():
        store = of_service
    return store.parent / "channels" / f"{channel}.json"


def user_state(env: Mapping[str, str]) -> Path:
    """The user's state folder for epochwatch."""
    base = env.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local/state") / "epochwatch"


def stores_to_read(configured: Path | None, env: Mapping[str, str]) -> list[Path]:
    """Where ``epochwatchd status`` looks for a database, the likeliest first: its own, then the service's."""
    return list(dict.fromkeys([store_path(configured, env), SERVICE_STATE / STORE_NAME]))
