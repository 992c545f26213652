"""What installing is made of: whose code may be run, the wheel of what is here, and steps that are printed or done."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from epochwatchd.installing import layout, steps, trust, units, wheel

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder():
    """A folder that only root can change, down the whole path."""
    path = Path(tempfile.mkdtemp(dir="/opt"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@needs_root
def test_code_of_root_may_be_run(folder):
    program = folder / "program"
    program.touch(mode=0o755)
    assert trust.distrusted(program) is None


@needs_root
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda folder: os.chown(folder / "bin", 65534, 65534), "bin does not belong to root"),
        (lambda folder: os.chown(folder / "bin/program", 65534, 65534), "program does not belong to root"),
        (lambda folder: (folder / "bin").chmod(0o775), "bin can be changed by others"),
        (lambda folder: (folder / "bin/program").chmod(0o757), "program can be changed by others"),
    ],
)
def test_what_others_can_change_is_not_run(folder, spoil, why):
    (folder / "bin").mkdir()
    (folder / "bin/program").touch(mode=0o755)
    spoil(folder)
    assert why in trust.distrusted(folder / "bin/program")


@needs_root
def test_a_link_is_followed_to_what_others_can_change(folder, tmp_path):
    (tmp_path / "theirs").touch()
    (folder / "program").symlink_to(tmp_path / "theirs")
    assert "can be changed by others" in trust.distrusted(folder / "program")


@needs_root
def test_links_that_lead_round_have_an_end(folder):
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    assert trust.distrusted(folder / "a") is None  # nobody else made them; to run them fails


def test_what_is_not_there_is_not_run():
    assert "cannot be seen" in trust.distrusted(Path("/nowhere/at/all"))


def test_the_wheel_is_what_is_here_and_pip_takes_it(tmp_path):
    made = wheel.pack(tmp_path)
    with zipfile.ZipFile(made) as archive:
        names = set(archive.namelist())
        assert archive.testzip() is None
    assert {"epochwatch/agent.py", "epochwatchd/cli.py", "epochwatchd/systemd/epochwatchd.service"} <= names
    assert not [name for name in names if "__pycache__" in name]
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, made]
    subprocess.run(pip, check=True)
    code = "import epochwatchd.installing.units as u, epochwatchd; print(len(u.units()), epochwatchd.__file__)"
    env = {"PYTHONPATH": str(target), "PATH": os.environ["PATH"]}
    said = subprocess.run(
        [sys.executable, "-S", "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout
    assert said.split() == [str(len(units.units())), f"{target}/epochwatchd/__init__.py"]


def test_a_unit_runs_the_program_it_is_given():
    for name in ("epochwatchd.service", "user/epochwatchd.service"):
        text = units.unit(name, Path("/usr/bin/epochwatchd"))
        assert "ExecStart=/usr/bin/epochwatchd serve" in text
        assert "ExecStopPost=/usr/bin/epochwatchd last-resort" in text
        assert "/opt/epochwatch" not in text


@pytest.mark.parametrize(
    "path", ["/opt/x/epochwatchd", "/home/mina/my env/100%/bin/epochwatchd", '/a"b/c', "/홈/bin/x"]
)
def test_any_path_is_one_word_of_the_unit_and_is_read_back(path):
    assert units.program_of(units.unit("user/epochwatchd.service", Path(path))) == Path(path)


def test_each_step_is_printed_as_one_would_type_it():
    plan = layout.installing(layout.system(), Path("/usr/bin/epochwatchd"))
    told = [steps.shown(step) for step in plan]
    assert told[-3:] == ["systemctl daemon-reload", "systemctl enable epochwatchd", "systemctl restart epochwatchd"]
    assert any(line.startswith("write /etc/systemd/system/epochwatchd.service (") for line in told)


def test_a_file_is_written_whole_with_its_mode_and_one_that_is_there_may_be_left(tmp_path):
    path = tmp_path / "new" / "file"
    steps.done(steps.Write(path, "one", 0o640))
    steps.done(steps.Write(path, "two", if_absent=True))
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode), len(list(path.parent.iterdir()))) == ("one", 0o640, 1)


def test_a_command_that_fails_says_what_it_said():
    with pytest.raises(steps.StepError, match=r"left with 3:\n  oh no"):
        steps.done(steps.run("sh", "-c", "echo oh no >&2; exit 3"))
    steps.done(steps.run("false", may_fail=True))
    with pytest.raises(steps.StepError, match="No such file"):
        steps.done(steps.run("/no/such/program"))


def test_what_is_removed_is_gone_and_what_was_not_there_is_no_mistake(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("link", "nothing"):
        steps.done(steps.Remove(tmp_path / name))
    assert (tmp_path / "folder/file").exists()
    steps.done(steps.Remove(tmp_path / "folder"))
    assert list(tmp_path.iterdir()) == []
