"""``epochwatchd demo``, as a user runs it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness import DEADLINE_S, eventually, world

DEMO_S = 60.0


@pytest.fixture
def demo(tmp_path):
    """Start the demo with ``tmp_path`` for its temporary files; gives the process. It is killed if it has not ended."""
    started = []

    def start(**env):
        line = [sys.executable, "-m", "epochwatchd.cli", "demo"]
        env = {**world(tmp_path), "PYTHONUNBUFFERED": "1", **env}
        options = {"env": env, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started.append(subprocess.Popen(line, cwd=tmp_path, **options))
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


def processes_of(folder):
    """The command lines of the live processes whose environment names ``folder``, by pid."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(folder) in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_bytes().decode().split("\0")
        except (OSError, ValueError):  # it has just ended
            continue
    return found


def nothing_left_in(folder):
    return not processes_of(folder) and not list(folder.iterdir())


def rows(output):
    """The lines of the reckoning: ``(ok or WRONG, job, the rest)``."""
    return re.findall(r"^(ok|WRONG) +(iris-\w+) +(.*)$", output, re.MULTILINE)


def pid_of(folder, job):
    """The process of a job of the demo."""
    return eventually(lambda: next(iter(_pids_of(folder, f"EPOCHWATCH_JOB={job}\0")), None))


def _pids_of(folder, variable):
    return [p for p in processes_of(folder) if variable.encode() in Path(f"/proc/{p}/environ").read_bytes()]


def read_until(process, text):
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"the demo ended without saying {text!r}")


def test_the_demo_sees_what_it_did_whatever_the_environment_says_and_leaves_nothing(demo, tmp_path):
    strange = {"EPOCHWATCH_OFF": "1", "EPOCHWATCH_DIR": "/nowhere", "EPOCHWATCH_UDP": "[::1]:9", "EPOCHWATCH_JOB": "x"}
    process = demo(**strange, http_proxy="http://127.0.0.1:9", LC_ALL="C", PYTHONIOENCODING="ascii")
    output, _ = process.communicate(timeout=DEMO_S)
    assert process.returncode == 0, output
    assert [(ok, job) for ok, job, _ in rows(output)] == [
        ("ok", "iris-finished"),
        ("ok", "iris-killed"),
        *[("ok", "iris-frozen")] * 3,
        ("ok", "iris-failed"),
        *[("ok", "iris-diverged")] * 2,
    ]
    assert "epochwatch" in output.partition("Next:")[2]
    assert nothing_left_in(tmp_path)


def test_the_demo_fails_when_something_else_happens_than_was_planned(demo, tmp_path):
    process = demo()
    read_until(process, "iris-finished started")
    os.kill(pid_of(tmp_path, "iris-finished"), signal.SIGKILL)
    output, _ = process.communicate(timeout=DEMO_S)
    assert process.returncode == 1
    assert [(ok, job) for ok, job, _ in rows(output) if ok != "ok"] == [("WRONG", "iris-finished")] * 2
    assert re.search(r"iris-finished .*finished +nothing *\n", output)
    assert re.search(r"iris-finished +nothing more +crashed \(signal\)", output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_demo_cleans_up_when_it_is_interrupted(demo, tmp_path, number):
    process = demo()
    read_until(process, "iris-killed crashed")
    process.send_signal(number)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert nothing_left_in(tmp_path)


def test_the_demo_says_so_when_its_daemon_dies(demo, tmp_path):
    process = demo()
    read_until(process, "iris-finished started")
    daemon = next(pid for pid, line in processes_of(tmp_path).items() if "serve" in line)
    os.kill(daemon, signal.SIGKILL)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert "epochwatchd: the daemon of the demo has ended" in output
    assert nothing_left_in(tmp_path)
