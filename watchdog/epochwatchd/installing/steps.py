"""What installing and removing does, as data: a plan is printed, or done. Pure, but for ``done``."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple, TypeAlias

from epochwatchd.model import EpochwatchError

ERROR_LINES = 12


class StepError(EpochwatchError):
    """A step failed; the text says which, and what it said."""


class Write(NamedTuple):
    """A file with this text; one that is there is left alone with ``if_absent``."""

    path: Path
    text: str
    mode: int = 0o644
    if_absent: bool = False


class Run(NamedTuple):
    """A command; ``may_fail``: what it wants may be so already."""

    line: tuple[str, ...]
    may_fail: bool = False


class Remove(NamedTuple):
    """A file, or a folder with all that is in it; not being there is fine."""

    path: Path


Step: TypeAlias = Write | Run | Remove


def run(*line: object, may_fail: bool = False) -> Run:
    """A command of these words."""
    return Run(tuple(map(str, line)), may_fail)


def shown(step: Step) -> str:
    """The step as one would type it."""
    match step:
        case Write(path, text, mode, if_absent):
            absent = ", if there is none" if if_absent else ""
            return f"write {path} ({len(text.splitlines())} lines, mode {mode:o}{absent})"
        case Run(line):
            return shlex.join(line)
        case Remove(path):
            return f"rm -rf {shlex.quote(str(path))}"


def done(step: Step) -> None:
    """Do it. Raises StepError."""
    try:
        match step:
            case Write(path, text, mode, if_absent):
                if not (if_absent and path.exists()):
                    _write(path, text, mode)
            case Run(line, may_fail):
                _run(line, may_fail=may_fail)
            case Remove(path):
                _remove(path)
    except OSError as e:
        raise StepError(f"{shown(step)}: {e.strerror or e}") from None


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    unfinished.replace(path)


def _run(line: tuple[str, ...], *, may_fail: bool) -> None:
    result = subprocess.run(  # noqa: S603 - a line of our own plan
        line, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if result.returncode and not may_fail:
        said = (result.stderr or result.stdout).strip().splitlines()[-ERROR_LINES:]
        raise StepError("\n  ".join([f"{shlex.join(line)} left with {result.returncode}:", *said]))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
