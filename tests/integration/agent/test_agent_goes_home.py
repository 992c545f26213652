"""The place for heartbeats that everybody knows vanishes, or comes late: the beats flee, and go home."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from epochwatch import transport, wire
from epochwatch.run import Run


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where the daemon's folder is, once the daemon has made it."""
    monkeypatch.setattr(transport, "RUN_DIRECTORY", str(tmp_path / "run"))
    return tmp_path / "run"


@pytest.fixture
def shelter(tmp_path):
    """Where the beats go without it."""
    return tmp_path / f"epochwatch-{os.getuid()}"


@pytest.fixture
def run(home, tmp_path, monkeypatch):  # noqa: ARG001 - the home is the test's own
    """A run in this process that has not begun yet."""
    for name in ("EPOCHWATCH_DIR", "EPOCHWATCH_RUN", "EPOCHWATCH_UDP", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("EPOCHWATCH_DEBUG", "1")  # whatever fails is raised
    run = Run("a")
    yield run
    run.finish()


def beat_a_second_later(run, epoch, **after):
    """Beat when the file is looked at again; ``after``: other times of the transport."""
    link = run.recorder.transport
    link._check_at = link._restore_at = 0.0
    for name, value in after.items():
        setattr(link, name, value)
    run.beat(epoch)


def files(folder):
    return sorted(folder.glob("*")) if folder.is_dir() else []


def test_a_home_that_is_made_late_is_moved_to(run, training, home, shelter):
    run.beat(1, 0.5, accuracy=0.9)
    assert len(files(shelter)) == 1
    home.mkdir()
    beat_a_second_later(run, 2)
    assert files(shelter) == []
    ((path, beat),) = training.files(home)
    assert (beat.head.epoch, beat.head.loss, beat.body.metrics) == (2, 0.5, {"accuracy": 0.9})
    run.beat(3)
    run.finish("done")
    ((again, beat),) = training.files(home)
    assert (again, beat.head.epoch, beat.head.state, beat.body.reason) == (path, 3, wire.FINISHED, "done")


def test_a_home_removed_under_a_live_run_is_gone_back_to(run, training, home, shelter):
    home.mkdir()
    run.beat(1)
    for epoch in (2, 4, 6):
        shutil.rmtree(home)
        beat_a_second_later(run, epoch)
        assert [beat.head.epoch for beat in training.beats(shelter)] == [epoch]
        home.mkdir()
        beat_a_second_later(run, epoch + 1)
        assert [beat.head.epoch for beat in training.beats(home)] == [epoch + 1]
        assert files(shelter) == []


def test_the_first_of_several_better_places_is_taken(run, training, home, tmp_path, monkeypatch):
    best = tmp_path / "no" / "best"
    monkeypatch.setenv("EPOCHWATCH_DIR", str(best))
    run.beat(1)
    home.mkdir()
    beat_a_second_later(run, 2)
    assert len(training.beats(home)) == 1
    best.mkdir(parents=True)
    beat_a_second_later(run, 3)
    assert ([beat.head.epoch for beat in training.beats(best)], files(home)) == ([3], [])


def test_a_better_place_that_takes_no_file_changes_nothing_and_is_tried_again_later(run, training, home, shelter):
    run.beat(1)
    run.update(tags={"x": "1"})  # the body now lies in the other slot
    (before,) = files(shelter)
    inode = before.stat().st_ino
    home.write_text("not a folder")
    home.chmod(0o777)
    beat_a_second_later(run, 2)
    ((path, beat),) = training.files(shelter)
    assert (path, path.stat().st_ino, beat.head.epoch, beat.body.tags) == (before, inode, 2, {"x": "1"})
    home.unlink()
    home.mkdir()
    beat_a_second_later(run, 3)
    assert files(home) == []
    beat_a_second_later(run, 4, _home_at=0.0)
    assert [beat.head.epoch for beat in training.beats(home)] == [4]


def test_a_home_that_is_another_name_of_the_shelter_loses_nothing(run, training, home, shelter):
    run.beat(1)
    home.symlink_to(shelter)
    for epoch in (2, 3):
        beat_a_second_later(run, epoch)
        assert [beat.head.epoch for beat in training.beats(shelter)] == [epoch]


def test_no_descriptor_is_left_behind_by_a_move(run, home):
    run.beat(1)
    before = len(os.listdir("/proc/self/fd"))
    home.mkdir()
    beat_a_second_later(run, 2)
    assert run.recorder.transport._path.startswith(bytes(home))
    assert len(os.listdir("/proc/self/fd")) == before


def test_where_all_is_well_no_better_place_is_looked_for(run, home, monkeypatch):
    home.mkdir()
    run.beat(1)
    monkeypatch.setattr(os, "access", lambda *_: pytest.fail("it looked"))
    beat_a_second_later(run, 2)


def test_a_home_that_may_not_be_written_is_let_be(run, training, home, shelter, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _: path != str(home) and Path(path).exists())  # root may all
    home.mkdir()
    shutil.rmtree(home)
    run.beat(1)
    home.mkdir()
    beat_a_second_later(run, 2)
    assert ([beat.head.epoch for beat in training.beats(shelter)], files(home)) == ([2], [])
