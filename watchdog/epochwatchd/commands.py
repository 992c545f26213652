"""What each command of ``epochwatchd`` does."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from epochwatch import control
from epochwatchd import config as configuration
from epochwatchd.alerting.catalogue import catalogue
from epochwatchd.alerting.deciding import Muted
from epochwatchd.alerting.phrases import LANGUAGES
from epochwatchd.alerting.rehearsal import imagined, rehearse
from epochwatchd.alerting.rendering import render
from epochwatchd.config import Config, ConfigError
from epochwatchd.control.requests import listed, ready
from epochwatchd.model import EpochwatchError
from epochwatchd.phrase import Phrase, say
from epochwatchd.service import journal, last_resort
from epochwatchd.service.bootstrap import serve
from epochwatchd.service.connecting import OPTIONS, connected, notes, quiet_of
from epochwatchd.service.journal import Journal
from epochwatchd.service.logs import Aside, OneLine
from epochwatchd.service.schedule import next_due
from epochwatchd.service.trying import log_in, trial, tried, wants_login
from epochwatchd.verdicts import VERDICTS

OK, FAILURE, MISTAKE = 0, 1, 2
LOG_S = 0.5
"""At the end, the last lines of the log get so long."""


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for; gives the exit status. Every fault is told in a line for people."""
    try:
        if arguments.command in _WITHOUT_CONFIG:
            return _WITHOUT_CONFIG[arguments.command](arguments)
        return _COMMANDS[arguments.command](_load(arguments.config), arguments)
    except ConfigError as e:
        print(e.said(LANGUAGES[configuration.spoken(e.language, os.environ)].LINES), file=sys.stderr)
        return MISTAKE
    except EpochwatchError as e:
        print(f"epochwatchd: {e}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        return FAILURE


def _load(path: str | None) -> Config:
    chosen = Path(path) if path else configuration.find(os.environ, Path.home())
    return configuration.load(chosen, kinds=OPTIONS, env=os.environ)


def _demo(_: argparse.Namespace) -> int:
    from epochwatchd import demo  # noqa: PLC0415 - nobody else needs it

    return demo.run()


def _setup(arguments: argparse.Namespace) -> int:
    from epochwatchd import setup  # noqa: PLC0415 - it brings libraries that nobody else needs

    return setup.run(arguments)


def _service(arguments: argparse.Namespace) -> int:
    from epochwatchd.installing import command  # noqa: PLC0415 - nobody else needs it

    return command.run(arguments)


def _retry(_: argparse.Namespace) -> int:
    try:
        revived = control.ask("POST", "/v1/retry")["revived"]
    except control.ControlError as e:
        print(f"epochwatchd: {e}", file=sys.stderr)
        return FAILURE
    print(f"{revived} dead letters are tried again; `epochwatchd status` shows what comes of it")
    return OK


def _messages(arguments: argparse.Namespace) -> int:
    print("\n\n----\n\n".join(catalogue(arguments.language, arguments.style)))
    return OK


def _serve(_: Config, arguments: argparse.Namespace) -> int:
    # Under systemd the journal adds the time itself.
    form = "%(message)s" if os.environ.get("JOURNAL_STREAM") else "%(asctime)s %(levelname)s %(message)s"
    handler = Aside(Journal().write if journal.is_ours(os.environ) else None)
    handler.setFormatter(OneLine(form))
    logging.basicConfig(level=logging.DEBUG if arguments.verbose else logging.INFO, handlers=[handler])
    for chatty in ("apscheduler", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        serve(lambda: _load(arguments.config))
    finally:
        handler.finish(LOG_S)
    return OK


def _last_resort(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    path = Path(arguments.config) if arguments.config else configuration.find(os.environ, Path.home())
    last_resort.tell(path, lambda: _load(arguments.config), os.environ)
    return OK


def _check(config: Config, arguments: argparse.Namespace) -> int:
    if arguments.explain is not None:
        for line in configuration.explain(config, arguments.explain):
            print(config.shown(say(line, LANGUAGES[config.language].LINES)))
        return OK
    wrong = [Phrase("note: {note}", note=note) for note in notes(config)]
    for line in [*configuration.describe(config), *wrong, *_next_due(config, time.time())]:
        print(config.shown(say(line, LANGUAGES[config.language].LINES)))
    return OK


def _next_due(config: Config, now: float) -> list[Phrase]:
    expected = [(rule.match, rule.expected.at) for rule in config.jobs if rule.expected is not None]
    times = [(match, datetime.fromtimestamp(next_due(at, now).last_wall).astimezone()) for match, at in expected]
    return [Phrase("next due: {match} at {time}", match=match, time=f"{at:%Y-%m-%d %H:%M %Z}") for match, at in times]


def _test_alert(config: Config, arguments: argparse.Namespace) -> int:
    unknown = [name for name in arguments.channels if name not in config.channels]
    if unknown or not config.channels:
        known = ", ".join(config.channels) or "none"
        print(f"epochwatchd: no channel {unknown[0] if unknown else 'at all'}; configured: {known}", file=sys.stderr)
        return MISTAKE
    if arguments.kind is not None and arguments.kind not in VERDICTS:
        print(f"epochwatchd: no kind {arguments.kind}; known: {', '.join(VERDICTS)}", file=sys.stderr)
        return MISTAKE
    notification = trial(arguments.kind)
    names, made = arguments.channels or list(config.channels), connected(config, os.environ)
    if arguments.render:
        print("\n\n".join(f"[{name}]\n{made[name].say([notification]).text}" for name in names))
        return OK
    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(lambda name: tried(made[name], notification), names))
    width = max(map(len, names))
    for name, (well, answer) in zip(names, answers, strict=True):
        print(f"{'ok    ' if well else 'FAILED'}  {name:<{width}}  {answer}")
    return OK if all(well for well, _ in answers) else FAILURE


def _show_login(page: str, leads_to: str) -> None:
    print(f"1. Open this page in a browser, log in and agree:\n\n   {page}\n")
    print(f"2. The browser then goes to {leads_to}. If that page does not open, copy its address")
    print("   and paste it here:", flush=True)


def _login(config: Config, arguments: argparse.Namespace) -> int:
    able = [name for name, channel in config.channels.items() if wants_login(channel.kind)]
    name = arguments.channel or (able[0] if len(able) == 1 else None)
    if name not in able:
        known = ", ".join(able) or "none; add one of kind kakao"
        print(f"epochwatchd: which channel? Those that want a login: {known}", file=sys.stderr)
        return MISTAKE
    log_in(name, config, os.environ, sys.stdin, _show_login)
    print(f"ok  {name}: logged in. Try it: epochwatchd test-alert {name}")
    return OK


def _routes(config: Config, arguments: argparse.Namespace) -> int:
    try:
        notification = imagined(arguments.kind, arguments.cause, vars(arguments), dict(arguments.tag))
    except ValueError as e:
        print(f"epochwatchd: {e}", file=sys.stderr)
        return MISTAKE
    lines, quiet = LANGUAGES[config.language].LINES, {name: quiet_of(name, config) for name in config.channels}
    at = arguments.at or datetime.now().astimezone()
    for line in rehearse(config, notification, at.timestamp(), quiet, _mutes(config)):
        print(config.shown(say(line, lines)))
    print()
    print(render(notification, config.language, None).text)
    return OK


def _mutes(config: Config) -> list[Muted]:
    """What nobody wants to hear of now, as the running watchdog knows it; none where none runs."""
    among = [str(config.control)] if isinstance(config.control, Path) else None
    try:
        return ready(map(listed, control.ask("GET", "/v1/mutes", among=among)))
    except control.ControlError:
        return []


_WITHOUT_CONFIG = {
    "demo": _demo,
    "last-resort": _last_resort,
    "setup": _setup,
    "service": _service,
    "messages": _messages,
    "retry": _retry,
}
_COMMANDS = {"serve": _serve, "check": _check, "test-alert": _test_alert, "login": _login, "routes": _routes}
