"""Looks at real process trees: who below a training cannot do its part, who moves data, and what it has become."""

import os
import signal
import subprocess
import sys
import time

import pytest

from epochwatch.wire import STACKS_NAME, Body
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.process.activity import Activity, Looks
from epochwatchd.model import Child

DEADLINE_S = 30.0


@pytest.fixture
def start():
    """Starts a process that runs this, and gives it when it has written a line."""
    started = []

    def start_one(code):
        line = [sys.executable, "-c", f"import os, signal, subprocess, sys, time\n{code}"]
        process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        process.said = process.stdout.readline().split()
        return process

    yield start_one
    for process in started:
        with process:
            os.killpg(process.pid, signal.SIGKILL)


def eventually(condition):
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.005)
    raise AssertionError("still not so")


def look(process, times=3, body=None):
    """The last of so many looks, a second apart by their clock."""
    looks, it = Looks(), Activity()
    for second in range(times):
        looks.begin(float(second))
        seen = looks.at(it, process.pid, body)
    return seen


def parent_of(child, then="input()"):
    """A process with a child that runs this, which tells the child's pid."""
    return f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\nprint(child.pid, flush=True)\n{then}"


def state_of(pid):
    return procfs.read_stat(pid).state


def test_nobody_waits_for_ever_behind_many_others():
    looks, me = Looks(), os.getpid()
    others, last = [Activity() for _ in range(15)], Activity()
    seen = []
    for second in range(4):
        looks.begin(float(second), limit=5)
        many = [looks.at(other, me) for other in others]
        seen.append((sum(look is not None for look in many), looks.at(last, me) is not None))
    assert seen == [(5, False), (10, False), (15, False), (15, True)]


def test_who_is_no_longer_a_suspect_takes_nobodys_turn():
    looks, me = Looks(), os.getpid()
    first, gone, last = Activity(), Activity(), Activity()
    looks.begin(0.0, limit=1)
    for suspect in (first, gone, last):
        looks.at(suspect, me)
    for second in (1.0, 2.0):
        looks.begin(second, limit=1)
        seen = looks.at(last, me)
    assert seen is not None


@pytest.mark.parametrize(("waits", "reads"), [("sys.stdin.read(1)", True), ("time.sleep(60)", False)])
def test_whether_a_stopped_process_was_reading_its_input_is_seen(start, waits, reads):
    process = start(f"print('ready', flush=True)\n{waits}")
    eventually(lambda: state_of(process.pid) == "S")
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: state_of(process.pid) == "T")
    assert look(process).reads_input is reads


@pytest.mark.parametrize(
    ("end", "status"),
    [("import os; os.kill(os.getpid(), 9)", -9), ("import sys; sys.exit(3)", 3)],
)
def test_a_worker_that_ended_badly_is_seen_with_how_it_ended(start, end, status):
    process = start(parent_of(end))
    pid = int(process.said[0])
    eventually(lambda: state_of(pid) == "Z")
    assert look(process).below == (Child(pid, procfs.read_stat(pid).name, "Z", status, is_worker=True),)


def test_workers_are_told_from_helpers_and_come_before_them(start):
    helpers = "helpers = [subprocess.Popen(['/bin/sh', '-c', 'exit 1']) for _ in range(3)]\n"
    process = start(helpers + parent_of("import os; os.kill(os.getpid(), 9)"))
    pid = int(process.said[0])
    eventually(lambda: [state_of(child) for child in procfs.children_of(process.pid)] == ["Z"] * 4)
    worker, helper = look(process).below
    assert (worker.pid, worker.status, worker.is_worker) == (pid, -9, True)
    assert (helper.name, helper.status, helper.is_worker) == ("sh", 1, False)


def test_a_helper_that_ended_well_is_nobodys_concern(start):
    process = start(parent_of("pass"))
    eventually(lambda: state_of(int(process.said[0])) == "Z")
    assert look(process).below == ()


def test_a_stopped_worker_is_seen_until_it_goes_on(start):
    process = start(parent_of("input()"))
    pid = int(process.said[0])
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: state_of(pid) == "T")
    assert [(child.pid, child.state) for child in look(process).below] == [(pid, "T")]
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: state_of(pid) == "S")
    assert look(process).below == ()


def test_a_worker_of_a_worker_is_seen_too(start):
    worker = "import subprocess, sys, time\n" + parent_of("import os; os.abort()", "time.sleep(600)")
    process = start(parent_of(worker))
    eventually(lambda: [child.status for child in look(process).below] == [-6])


def test_a_worker_that_computes_is_seen(start):
    process = start(parent_of("while True: pass"))
    looks, it, began_s = Looks(), Activity(), time.monotonic()

    def seen():
        looks.begin(time.monotonic() - began_s)
        return [(child.pid, child.state) for child in looks.at(it, process.pid).below]

    assert eventually(seen) == [(int(process.said[0]), "R")]


WRITE = "null = os.open('/dev/null', os.O_WRONLY)\nprint('ready', flush=True)\nwhile input(): os.write(null, bytes({}))"


