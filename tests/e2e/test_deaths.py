"""Deaths that a watchdog sees from afar: other users' processes, containers, orphans, schedulers' jobs, old kernels."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from harness import Daemon

TRAINING = """
import os
from epochwatch import agent
agent.beat(1, 0.5)
input()
"""
AS_NOBODY = """
import os
from epochwatch import agent
os.setgid(65534)
os.setuid(65534)
agent.beat(1, 0.5)
input()
"""
ORPHANED = """
import os
for _ in range(2):
    if os.fork():
        os._exit(0)
"""
REBORN = """
import os, sys
from epochwatch import agent
agent.beat(1, 0.5)
os.read(0, 1)
if "again" not in os.environ:
    os.execve(sys.executable, sys.orig_argv, {**os.environ, "again": "1"})
"""
BECOMES_A_SHELL = """
import os, sys
from epochwatch import agent
agent.beat(1, 0.5)
os.execvp("sh", ["sh", "-c", f"read _; exit {sys.argv[1]}"])
"""
OLD_KERNEL = """
import sys
if "epochwatchd.cli" in sys.orig_argv:
    from epochwatchd.inputs.process import exits, procfs
    exits._exit_by_pidfd = lambda *_: None
    procfs.exit_status_of_zombie = lambda _: None
"""
"""As ``sitecustomize``: a daemon to which pidfds say nothing, as before Linux 6.15, nor zombies, as to strangers."""
CGROUPS = Path("/sys/fs/cgroup/memory")

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


@pytest.fixture
def daemon():
    with Daemon() as daemon:
        yield daemon


def crash(daemon, job, *, pid=None, number=signal.SIGKILL):
    """What is said of a training that gets a signal."""
    started = daemon.wait_until_watched(job)
    os.kill(pid or started["pid"], number)
    told = daemon.wait_for(job=job)
    return told["kind"], told["cause"]["code"], told


def child(pid):
    """The only child of a process."""
    [one] = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return one


@needs_root
@pytest.mark.parametrize(("number", "code"), [(signal.SIGSEGV, "signal"), (signal.SIGKILL, "signal")])
def test_another_users_process(daemon, number, code):
    daemon.folder.chmod(0o711)
    daemon.beats.chmod(0o1777)
    daemon.train(AS_NOBODY, job="theirs")
    kind, cause, told = crash(daemon, "theirs", number=number)
    assert (kind, cause, told["user"]) == ("crashed", code, "nobody")
    assert number.name in told["cause"]["text"]


@needs_root
@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare(1)")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_in_a_containers_pid_namespace(daemon, number):
    shell = ["sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, TRAINING]
    container = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *shell]
    process = daemon.train(f"import os; os.execvp('unshare', {container})", job="contained")
    daemon.wait_until_watched("contained")
    pid = child(child(process.pid))
    kind, code, told = crash(daemon, "contained", pid=pid, number=number)
    assert (kind, code) == ("crashed", "signal")
    assert told["pid"] < pid, "the pid is the one that it knows itself by"
    assert number.name in told["cause"]["text"]


@pytest.mark.parametrize(
    ("status", "end"),
    [
        (0, ("finished", "by then it was another program, which ended with status 0: sh")),
        (3, ("crashed", "it exited with status 3")),
    ],
)
def test_a_training_that_became_a_program_that_does_not_beat(status, end):
    with Daemon({"defaults": {"silent_after": "2s"}}) as daemon:
        process = daemon.train(BECOMES_A_SHELL, status, job="becomes")
        assert daemon.wait_for(job="becomes", kind="silent")["cause"]["code"] == "exec"
        process.stdin.write(b"\n")
        process.stdin.flush()
        told = daemon.wait_for(lambda m: m["kind"] != "silent", job="becomes")
        assert (told["kind"], told["cause"]["text"]) == end


def test_a_training_that_became_itself_anew_finishes_once(daemon):
    process = daemon.train(REBORN, job="reborn")
    daemon.wait_until_watched("reborn")
    process.stdin.write(b"\n\n")
    process.stdin.close()
    daemon.wait_for(job="reborn", kind="finished")
    daemon.settle()
    assert daemon.told("reborn") == [("reborn", "finished", "notice")]


@needs_root
@pytest.mark.skipif(not os.access("/dev/kmsg", os.R_OK), reason="needs the kernel log")
def test_where_a_process_faulted_is_in_its_evidence(daemon):
    process = daemon.train(f"{TRAINING}import ctypes; ctypes.string_at(0)", job="faulty")
    daemon.wait_until_watched("faulty")
    process.stdin.write(b"\n")
    process.stdin.flush()
    told = daemon.wait_for(job="faulty", kind="crashed")
    assert any("segfault at 0" in line and f"[{process.pid}]" in line for line in told["cause"]["evidence"])


LEAVES_A_WORKER = """
import subprocess
from epochwatch import agent
worker = subprocess.Popen(["sleep", "60"])
agent.start(tags={"worker": worker.pid})
agent.beat(1, 0.5)
input()
"""


def test_processes_that_outlive_a_killed_training_are_told_by_pid(daemon):
    daemon.train(LEAVES_A_WORKER, job="leaves")
    _, _, told = crash(daemon, "leaves")
    worker = told["tags"]["worker"]
    amended = daemon.wait_for(job="leaves", reason="amended")
    assert amended["cause"]["evidence"][-1].endswith(f"are still there; this ends them: kill {worker}")


def test_an_orphan_that_forked_twice(daemon):
    daemon.train(ORPHANED + TRAINING, job="orphan")
    assert crash(daemon, "orphan")[:2] == ("crashed", "signal")


def test_the_scheduler_that_may_have_ended_it_is_named_as_evidence(daemon):
    job = CGROUPS / f"slurm-test-{os.getpid()}-{time.monotonic_ns()}" / "job_4711"
    try:
        job.mkdir(parents=True)
    except OSError as e:
        pytest.skip(f"no cgroup can be made here: {e}")
    try:
        join = f"import os; open('{job}/cgroup.procs', 'w').write(str(os.getpid()))"
        daemon.train(join + TRAINING, job="scheduled")
        _, code, told = crash(daemon, "scheduled", number=signal.SIGTERM)
        assert code == "terminated"
        assert told["cause"]["evidence"][0].startswith("it ran in Slurm's job 4711")
    finally:
        job.rmdir()
        job.parent.rmdir()


def test_a_kill_brings_what_was_last_seen_of_its_memory(daemon):
    daemon.train(TRAINING, job="killed")
    _, _, told = crash(daemon, "killed")
    assert any(line.startswith("it was last seen holding ") for line in told["cause"]["evidence"])


@needs_root
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
@pytest.mark.parametrize("before", ["", "import time\nif os.fork(): time.sleep(600)"], ids=["reaped", "never reaped"])
def test_a_kernel_whose_pidfds_do_not_say_how_a_process_ended(tmp_path, number, before):
    (tmp_path / "sitecustomize.py").write_text(OLD_KERNEL)
    with Daemon(PYTHONPATH=str(tmp_path)) as daemon:
        daemon.train(f"import os\n{before}\n{TRAINING}", job="old kernel")
        kind, code, told = crash(daemon, "old kernel", number=number)
        assert (kind, code) == ("crashed", "signal")
        assert number.name in told["cause"]["text"]
