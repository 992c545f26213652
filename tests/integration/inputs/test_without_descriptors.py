"""A watchdog that can open nothing any more: what it cannot see is not known, and nothing breaks."""

import json
import resource
import subprocess
import sys

import pytest

LIMIT = 64
LOOKS = """
import json, os, resource, socket, sys, tempfile, time
from pathlib import Path

from epochwatch import wire
from epochwatch.wire import Body, WireError
from epochwatchd.inputs.oom import cgroups, sizes
from epochwatchd.inputs.process import activity, descendants, procfs, supervisor
from epochwatchd.inputs import missed
from epochwatchd.inputs.stacks import collect
from epochwatchd.inputs.heartbeats.files import BeatFile, BeatFiles, Folder
from epochwatchd.inputs.heartbeats.sockets import bind_udp
from epochwatchd.inputs.process.exits import Exits
from epochwatchd.inputs.oom.kernel_log import open_kernel_log
from epochwatchd.inputs.oom.watch import OomWatcher
from epochwatchd.inputs.process.proc_connector import open_exit_events
from epochwatchd.model import Exit
from epochwatchd.service.paths import Places, SharedFolder

me, now, folder = os.getpid(), time.monotonic(), Path(sys.argv[1])
start = procfs.read_stat(me).start
body = Body("digits", pid=me, start=start, boot=procfs.boot_id(), command_pid=me, stack_signal=40, stack_fd=3)
elsewhere = body._replace(pidns=1)
files, deaths, inbox = BeatFiles(), Exits(open_exit_events()), bind_udp("127.0.0.1", 0)
memory, looked, asked = OomWatcher(open_kernel_log(now)), activity.Looks(), collect.Asking()
early, looked_at = memory.watch(me, now), activity.Activity()
looked.at(looked_at, me, body)
deaths.watch(me, start, "early")
files.watch([Folder(folder)])
shared = SharedFolder(folder.parent, "", "")
shared.folders()
procfs.children()
known = missed.take()

held = []
while True:
    try:
        held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        break

def told(call, *args, **kwargs):
    try:
        return repr(call(*args, **kwargs))
    except (OSError, WireError) as error:
        return type(error).__name__

looked.begin(now + 1)
never = {  # what the tick asks, none of which may raise anything
    "files.watch": (files.watch, [Folder(folder), Folder(folder.parent)]),
    "files.appeared": (files.appeared,),
    "shared.folders": (shared.folders,),
    "inbox.receive": (inbox.receive, 0),
    "inbox.newly_dropped": (inbox.newly_dropped,),
    "memory.tick": (memory.tick, now),
    "memory.watch": (lambda: memory.watch(me, now) and None,),
    "memory.verdict": (early.verdict, Exit(now, -9), now),
    "memory.last_seen": (early.last_seen, now),
    "looks.at": (looked.at, activity.Activity(), me, body),
    "looks.at, again": (looked.at, looked_at, me, body),
    "stacks.at": (lambda: asked.at(me, body, now, wanted=True, uid=os.getuid()),),
    "deaths.drain": (deaths.drain, now),
    "deaths.overdue": (deaths.overdue, now),
    "supervisor_of": (supervisor.supervisor_of, me),
    "going_down": (supervisor.going_down,),
    "rss": (sizes.rss_mib, me),
    "is_dying": (sizes.is_dying, me),
    "read_stat": (procfs.read_stat, me),
    "signals": (procfs.signals, me),
    "command_line": (procfs.command_line, me),
    "command_of": (procfs.command_of, elsewhere, me),
    "children_of": (procfs.children_of, me),
    "wchan": (procfs.wchan, me),
    "moved_bytes": (procfs.moved_bytes, me),
    "exit_status_of_zombie": (procfs.exit_status_of_zombie, me),
    "lineage": (lambda: list(procfs.lineage(me)),),
}
may = {  # what says that it cannot be known by an OSError or a WireError
    "files.read": (files.read, BeatFile(f"{folder}/a.beat")),
    "deaths.watch": (deaths.watch, me, start, "late"),
    "owners": (procfs.owners, me),
    "find": (procfs.find, body),
    "find, in another namespace": (procfs.find, elsewhere),
    "children": (procfs.children,),
}
result = {name: repr(call(*args)) for name, (call, *args) in never.items()}
result |= {name: told(call, *args) for name, (call, *args) in may.items()}
result["missed"] = sorted(note.code for note in missed.take())
for fd in held:
    os.close(fd)
result["afterwards"] = [deaths.watch(me, start, "late") is not None, procfs.owners(me) == {os.getuid()}]
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beats")
    (folder / "a.beat").write_bytes(b"no heartbeat")
    run = subprocess.run(
        [sys.executable, "-c", LOOKS, folder],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT)),
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_no_look_of_the_tick_breaks_and_what_is_not_seen_is_not_known(seen):
    for look in ("memory.verdict", "looks.at", "read_stat", "signals", "command_of", "wchan", "rss"):
        assert seen[look] == "None", look
    for look, nothing in (("files.watch", "[]"), ("children_of", "()"), ("files.appeared", "[]")):
        assert seen[look] == nothing, look


def test_what_must_be_known_says_that_it_cannot_be(seen):
    assert seen["files.read"] == "WireError"
    for look in ("deaths.watch", "owners", "find", "find, in another namespace", "children"):
        assert seen[look] == "OSError", look


def test_what_was_missed_is_counted_by_names_of_its_own(seen):
    assert {"folder.open", "memory.available", "process.signals"} <= set(seen["missed"])


def test_all_is_seen_again_when_descriptors_are_left(seen):
    assert seen["afterwards"] == [True, True]
