import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import epochwatch as package
from epochwatch import listing

DEADLINE_S = 30


@pytest.fixture
def directory(tmp_path):
    """Where the commands under test write their heartbeat files."""
    beats = tmp_path / "beats"
    beats.mkdir()
    return beats


@pytest.fixture
def environment(directory, tmp_path):
    """The environment of the commands under test: nothing of ours but the folder for heartbeat files."""
    ours = {n: value for n, value in os.environ.items() if not n.startswith("EPOCHWATCH") and n != "XDG_RUNTIME_DIR"}
    return {
        **ours,
        "EPOCHWATCH_DIR": str(directory),
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(Path(package.__file__).parent.parent),
    }


@pytest.fixture
def epochwatch(environment):
    """Run ``epochwatch ARGUMENTS`` to its end."""

    def call(*arguments, **options):
        options.setdefault("env", environment)
        options.setdefault("stdin", subprocess.DEVNULL)
        line = [sys.executable, "-m", "epochwatch", *map(str, arguments)]
        return subprocess.run(line, capture_output=True, timeout=DEADLINE_S, check=False, **options)

    return call


@pytest.fixture
def start(environment):
    """Start ``epochwatch ARGUMENTS`` and, when the test is over, end whatever has not ended."""
    with contextlib.ExitStack() as stack:

        def call(*arguments, **options):
            options.setdefault("env", environment)
            line = [sys.executable, "-m", "epochwatch", *map(str, arguments)]
            process = stack.enter_context(subprocess.Popen(line, **options))
            stack.callback(process.kill)
            return process

        yield call


@pytest.fixture
def beats(directory):
    """Every heartbeat there is, by job."""

    def read():
        return {beat.body.job: beat for beat, _ in (listing.read_beat(str(f)) for f in directory.glob("*.beat"))}

    return read


@pytest.fixture
def eventually():
    """Wait until a condition holds, and give what it gave."""

    def wait(condition):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.005)
        pytest.fail(f"still not so after {DEADLINE_S} s: {condition}")

    return wait
