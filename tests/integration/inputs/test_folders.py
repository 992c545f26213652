"""Folders that others put up, take away, replace or fill: which are watched, and what is told of the rest."""

import errno
import os
import select

import pytest

from epochwatchd.inputs import missed
from epochwatchd.inputs.heartbeats import folders
from epochwatchd.inputs.heartbeats.files import BeatFile, BeatFiles, Folder
from epochwatchd.inputs.heartbeats.inotify import Inotify

ME = os.getuid()
STRANGER = 65534
needs_root = pytest.mark.skipif(ME != 0, reason="only root can give a folder away")


@pytest.fixture
def files():
    files = BeatFiles()
    yield files
    files.close()


@pytest.fixture(autouse=True)
def codes():
    """The codes of what was missed since the last call."""
    missed.take()
    yield lambda: [note.code for note in missed.take()]
    missed.take()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "beats").mkdir(mode=0o700)
    return tmp_path / "beats"


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_a_link_in_a_shared_place_is_not_followed(files, folder):
    link = folder.parent / "link"
    link.symlink_to(folder)
    (folder / "a.beat").touch()
    assert files.watch([Folder(link, owner=ME)]) == []
    assert files.directories == []


def test_a_link_that_was_configured_is_followed_and_files_go_by_its_name(files, folder):
    link = folder.parent / "link"
    link.symlink_to(folder)
    (folder / "a.beat").touch()
    assert files.watch([Folder(link)]) == [f"{link}/a.beat"]


def test_a_folder_in_anothers_name_is_refused_and_counted(files, folder, codes):
    assert files.watch([Folder(folder, owner=ME + 1)]) == []
    assert codes() == ["folder.owner"]


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused_until_that_is_mended(files, folder, mode, codes):
    folder.chmod(mode)
    files.watch([Folder(folder, owner=ME)])
    assert (files.directories, codes()) == ([], ["folder.owner"])
    folder.chmod(0o755)
    files.watch([Folder(folder, owner=ME)])
    assert files.directories == [folder]


def test_what_is_put_in_the_place_of_a_folder_is_not_read_as_that_folder(files, folder):
    (folder / "a.beat").write_bytes(b"mine")
    files.watch([Folder(folder, owner=ME)])
    folder.rename(folder.parent / "aside")
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.beat").write_bytes(b"a secret")
    folder.symlink_to(elsewhere)
    files.remove(f"{folder}/a.beat")
    assert (elsewhere / "a.beat").exists()
    assert not (folder.parent / "aside" / "a.beat").exists()
    assert files.watch([Folder(folder, owner=ME)]) == []
    assert files.directories == []


def test_a_replaced_folder_is_found_again_with_its_files(files, folder):
    files.watch([Folder(folder)])
    folder.rename(folder.parent / "aside")
    folder.mkdir()
    (folder / "a.beat").touch()
    assert files.watch([Folder(folder)]) == [f"{folder}/a.beat"]
    (folder / "b.beat").touch()
    select.select([files], [], [])
    assert files.appeared() == [f"{folder}/b.beat"]


def test_a_folder_that_is_no_longer_wanted_or_there_is_let_go(files, folder, tmp_path):
    before = descriptors()
    files.watch([Folder(folder), Folder(tmp_path)])
    assert descriptors() == before + 2
    files.watch([Folder(folder)])
    assert files.directories == [folder]
    folder.rmdir()
    files.watch([Folder(folder)])
    assert (files.directories, descriptors()) == ([], before)


def test_a_file_of_a_folder_that_is_not_watched_is_not_there(files, folder):
    (folder / "a.beat").touch()
    with pytest.raises(FileNotFoundError):
        files.read(BeatFile(f"{folder}/a.beat"))
    with pytest.raises(FileNotFoundError):
        files.remove(f"{folder}/a.beat")
    assert (folder / "a.beat").exists()


@needs_root
def test_to_a_users_own_daemon_the_files_of_others_are_not_for_it_to_read(folder):
    files = BeatFiles(only_uid=ME)
    files.watch([Folder(folder)])
    (folder / "a.beat").write_bytes(b"whatever")
    os.chown(folder / "a.beat", STRANGER, STRANGER)
    with pytest.raises(PermissionError):
        files.read(BeatFile(f"{folder}/a.beat"))
    files.close()


ODD = [b"\xff.beat", b"line\nend.beat", b"\x1b[2J.beat", "right\u202eto left.beat".encode()]


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_cannot_be_told_is_counted_and_no_file_to_anybody(files, folder, name, codes):
    (folder / "good.beat").touch()
    os.close(os.open(os.fsencode(folder) + b"/" + name, os.O_CREAT))
    assert files.watch([Folder(folder)]) == [f"{folder}/good.beat"]
    [note] = missed.take()
    assert (note.code, note.times, note.text.isprintable()) == ("file.name", 1, True)
    os.close(os.open(os.fsencode(folder) + b"/" + name, os.O_WRONLY))
    select.select([files], [], [])
    assert files.appeared() == []
    assert codes() == ["file.name"]


def test_a_folder_whose_name_cannot_be_told_is_not_watched(files, folder, codes):
    odd = folder / "line\nend"
    odd.mkdir()
    files.watch([Folder(odd)])
    assert (files.directories, codes()) == ([], ["folder.name"])


def test_where_no_watch_is_left_a_folder_is_listed_again_and_again(files, folder, monkeypatch, codes):
    def exhausted(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as scarce:
        scarce.setattr(Inotify, "watch", exhausted)
        files.watch([Folder(folder)])
        (folder / "a.beat").touch()
        assert files.watch([Folder(folder)]) == [f"{folder}/a.beat"]
        assert codes() == ["folder.watch"]
    assert files.watch([Folder(folder)]) == [f"{folder}/a.beat"]
    assert files.watch([Folder(folder)]) == []


def test_after_an_overflow_all_folders_are_listed(files, folder, monkeypatch, codes):
    files.watch([Folder(folder)])
    (folder / "a.beat").touch()
    drain = Inotify.drain
    monkeypatch.setattr(Inotify, "drain", lambda self: drain(self)._replace(overflow=True))
    assert files.appeared() == [f"{folder}/a.beat"]
    assert codes() == ["folder.overflow"]


def test_a_folder_that_cannot_be_listed_is_taken_again_later(files, folder, monkeypatch, codes):
    def fails(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    (folder / "a.beat").touch()
    before = descriptors()
    with monkeypatch.context() as scarce:
        scarce.setattr(folders, "_list", fails)
        assert files.watch([Folder(folder)]) == []
        assert (descriptors(), codes()) == (before, ["folder.open"])
    assert files.watch([Folder(folder)]) == [f"{folder}/a.beat"]


@pytest.mark.parametrize("limit", ["FILES_MAX", "NAMES_MAX"])
def test_of_very_many_names_the_rest_is_counted(files, folder, monkeypatch, codes, limit):
    monkeypatch.setattr(folders, limit, 3)
    for number in range(5):
        (folder / f"{number}.beat").touch()
    assert len(files.watch([Folder(folder)])) == 3
    assert codes() == ["folder.full"]


@pytest.mark.skipif(os.geteuid() != 0, reason="files of another user are made by root")
def test_a_users_many_files_hide_no_other_users(files, folder, monkeypatch, codes):
    monkeypatch.setattr(folders, "FILES_MAX", 3)
    for number in range(20):
        (folder / f"{number}.beat").touch()
        os.chown(folder / f"{number}.beat", 54321 if number != 10 else 54322, -1)
    found = files.watch([Folder(folder)])
    assert len(found) == 4
    assert f"{folder}/10.beat" in found
    assert codes() == ["folder.full"]
