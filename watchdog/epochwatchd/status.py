"""``epochwatchd status``: what the store knows, for people and for programs. It imports little, to answer at once."""

from __future__ import annotations

import argparse
import grp
import json
import math
import os
import pwd
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from epochwatch.checks import clean
from epochwatch.table import aligned, duration, width_of
from epochwatchd.alerting.phrases import LANGUAGES
from epochwatchd.config import ConfigError, glance
from epochwatchd.detection.telling_apart import apart, words_of
from epochwatchd.model import EpochwatchError
from epochwatchd.phrase import Phrase, Table, say
from epochwatchd.service.paths import stores_to_read
from epochwatchd.store import Letters, is_in_use, read_letters, read_recent, read_runs
from epochwatchd.store.records import RUN_COLUMNS, RunRow
from epochwatchd.verdicts import VERDICTS

OK, FAILURE, MISTAKE = 0, 1, 2
RECENT_S = 86400.0
SHOWN_MOST = 200
"""Of the runs that ended in the last day so many are shown to people: more is a list to search, not to read."""
JOB_WIDTH = 60
NAME_LEAST = 16
HEADINGS = ("JOB", "RUN", "VERDICT", "CAUSE", "EPOCH", "STEP", "LOSS", "ETA", "FOR", "USER", "PID")
RIGHT = ("EPOCH", "STEP", "LOSS", "ETA", "FOR", "PID")
LEFT_OUT = ("RUN", "ETA", "LOSS", "STEP", "CAUSE", "USER", "PID")
"""Columns that a narrow terminal goes without, in this order."""
COLOURS = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "dim": 2}
GROUP_READS = 0o050
WATCHDOG = "watchdog"
"""The verdict of the rows that tell what is wrong with the watchdog itself."""


class NothingToReadError(EpochwatchError):
    """There is no database for us; the text says why, and what to do."""


def run(arguments: argparse.Namespace) -> int:
    """Print the table, or the list of objects; gives the exit status. Every fault is told in a line for people."""
    path = Path(arguments.config) if arguments.config else glance.find(os.environ, Path.home())
    table = LANGUAGES[glance.language(path, os.environ)].LINES
    try:
        store = _store(stores_to_read(_configured(path, is_named=bool(arguments.config)), os.environ))
        runs, more = _runs(store, arguments)
        undelivered = [] if arguments.json else read_letters(store)
    except ConfigError as e:
        print(e.said(table), file=sys.stderr)
        return MISTAKE
    except EpochwatchError as e:
        print(f"epochwatchd: {clean(say(e.args[0], table))}", file=sys.stderr)
        return FAILURE
    if _nobody_watches(store):
        told = Phrase("no daemon is running; this is what the last one knew")
        print(f"epochwatchd: {say(told, table)}", file=sys.stderr)
    if arguments.json:
        print("[" + ",\n ".join(json.dumps(_as_json(r), ensure_ascii=False) for r in runs) + "]")
        return OK
    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal else None
    print(_table(runs, time.time(), width, table, colour=is_terminal and not os.environ.get("NO_COLOR")))
    for r in runs:
        if r.verdict == WATCHDOG and r.suspected:
            told = Phrase("watchdog, {code}:", code=r.cause)
            print(say(told, table), *map(clean, r.suspected["text"].splitlines()), sep="\n  ")
    for letters in undelivered:
        print(clean(say(_letters(letters), table)))
    if more:
        told = Phrase(
            "and {count} more that ended in the last day; `epochwatchd status --all` shows every run", count=more
        )
        print(say(told, table))
    return OK


def _configured(path: Path | None, *, is_named: bool) -> Path | None:
    """Where the configuration puts the store. The machine's own may hold secrets and be kept from us: then nowhere."""
    try:
        return glance.store_path(path, os.environ)
    except ConfigError:
        if is_named:
            raise
        return None


def _store(places: Sequence[Path]) -> Path:
    """The first database that we may read. Raises NothingToReadError."""
    kept_from_us = []
    for place in places:
        try:
            place.stat()
        except PermissionError:
            kept_from_us.append(place)
        except OSError:
            continue
        if os.access(place, os.R_OK):
            return place
        kept_from_us.append(place)
    if kept_from_us:
        place = kept_from_us[0]
        raise NothingToReadError(Phrase("{place} is not readable by you; {who}", place=str(place), who=_who_may(place)))
    raise NothingToReadError(Phrase("no watchdog has run here yet; `epochwatchd serve` starts one"))


def _who_may(place: Path) -> Phrase:
    with suppress(OSError, KeyError):  # not even the folder is for us; a number without a name
        about = place.parent.stat()
        if about.st_gid != 0 and about.st_mode & GROUP_READS == GROUP_READS:
            group, user = grp.getgrgid(about.st_gid).gr_name, pwd.getpwuid(os.getuid()).pw_name
            return Phrase(
                "join the group {group} (sudo usermod -aG {group} {user}) and log in again", group=group, user=user
            )
        return Phrase("ask its owner, {owner}", owner=pwd.getpwuid(about.st_uid).pw_name)
    return Phrase("ask who runs the watchdog")


def _nobody_watches(store: Path) -> bool:
    try:
        return not is_in_use(store)
    except OSError:  # another machine's database, say: nobody can tell
        return False


def _runs(store: Path, arguments: argparse.Namespace) -> tuple[list[RunRow], int]:
    if arguments.all:
        return read_runs(store), 0
    return read_recent(store, time.time() - RECENT_S, None if arguments.json else SHOWN_MOST)


