"""What each command of ``epochwatchd`` does."""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from epochwatchd import config as configuration
from epochwatchd.alerting import channels
from epochwatchd.alerting.composing import stamp
from epochwatchd.alerting.rendering import render
from epochwatchd.alerting.wording import one_line
from epochwatchd.config import Config, ConfigError, format_duration
from epochwatchd.model import ChannelError, EpochwatchError, Notification
from epochwatchd.service.bootstrap import serve
from epochwatchd.service.logs import OneLine
from epochwatchd.service.places import stores_to_read
from epochwatchd.service.schedule import next_due
from epochwatchd.store import is_in_use, read_runs
from epochwatchd.store.records import RunRow

OK, FAILURE, MISTAKE = 0, 1, 2
PIPE_WIDTH = 1000
JOB_WIDTH = 60
RECENT_S = 86400.0
COLOURS = {"running": "green", "finished": "blue", **dict.fromkeys(("crashed", "silent", "lost", "missing"), "red")}


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for; gives the exit status. Every fault is told in a line for people."""
    try:
        if arguments.command == "demo":
            from epochwatchd import demo  # noqa: PLC0415 - nobody else needs it

            return demo.run()
        config = _load_for_reading(arguments.config) if arguments.command == "status" else _load(arguments.config)
        return _COMMANDS[arguments.command](config, arguments)
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
    return configuration.load(chosen, kinds=_kinds(), env=os.environ)


def _load_for_reading(path: str | None) -> Config:
    """The configuration, or the built-in defaults where the machine's own holds secrets that are not for us."""
    try:
        return _load(path)
    except ConfigError:
        if path:
            raise
        return configuration.load(None, kinds=_kinds(), env=os.environ)


def _kinds() -> dict[str, type[BaseModel]]:
    return {name: module.Options for name, module in channels.kinds().items()}


def _serve(_: Config, arguments: argparse.Namespace) -> int:
    # Under systemd the journal adds the time itself.
    form = "%(message)s" if os.environ.get("JOURNAL_STREAM") else "%(asctime)s %(levelname)s %(message)s"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(form))
    logging.basicConfig(level=logging.DEBUG if arguments.verbose else logging.INFO, handlers=[handler])
    for chatty in ("apscheduler", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    serve(lambda: _load(arguments.config))
    return OK


def _check(config: Config, _: argparse.Namespace) -> int:
    print("\n".join([*configuration.describe(config), *_next_due(config, time.time())]))
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
    notification = _test_notification(config)
    names = arguments.channels or list(config.channels)
    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(lambda name: _answer(config, name, notification), names))
    width = max(map(len, names))
    for name, (well, answer) in zip(names, answers, strict=True):
        print(f"{'ok    ' if well else 'FAILED'}  {name:<{width}}  {answer}")
    return OK if all(well for well, _ in answers) else FAILURE


def _answer(config: Config, name: str, notification: Notification) -> tuple[bool, str]:
    channel = config.channels[name]
    try:
        return True, channels.sender(channel.kind, channel.options)(notification)
    except ChannelError as e:
        return False, str(e)


def _test_notification(config: Config) -> Notification:
    now = stamp(time.time())
    return render(
        Notification(
            id=f"test-{time.time_ns():x}",
            kind="started",
            status="notice",
            reason="first",
            severity="info",
            job="epochwatchd test-alert",
            run="test",
            host=socket.gethostname(),
            user=os.environ.get("USER", ""),
            pid=os.getpid(),
            rank=None,
            since=now,
            detected_at=now,
            cause={"code": "test", "details": {}, "evidence": []},
            progress={"epoch": None, "epochs": None, "step": None, "loss": None, "metrics": {}, "eta_s": None},
            elapsed_s=0.0,
        ),
        config.language,
    )


def _status(config: Config, arguments: argparse.Namespace) -> int:
    stores = stores_to_read(config, os.environ)
    if not stores:
        print("epochwatchd: no daemon has run here yet; `epochwatchd serve` starts one", file=sys.stderr)
        return FAILURE
    with suppress(OSError):  # another machine's database, say: nobody can tell
        if not is_in_use(stores[0]):
            print("epochwatchd: no daemon is running; this is what the last one knew", file=sys.stderr)
    now = time.time()
    runs = [r for r in read_runs(stores[0]) if arguments.all or _is_of_today(r, now)]
    if arguments.json:
        print(json.dumps([_as_json(r) for r in runs], ensure_ascii=False, indent=2))
    else:
        # In a pipe there is no edge to fit into: nothing is cut.
        Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(_table(runs, now))
    return OK


def _is_of_today(row: RunRow, now: float) -> bool:
    """Whether a run goes on or ended lately. What was missing and has begun is shown as the run that it is."""
    return row.ended_wall is None or (now - row.ended_wall < RECENT_S and row.verdict != "missing")


def _as_json(row: RunRow) -> Mapping[str, object]:
    """A stable object: the row, with times as RFC 3339."""
    fields = asdict(row)
    return {
        (name.removesuffix("_wall") if name.endswith("_wall") else name): (
            stamp(value) if name.endswith("_wall") and value is not None else value
        )
        for name, value in fields.items()
        if name != "key"
    }


def _table(runs: Sequence[RunRow], now: float) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("JOB", "RUN", "VERDICT", "CAUSE", "EPOCH", "STEP", "LOSS", "ETA", "FOR", "USER", "PID"):
        table.add_column(
            heading, justify="right" if heading in ("EPOCH", "STEP", "LOSS", "ETA", "FOR", "PID") else "left"
        )
    for r in runs:
        table.add_row(*_cells(r, now))
    return table


def _cells(r: RunRow, now: float) -> list[str]:
    colour = COLOURS.get(r.verdict, "yellow")
    epoch, epochs, step, loss, eta_s = (r.progress.get(k) for k in ("epoch", "epochs", "step", "loss", "eta_s"))
    return [
        escape(one_line(r.job, JOB_WIDTH)),
        r.run,
        f"[{colour}]{r.verdict}[/]" + (f" [yellow]({r.suspected_of}?)[/]" if r.suspected_of else ""),
        r.cause or "",
        "" if epoch is None else f"{epoch:.10g}/{epochs}" if epochs else f"{epoch:.10g}",
        "" if step is None else str(step),
        f"{float(loss):.4g}" if loss is not None else "",
        format_duration(round(eta_s)) if eta_s else "",
        format_duration(max(1, round((r.ended_wall or now) - r.started_wall))),
        r.user,
        str(r.pid or ""),
    ]


_COMMANDS = {"serve": _serve, "check": _check, "test-alert": _test_alert, "status": _status}
