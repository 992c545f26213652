"""Real processes: who they are, how they ended, what they do."""

import errno
import os
import select
import shutil
import signal
import subprocess
import sys
import time

import pytest

from epochwatch.wire import Body
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.process.activity import Activity, Looks
from epochwatchd.inputs.process.exits import UNREAPED_GRACE_S, Exits
from epochwatchd.model import Exit


@pytest.fixture
def start():
    """Starts processes that wait for a line on their standard input before they run the rest of the code."""
    started = []

    def start_one(code="", wrapper=()):
        line = [*wrapper, sys.executable, "-c", f"import os, sys, time; print(flush=True); input(); {code}"]
        process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        process.stdout.readline()
        while procfs.read_stat(process.pid).state != "S":  # it is about to wait
            time.sleep(0.001)
        return process

    yield start_one
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def deaths():
    deaths = Exits()
    yield deaths
    deaths.close()


def watch(deaths, process):
    watch = deaths.watch(process.pid, procfs.read_stat(process.pid).start, "it")
    assert watch is not None
    return watch


def become_zombie(process):
    process.stdin.write(b"\n")
    process.stdin.flush()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def death(deaths):
    while True:
        select.select([deaths], [], [], 30.0)
        found = deaths.drain(time.monotonic())
        if found:
            return found[0]


def body_of(process, **changes):
    return Body("j", pid=process.pid, start=procfs.read_stat(process.pid).start)._replace(**changes)


@pytest.mark.parametrize("is_reaped", [True, False], ids=["reaped", "never reaped"])
@pytest.mark.parametrize(
    ("code", "status"),
    [("os._exit(0)", 0), ("sys.exit(3)", 3), ("os.abort()", -6), ("os.kill(os.getpid(), 9)", -9)],
)
def test_the_exit_status_of_a_process(start, deaths, code, status, is_reaped):
    if not is_reaped and os.getuid() != 0:
        pytest.skip("only root may see the status of any process that is not reaped")
    process = start(code)
    watch(deaths, process)
    process.stdin.close() if code is None else process.stdin.write(b"\n") and process.stdin.flush()
    if is_reaped:
        process.wait()
    assert death(deaths).exit.status == status


def test_deaths_that_are_seen_at_once_keep_their_order(start, deaths):
    processes = [start() for _ in range(5)]
    for process in processes:
        assert deaths.watch(process.pid, procfs.read_stat(process.pid).start, process)
    order = [processes[n] for n in (3, 0, 4, 1, 2)]
    for process in order:
        become_zombie(process)
    found = deaths.drain(1000.0)
    assert [d.owner for d in sorted(found, key=lambda d: d.exit.at)] == order
    assert len({d.exit.at for d in found}) == len(order)


def test_a_process_that_is_gone_is_not_watched(start, deaths):
    process = start()
    stat = procfs.read_stat(process.pid)
    process.kill()
    process.wait()
    assert not deaths.watch(process.pid, stat.start, "it")


def test_another_process_with_the_same_pid_is_not_watched(start, deaths):
    process = start()
    assert not deaths.watch(process.pid, procfs.read_stat(process.pid).start - 1, "it")


def test_a_death_without_a_status_is_given_after_a_grace(start, deaths, monkeypatch):
    monkeypatch.setattr(procfs, "exit_status_of_zombie", lambda _: None)  # as the kernel does to strangers
    process = start()
    watch(deaths, process)
    process.kill()
    select.select([deaths], [], [], 30.0)
    assert deaths.drain(100.0) == []
    assert deaths.overdue(100.0 + UNREAPED_GRACE_S / 2) == []
    [late] = deaths.overdue(100.0 + UNREAPED_GRACE_S)
    assert (late.exit.at, late.exit.status, late.exit.unreaped_by) == (100.0, None, os.getpid())
    assert deaths.overdue(200.0) == []
    process.wait()
    [known] = deaths.drain(300.0)
    assert (known.exit.at, known.exit.status, known.exit.unreaped_by) == (100.0, -signal.SIGKILL, None)


def test_the_exit_status_of_another_users_process(start, deaths):
    if os.getuid() != 0:
        pytest.skip("needs root to start a process as another user")
    process = start("os.kill(os.getpid(), 15)", wrapper=["setpriv", "--reuid", "65534", "--clear-groups"])
    assert procfs.owners(process.pid) == {65534}
    watch(deaths, process)
    process.communicate(b"\n")
    assert death(deaths).exit.status == -signal.SIGTERM


