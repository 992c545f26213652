"""The unit files: in the wheel they lie in the package, in the source in ``systemd/``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

PLACES = (Path(__file__).parents[1] / "systemd", Path(__file__).parents[3] / "systemd")
PROGRAMS = ("/opt/epochwatch/bin/epochwatchd", "%h/.local/share/epochwatch/bin/epochwatchd")
"""What the units run as they are shipped."""


@lru_cache(maxsize=1)
def units() -> Mapping[str, str]:
    """The text of each file by its name, those of a user as ``user/NAME``. Raises FileNotFoundError."""
    folder = next((place for place in PLACES if place.is_dir()), PLACES[0])
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    if not files:
        raise FileNotFoundError(f"{folder}: the unit files are missing; install epochwatch again")
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}


def unit(name: str, program: Path) -> str:
    """A unit that runs ``program``."""
    text = units()[name]
    for shipped in PROGRAMS:
        text = text.replace(shipped, _quoted(str(program)))
    return text


def program_of(text: str) -> Path:
    """What a unit runs."""
    line = next((line for line in text.splitlines() if line.startswith("ExecStart=")), "ExecStart=epochwatchd")
    return Path(shlex.split(line.removeprefix("ExecStart="))[0].replace("%%", "%"))


def _quoted(program: str) -> str:
    """A path as a word of a unit's command line: systemd.service(5), systemd.unit(5) on ``%``."""
    text = program.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return text if re.fullmatch(r"[\w/.+-]+", program) else f'"{text}"'
