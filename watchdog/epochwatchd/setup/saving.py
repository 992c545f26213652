"""Writing a configuration and its secrets: each file whole or not at all, the configuration last."""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from epochwatchd.model import EpochwatchError
from epochwatchd.service.paths import SERVICE_STATE
from epochwatchd.setup.draft import Draft

SECRET_MODE, OWN_MODE, SERVICE_MODE = 0o600, 0o600, 0o644
SERVICE_USER = "epochwatch"
SERVICE_CONFIG = Path("/etc/epochwatch/config.yaml")


class NotSavedError(EpochwatchError):
    """Nothing was written; the text says why."""


def target(path: Path | None, home: Path, euid: int) -> Path:
    """The configuration that this user changes: the one that is there, if it is theirs to write; else their own."""
    if path is not None and (not path.exists() or os.access(path, os.W_OK)):
        return path
    return SERVICE_CONFIG if euid == 0 else home / ".config/epochwatch/config.yaml"


def see_that_it_can_be_written(path: Path) -> None:
    """Raise NotSavedError where it cannot: before anybody has answered twenty questions."""
    folder = next(parent for parent in path.resolve().parents if parent.exists())
    place = path if path.exists() else folder
    if not (os.access(folder, os.W_OK) and os.access(place, os.W_OK)):
        raise NotSavedError(f"{path} cannot be written by you")


def save(draft: Draft, path: Path) -> None:
    """Write the draft to ``path``, and its secrets beside it. Raises NotSavedError.

    Ctrl-C waits until it is done. What the configuration names no longer is removed at the end.
    """
    path = path.resolve()  # of a link what it leads to is written
    is_service = path == SERVICE_CONFIG and os.geteuid() == 0
    new: dict[Path, Path] = {}
    try:
        path.parent.mkdir(mode=0o755 if is_service else 0o700, parents=True, exist_ok=True)
        with _uninterrupted():
            try:
                for name, secret in draft.secrets.items():
                    place = path.parent / name
                    new[place] = _written(place, secret + b"\n", SECRET_MODE, _owner(is_service))
                text = draft.unsaved.text.encode()
                before = path.stat() if path.exists() else None
                mode = before.st_mode & 0o777 if before else SERVICE_MODE if is_service else OWN_MODE
                new[path] = _written(path, text, mode, (before.st_uid, before.st_gid) if before else None)
                for place, unfinished in new.items():  # the configuration last: it names the others
                    unfinished.replace(place)
            finally:
                for unfinished in new.values():
                    unfinished.unlink(missing_ok=True)
        for name in draft.unused:
            (path.parent / name).unlink(missing_ok=True)
    except OSError as e:
        raise NotSavedError(f"{e.filename or path} cannot be written: {e.strerror}") from None


def _written(place: Path, content: bytes, mode: int, owner: tuple[int, int] | None) -> Path:
    """A new file beside ``place`` with this content, on the disk when this returns."""
    unfinished = place.with_name(f".{place.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_MODE)
    with os.fdopen(descriptor, "wb") as file:
        if owner is not None and owner != (os.geteuid(), os.getegid()):
            os.fchown(file.fileno(), *owner)
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return unfinished


def _owner(is_service: bool) -> tuple[int, int] | None:  # noqa: FBT001
    """Whom a secret belongs to: the service's user, who has to read it."""
    if not is_service:
        return None
    with suppress(KeyError):
        user = pwd.getpwnam(SERVICE_USER)
        return user.pw_uid, user.pw_gid
    with suppress(OSError):
        about = SERVICE_STATE.stat()
        return about.st_uid, about.st_gid
    return None


@contextmanager
def _uninterrupted() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
