"""Which ``py-spy`` is run: real folders of several owners."""

import os
import sys

import pytest

from epochwatchd.inputs.stacks import py_spy

OTHER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")


@pytest.fixture
def folder(tmp_path):
    """A folder that only its owner can write in, with a ``py-spy``."""
    folder = tmp_path / "bin"
    folder.mkdir(mode=0o755)
    program = folder / "py-spy"
    program.touch()
    program.chmod(0o755)
    return folder


def found(*entries, uid):
    return py_spy._on_path(os.pathsep.join(map(str, entries)), uid)


@pytest.mark.parametrize("entry", ["", ".", "bin"])
def test_the_current_folder_is_not_looked_into(folder, monkeypatch, entry):
    monkeypatch.chdir(folder if entry != "bin" else folder.parent)
    assert found(entry, uid=OTHER) is None


def test_a_user_runs_what_is_on_the_path(folder):
    assert found("", "/nowhere", folder, uid=OTHER) == f"{folder}/py-spy"


@needs_root
def test_root_runs_what_only_root_can_change(folder):
    assert found(folder, uid=0) == f"{folder}/py-spy"


def of_another(folder):
    os.chown(folder / "py-spy", OTHER, -1)


def in_a_folder_of_another(folder):
    os.chown(folder, OTHER, -1)


def below_a_folder_of_another(folder):
    os.chown(folder.parent, OTHER, -1)


def below_a_folder_open_to_all(folder):
    folder.parent.chmod(0o777)


def open_to_all(folder):
    (folder / "py-spy").chmod(0o757)


def open_to_a_group(folder):
    (folder / "py-spy").chmod(0o775)


def in_a_folder_open_to_all(folder):
    folder.chmod(0o1777)


def a_link_to_one_of_another(folder):
    theirs = folder.parent / "theirs"
    theirs.mkdir()
    (folder / "py-spy").rename(theirs / "py-spy")
    os.chown(theirs, OTHER, -1)
    (folder / "py-spy").symlink_to(theirs / "py-spy")


def a_link_by_another(folder):
    theirs = folder.parent / "theirs"
    folder.rename(theirs)
    folder.mkdir()
    (folder / "py-spy").symlink_to(theirs / "py-spy")
    os.chown(folder, OTHER, -1)


@needs_root
@pytest.mark.parametrize(
    "change",
    [
        of_another,
        in_a_folder_of_another,
        below_a_folder_of_another,
        below_a_folder_open_to_all,
        open_to_all,
        open_to_a_group,
        in_a_folder_open_to_all,
        a_link_to_one_of_another,
        a_link_by_another,
    ],
)
def test_root_does_not_run_what_another_user_may_have_put_there(folder, change):
    change(folder)
    assert found(folder, uid=0) is None
    assert found(folder, uid=OTHER) == f"{folder}/py-spy"


@needs_root
def test_root_goes_on_to_the_next_folder_of_the_path(folder):
    theirs = folder.parent / "theirs"
    theirs.mkdir(mode=0o777)
    (theirs / "py-spy").touch(mode=0o755)
    os.chown(theirs, OTHER, -1)
    assert found(theirs, folder, uid=0) == f"{folder}/py-spy"


def test_the_one_beside_our_own_python_comes_first(folder, monkeypatch):
    monkeypatch.setattr(sys, "executable", f"{folder}/python")
    assert py_spy._program.__wrapped__() == f"{folder}/py-spy"


def test_a_python_that_does_not_know_its_place_looks_on_the_path_only(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "executable", "")
    monkeypatch.setenv("PATH", "/nowhere")
    assert py_spy._program.__wrapped__() is None