@pytest.mark.parametrize(("size", "is_moving"), [(1_000_000, True), (10_000, False)])
def test_one_that_moves_data_is_no_deadlock_but_a_logger_moves_none(start, size, is_moving):
    process = start(WRITE.format(size))
    looks, it = Looks(), Activity()
    for second in range(2):
        looks.begin(float(second))
        looks.at(it, process.pid)
    before = procfs.moved_bytes(process.pid)
    process.stdin.write("write\n")
    process.stdin.flush()
    eventually(lambda: procfs.moved_bytes(process.pid) >= before + size)
    looks.begin(2.0)
    assert (looks.at(it, process.pid).moved_at == 2.0) is is_moving


OFFERED = signal.SIGRTMAX - 4
BOTH = f"({OFFERED}, {OFFERED} + 1)"
CATCH = f"""
import os, tempfile
file = tempfile.NamedTemporaryFile(prefix={STACKS_NAME!r}, delete=False)
os.unlink(file.name)  # as the agent does: nothing is left of it when it is killed
[signal.signal(n, lambda *_: None) for n in {BOTH}]
print(file.fileno(), flush=True)
input()
"""


def body_of(process, **other):
    return Body("j", stack_signal=OFFERED, stack_fd=int(process.said[0]), **other)


def go_on(process):
    process.stdin.write("\n")
    process.stdin.flush()


def test_what_a_process_has_become_by_exec_is_seen(start):
    process = start(f"{CATCH}os.execv('/bin/sleep', ['sleep', '600'])")
    body = body_of(process, argv=("train.py", "--fast"))
    assert look(process, body=body).program is None
    go_on(process)
    eventually(lambda: procfs.command_line(process.pid) == "sleep 600")
    assert look(process, body=body).program == "sleep"
    assert look(process, body=body._replace(argv=("sleep", "600"))).program is None
    assert look(process, body=body._replace(stack_signal=None)).program is None
    assert look(process).program is None


def test_a_programs_name_is_all_that_is_told_of_it_and_cannot_forge_a_line(start, tmp_path):
    odd = tmp_path / "a\n\u202egnp"
    odd.symlink_to("/bin/sleep")
    process = start(f"{CATCH}os.execv({str(odd)!r}, ['600', '600'])")
    go_on(process)
    eventually(lambda: procfs.command_line(process.pid) == "600 600")
    assert look(process, body=body_of(process)).program == "a \ufffdgnp"


def test_a_program_that_resets_all_signals_has_become_nothing_else(start):
    process = start(f"{CATCH}[signal.signal(n, signal.SIG_DFL) for n in {BOTH}]\nprint(flush=True)\ninput()")
    body = body_of(process)
    go_on(process)
    process.stdout.readline()
    assert not procfs.signals(process.pid).caught >> (OFFERED - 1) & 0b11
    assert look(process, body=body).program is None


def test_one_whose_interpreter_exits_has_become_nothing_else(start):
    ignoring = f"[signal.signal(n, signal.SIG_IGN) for n in {BOTH}]\nfile.close()\nprint(flush=True)\ninput()"
    process = start(f"{CATCH}{ignoring}")
    body = body_of(process)
    go_on(process)
    process.stdout.readline()
    assert look(process, body=body).program is None


def test_a_kill_that_waits_with_its_process_is_seen(start):
    """The kernel shows it of one that was not reaped as of one in state D, which nobody can make at will."""
    process = start("print(flush=True); input()")
    assert not procfs.is_killed(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert procfs.is_killed(process.pid)


def test_of_a_process_that_is_gone_there_is_nothing_to_see():
    assert procfs.command_line(2**30) == ""
    assert procfs.moved_bytes(2**30) == 0
    assert procfs.signals(2**30) is None
    assert not procfs.is_killed(2**30)


def test_many_workers_of_one_process_cost_one_walk_through_those_below_it(start, monkeypatch):
    process = start(
        "children = [subprocess.Popen(['sleep', '60']) for _ in range(30)]; print('up', flush=True); input()"
    )
    read, count = procfs.read_stat, []
    monkeypatch.setattr(procfs, "read_stat", lambda pid: count.append(pid) or read(pid))
    looks = Looks()
    looks.begin(1.0)
    for _ in range(40):
        looks.at(Activity(), process.pid)
    below = [pid for pid in count if (stat := read(pid)) is not None and stat.parent == process.pid]
    assert len(below) <= 2 * 30  # once to find whose children they are, once to look at them


def test_of_very_many_below_one_the_rest_is_not_looked_at(start, monkeypatch):
    process = start(
        "children = [subprocess.Popen(['sleep', '60']) for _ in range(30)]; print('up', flush=True); input()"
    )
    monkeypatch.setattr("epochwatchd.inputs.process.activity.BELOW_MAX", 10)
    looks, it = Looks(), Activity()
    looks.begin(1.0)
    looks.at(it, process.pid)
    assert len(looks._trees[process.pid][0]) == 10
