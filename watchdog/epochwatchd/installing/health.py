"""How a service does, in plain words: what is well, what is wrong, and what to do."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from epochwatch import listing
from epochwatch.doctor import Word
from epochwatchd import config as configuration
from epochwatchd.config import Config, ConfigError
from epochwatchd.installing import layout, trust
from epochwatchd.installing.layout import NAME, Layout
from epochwatchd.installing.units import program_of
from epochwatchd.model import EpochwatchError
from epochwatchd.service.connecting import OPTIONS, notes
from epochwatchd.store import is_in_use, read_letters, read_recent

OK, FAILURE = 0, 1
BEATS_MODE = 0o3777


def tell(chosen: Layout) -> int:
    """Print how it does; gives the exit status: 1 where something is wrong."""
    words = list(look(chosen))
    for word in words:
        print(word)
    return OK if all(word.is_well for word in words) else FAILURE


def look(chosen: Layout) -> Iterator[Word]:
    """All there is to say of a service. Where it is not installed, only that."""
    again = f"{'sudo ' if chosen.is_system else ''}epochwatchd service install{'' if chosen.is_system else ' --user'}"
    if not chosen.unit.exists():
        yield Word(False, f"{chosen.unit} is not there", f"`{again}` installs the service")
        return
    program = _program(chosen)
    yield from _unit(chosen, program, again)
    yield from _running(chosen)
    if chosen.beats is not None:
        yield _beats_folder(chosen.beats, again)
    else:
        yield _lingering()
    yield from _configuration(chosen)
    yield from _unseen(chosen)


def has_recorded(chosen: Layout, job: str, since_wall: float) -> bool:
    """Whether the service has recorded the end of a run of this user's and this job that began since then."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    try:
        config = configuration.load(chosen.config, kinds=OPTIONS, env=os.environ)
        runs, _ = read_recent(_database(config, chosen), since_wall, None)
    except EpochwatchError:  # not yet
        return False
    return any((run.job, run.user) == (job, user) and run.ended_wall is not None for run in runs)


def _database(config: Config, chosen: Layout) -> Path:
    return config.store.path or chosen.state / "epochwatch.db"


def _program(chosen: Layout) -> Path:
    return program_of(chosen.unit.read_text(encoding="utf-8"))


def _unit(chosen: Layout, program: Path, again: str) -> Iterator[Word]:
    texts = {path: path.read_text(encoding="utf-8") for path in chosen.files if path.exists()}
    old = layout.stale(chosen, program, texts)
    if old:
        yield Word(False, f"{', '.join(map(str, old))} is not of this version, or was changed", f"`{again}` mends it")
    if not program.exists():
        yield Word(False, f"{program} is gone, and the service runs it", f"`{again}` mends it")
    elif chosen.is_system and (why := trust.distrusted(program)):
        yield Word(False, f"whoever can change what the service runs is its user: {why}", f"`{again}` makes a copy")


def _running(chosen: Layout) -> Iterator[Word]:
    known = _show(chosen, "ActiveState", "UnitFileState", "StatusText", "Result", "FragmentPath")
    state = known.get("ActiveState", "unknown")
    journal = f"journalctl {'' if chosen.is_system else '--user '}-u {NAME} -n 20"
    if state == "active":
        yield Word(True, f"it runs: {known.get('StatusText') or 'no word yet'}")
    else:
        why = known.get("Result", "")
        yield Word(False, f"it does not run ({state}{f', {why}' if why else ''})", f"`{journal}` says why")
    if known.get("UnitFileState") not in ("enabled", "enabled-runtime"):
        control = " ".join(chosen.systemctl)
        yield Word(False, "it does not start with the machine", f"`{control} enable {NAME}`")


def _show(chosen: Layout, *names: str) -> dict[str, str]:
    line = [*chosen.systemctl, "show", NAME, *(f"--property={name}" for name in names)]
    said = subprocess.run(line, capture_output=True, text=True, check=False).stdout  # noqa: S603
    return dict(part.partition("=")[::2] for part in said.splitlines() if "=" in part)


def _beats_folder(beats: Path, again: str) -> Word:
    try:
        about = beats.stat()
    except OSError as e:
        return Word(False, f"{beats}: {e.strerror}: trainings have no place for their beats", f"`{again}` makes it")
    if stat.S_IMODE(about.st_mode) != BEATS_MODE:
        mode = stat.S_IMODE(about.st_mode)
        return Word(
            False, f"{beats} has mode {mode:o}, not {BEATS_MODE:o}: not all users can beat", f"`{again}` mends it"
        )
    return Word(True, f"every user's trainings can beat in {beats}")


def _lingering() -> Word:
    line = ["loginctl", "show-user", str(os.getuid()), "--property=Linger"]
    said = subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    if said == "Linger=yes":
        return Word(True, "it goes on while you are logged out")
    return Word(False, "it ends when you log out", "`loginctl enable-linger`, or ask the administrator")


def _configuration(chosen: Layout) -> Iterator[Word]:
    if not os.access(chosen.config, os.R_OK):
        if chosen.config.exists() and os.geteuid() != 0:
            yield Word(True, f"{chosen.config} is not for you to read")
        return
    try:
        config = configuration.load(chosen.config, kinds=OPTIONS, env=os.environ)
    except ConfigError as e:
        yield Word(False, "\n        ".join(["the configuration has mistakes:", *str(e).splitlines()]))
        return
    yield _channels(config, chosen)
    for note in notes(config):
        yield Word(True, f"note: {config.shown(note)}")
    yield from _store(config, chosen)
    yield from _undelivered(config, chosen)


def _channels(config: Config, chosen: Layout) -> Word:
    real = [name for name, channel in config.channels.items() if channel.kind != "console"]
    if not real:
        return Word(
            False,
            "no channel is configured: alerts go to the journal only",
            f"`{chosen.setup(_program(chosen))}` chooses",
        )
    return Word(True, f"alerts go to {', '.join(real)}")


def _store(config: Config, chosen: Layout) -> Iterator[Word]:
    path = _database(config, chosen)
    try:
        is_used = is_in_use(path)
    except OSError:
        return
    if is_used and _show(chosen, "ActiveState").get("ActiveState") != "active":
        yield Word(
            False, f"another daemon uses {path}, so the service cannot", "end it: `pgrep -af 'epochwatchd serve'`"
        )


def _undelivered(config: Config, chosen: Layout) -> Iterator[Word]:
    """Channels that have not taken what they were sent."""
    try:
        letters = read_letters(_database(config, chosen))
    except EpochwatchError:  # no store yet, or not for us
        return
    for name in dict.fromkeys(waiting.channel for waiting in letters):
        error = next(waiting.error for waiting in letters if waiting.channel == name)
        told = f"channel {name} does not take messages: {config.shown(error or 'no word yet')}"
        yield Word(False, told, f"`epochwatchd test-alert {name}` tries it")


def _unseen(chosen: Layout) -> Iterator[Word]:
    """Trainings that beat where the service does not look: they began before it, or may not write where it does."""
    if not chosen.is_system:
        return
    places = [str(path) for path in Path("/tmp").glob("epochwatch-*") if path.is_dir()]  # noqa: S108 - the agent's
    entries, _ = listing.entries(places)
    alive = [entry for entry in entries if entry.state in ("running", "unknown")]
    if alive:
        who = ", ".join(sorted({f"{entry.beat.body.job} ({entry.beat.body.user or '?'})" for entry in alive}))
        yield Word(False, f"{who}: beats in /tmp, where the service does not look", "may it write to /run/epochwatch?")