def test_one_forgotten_is_not_told_of(start, deaths):
    process = start()
    watched = watch(deaths, process)
    watched.close()
    watched.close()
    process.kill()
    process.wait()
    assert deaths.drain(0.0) == []


def test_a_beat_is_of_the_process_with_its_pid_start_and_boot(start):
    process = start()
    assert procfs.find(body_of(process)) == process.pid
    assert procfs.find(body_of(process, boot=procfs.boot_id())) == process.pid
    assert procfs.find(body_of(process, start=1)) is None
    assert procfs.find(body_of(process, boot="another")) is None
    assert procfs.find(body_of(process, pid=2**30)) is None


def test_one_that_lives_was_not_met_dead(start, deaths):
    assert watch(deaths, start()).met_dead(100.0) is None


def test_one_that_was_met_dead_has_its_status_at_once(start, deaths):
    if os.getuid() != 0:
        pytest.skip("only root may see the status of any process that is not reaped")
    process = start("os.kill(os.getpid(), 15)")
    become_zombie(process)
    assert watch(deaths, process).met_dead(100.0) == Exit(100.0, -signal.SIGTERM)


def test_one_that_was_met_dead_has_its_status_when_it_is_reaped_where_the_kernel_hides_it(start, deaths, monkeypatch):
    monkeypatch.setattr(procfs, "exit_status_of_zombie", lambda _: None)
    process = start("os.kill(os.getpid(), 15)")
    become_zombie(process)
    assert watch(deaths, process).met_dead(100.0) == Exit(100.0, unreaped_by=os.getpid())
    assert (deaths.drain(150.0), deaths.overdue(200.0)) == ([], [])
    process.wait()
    [known] = deaths.drain(300.0)
    assert known.exit.at == 100.0


def test_a_zombie_is_still_there(start):
    process = start()
    body = body_of(process)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert procfs.find(body) == process.pid
    process.wait()
    assert procfs.find(body) is None


def test_a_process_in_a_container_is_found_by_the_pid_it_knows_itself_by(start):
    if os.getuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare(1) to make a pid namespace")
    wrapper = start(wrapper=["unshare", "--pid", "--fork", "--kill-child"])
    [inner] = procfs.children()[wrapper.pid]
    namespace = os.stat(f"/proc/{inner}/ns/pid").st_ino
    body = Body("j", pid=1, start=procfs.read_stat(inner).start, pidns=namespace)
    assert procfs.find(body) == inner


def test_a_container_that_began_since_the_last_look_is_found_at_once(start):
    if os.getuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare(1) to make a pid namespace")
    for _ in range(3):  # at most one of them is the first of its second
        wrapper = start(wrapper=["unshare", "--pid", "--fork", "--kill-child"])
        [inner] = procfs.children_of(wrapper.pid)
        namespace = os.stat(f"/proc/{inner}/ns/pid").st_ino
        body = Body("j", pid=1, start=procfs.read_stat(inner).start, boot=procfs.boot_id(), pidns=namespace)
        assert procfs.find(body) == inner


def test_the_command_of_a_wrapper_in_a_container_is_found_below_it(start):
    if os.getuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare(1) to make a pid namespace")
    shell = ["sh", "-c", '"$@"; exit $?', "sh"]
    container = start(wrapper=["unshare", "--pid", "--fork", "--kill-child", *shell])
    [wrapper] = procfs.children_of(container.pid)
    [command] = procfs.children_of(wrapper)
    body = Body("j", pid=1, pidns=os.stat(f"/proc/{wrapper}/ns/pid").st_ino, command_pid=2)
    assert procfs.command_of(body, wrapper) == command
    assert procfs.command_of(body._replace(command_pid=3), wrapper) is None
    assert procfs.outer_pid(body) is None


def test_the_command_of_a_wrapper_here_is_the_one_it_names(start):
    body = body_of(start(), boot=procfs.boot_id())
    assert procfs.command_of(body, body.pid) is None
    assert procfs.command_of(body._replace(command_pid=77), body.pid) == 77
    assert procfs.outer_pid(body) == body.pid
    assert procfs.outer_pid(body._replace(command_pid=77)) == 77
    assert procfs.outer_pid(body._replace(boot="another")) is None


