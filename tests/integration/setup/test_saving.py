"""Writing what setup made: whole or not at all, for those who may read it."""

import os
import stat
from pathlib import Path

import pytest

from epochwatchd.setup.draft import Draft
from epochwatchd.setup.saving import SERVICE_CONFIG, NotSavedError, save, see_that_it_can_be_written, target

URL = "https://hooks.slack.com/services/T0/B0/X"


def drafted(text=""):
    draft = Draft(text)
    draft.put("slack", "slack", {}, {"url": URL})
    return draft


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_made_for_its_owner_alone(tmp_path):
    path = tmp_path / "new" / "config.yaml"
    save(drafted(), path)
    assert {p.name: mode(p) for p in (path.parent, *path.parent.iterdir())} == {
        "new": 0o700,
        "config.yaml": 0o600,
        "slack-url": 0o600,
    }


def test_a_file_that_is_there_keeps_its_mode(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("language: ko\n")
    path.chmod(0o640)
    save(drafted("language: ko\n"), path)
    assert (mode(path), mode(tmp_path / "slack-url")) == (0o640, 0o600)


def test_of_a_link_what_it_leads_to_is_written(tmp_path):
    (tmp_path / "dotfiles").mkdir()
    real, link = tmp_path / "dotfiles" / "config.yaml", tmp_path / "config.yaml"
    real.write_text("")
    link.symlink_to(real)
    save(drafted(), link)
    assert (link.is_symlink(), "slack" in real.read_text()) == (True, True)


def test_what_is_named_no_longer_goes(tmp_path):
    path = tmp_path / "config.yaml"
    save(drafted(), path)
    draft = Draft(path.read_text())
    draft.remove("slack")
    save(draft, path)
    assert [p.name for p in tmp_path.iterdir()] == ["config.yaml"]


def test_where_a_secret_cannot_be_written_nothing_is(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("language: ko\n")
    draft = drafted("language: ko\n")
    draft.secrets["no-such-folder/x"] = b"x"
    with pytest.raises(NotSavedError, match="no-such-folder"):
        save(draft, path)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"config.yaml": "language: ko\n"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_is_not_ours_is_named():
    with pytest.raises(NotSavedError, match="/proc"):
        save(drafted(), Path("/proc/config.yaml"))


def test_what_cannot_be_written_is_told_before_the_questions(tmp_path):
    see_that_it_can_be_written(tmp_path / "new" / "config.yaml")
    with pytest.raises(NotSavedError, match="cannot be written"):
        see_that_it_can_be_written(Path("/proc/self/config.yaml"))


def test_whose_configuration_is_changed(tmp_path):
    theirs, home = tmp_path / "theirs.yaml", tmp_path / "home"
    theirs.write_text("")
    assert target(theirs, home, 1000) == theirs
    assert target(None, home, 1000) == home / ".config/epochwatch/config.yaml"
    assert target(None, home, 0) == SERVICE_CONFIG
