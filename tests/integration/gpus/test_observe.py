"""bench/gpu/observe.py where it cannot do its work: it says why, and its table is a table."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gpu_machine import Shown

from epochwatchd.inputs.gpu.history import Owner, fold, gpus_of
from epochwatchd.inputs.gpu.nvml import GpuSample, ProcessSample

SCRIPT = Path(__file__).parents[3] / "bench/gpu/observe.py"


def run(*arguments, **env):
    line = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(line, env=os.environ | env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def observe():
    spec = importlib.util.spec_from_file_location("observe", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_gpu_it_says_so_and_all_is_well(tmp_path, driver):
    done = run(**Shown(tmp_path, driver).env)
    assert (done.returncode, done.stdout) == (0, "no NVIDIA GPU here: nothing to observe\n")


def test_without_cuda_it_says_so(tmp_path, driver):
    shown = Shown(tmp_path, driver)
    shown.show("gpu 0 GPU-aaaa 0 0 70000 NVIDIA H100")
    (tmp_path / "torch.py").write_text("class version: cuda = None")
    done = run(**shown.env, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "there is a GPU, but no PyTorch with CUDA to make it work\n")


@pytest.mark.parametrize("argument", ["5", "soon", "-60"])
def test_too_little_time_is_a_mistake_of_the_command_line(argument):
    assert run(argument).returncode == 2


def test_its_help_needs_nothing():
    done = run("--help")
    assert (done.returncode, done.stdout.split()[0]) == (0, "usage:")


def test_the_table_shows_medians_and_what_epochwatchd_makes_of_them(observe, capsys):
    def look(stamp_us, power_w):
        users = (ProcessSample(42, 512.0, 80, stamp_us),)
        return GpuSample(0, "GPU-aaaa", "H100", 97, 40, power_w, users, temperature_c=60)

    seen = [look(i, 600.0 if i else 1.0) for i in range(40)]
    state = {}
    for i, gpu in enumerate(seen):
        state = fold(state, [gpu], float(i), {42: Owner(42, i)})
    observe.print_table([observe.row("training", 42, seen, gpus_of(state, {42}, 40.0), 40.0)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| load | GPU % |")
    assert lines[2] == "| training | 97 | 40 | 600 | 60 | 80 | 1 | works as usual |"
