"""What the shells complete, as it lies in the wheel."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "completions"
BASH = """
source {file}
COMP_WORDS=({words}) COMP_CWORD={at}
_{program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
LINES = {
    # a line that is being typed, and what it may become
    ("epochwatch", "ru"): {"run"},
    ("epochwatch", "run", "--e"): {"--epochs"},
    ("epochwatch", "beat", "--event", "f"): {"finished", "failed"},
    ("epochwatch", "attach", "--g"): {"--gpu"},
    ("epochwatchd", "test"): {"test-alert"},
    ("epochwatchd", "service", "un"): {"uninstall"},
}


def shell(name, *arguments):
    if not shutil.which(name):
        pytest.skip(f"there is no {name} here: tests/system-packages.sh --servers gets it")
    return subprocess.run([name, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_files_are_what_the_command_lines_say():
    spec = importlib.util.spec_from_file_location("generate", HERE / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    made = generate.files()
    assert {name: (HERE / name).read_text() for name in made} == made, "run: python completions/generate.py"


@pytest.mark.parametrize("line", LINES)
def test_bash(line):
    words = " ".join(f"'{word}'" for word in line)
    code = BASH.format(file=HERE / f"{line[0]}.bash", words=words, at=len(line) - 1, program=line[0])
    assert set(shell("bash", "-c", code).split()) == LINES[line]


def test_bash_completes_the_command_behind_the_dashes():
    code = BASH.format(file=HERE / "epochwatch.bash", words="epochwatch run -- pytho", at=3, program="epochwatch")
    assert "python3" in shell("bash", "-c", code).split()


@pytest.mark.parametrize("line", LINES)
def test_fish(line):
    said = shell("fish", "--no-config", "-c", f"source {HERE / line[0]}.fish; complete -C '{' '.join(line)}'")
    assert {row.split("\t")[0] for row in said.splitlines()} == LINES[line]


@pytest.mark.parametrize("program", ["epochwatch", "epochwatchd"])
def test_zsh_loads_it(program):
    shell("zsh", "-f", "-n", str(HERE / f"_{program}"))
    code = f"fpath=({HERE} $fpath); autoload -Uz compinit; compinit -D -u; print $_comps[{program}]"
    assert shell("zsh", "-f", "-c", code) == f"_{program}\n"
