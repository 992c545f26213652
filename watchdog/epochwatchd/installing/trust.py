"""Whether a system service may run a program: only if nobody but root can change it, down the whole path."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"))
"""What ``ProtectHome=yes`` hides from the service."""
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_PROBE = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))"
_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")


def distrusted(path: Path) -> str | None:
    """Why a service must not run what lies there; None: it may. Links are followed, each on its whole way."""
    seen: set[Path] = set()
    waiting = [path.absolute()]
    while waiting:
        place = waiting.pop()
        for part in (*reversed(place.parents), place):
            if part in seen:
                continue
            seen.add(part)
            try:
                about = part.lstat()
            except OSError as e:
                return f"{part} cannot be seen: {e.strerror}"
            if about.st_uid != 0:
                return f"{part} does not belong to root"
            if stat.S_ISLNK(about.st_mode):
                waiting.append(Path(os.path.normpath(part.parent / part.readlink())))
            elif about.st_mode & OTHERS_WRITE:
                return f"{part} can be changed by others"
    real = Path(os.path.realpath(path))
    hidden = next((home for home in HIDDEN if real.is_relative_to(home)), None)
    return f"{path} lies in {hidden}, which the service does not see" if hidden else None


def distrusted_code(program: Path) -> str | None:
    """The same of everything that this very Python runs for ``program``."""
    package = Path(__file__).parents[1]
    places = [program, Path(sys.executable), package, *map(Path, _paths_of_python())]
    return next((why for place in places if (why := distrusted(place))), None)


def _paths_of_python() -> Iterable[str]:
    return (path for path in sys.path if path and os.path.exists(path))  # noqa: PTH110 - a Path raises


def python_of_root() -> Path | None:
    """A Python 3.10 or newer that only root can change and that can make environments; None: there is none."""
    own = getattr(sys, "_base_executable", sys.executable)
    for place in dict.fromkeys((own, *_PYTHONS)):
        if distrusted(Path(place)) is None and _can_make_environments(place):
            return Path(place)
    return None


def _can_make_environments(python: str) -> bool:
    return subprocess.run([python, "-I", "-c", _PROBE], capture_output=True, check=False).returncode == 0  # noqa: S603