@pytest.mark.parametrize("name", ["a\nUid:\t7\t7", "a\rUid:\t7\t7", "a\x0bUid:\t7\t7", "a\x1b[2J) R 1"])
def test_a_name_cannot_forge_what_the_kernel_says_of_its_process(start, name):
    process = start(f"open('/proc/self/comm', 'w').write({name!r}); print(flush=True); input()")
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()
    stat = procfs.read_stat(process.pid)
    assert (stat.name.isprintable(), stat.parent) == (True, os.getpid())
    assert procfs.owners(process.pid) == {os.getuid()}


def test_a_command_line_is_one_line_that_prints(start):
    process = start("'a\x1b[2J'\n\n'\u2028'")
    words = procfs.command_line(process.pid)
    assert words.isprintable()
    assert words.endswith("'a\ufffd[2J'  ' '")


class Full:
    """An epoll that takes no descriptor more."""

    def register(self, *_):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_of_two_containers_first_processes_of_the_same_tick_each_is_itself(start, monkeypatch):
    if os.getuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare(1) to make a pid namespace")
    boxes = [start(wrapper=["unshare", "--pid", "--fork", "--kill-child"]) for _ in range(2)]
    inner = [procfs.children_of(box.pid)[0] for box in boxes]
    real = procfs.stat_of
    monkeypatch.setattr(procfs, "stat_of", lambda pid: (one := real(pid)) and one._replace(start=77))
    monkeypatch.setattr(procfs, "_INNER_PIDS", type("", (), {"of": lambda *_: inner}))
    for pid in inner:
        namespace = os.stat(f"/proc/{pid}/ns/pid").st_ino
        assert procfs.find(Body("box", pid=1, start=77, boot=procfs.boot_id(), pidns=namespace)) == pid


def test_one_for_which_there_is_no_room_now_may_be_watched_later(start, deaths, monkeypatch):
    process = start()
    before = os.listdir("/proc/self/fd")
    with monkeypatch.context() as scarce:
        scarce.setattr(deaths, "_epoll", Full())
        with pytest.raises(OSError, match="No space"):
            watch(deaths, process)
    assert os.listdir("/proc/self/fd") == before
    watch(deaths, process)
    become_zombie(process)
    assert death(deaths).owner == "it"


def test_owners_are_the_real_and_the_effective_user(start):
    assert procfs.owners(start().pid) == {os.getuid()}
    assert procfs.owners(2**30) == set()


def test_a_lineage_goes_up_to_the_first_process(start):
    lineage = list(procfs.lineage(start().pid))
    assert lineage[1] == os.getpid()


def test_the_start_of_a_process_in_monotonic_time(start):
    before = time.monotonic()
    process = start()
    assert before - 0.02 <= procfs.started_at(procfs.read_stat(process.pid).start) <= time.monotonic()


COMPUTE = """
import time
end = time.process_time() + 0.3
while time.process_time() < end:
    pass
print(flush=True)
input()
"""


class TestLooks:
    def look_twice(self, process, between):
        looks, it = Looks(), Activity()
        looks.begin(0.0)
        looks.at(it, process.pid)
        looks.begin(1.0)
        looks.at(it, process.pid)  # the first look at the whole tree
        between()
        looks.begin(2.0)
        return looks.at(it, process.pid)

    def test_a_process_that_waits(self, start):
        seen = self.look_twice(start(), lambda: None)
        assert (seen.state, seen.active_at < 1.0) == ("S", True)

    def test_a_process_that_is_stopped(self, start):
        process = start()
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert self.look_twice(process, lambda: None).state == "T"

    def test_a_process_that_computes(self, start):
        process = start(
            "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint(flush=True); input()"
        )

        def compute():
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.readline()

        assert self.look_twice(process, compute).active_at == 2.0

    def test_a_process_whose_child_computes(self, start):
        process = start(f"import subprocess; subprocess.run([sys.executable, '-c', {COMPUTE!r}])")

        def compute():
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.readline()

        assert self.look_twice(process, compute).active_at == 2.0

    def test_a_process_that_is_gone(self):
        looks, it = Looks(), Activity()
        looks.begin(0.0)
        assert looks.at(it, 2**30) is None
