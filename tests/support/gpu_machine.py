"""A machine with GPUs for tests: the stand-in for the driver's library, and the file that says what it shows."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "integration/gpus/nvml_standin.c"
LIBRARY = "libnvidia-ml.so.1"


def build(folder, *flags):
    """The folder, with the library in it."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is needed to build the stand-in for the driver's library")
    shared = ["-std=gnu11", "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}"]
    subprocess.run([gcc, *shared, *flags, "-o", folder / LIBRARY, SOURCE], check=True)
    return folder


class Shown:
    """What the stand-in shows, from now on exactly the lines given last; ``env`` has a process load and read it."""

    def __init__(self, folder, library):
        self._state = folder / "machine.txt"
        self.env = {"LD_LIBRARY_PATH": str(library), "NVML_STANDIN": str(self._state)}
        self.show()

    def show(self, *lines):
        new = self._state.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in lines))
        os.replace(new, self._state)

    def hangs(self):
        """Whether a call hangs right now."""
        return self._state.with_name(f"{self._state.name}.hangs").exists()
