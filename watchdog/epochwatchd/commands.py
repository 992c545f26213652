"""What each command of ``epochwatchd`` does."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from epochwatchd import config as configuration
from epochwatchd.alerting.catalogue import catalogue, example, typical
from epochwatchd.alerting.channels import KINDS
from epochwatchd.alerting.composing import stamp
from epochwatchd.alerting.delivery import Channel
from epochwatchd.config import Config, ConfigError
from epochwatchd.model import ChannelError, EpochwatchError, Kind, Message, Notification
from epochwatchd.service.bootstrap import serve
from epochwatchd.service.connecting import connected, notes
from epochwatchd.service.login import expected
from epochwatchd.service.logs import Aside, OneLine
from epochwatchd.service.schedule import next_due
from epochwatchd.verdicts import VERDICTS

OK, FAILURE, MISTAKE = 0, 1, 2
EXAMPLE_AGE_S = 960.0
LOG_S = 0.5
"""At the end, the last lines of the log get so long."""


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for; gives the exit status. Every fault is told in a line for people."""
    try:
        if arguments.command == "demo":
            from epochwatchd import demo  # noqa: PLC0415 - nobody else needs it

            return demo.run()
        if arguments.command == "messages":
            print("\n\n----\n\n".join(catalogue(arguments.language, arguments.style)))
            return OK
        return _COMMANDS[arguments.command](_load(arguments.config), arguments)
    except ConfigError as e:
        print(e, file=sys.stderr)
        return MISTAKE
    except EpochwatchError as e:
        print(f"epochwatchd: {e}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        return FAILURE


def _load(path: str | None) -> Config:
    chosen = Path(path) if path else configuration.find(os.environ, Path.home())
    return configuration.load(chosen, kinds=_Options(), env=os.environ)


class _Options(Mapping[str, type[BaseModel]]):
    """The options of each kind of channel; its module is imported only where it is configured."""

    def __getitem__(self, kind: str) -> type[BaseModel]:
        model: type[BaseModel] = KINDS[kind].Options
        return model

    def __contains__(self, kind: object) -> bool:
        return kind in KINDS

    def __iter__(self) -> Iterator[str]:
        return iter(KINDS)

    def __len__(self) -> int:
        return len(KINDS)


def _serve(_: Config, arguments: argparse.Namespace) -> int:
    # Under systemd the journal adds the time itself.
    form = "%(message)s" if os.environ.get("JOURNAL_STREAM") else "%(asctime)s %(levelname)s %(message)s"
    handler = Aside()
    handler.setFormatter(OneLine(form))
    logging.basicConfig(level=logging.DEBUG if arguments.verbose else logging.INFO, handlers=[handler])
    for chatty in ("apscheduler", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        serve(lambda: _load(arguments.config))
    finally:
        handler.finish(LOG_S)
    return OK


def _check(config: Config, _: argparse.Namespace) -> int:
    said = [config.shown(f"note: {note}") for note in notes(config)]
    print("\n".join([*configuration.describe(config), *said, *_next_due(config, time.time())]))
    return OK


def _next_due(config: Config, now: float) -> list[str]:
    expected = [(config.shown(rule.match), rule.expected.at) for rule in config.jobs if rule.expected is not None]
    return [
        f"next due: {match} at {datetime.fromtimestamp(next_due(at, now).last_wall).astimezone():%Y-%m-%d %H:%M %Z}"
        for match, at in expected
    ]


def _test_alert(config: Config, arguments: argparse.Namespace) -> int:
    unknown = [name for name in arguments.channels if name not in config.channels]
    if unknown or not config.channels:
        known = ", ".join(config.channels) or "none"
        print(f"epochwatchd: no channel {unknown[0] if unknown else 'at all'}; configured: {known}", file=sys.stderr)
        return MISTAKE
    if arguments.kind is not None and arguments.kind not in VERDICTS:
        print(f"epochwatchd: no kind {arguments.kind}; known: {', '.join(VERDICTS)}", file=sys.stderr)
        return MISTAKE
    notification = _test_notification(arguments.kind)
    names, made = arguments.channels or list(config.channels), connected(config, os.environ)
    if arguments.render:
        print("\n\n".join(f"[{name}]\n{made[name].say(notification).text}" for name in names))
        return OK
    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(lambda name: _answer(made[name], notification), names))
    width = max(map(len, names))
    for name, (well, answer) in zip(names, answers, strict=True):
        print(f"{'ok    ' if well else 'FAILED'}  {name:<{width}}  {answer}")
    return OK if all(well for well, _ in answers) else FAILURE


def _answer(channel: Channel, notification: Notification) -> tuple[bool, str]:
    try:
        return True, channel.send(Message(channel.say(notification), channel.memory)).said
    except ChannelError as e:
        return False, str(e)


def _test_notification(kind: Kind | None) -> Notification:
    """A message that says that it is a test; of this kind if one is given, with a cause as it may be."""
    now = time.time()
    plain = {"code": "test", "details": {}, "evidence": []}
    told = replace(example("started", None), severity="info", progress={}, argv=(), cwd=None, cause=plain)
    return replace(
        told if kind is None else example(kind, typical(kind)),
        id=f"test-{time.time_ns():x}",
        job="epochwatchd test-alert",
        run="test",
        host=socket.gethostname(),
        user=os.environ.get("USER", ""),
        pid=os.getpid(),
        since=stamp(now if kind is None else now - EXAMPLE_AGE_S),
        detected_at=stamp(now),
    )


def _login(config: Config, arguments: argparse.Namespace) -> int:
    able = [name for name, channel in config.channels.items() if hasattr(KINDS[channel.kind], "login_url")]
    name = arguments.channel or (able[0] if len(able) == 1 else None)
    if name not in able:
        known = ", ".join(able) or "none; add one of kind kakao"
        print(f"epochwatchd: which channel? Those that want a login: {known}", file=sys.stderr)
        return MISTAKE
    kind: Any = KINDS[config.channels[name].kind]
    options: Any = config.channels[name].options
    state = secrets.token_urlsafe(16)
    with expected(options.redirect_uri) as address:
        print(f"1. Open this page in a browser, log in and agree:\n\n   {kind.login_url(options, state)}\n")
        print(f"2. The browser then goes to {options.redirect_uri}?code=… If that page does not open, copy its address")
        print("   and paste it here:", flush=True)
        kind.log_in(options, connected(config, os.environ)[name].memory, address(sys.stdin), state)
    print(f"ok  {name}: logged in. Try it: epochwatchd test-alert {name}")
    return OK


_COMMANDS = {"serve": _serve, "check": _check, "test-alert": _test_alert, "login": _login}
