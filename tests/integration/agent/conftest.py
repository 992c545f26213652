"""Real training scripts in processes of their own, and the heartbeats they leave."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from epochwatch import wire

AGENT = Path(wire.__file__).parents[1]
PATIENCE_S = 20.0


def read_file(path: Path) -> wire.Beat:
    """The heartbeat in a file."""
    for _ in range(20):
        data = path.read_bytes()
        try:
            head = wire.decode_head(data)
            return wire.Beat(head, wire.decode_body(data[head.body_at :][: head.body_len], head.body_crc))
        except wire.WireError as error:
            torn = error
    raise torn


class Training:
    """Training scripts that beat into ``folder``."""

    def __init__(self, folder: Path, scripts: Path) -> None:
        self.folder = folder
        self._scripts = scripts
        self._started: list[subprocess.Popen[str]] = []

    def start(self, code: str, *arguments: str, name: str = "train.py", **env: str | None) -> Any:
        """A running script; ``print`` in it, and read its ``stdout``, to wait for each other."""
        script = self._scripts / name
        script.write_text("from epochwatch import agent\n" + textwrap.dedent(code), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            env=self.environment(**env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def environment(self, **changes: str | None) -> dict[str, str]:
        """Our own environment without the settings of epochwatch, but for the folder; None takes a variable away."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("EPOCHWATCH_", "XDG_"))}
        ours.update(EPOCHWATCH_DIR=str(self.folder), PYTHONPATH=str(AGENT), TMPDIR=str(self._scripts))
        ours.update({name: value for name, value in changes.items() if value is not None})
        return {name: value for name, value in ours.items() if changes.get(name, "") is not None}

    def run(self, code: str, **env: str | None) -> subprocess.CompletedProcess[str]:
        """A script that has ended."""
        process = self.start(code, **env)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """What ``condition`` gives, as soon as it is true."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(0.01)
        raise AssertionError(f"not within {PATIENCE_S:.0f} s: {what}")

    def stop(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def beats(self, folder: Path | None = None) -> list[wire.Beat]:
        """The heartbeats in the folder, by job."""
        return sorted((beat for _, beat in self.files(folder or self.folder)), key=lambda beat: beat.body.job)

    def files(self, folder: Path) -> list[tuple[Path, wire.Beat]]:
        """The heartbeat files in a folder, and what they say."""
        return [(path, read_file(path)) for path in folder.glob("*.beat") if path.name[0] != "."]

    def beat(self) -> wire.Beat:
        """The only heartbeat in the folder."""
        (beat,) = self.beats()
        return beat


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    beats = tmp_path / "beats"
    beats.mkdir()
    return beats


@pytest.fixture
def training(folder: Path, tmp_path: Path):
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    training = Training(folder, scripts)
    yield training
    training.stop()
