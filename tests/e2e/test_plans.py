"""What jobs are expected to do: begin at given times, told once also across restarts; do what they planned; last."""

import signal
import sqlite3
from contextlib import closing

import pytest
from harness import Daemon, eventually

EXPECTED = {
    "jobs": [
        {"match": "nightly-*", "expected": "0 * * * *", "start_within": "1s"},
        {"match": "quick", "min_runtime": "1h"},
    ]
}
HOUR = 3600
BEATS = "from epochwatch import agent; agent.beat(0, 0.5); input()"


@pytest.fixture
def daemon():
    with Daemon(EXPECTED) as daemon:
        yield daemon


def settled_wall(daemon, earlier_s=0):
    """Until when everything that is expected is settled; and it is made so much earlier, as if time had passed."""
    with closing(sqlite3.connect(daemon.store)) as db, db:
        if earlier_s:
            db.execute("UPDATE expectation SET settled_wall = settled_wall - ?", (earlier_s,))
        return db.execute("SELECT settled_wall FROM expectation").fetchone()[0]


def test_a_run_that_does_not_begin_is_told_once_and_so_is_its_beginning(daemon):
    daemon.stop()
    settled_wall(daemon, earlier_s=2 * HOUR)
    daemon.start()
    missing = daemon.wait_for(kind="missing")
    assert (missing["job"], missing["severity"], missing["status"]) == ("nightly-*", "critical", "firing")
    assert (missing["run"], missing["pid"], missing["cause"]["code"]) == (None, None, "not_begun")
    shown = daemon.run("epochwatchd", "status", "-c", daemon.config_file).stdout
    assert "missing" in next(line for line in shown.splitlines() if line.startswith("nightly-*"))

    daemon.settle()  # killed between delivering and noting it, it would say so again: at least once
    daemon.restart(signal.SIGKILL)
    daemon.train(BEATS, job="nightly-digits")
    began = daemon.wait_for(job="nightly-*", status="resolved")
    assert began["id"] == missing["id"]
    daemon.settle()
    assert daemon.told("nightly-*") == [("nightly-*", "missing", "firing"), ("nightly-*", "missing", "resolved")]
    assert "nightly-*" not in daemon.run("epochwatchd", "status", "-c", daemon.config_file).stdout


def test_a_run_that_began_while_nobody_watched_is_none_that_is_missing(daemon):
    daemon.stop()
    before = settled_wall(daemon, earlier_s=2 * HOUR)
    assert daemon.train("from epochwatch import agent; agent.beat(0, 0.5)", job="nightly-digits").wait() == 0
    daemon.start()
    eventually(lambda: settled_wall(daemon) > before)
    daemon.settle()
    assert daemon.told("nightly-*") == []


def test_check_says_when_it_is_due_next(daemon):
    shown = daemon.run("epochwatchd", "check", "-c", daemon.config_file).stdout
    assert "jobs nightly-*: " in shown
    assert 'expected at "0 * * * *", missing after 1s' in shown
    assert "next due: nightly-* at 20" in shown


def finished(daemon, job, code):
    """What is told of a training that leaves in order, once it is watched."""
    process = daemon.train(f"import sys; from epochwatch import agent; {code}; sys.stdin.read()", job=job)
    daemon.wait_until_watched(job)
    process.stdin.close()
    return daemon.wait_for(job=job)


def test_a_finish_says_what_was_left_undone(daemon):
    finish = finished(daemon, "early", "agent.start(epochs=90); [agent.beat(e, 0.5) for e in range(38)]")
    assert (finish["kind"], finish["severity"], finish["cause"]["code"]) == ("finished", "info", "stopped_early")
    assert finish["cause"]["text"] == "stopped early at epoch 38 of 90"


def test_a_finish_that_comes_too_soon_is_a_warning(daemon):
    finish = finished(daemon, "quick", "agent.beat(0, 0.5)")
    assert (finish["kind"], finish["severity"], finish["cause"]["code"]) == ("finished", "warning", "too_fast")


def test_what_a_user_wishes_for_a_job_holds_also_after_a_restart(tmp_path):
    """The daemon's own limit would be minutes."""
    wishes = tmp_path / "jobs.yaml"
    wishes.write_text("hung:\n  silent_after: 3s\n")
    with Daemon() as daemon:
        daemon.train(BEATS, job="hung", EPOCHWATCH_JOBS=str(wishes))
        daemon.wait_until_watched("hung")
        daemon.restart()
        hung = daemon.wait_for(job="hung", kind="silent")
    assert hung["severity"] == "critical"
