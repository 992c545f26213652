"""Which folders of a shared place are taken, and what a neighbour who fills it costs."""

import os
import time
from types import SimpleNamespace

import pytest

from epochwatch import transport
from epochwatchd.config import Config, Heartbeats, Route, StoreConfig
from epochwatchd.inputs import missed
from epochwatchd.inputs.heartbeats.folders import Folder
from epochwatchd.model import Policy
from epochwatchd.service import paths
from epochwatchd.service.paths import Places, SharedFolder, watched_uid

ME = os.getuid()
needs_root = pytest.mark.skipif(ME != 0, reason="only root can give a folder away")


@pytest.fixture
def shared(tmp_path):
    return SharedFolder(tmp_path, "epochwatch-", "")


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set ahead."""
    clock = SimpleNamespace(now=time.monotonic(), grain=0.0)

    def monotonic():
        clock.now += clock.grain
        return clock.now

    monkeypatch.setattr(paths, "time", SimpleNamespace(monotonic=monotonic, time_ns=time.time_ns))
    return clock


@pytest.fixture
def listings(monkeypatch):
    """How often a folder was listed."""
    count = [0]
    scandir = os.scandir

    def counted(path):
        count[0] += 1
        return scandir(path)

    monkeypatch.setattr(paths.os, "scandir", counted)
    return count


def test_a_folder_named_by_its_owner_is_taken(shared, tmp_path):
    (tmp_path / f"epochwatch-{ME}").mkdir()
    assert shared.folders() == [Folder(tmp_path / f"epochwatch-{ME}", ME)]


def test_others_are_not(shared, tmp_path):
    for name in (
        f"epochwatch-{ME + 1}",
        "epochwatch-",
        "epochwatch-x",
        f"epochwatch-{ME}0",
        f"other-{ME}",
        "epochwatch-²",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / f"epochwatch-{ME}").symlink_to(tmp_path / "real")
    assert shared.folders() == []


def test_below_the_folder_of_a_user_one_of_another_name_is_meant(tmp_path):
    (tmp_path / str(ME)).mkdir()
    assert SharedFolder(tmp_path, "", "epochwatch").folders() == [Folder(tmp_path / str(ME) / "epochwatch", ME)]


def settle(folder):
    """As if nothing had changed in a folder for a while."""
    os.utime(folder, ns=(0, 0))


def test_a_folder_that_does_not_change_is_listed_once_a_minute(shared, tmp_path, clock, listings):
    settle(tmp_path)
    for _ in range(30):
        shared.folders()
        clock.now += 1.0
    assert listings == [1]
    clock.now += 60.0
    shared.folders()
    assert listings == [2]


def test_one_that_changes_all_the_time_is_listed_half_a_per_cent_of_it(shared, tmp_path, clock, listings):
    clock.grain = 0.01  # so long is a listing
    for number in range(20):
        (tmp_path / str(number)).touch()
        shared.folders()
        clock.now += 1.0
    assert listings[0] <= 1 + 20 * 0.005 / clock.grain


def test_a_new_folder_is_seen_at_the_next_look(shared, tmp_path, clock):
    assert shared.folders() == []
    (tmp_path / f"epochwatch-{ME}").mkdir()
    clock.now += 1.0
    assert len(shared.folders()) == 1


@needs_root
def test_of_too_many_the_smallest_numbers_are_taken_and_the_rest_is_counted(shared, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "FOLDERS_MAX", 2)
    for uid in (3003, 1001, 2002):
        (tmp_path / f"epochwatch-{uid}").mkdir()
        os.chown(tmp_path / f"epochwatch-{uid}", uid, uid)
    missed.take()
    assert [folder.owner for folder in shared.folders()] == [1001, 2002]
    assert [note.code for note in missed.take()] == ["folder.many"]


def test_those_that_were_found_stay_while_the_place_cannot_be_listed(shared, tmp_path, clock, monkeypatch):
    def fails(_):
        raise OSError(24, "Too many open files")

    (tmp_path / f"epochwatch-{ME}").mkdir()
    found = shared.folders()
    monkeypatch.setattr(paths.os, "scandir", fails)
    clock.now += 61.0
    missed.take()
    assert shared.folders() == found
    assert [note.code for note in missed.take()] == ["folder.shared"]


def test_our_own_folders_in_shared_places_must_be_ours(tmp_path):
    config = Config(Heartbeats(directories=(tmp_path,)), Policy(), (), {}, (Route(to=("team",)),), StoreConfig(), "en")
    env = {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "TMPDIR": str(tmp_path / "tmp")}
    owners = {str(folder.path): folder.owner for folder in Places(config, env, only_uid=ME).folders()}
    assert owners == {
        str(tmp_path): None,
        transport.RUN_DIRECTORY: None,
        str(tmp_path / "run" / "epochwatch"): ME,
        str(tmp_path / "tmp" / f"epochwatch-{ME}"): ME,
    }


@pytest.mark.parametrize(
    ("me", "exists", "expected"),
    [(0, False, None), (ME, True, None), (ME + 1, True, ME + 1), (1000, False, 1000)],
    ids=["root", "the owner of the machine's folder", "somebody else", "there is none"],
)
def test_whose_trainings_are_watched(tmp_path, monkeypatch, me, exists, expected):
    monkeypatch.setattr(transport, "RUN_DIRECTORY", str(tmp_path if exists else tmp_path / "none"))
    monkeypatch.setattr(paths.os, "geteuid", lambda: me)
    assert watched_uid() == expected


def test_one_folder_that_keeps_even_root_out_ends_nobody_elses_listing():
    class Fuse:
        """A stand-in for the mount point of a user's file system, which only that user may look at."""

        def stat(self, *, follow_symlinks):
            raise PermissionError(f"not for you ({follow_symlinks})")

    assert paths._if_of(Fuse(), 54321) == []
