"""The kernel's word on how processes end: without pidfds that say it, and before anybody reaps them."""

import os
import select
import signal
import subprocess
import sys
import time

import pytest

from epochwatchd.inputs.process import exits as deaths_module
from epochwatchd.inputs.process import proc_connector, procfs
from epochwatchd.inputs.process.exits import Exits
from epochwatchd.inputs.process.proc_connector import ExitEvents

THREADS = "import threading\nfor _ in range(20): threading.Thread(target=int).start()"
MAIN_THREAD_LEAVES_FIRST = """
import ctypes, os, threading, time
main = threading.main_thread().native_id
def last():
    while open(f"/proc/self/task/{main}/stat").read().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.001)
    os.kill(os.getpid(), 9)
threading.Thread(target=last).start()
ctypes.CDLL(None).syscall(60, 0)
"""
"""60 is exit(2), of this thread alone, on x86-64."""


@pytest.fixture
def exits():
    try:
        exits = ExitEvents()
    except OSError as e:
        pytest.skip(f"the kernel does not tell us of exits here: {e}")
    yield exits
    exits.close()


@pytest.fixture
def start():
    """Starts processes that wait for a line on their standard input before they run the code."""
    started = []

    def start_one(code):
        line = [sys.executable, "-c", f"import os, sys; input()\n{code}"]
        process = subprocess.Popen(line, stdin=subprocess.PIPE)
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def end(process):
    """The process runs its code and exits; nobody reaps it."""
    process.stdin.write(b"\n")
    process.stdin.flush()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("os.abort()", -signal.SIGABRT),
        (THREADS + "\nsys.exit(4)", 4),
        pytest.param(MAIN_THREAD_LEAVES_FIRST, -signal.SIGKILL, id="killed after its main thread had left"),
    ],
)
def test_a_status_is_known_before_anybody_reaps(exits, start, code, status):
    if code is MAIN_THREAD_LEAVES_FIRST and os.uname().machine != "x86_64":
        pytest.skip("the number of exit(2) is another here")
    process = start(code)
    exits.watch(process.pid)
    end(process)
    assert os.waitstatus_to_exitcode(exits.status_of(process.pid)) == status


def test_others_are_kept_from_us_by_the_kernel(exits, start):
    watched, other = start(""), start("")
    exits.watch(watched.pid)
    exits.drain()  # who exited before there was a filter
    end(other)
    assert not select.select([exits._socket], [], [], 0)[0]
    end(watched)
    assert select.select([exits._socket], [], [], 30.0)[0]


def test_one_that_is_alive_or_forgotten_has_no_status(exits, start):
    process = start("")
    exits.watch(process.pid)
    assert exits.status_of(process.pid) is None
    exits.forget(process.pid)
    end(process)
    assert exits.status_of(process.pid) is None


def test_a_pid_that_is_used_again_begins_anew(exits, start):
    process = start("sys.exit(3)")
    exits.watch(process.pid)
    end(process)
    exits.drain()
    exits.watch(process.pid)
    assert exits.status_of(process.pid) is None


def test_what_was_lost_on_the_way_makes_all_unknown(exits, start):
    process = start(
        "import threading\nwhile True:\n for t in [threading.Thread(target=int) for _ in range(9)]: t.start()"
    )
    exits.watch(process.pid)
    process.stdin.write(b"\n")
    process.stdin.flush()
    deadline = time.monotonic() + 30.0
    while not has_overrun(exits) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert exits.status_of(process.pid) is None


def has_overrun(exits):
    """Whether the kernel has dropped events for this socket (SO_MEMINFO, the last of nine numbers)."""
    return int.from_bytes(exits._socket.getsockopt(1, 55, 36)[-4:], sys.byteorder) > 0


def test_beyond_so_many_the_others_go_without(exits, start, monkeypatch):
    monkeypatch.setattr(proc_connector, "WATCHED_MAX", 1)
    one, other = start("sys.exit(3)"), start("sys.exit(3)")
    exits.watch(one.pid)
    exits.watch(other.pid)
    end(one)
    end(other)
    assert exits.status_of(one.pid) is not None
    assert exits.status_of(other.pid) is None


@pytest.mark.parametrize("is_reaped", [True, False], ids=["reaped", "never reaped"])
@pytest.mark.parametrize(("code", "status"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", -signal.SIGKILL)])
def test_a_death_where_pidfds_do_not_say_how(exits, start, monkeypatch, code, status, is_reaped):  # noqa: PLR0917
    monkeypatch.setattr(deaths_module, "_exit_by_pidfd", lambda *_: None)  # as before Linux 6.15
    monkeypatch.setattr(procfs, "exit_status_of_zombie", lambda _: None)  # as the kernel does to strangers
    process = start(code)
    watching = Exits(exits)
    watch = watching.watch(process.pid, procfs.read_stat(process.pid).start, "it")
    end(process)
    if is_reaped:
        process.wait()
    select.select([watching], [], [], 30.0)
    [death] = watching.drain(time.monotonic())
    assert (death.owner, death.exit.status, death.exit.unreaped_by) == ("it", status, None)
    watch.close()


def test_where_the_kernel_does_not_let_us_listen_there_is_none(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(proc_connector.socket, "socket", refuse)
    assert proc_connector.open_exit_events() is None
