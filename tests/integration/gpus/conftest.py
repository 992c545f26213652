"""The real pynvml, in a process of its own, on a stand-in for the driver's library."""

import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LIBRARY = "libnvidia-ml.so.1"
DEADLINE_S = 20.0


class Machine:
    """A machine with GPUs as the stand-in shows them, and flatlined's GPU code in a process on it."""

    def __init__(self, folder, library):
        self._state = folder / "machine.txt"
        self.show()
        self._process = subprocess.Popen(
            [sys.executable, HERE / "watcher.py"],
            env=os.environ | {"LD_LIBRARY_PATH": str(library), "NVML_STANDIN": str(self._state)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def show(self, *lines):
        """Let the stand-in show exactly these lines from now on."""
        new = self._state.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in lines))
        new.replace(self._state)

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


def build(folder, *flags):
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is needed to build the stand-in for the driver's library")
    shared = ["-std=gnu11", "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}"]
    subprocess.run([gcc, *shared, *flags, "-o", folder / LIBRARY, HERE / "nvml_standin.c"], check=True)
    return folder


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
