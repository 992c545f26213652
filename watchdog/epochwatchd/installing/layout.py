"""Where a service's files lie, for the machine or one user, and the steps that put them there and take them away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from epochwatchd.installing.steps import Remove, Step, Write, run
from epochwatchd.installing.units import unit, units

NAME = "epochwatchd"
NO_CHANNELS = "# Where alerts go: `{setup}` asks, and writes it here. Until then they go to the journal.\n"
OPT = Path("/opt/epochwatch")
MARK = OPT / ".made-by-epochwatchd"


class Layout(NamedTuple):
    """One service: ``files`` by where they lie, with the name of each among the units.

    systemctl: what rules it.
    state: its folder for what must last. ``beats``: where trainings leave heartbeats, if the service makes that.
    sudo: what stands before its commands.
    """

    is_system: bool
    files: Mapping[Path, str]
    config: Path
    config_mode: int
    systemctl: tuple[str, ...]
    state: Path
    beats: Path | None
    sudo: str

    def setup(self, program: Path) -> str:
        """The command that asks for channels."""
        return f"{self.sudo}{program} setup"

    @property
    def unit(self) -> Path:
        """The unit's file."""
        return next(path for path in self.files if path.suffix == ".service")


def system() -> Layout:
    """The machine's."""
    files = {
        Path("/etc/sysusers.d/epochwatch.conf"): "epochwatch.sysusers",
        Path("/etc/tmpfiles.d/epochwatch.conf"): "epochwatch.tmpfiles",
        Path("/etc/systemd/system/epochwatchd.service"): "epochwatchd.service",
    }
    config, state = Path("/etc/epochwatch/config.yaml"), Path("/var/lib/epochwatch")
    return Layout(True, files, config, 0o644, ("systemctl",), state, Path("/run/epochwatch"), "sudo ")


def of_user(home: Path, state: Path) -> Layout:
    """A user's own."""
    files = {home / ".config/systemd/user/epochwatchd.service": "user/epochwatchd.service"}
    config = home / ".config/epochwatch/config.yaml"
    return Layout(False, files, config, 0o600, ("systemctl", "--user"), state, None, "")


def installing(layout: Layout, program: Path) -> list[Step]:
    """What makes the service run ``program``, now and at each start of the machine; again, it repairs and upgrades."""
    steps: list[Step] = [Write(path, _text(name, program)) for path, name in layout.files.items()]
    if layout.is_system:
        steps += [run("systemd-sysusers"), run("systemd-tmpfiles", "--create", "epochwatch.conf")]
    text = NO_CHANNELS.format(setup=layout.setup(program))
    steps.append(Write(layout.config, text, layout.config_mode, if_absent=True))
    if not layout.is_system:
        steps.append(run("loginctl", "enable-linger", may_fail=True))
    control = layout.systemctl
    return [*steps, run(*control, "daemon-reload"), run(*control, "enable", NAME), run(*control, "restart", NAME)]


def environment(python: Path, wheel: Path) -> list[Step]:
    """What makes an environment of root's own in /opt, with what the wheel holds."""
    pip = (OPT / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    return [
        run(python, "-m", "venv", OPT),
        Write(MARK, "epochwatchd service install made this folder; epochwatchd service uninstall removes it.\n"),
        run(*pip, "--upgrade", f"{wheel}[daemon]"),
        run(*pip, "--force-reinstall", "--no-deps", wheel),  # the same version, mended
    ]


def removing(layout: Layout, *, purge: bool, has_environment: bool) -> list[Step]:
    """What takes the service away; ``purge``: what people wrote and what it remembers, too."""
    steps: list[Step] = [run(*layout.systemctl, "disable", "--now", NAME, may_fail=True)]
    gone = [*layout.files, *([layout.beats] if layout.beats else []), *([OPT] if has_environment else [])]
    steps += [Remove(path) for path in [*gone, *(kept(layout) if purge else [])]]
    steps.append(run(*layout.systemctl, "daemon-reload"))
    if purge and layout.is_system:
        steps.append(run("userdel", "epochwatch", may_fail=True))
    return steps


def kept(layout: Layout) -> list[Path]:
    """What a removal leaves where nothing else is said: a person's words, and what the service remembers."""
    return [layout.config.parent, layout.state, layout.unit.with_name(f"{layout.unit.name}.d")]


def stale(layout: Layout, program: Path, texts: Mapping[Path, str]) -> list[Path]:
    """The files that are missing, or not as this version has them, given the texts that are there."""
    return [path for path, name in layout.files.items() if texts.get(path) != _text(name, program)]


def _text(name: str, program: Path) -> str:
    return unit(name, program) if name.endswith(".service") else units()[name]
