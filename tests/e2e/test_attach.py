"""``epochwatch attach``: programs that run already, and that have never heard of epochwatch."""

import os
import shutil
import subprocess
import sys

import pytest
from harness import Daemon

from epochwatch import attach

ENDS = {
    "pass": ("finished", None),
    "sys.exit(3)": ("crashed", "exit_code"),
    "os.kill(os.getpid(), 9)": ("crashed", "signal"),
    "os.kill(os.getpid(), 15)": ("interrupted", "terminated"),
}


def program(daemon, end):
    """A program that ends so upon a line, or the end, of its standard input."""
    script = daemon.folder / "alien.py"
    script.write_text("import os, sys\nprint('there', flush=True)\nsys.stdin.readline()\nexec(sys.argv[1])")
    env = {name: value for name, value in os.environ.items() if not name.startswith("EPOCHWATCH")}
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, script, end], env=env, stdin=pipe, stdout=pipe, text=True)
    process.stdout.readline()
    return process


@pytest.mark.parametrize("end", ENDS)
def test_how_it_ended_is_told(end):
    with Daemon() as daemon, program(daemon, end) as process:
        said = daemon.run("epochwatch", "attach", process.pid, "--job", "alien")
        assert said.stdout.startswith(f"{process.pid} is watched from now on: alien (run ")
        daemon.wait_until_watched("alien")
        process.communicate("\n", timeout=30)
        told = daemon.wait_for(job="alien")
        assert (told["kind"], (told["cause"] or {}).get("code")) == ENDS[end]
        assert (told["pid"], told["user"]) == (process.pid, daemon.about(kind="started")[0]["user"])


def test_it_is_called_after_its_script_and_a_second_time_changes_nothing():
    with Daemon() as daemon, program(daemon, "pass") as process:
        first = daemon.run("epochwatch", "attach", process.pid)
        again = daemon.run("epochwatch", "attach", process.pid)
        assert "from now on: alien (run " in first.stdout
        assert "already: alien (run " in again.stdout
        assert len(list(daemon.beats.glob("*.beat"))) == 1
        process.communicate("\n", timeout=30)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_what_another_user_claims_of_my_process_is_nothing():
    with Daemon() as daemon, program(daemon, "pass") as process:
        daemon.run("epochwatch", "attach", process.pid, "--job", "claimed")
        [claimed] = daemon.beats.glob("*.beat")
        os.chown(claimed, 65534, 65534)
        assert "from now on: mine" in daemon.run("epochwatch", "attach", process.pid, "--job", "mine").stdout
        process.communicate("\n", timeout=30)


def test_a_command_under_epochwatch_run_is_watched_already():
    with Daemon() as daemon:
        code = "import subprocess, os; print(subprocess.run(['epochwatch', 'attach', str(os.getpid())]))"
        done = daemon.run("epochwatch", "run", "--job", "wrapped", "--", sys.executable, "-c", code)
        assert "already: wrapped" in done.stdout


def test_that_it_waits_for_what_may_come_is_no_hang():
    with Daemon({"defaults": {"silent_after": "1s", "first_beat_within": "1s"}}) as daemon:
        with program(daemon, "pass") as process:
            daemon.run("epochwatch", "attach", process.pid, "--job", "alien")
            daemon.train("import time, epochwatch.agent as a; a.beat(1); time.sleep(60)", job="own")
            daemon.wait_for(job="own", kind="silent")
            process.communicate("\n", timeout=30)
        daemon.wait_for(job="alien")
        assert daemon.told("alien") == [("alien", "finished", "notice")]


def test_who_is_not_there_or_runs_nothing_is_refused_and_the_others_are_watched():
    with Daemon() as daemon, program(daemon, "pass") as process:
        said = daemon.run("epochwatch", "attach", 4_000_000, process.pid)
        assert (said.returncode, said.stderr) == (1, "epochwatch: there is no process 4000000\n")
        assert "from now on" in said.stdout
        assert daemon.run("epochwatch", "attach").returncode == 2
        process.communicate("\n", timeout=30)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can be somebody else")
def test_another_users_process_is_refused():
    with Daemon() as daemon, program(daemon, "pass") as process:
        line = ["setpriv", "--reuid=65534", "--clear-groups", "epochwatch", "attach", process.pid]
        said = daemon.run(*line)
        assert said.returncode == 1
        assert f"process {process.pid} is another user's (0): only they can attach to it" in said.stderr
        process.communicate("\n", timeout=30)


@pytest.mark.parametrize(
    ("opened", "is_one"),
    [("/dev/nvidia0", True), ("/dev/nvidia12", True), ("/dev/kfd", True), ("/dev/nvidiactl", False), ("/tmp/x", False)],
)
def test_who_has_a_gpu_open(opened, is_one, monkeypatch):
    monkeypatch.setattr(attach, "_open_files", lambda pid: [opened] if pid == os.getpid() else [])
    assert attach.with_gpu() == ([os.getpid()] if is_one else [])


def test_what_a_process_has_open_is_seen(tmp_path):
    with (tmp_path / "it").open("w"):
        assert str(tmp_path / "it") in attach._open_files(os.getpid())
    assert attach._open_files(4_000_000) == []
