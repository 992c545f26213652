"""Values that stand elsewhere: in environment variables and in files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from epochwatchd.config.document import Document
from epochwatchd.config.problems import BadValueError, Loc
from epochwatchd.phrase import Phrase

SECRET_MAX_BYTES = 64 * 1024
LOOKED_FOR = "a relative name is looked for in $CREDENTIALS_DIRECTORY, then beside the configuration"

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[^}]*)(?P<end>\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CERTAINLY_A_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
"""By custom. ``${hunter2}`` may be a password that somebody put between the braces."""


@dataclass(frozen=True)
class Surroundings:
    """What a configuration may refer to: the environment, and the folder that relative names start from.

    ``unsaved``: what secret files will hold, by the names that the configuration gives them.
    """

    env: Mapping[str, str]
    base: Path
    unsaved: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def path(self, text: str) -> Path:
        """The path that ``text`` means: ``~/`` is the user's home, relative names start beside the configuration."""
        if text.startswith("~/"):
            return Path(self.env.get("HOME", "~")).expanduser() / text[2:]
        return self.base / text

    def secret(self, text: Any) -> bytes:
        """What the secret file named ``text`` holds, without its last line end. Raises BadValueError.

        A relative name is looked for in ``$CREDENTIALS_DIRECTORY`` (systemd's LoadCredential=) first.
        """
        if not isinstance(text, str) or not text or "://" in text:
            raise BadValueError("takes the name of a file", "leave out _file to give the value itself")
        if text in self.unsaved:
            return self.unsaved[text]
        credentials = self.env.get("CREDENTIALS_DIRECTORY")
        places = [Path(credentials) / text] if credentials else []
        path = next((place for place in places if os.path.exists(place)), self.path(text))  # noqa: PTH110 - never raises
        content = read_file(path, SECRET_MAX_BYTES, LOOKED_FOR).rstrip(b"\r\n")
        if not content:
            raise BadValueError("the file is empty")
        return content


def read_file(path: Path, limit: int, hint: str = "") -> bytes:
    """The bytes of a file. Raises BadValueError, with the hint where it cannot be read, or if it exceeds ``limit``."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as e:
        raise BadValueError(Phrase("the file cannot be read: {why}", why=e.strerror), hint) from None
    except ValueError:
        raise BadValueError("not the name of a file") from None
    if len(content) > limit:
        raise BadValueError(Phrase("the file is longer than {limit} bytes", limit=limit))
    return content


def expand(document: Document, env: Mapping[str, str]) -> None:
    """Put environment variables in place of every ``${NAME}`` of a document; ``$${`` stands for ``${``."""
    document.value = _expanded(document, document.value, (), env)


def _expanded(document: Document, value: Any, loc: Loc, env: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _expanded(document, child, (*loc, key), env) for key, child in value.items()}
    if isinstance(value, list):
        return [_expanded(document, child, (*loc, at), env) for at, child in enumerate(value)]
    if not isinstance(value, str):
        return value

    def lookup(reference: re.Match[str]) -> str:
        return _variable(document, reference, loc, env)

    return _REFERENCE.sub(lookup, value)


def _variable(document: Document, reference: re.Match[str], loc: Loc, env: Mapping[str, str]) -> str:
    name = reference["name"]
    if name is None:
        return "${"
    if not reference["end"] or not _NAME.fullmatch(name):
        document.report(loc, "${ begins no name of a variable", "write $${ for the text ${")
    elif name not in env:
        unset = Phrase("the environment variable is not set")
        if _CERTAINLY_A_NAME.fullmatch(name):
            unset = Phrase("the environment variable {name} is not set", name=name)
        document.report(loc, unset, "write $${ for the text ${")
    else:
        document.hide(env[name], f"${{{name}}}")
    return env.get(name, "")
