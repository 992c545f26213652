"""The real pynvml, in a process of its own, on a stand-in for the driver's library."""

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gpu_machine import Shown, build

HERE = Path(__file__).parent
DEADLINE_S = 20.0


class Machine(Shown):
    """A machine with GPUs as the stand-in shows them, and epochwatchd's GPU code in a process on it."""

    def __init__(self, folder, library):
        super().__init__(folder, library)
        self._process = subprocess.Popen(
            [sys.executable, HERE / "watcher.py"],
            env=os.environ | self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, command, *args):
        """What the process answers."""
        pickle.dump((command, *args), self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)

    def look(self, previous=()):
        """One look at all GPUs."""
        return self.ask("sample", tuple(previous))

    def poll(self, now):
        """Have the reader look, and wait until it has."""
        self.ask("poll", now)
        self.settle()

    def settle(self):
        """Wait until the reader's look is over."""
        deadline = time.monotonic() + DEADLINE_S
        while self.ask("looking"):
            assert time.monotonic() < deadline, "the look never ended"
            time.sleep(0.005)

    def close(self):
        """End the process; its exit status."""
        self._process.stdin.close()
        try:
            return self._process.wait(DEADLINE_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    return build(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="session")
def old_driver(tmp_path_factory):
    return build(tmp_path_factory.mktemp("old_driver"), "-DOLD_DRIVER")


@pytest.fixture
def machine_with(tmp_path):
    """Start a machine on a given folder of libraries."""
    machines = []

    def start(library):
        machines.append(Machine(tmp_path, library))
        return machines[-1]

    yield start
    for machine in machines:
        machine.close()


@pytest.fixture
def machine(machine_with, driver):
    return machine_with(driver)
