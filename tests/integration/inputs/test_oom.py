"""Real out-of-memory kills in real memory cgroups, told from kills by people: with the kernel log and by counts."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from epochwatchd.inputs.oom import cgroups
from epochwatchd.inputs.oom.cgroups import Mount
from epochwatchd.inputs.oom.kernel_log import open_kernel_log
from epochwatchd.inputs.oom.watch import KILLED_BELOW, OomWatcher
from epochwatchd.inputs.process import procfs
from epochwatchd.model import Exit

LIMIT_MIB = 64
HOG = """
import os, sys
held = []
for line in sys.stdin:
    held.append(b"x" * (int(line) << 20))
    print(flush=True)
"""
LONG_AGO_S = 60.0


class Cgroup:
    """A memory cgroup for one test: version 1 or 2, whichever this machine has."""

    def __init__(self, mount, path, limit_mib=None):
        self.folder = path
        self._mount = mount
        path.mkdir()
        if limit_mib is not None:
            name = "memory.max" if mount.version == 2 else "memory.limit_in_bytes"
            (path / name).write_text(str(limit_mib << 20))

    def below(self, name):
        if self._mount.version == 2:
            (self.folder / "cgroup.subtree_control").write_text("+memory")
        return Cgroup(self._mount, self.folder / name)

    def admit(self, pid):
        (self.folder / "cgroup.procs").write_text(str(pid))

    @property
    def kills(self):
        return cgroups.kills(cgroups.MemoryGroup("it", self.counter))

    @property
    def counter(self):
        return self.folder / ("memory.events.local" if self._mount.version == 2 else "memory.oom_control")

    def remove(self):
        """Once everybody in it is dead, which the kernel may notice a little later."""
        deadline = time.monotonic() + 10.0
        for folder in (*filter(Path.is_dir, self.folder.iterdir()), self.folder):
            while folder.exists() and time.monotonic() < deadline:
                try:
                    folder.rmdir()
                except OSError:
                    time.sleep(0.01)


def memory_mount():
    """Where a memory cgroup of our own can be had."""
    for mount in cgroups.parse_mounts(Path("/proc/self/mountinfo").read_text()):
        controllers = mount.point / "cgroup.subtree_control"
        has_memory = mount.version == 1 or (controllers.exists() and "memory" in controllers.read_text().split())
        if has_memory and os.access(mount.point, os.W_OK) and not is_read_only(mount):
            return mount
    return None


def is_read_only(mount: Mount):
    return bool(os.statvfs(mount.point).f_flag & os.ST_RDONLY)


@pytest.fixture
def cgroup():
    mount = memory_mount()
    if mount is None or os.getuid() != 0:
        pytest.skip("needs root and a cgroup hierarchy with the memory controller to bring about an out-of-memory kill")
    cgroup = Cgroup(mount, mount.point / f"epochwatch-test-{uuid.uuid4().hex}", LIMIT_MIB)
    yield cgroup
    cgroup.remove()


@pytest.fixture
def start(cgroup):
    """Starts processes in a cgroup that take as much memory as they are told to."""
    started = []

    def start_one(where=cgroup, line=(sys.executable, "-c", HOG)):
        process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        where.admit(process.pid)
        take(process, 0)  # it runs, in its cgroup
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


class Memory(OomWatcher):
    """An OomWatcher, and what it watches by names."""

    def __init__(self, log):
        super().__init__(log)
        self.by_name = {}

    def watch(self, name, pid, now, *, wrapper=None):
        self.by_name[name] = super().watch(pid, now, wrapper=wrapper, instead_of=self.by_name.get(name))

    def verdict(self, name, end, now):
        return self.by_name[name].verdict(end, now)


@pytest.fixture(params=["with the kernel log", "by counts alone"])
def memory(request):
    """A Memory that has had its kernel log open for long, or has none."""
    log = open_kernel_log(time.monotonic() - LONG_AGO_S) if request.param == "with the kernel log" else None
    if log is None and request.param == "with the kernel log":
        pytest.skip("the kernel log cannot be read here")
    memory = Memory(log)
    yield memory
    memory.close()


def take(process, mib):
    process.stdin.write(b"%d\n" % mib)
    process.stdin.flush()
    return process.stdout.readline() != b""


def exhaust(process):
    """The process takes more than its cgroup may use, and is killed for it by the kernel."""
    assert not take(process, 2 * LIMIT_MIB)
    assert process.wait() == -signal.SIGKILL


def kill(process):
    process.kill()
    process.wait()


def verdict(memory, key="it", status=-signal.SIGKILL):
    now = time.monotonic()
    return memory.verdict(key, Exit(now, status), now)


def test_killed_at_the_limit_of_its_own_cgroup(cgroup, start, memory):
    process = start()
    memory.watch("it", process.pid, time.monotonic())
    exhaust(process)
    cause = verdict(memory)
    assert cause.code == "oom_kill"
    assert (cause.details["signal"], cause.details["limit_mib"]) == ("SIGKILL", LIMIT_MIB)
    assert 1 < cause.details["rss_mib"] < LIMIT_MIB
    assert f"cgroup /{cgroup.folder.name} may use {LIMIT_MIB} MiB" in cause.evidence


def test_killed_at_the_limit_of_the_cgroup_above(cgroup, start, memory):
    process = start(cgroup.below("job"))
    memory.watch("it", process.pid, time.monotonic())
    exhaust(process)
    cause = verdict(memory)
    assert (cause.code, cause.details["limit_mib"]) == ("oom_kill", LIMIT_MIB)


def test_killed_by_a_person(start, memory):
    process = start()
    memory.watch("it", process.pid, time.monotonic())
    kill(process)
    assert verdict(memory) is None


def test_killed_by_a_person_seconds_after_a_sibling_ran_out_of_memory(start, memory):
    process, sibling = start(), start()
    now = time.monotonic()
    memory.watch("it", process.pid, now - 4.0)
    exhaust(sibling)
    for ago_s in (3.0, 2.0, 1.0):
        memory.tick(now - ago_s)
    kill(process)
    assert memory.verdict("it", Exit(now, -signal.SIGKILL), now) is None


def test_killed_by_a_person_at_the_moment_a_sibling_runs_out_of_memory(cgroup, start, memory):
    process, sibling = start(), start()
    memory.watch("it", process.pid, time.monotonic())
    memory.tick(time.monotonic())
    sibling.stdin.write(b"%d\n" % (2 * LIMIT_MIB))
    sibling.stdin.flush()
    while cgroup.kills == 0:
        pass
    kill(process)
    assert verdict(memory) is None


def test_runs_out_of_memory_itself_seconds_after_a_sibling_did(start, memory):
    process, sibling = start(), start()
    now = time.monotonic()
    memory.watch("it", process.pid, now - 2.0)
    exhaust(sibling)
    memory.tick(now - 1.0)
    exhaust(process)
    assert memory.verdict("it", Exit(now, -signal.SIGKILL), now).code == "oom_kill"


def test_a_sibling_that_ran_out_of_memory_leaves_it_running(start, memory):
    process, sibling = start(), start()
    memory.watch("it", process.pid, time.monotonic())
    memory.watch("sibling", sibling.pid, time.monotonic())
    exhaust(sibling)
    assert verdict(memory, "sibling").code == "oom_kill"
    assert take(process, 1)


def test_two_that_ran_out_of_memory_within_one_tick(start, memory):
    one, other = start(), start()
    memory.watch("one", one.pid, time.monotonic())
    memory.watch("other", other.pid, time.monotonic())
    memory.tick(time.monotonic())
    exhaust(one)
    exhaust(other)
    assert verdict(memory, "one").code == "oom_kill"
    assert verdict(memory, "other").code == "oom_kill"


def test_a_launcher_that_leaves_together_with_it(start, memory):
    launcher = start(line=("sh", "-c", 'read _; echo; "$0" -c "$1"; exit 3', sys.executable, HOG))
    assert take(launcher, 20)
    [pid] = map(int, Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split())
    memory.watch("it", pid, time.monotonic())
    memory.tick(time.monotonic())
    assert not take(launcher, 2 * LIMIT_MIB)
    assert launcher.wait() == 3
    assert verdict(memory).code == "oom_kill"


SHELL = ("sh", "-c", 'read _; echo; "$0" -c "$1"; exit $?', sys.executable, HOG)
WRAPPED = ("sh", "-c", 'read _; echo; "$@"; exit $?', "sh", *SHELL)


def watch_wrapped(memory, wrapper):
    """Watch the shell that a wrapper waits for; gives the process below it."""
    [shell] = procfs.children_of(wrapper.pid)
    memory.watch("it", shell, time.monotonic(), wrapper=wrapper.pid)
    memory.tick(time.monotonic())
    [below] = procfs.children_of(shell)
    return below


def test_killed_below_a_shell_which_says_so_by_its_status(start, memory):
    wrapper = start(line=WRAPPED)
    assert take(wrapper, 0)
    assert take(wrapper, 20)
    watch_wrapped(memory, wrapper)
    assert not take(wrapper, 2 * LIMIT_MIB)
    assert wrapper.wait() == KILLED_BELOW
    cause = verdict(memory, status=KILLED_BELOW)
    assert (cause.code, cause.details["limit_mib"]) == ("oom_kill", LIMIT_MIB)
    assert cause.details["rss_mib"] > 20


def test_killed_below_a_shell_by_a_person_while_a_sibling_runs_out_of_memory(start, memory):
    wrapper, sibling = start(line=WRAPPED), start()
    assert take(wrapper, 0)
    assert take(wrapper, 1)
    below = watch_wrapped(memory, wrapper)
    exhaust(sibling)
    os.kill(below, signal.SIGKILL)
    assert wrapper.wait() == KILLED_BELOW
    assert verdict(memory, status=KILLED_BELOW) is None


def test_a_command_that_was_dead_when_it_became_known_was_where_its_wrapper_is(start, memory):
    wrapper, command = start(), start()
    memory.watch("it", wrapper.pid, time.monotonic())
    exhaust(command)
    kill(wrapper)  # as it does of itself
    memory.watch("it", command.pid, time.monotonic(), wrapper=wrapper.pid)
    assert verdict(memory).code == "oom_kill"


def test_one_that_died_while_nobody_watched_is_named_by_the_kernel_log(start):
    process, other = start(), start()
    before = time.monotonic()
    exhaust(process)
    kill(other)
    log = open_kernel_log(time.monotonic())
    if log is None:
        pytest.skip("the kernel log cannot be read here")
    memory = Memory(log)
    assert memory.past_verdict(process.pid, before).code == "oom_kill"
    assert memory.past_verdict(process.pid, before + 3600.0) is None
    assert memory.past_verdict(other.pid, before) is None
    memory.close()


def test_what_was_last_seen_of_its_memory(cgroup, start, memory):
    process = start()
    assert take(process, 10)
    memory.watch("it", process.pid, time.monotonic())
    kill(process)
    size, peak, limit = memory.by_name["it"].last_seen(time.monotonic())[:3]
    assert re.fullmatch(r"it was last seen holding \d\d MiB, \d s before its end \(at most \d\d MiB\)", size)
    assert re.fullmatch(rf"cgroup /{cgroup.folder.name} has held up to \d\d MiB", peak)
    assert limit == f"cgroup /{cgroup.folder.name} may use {LIMIT_MIB} MiB"


def test_an_unknown_status_is_an_oom_kill_only_if_the_log_says_so(start, memory):
    process = start()
    memory.watch("it", process.pid, time.monotonic())
    exhaust(process)
    cause = verdict(memory, status=None)
    assert (cause is not None) == (memory._log is not None)


@pytest.mark.parametrize("status", [0, 1, -signal.SIGTERM])
def test_whoever_ended_otherwise_was_not_killed_for_memory(start, memory, status):
    process = start()
    memory.watch("it", process.pid, time.monotonic())
    exhaust(process)
    assert verdict(memory, status=status) is None


def test_one_with_the_pid_of_a_victim_is_another(start, memory):
    process = start()
    memory.watch("it", process.pid, time.monotonic())
    exhaust(process)
    memory.watch("its successor", process.pid, time.monotonic())
    memory.tick(time.monotonic())
    assert verdict(memory, "its successor", status=None) is None


def test_the_kernel_log_is_quoted_word_for_word(start):
    log = open_kernel_log(time.monotonic())
    if log is None:
        pytest.skip("the kernel log cannot be read here")
    process = start()
    memory = Memory(log)
    memory.watch("it", process.pid, time.monotonic())
    exhaust(process)
    evidence = verdict(memory).evidence
    memory.close()
    assert any(f"Killed process {process.pid} (" in line for line in evidence)


def test_of_two_runs_in_one_process_one_can_be_forgotten(start, memory):
    process = start()
    memory.watch("it", process.pid, time.monotonic())
    memory.watch("another run", process.pid, time.monotonic())
    memory.by_name["it"].close()
    exhaust(process)
    assert verdict(memory, "another run").code == "oom_kill"


def test_nobody_is_left_when_all_are_forgotten(start, memory):
    memory.watch("it", start().pid, time.monotonic())
    memory.by_name["it"].close()
    memory.by_name["it"].close()
    memory.tick(time.monotonic())
    assert verdict(memory) is None