def _letters(letters: Letters) -> Phrase:
    """What a channel has not taken, in a line."""
    when = datetime.fromtimestamp(letters.created_wall, timezone.utc).astimezone()
    who, kind = letters.job or Phrase("the watchdog"), Phrase(letters.kind or "")
    return Phrase(
        _LETTERS[letters.state == "dead", letters.number == 1],
        channel=letters.channel,
        count=letters.number,
        about=Phrase("{who} {kind}, {when}", who=who, kind=kind, when=f"{when:%m-%d %H:%M}"),
        error=letters.error or Phrase("no word"),
    )


_LETTERS = {
    (True, True): "channel {channel}: 1 dead letter (the last: {about}): {error}",
    (True, False): "channel {channel}: {count} dead letters (the last: {about}): {error}",
    (False, True): "channel {channel}: 1 message waits (the last: {about}): {error}",
    (False, False): "channel {channel}: {count} messages wait (the last: {about}): {error}",
}
"""Whether they are dead, and whether it is one."""


def _as_json(row: RunRow) -> Mapping[str, object]:
    """A stable object: the row, with times as RFC 3339."""
    told = {
        name.removesuffix("_wall"): _stamp(getattr(row, name)) if name.endswith("_wall") else getattr(row, name)
        for name in RUN_COLUMNS
        if name not in ("key", "about")
    }
    return {**told, **(row.about or {})}


def _stamp(wall: float | None) -> str | None:
    if wall is None:
        return None
    try:
        return datetime.fromtimestamp(wall, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):  # no date
        return None


def _table(runs: Sequence[RunRow], now: float, width: int | None, table: Table, *, colour: bool) -> str:
    words = [words_of((r.about or {}).get("argv", ()), (r.about or {}).get("tags")) for r in runs]
    shared: dict[tuple[str, str], set[str]] = {}
    for r, own in zip(runs, words, strict=True):
        shared[r.user, r.job] = shared.get((r.user, r.job), {*own}) & {*own}
    names = [_name(r, apart(own, shared[r.user, r.job])) for r, own in zip(runs, words, strict=True)]
    cells = [_cells(r, name, now) for r, name in zip(runs, names, strict=True)]
    said = [[clean(say(cell, table)) for cell in row] for row in cells]
    titles = {name: say(Phrase(name), table) for name in HEADINGS}
    rows = fitted([[*titles.values()], *said], width, [titles[name] for name in LEFT_OUT])
    headings = [name for title in rows[0] for name in HEADINGS if titles[name] == title]
    lines = aligned(rows, {place for place, name in enumerate(headings) if name in RIGHT})
    if colour:
        lines[0] = [f"\x1b[1m{cell}\x1b[0m" for cell in lines[0]]
        verdict = headings.index("VERDICT")
        for line, r in zip(lines[1:], runs, strict=True):
            shade = VERDICTS[r.verdict].colour if r.verdict in VERDICTS else "yellow"
            line[verdict] = f"\x1b[{COLOURS[shade]}m{line[verdict]}\x1b[0m"
    return "\n".join("  ".join(line).rstrip() for line in lines)


def fitted(rows: Sequence[Sequence[str]], width: int | None, left_out: Sequence[str] = LEFT_OUT) -> list[list[str]]:
    """A table, its headings first, made no wider than so many columns (None: as wide as it is).

    Columns are left out in the order of ``left_out``, then names are cut in the middle: their ends tell runs apart.
    """
    columns = [list(column) for column in zip(*rows, strict=True)]
    for name in left_out:
        if width is not None and _wide(columns) > width:
            columns = [column for column in columns if column[0] != name]
    over = 0 if width is None else _wide(columns) - width
    if over > 0:
        most = max(max(map(width_of, columns[0])) - over, NAME_LEAST)
        columns[0] = [_cut(cell, most) for cell in columns[0]]
    return [list(row) for row in zip(*columns, strict=True)]


def _wide(columns: Sequence[Sequence[str]]) -> int:
    return sum(max(map(width_of, column)) + 2 for column in columns) - 2


def _cut(text: str, most: int) -> str:
    head = tail = most // 2
    while width_of(text) > most:
        text = f"{text[:head]}…{text[-tail:]}"
        head, tail = head - 1, tail - 1
    return text


def _name(r: RunRow, differs: str | None) -> str:
    """The job, and what tells the run from the others of it."""
    if r.verdict == WATCHDOG and not r.job:
        return Phrase("(the watchdog)")
    name = f"{r.job} ({differs})" if differs else r.job
    return name if len(name) <= JOB_WIDTH else name[: JOB_WIDTH - 1] + "…"


def _cells(r: RunRow, name: str, now: float) -> list[str]:
    epochs, step, steps, loss, eta_s = (r.progress.get(k) for k in ("epochs", "step", "steps", "loss", "eta_s"))
    epoch = r.progress.get("epoch_shown", r.progress.get("epoch"))
    lasted_s = (r.ended_wall or now) - r.started_wall
    return [
        name,
        r.run,
        _verdict(r),
        r.cause or "",
        _number(epoch, ".10g") + (f"/{epochs}" if epoch is not None and epochs else ""),
        "" if step is None else f"{step}/{steps}" if steps else str(step),
        _number(loss, ".4g"),
        _lasting(eta_s) if eta_s and r.ended_wall is None else "",
        _lasting(max(1.0, lasted_s)),
        r.user,
        str(r.pid or ""),
    ]


def _verdict(r: RunRow) -> Phrase:
    verdict = Phrase(r.verdict)
    if not r.suspected_of or r.verdict == WATCHDOG:
        return verdict
    return Phrase("{verdict} ({code}?)", verdict=verdict, code=r.suspected_of)


def _number(value: float | str | None, form: str) -> str:
    return "" if value is None else f"{float(value):{form}}"


def _lasting(seconds: float | str) -> str:
    value = float(seconds)
    return duration(value) if math.isfinite(value) else "?"
