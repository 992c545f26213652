"""Real trainings that beat and get nowhere, or become late: what is told, and what is only shown."""

import json

import pytest
from harness import Daemon, eventually

IMPATIENT = {"jobs": [{"match": "livelock", "silent_after": "3s"}]}
LIVELOCK = """
import itertools, select, sys, time
from epochwatch import agent

def beat_until_told(steps):
    for step in steps:
        agent.beat(0, 0.5, step=step)
        if select.select([sys.stdin], [], [], 0.02)[0]:
            sys.stdin.readline()
            return step

beat_until_told(itertools.repeat(beat_until_told(itertools.count())))
"""


@pytest.fixture(scope="module")
def daemon():
    with Daemon(IMPATIENT) as daemon:
        yield daemon


def proceed(process):
    process.stdin.write(b"\n")
    process.stdin.flush()


def shown(daemon, job):
    rows = json.loads(daemon.run("epochwatchd", "status", "-c", daemon.config_file, "--json").stdout)
    return next(row for row in rows if row["job"] == job)


def test_a_livelock_is_told_once(daemon):
    process = daemon.train(LIVELOCK, job="livelock")
    daemon.wait_until_watched("livelock")
    eventually(lambda: (shown(daemon, "livelock")["progress"]["step"] or 0) > 0)
    proceed(process)
    stalled = daemon.wait_for(job="livelock")
    assert (stalled["kind"], stalled["severity"], stalled["cause"]["code"]) == ("stalled", "critical", "step_frozen")
    assert "loss and metrics did not change" in stalled["cause"]["evidence"][1]
    proceed(process)
    daemon.wait_for(job="livelock", kind="finished")
    assert [m["kind"] for m in daemon.about(job="livelock")] == ["stalled", "finished"]


def test_who_is_late_is_shown_as_suspected_and_nothing_is_told(daemon):
    process = daemon.train("from epochwatch import agent; agent.beat(1, 0.5); input(); agent.beat(2, 0.4)", job="late")
    suspected = eventually(lambda: daemon.messages and shown(daemon, "late")["suspected"])
    assert suspected["code"] == "silent"
    table = daemon.run("epochwatchd", "status", "-c", daemon.config_file).stdout
    assert "running (silent?)" in next(line for line in table.splitlines() if line.startswith("late"))
    proceed(process)
    daemon.wait_for(job="late", kind="finished")
    assert shown(daemon, "late")["suspected"] is None
    assert [m["kind"] for m in daemon.about(job="late")] == ["finished"]
