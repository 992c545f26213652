"""Which configuration there is, and where it puts the store: all that is asked of it by those who only read that."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

from epochwatchd.config.document import Document, read_document
from epochwatchd.config.problems import BadValueError, ConfigError, Problem
from epochwatchd.config.secrets import Surroundings, expand, read_file
from epochwatchd.config.settings import Language

FILE_MAX_BYTES = 1024 * 1024


def find(env: Mapping[str, str], home: Path) -> Path | None:
    """The configuration to use when none is named: ``$EPOCHWATCHD_CONFIG``, the user's, the machine's, or None."""
    if env.get("EPOCHWATCHD_CONFIG"):
        return Path(env["EPOCHWATCHD_CONFIG"])
    places = (home / ".config/epochwatch/config.yaml", Path("/etc/epochwatch/config.yaml"))
    return next((place for place in places if os.path.exists(place)), None)  # noqa: PTH110 - never raises


def spoken(configured: object, env: Mapping[str, str]) -> Language:
    """The language that is configured; where none is, or it is not known, that of the terminal."""
    if configured in get_args(Language):
        return cast("Language", configured)
    chosen = next(filter(None, (env.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "ko" if chosen.startswith("ko") else "en"


def read(path: Path | None, text: str | None = None) -> Document:
    """What is written in ``path`` (None: nothing), or will be (``text``), and in the files of ``config.d`` beside it.

    Raises ConfigError.
    """
    if path is None:
        return read_document(b"", "built-in defaults")
    document = _read(path) if text is None else read_document(text.encode(), str(path))
    for more in additions(path):
        document.add(_read(more))
    return document


def additions(path: Path) -> list[Path]:
    """The files that are laid over a configuration, in their order: ``config.d/*.yaml`` for ``config.yaml``."""
    try:
        return sorted(path.with_suffix(".d").glob("*.yaml"))
    except (OSError, ValueError):  # a folder that is not for us; a path without a name
        return []


def _read(path: Path) -> Document:
    try:
        return read_document(read_file(path, FILE_MAX_BYTES), str(path))
    except BadValueError as e:
        raise ConfigError([Problem(str(path), 1, "", e.message, e.hint)]) from None


def language(path: Path | None, env: Mapping[str, str]) -> Language:
    """The language of the configuration in ``path``; of one that is not for us, that of the terminal."""
    try:
        value = read(path).value
    except ConfigError:
        value = None
    return spoken(value.get("language") if isinstance(value, dict) else None, env)


def store_path(path: Path | None, env: Mapping[str, str]) -> Path | None:
    """``store.path`` of the configuration in ``path``; None: it names none. Its other mistakes are not looked for.

    Raises ConfigError where the file cannot be read.
    """
    document = read(path)
    expand(document, env)
    store = document.value.get("store") if isinstance(document.value, dict) else None
    name = store.get("path") if isinstance(store, dict) else None
    return Surroundings(env, path.parent).path(name) if path and isinstance(name, str) else None
