"""One message when the daemon has ended badly, so that a crash loop is not silent: systemd runs this after its end.

It needs neither the store nor the daemon, and is short: the daemon is started again only when it is over. Where it can
tell nobody (older versions of systemd keep credentials from it), the next daemon does.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from epochwatchd.alerting.catalogue import example
from epochwatchd.alerting.composing import stamp
from epochwatchd.alerting.delivery import Channel
from epochwatchd.config import Config, ConfigError, glance
from epochwatchd.model import Notification
from epochwatchd.service.connecting import connected
from epochwatchd.service.paths import store_path
from epochwatchd.service.trying import tried

EVERY_S = 600.0
PATIENCE_S = 5.0
MARK = "bad-end.json"
MISTAKE = "2"
"""The exit status for a mistake in the configuration: where alerts go is then not known."""

log = logging.getLogger("epochwatchd")


def tell(path: Path | None, load: Callable[[], Config], env: Mapping[str, str]) -> None:
    """Tell every channel of a bad end (``$SERVICE_RESULT``, systemd.exec(5)); none within ten minutes of another."""
    result = env.get("SERVICE_RESULT", "success")
    if result == "success" or env.get("EXIT_STATUS") == MISTAKE:
        return
    with suppress(ConfigError):
        mark = store_path(glance.store_path(path, env), env).parent / MARK
        _tell(load, mark, result, env)


def _tell(load: Callable[[], Config], mark: Path, result: str, env: Mapping[str, str]) -> None:
    details = {"result": result, **({"status": env["EXIT_STATUS"]} if env.get("EXIT_STATUS") else {})}
    try:
        config = load()
    except ConfigError as e:
        log.error("%s", e)  # noqa: TRY400 - it says all
        _mark(mark, {"details": details, "is_told": False})
        return
    if _was_told_lately(mark):
        return
    if not _mark(mark, {"details": details, "is_told": True}):
        log.error("%s cannot be written: the bad end is told to nobody, so that a crash loop is no storm", mark)
    elif not _told(config, env, _notification(details)):
        _mark(mark, {"details": details, "is_told": False})


def untold(configured: Path | None, env: Mapping[str, str]) -> Mapping[str, Any] | None:
    """The bad end of the daemon before this one that nobody could be told of; asked again, there is none."""
    mark = store_path(configured, env).parent / MARK
    said = _read(mark)
    if said is None or said.get("is_told", True):
        return None
    _mark(mark, {**said, "is_told": True})
    details = said.get("details")
    return details if isinstance(details, dict) else {}


def _was_told_lately(mark: Path) -> bool:
    try:
        age_s = time.time() - mark.stat().st_mtime
    except OSError:
        return False
    return 0 <= age_s < EVERY_S and (_read(mark) or {}).get("is_told") is True


def _read(mark: Path) -> dict[str, Any] | None:
    try:
        said = json.loads(mark.read_bytes())
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _mark(mark: Path, said: Mapping[str, Any]) -> bool:
    """Whether it could be written down."""
    try:
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.write_text(json.dumps(said))
    except OSError:
        return False
    return True


def _told(config: Config, env: Mapping[str, str], notification: Notification) -> bool:
    """Whether a channel took it."""
    taken: list[str] = []
    senders = [
        threading.Thread(target=_send, args=(name, channel, notification, taken), daemon=True)
        for name, channel in connected(config, env).items()
    ]
    for sender in senders:
        sender.start()
    ends = time.monotonic() + PATIENCE_S
    for sender in senders:
        sender.join(max(0.0, ends - time.monotonic()))
    return bool(taken)


def _notification(details: Mapping[str, str]) -> Notification:
    now = stamp(time.time())
    return replace(
        example("watchdog", "daemon_ended"),
        id=f"daemon-ended-{time.time_ns():x}",
        host=socket.gethostname(),
        severity="critical",
        cause={"code": "daemon_ended", "details": dict(details), "evidence": []},
        since=now,
        detected_at=now,
        user=None,
        checkpoint=None,
        cwd=None,
        elapsed_s=0.0,
    )


def _send(name: str, channel: Channel, notification: Notification, taken: list[str]) -> None:
    is_taken, said = tried(channel, notification)
    log.log(logging.INFO if is_taken else logging.ERROR, "channel %s: told of the bad end: %s", name, said)
    if is_taken:
        taken.append(name)
