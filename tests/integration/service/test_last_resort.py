"""The message after a bad end of the daemon: once in ten minutes, also before there is a state folder, and no storm."""

import os
import time

import pytest

from epochwatchd.config import load
from epochwatchd.service import last_resort
from epochwatchd.service.connecting import OPTIONS

BAD = {"SERVICE_RESULT": "signal", "EXIT_STATUS": "SEGV"}


@pytest.fixture
def tell(tmp_path, capsys):
    """What tells of an end with this environment, and gives what a channel got."""
    config = tmp_path / "config.yaml"
    config.write_text(f"channels: {{out: {{kind: console}}}}\nstore: {{path: {tmp_path}/state/epochwatch.db}}\n")

    def telling(text=None, **env):
        if text is not None:
            config.write_text(text)
        last_resort.tell(config, lambda: load(config, kinds=OPTIONS, env={}), {**BAD, **env})
        return capsys.readouterr().out

    return telling


def test_a_crash_loop_is_told_once_in_ten_minutes(tell, tmp_path):
    assert "SEGV" in tell()
    assert tell() == ""
    past = time.time() - last_resort.EVERY_S - 1
    os.utime(tmp_path / "state" / last_resort.MARK, (past, past))
    assert "SEGV" in tell()


@pytest.mark.parametrize("env", [{"SERVICE_RESULT": "success"}, {"SERVICE_RESULT": "exit-code", "EXIT_STATUS": "2"}])
def test_a_good_end_and_a_mistake_are_not_told(tell, env):
    assert tell(**env) == ""


def test_where_it_cannot_be_written_down_nothing_is_sent(tell, tmp_path, caplog):
    (tmp_path / "state").write_text("no folder")
    assert tell() == ""
    assert "no storm" in caplog.text


def test_what_nobody_could_be_told_the_next_daemon_tells_once(tell, tmp_path):
    store = tmp_path / "state" / "epochwatch.db"
    assert tell(f"channels: {{team: {{kind: slack, url_file: nowhere}}}}\nstore: {{path: {store}}}\n") == ""
    assert last_resort.untold(store, {}) == {"result": "signal", "status": "SEGV"}
    assert last_resort.untold(store, {}) is None
