"""Where heartbeats are looked for, and where the store is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from epochwatch import transport
from epochwatchd.config import Config

SOCKET_NAME = "beats"
STORE_NAME = "epochwatch.db"
SERVICE_STATE = Path("/var/lib/epochwatch")


def beat_directories(config: Config, env: Mapping[str, str]) -> list[Path]:
    """Every directory an agent of this machine may have chosen, those that other users chose among them.

    A daemon that is itself told ``EPOCHWATCH_DIR`` keeps to that and to what is configured: a world of its own.
    """
    if env.get("EPOCHWATCH_DIR"):
        places = [Path(env["EPOCHWATCH_DIR"])]
    else:
        others = [*Path("/run/user").glob("*/epochwatch"), *Path(tempfile.gettempdir()).glob("epochwatch-*")]
        places = [*map(Path, transport.directories(env)), *others]
    return list(dict.fromkeys([*config.heartbeats.directories, *places]))


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


def store_path(config: Config, env: Mapping[str, str]) -> Path:
    """The database: as configured, else in the service's state folder, else in the user's."""
    if config.store.path is not None:
        return config.store.path
    if env.get("STATE_DIRECTORY"):
        return Path(env["STATE_DIRECTORY"].split(":")[0]) / STORE_NAME
    return user_state(env) / STORE_NAME


def user_state(env: Mapping[str, str]) -> Path:
    """The user's state folder for epochwatch."""
    base = env.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local/state") / "epochwatch"


def stores_to_read(config: Config, env: Mapping[str, str]) -> list[Path]:
    """The databases that ``epochwatchd status`` may look into, the likeliest first: its own, then the service's."""
    candidates = [store_path(config, env), SERVICE_STATE / STORE_NAME]
    return [path for path in dict.fromkeys(candidates) if os.access(path, os.R_OK)]
