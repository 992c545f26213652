"""A parent that never reaps: its dead child is told of, and told once more when it becomes known how it ended."""

import os
import select
import signal
import subprocess

import pytest
from watching import watching, write

from epochwatch import wire
from epochwatch.wire import Body
from epochwatchd.inputs.process import procfs
from epochwatchd.service import daemon as daemon_module
from epochwatchd.store import StoreUnusable


@pytest.fixture
def watch(tmp_path, monkeypatch):
    """A daemon to which the kernel shows no more of strangers than it must, and which waits for no reaping."""
    monkeypatch.setattr(procfs, "exit_status_of_zombie", lambda _: None)
    monkeypatch.setattr(daemon_module, "open_exit_events", lambda: None)
    monkeypatch.setattr("epochwatchd.inputs.process.exits.UNREAPED_GRACE_S", 0.0)
    with watching(tmp_path, restored=False) as watch:
        yield watch


@pytest.fixture
def start(watch):
    """Starts processes, our children, that end as told; their heartbeats are in files named after them."""
    started = []

    def start_one(command, name="a", rank=None, *, announces_end=True):
        process = subprocess.Popen(["sh", "-c", f"read _; {command}"], stdin=subprocess.PIPE)
        started.append(process)
        stat = procfs.read_stat(process.pid)
        body = Body(
            "digits", run="r1", pid=process.pid, start=stat.start, boot=procfs.boot_id(), rank=rank,
            announces_end=announces_end,
        )  # fmt: skip
        write(watch.beats / f"{name}.beat", body=body)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def become_zombie(process):
    process.stdin.write(b"\n")
    process.stdin.flush()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def die(watch, process):
    """The process ends, nobody reaps it, and the daemon takes notice."""
    become_zombie(process)
    watch.daemon.processes_died()
    watch.tick()


def reap(watch, process):
    process.wait()
    select.select([watch.daemon.exits], [], [], 30.0)
    watch.daemon.processes_died()


def told(watch):
    said = watch.messages()
    return [(n.kind, n.reason, n.cause and n.cause["code"]) for n in said if n.kind != "started"]


def test_the_signal_is_told_when_it_is_known(watch, start):
    process = start("kill -9 $$")
    watch.tick()
    die(watch, process)
    assert told(watch) == [("crashed", "first", "unknown")]
    [first] = [m for m in watch.messages() if m.kind == "crashed"]
    assert first.cause["text"] == "the process is dead, and how it ended is not known yet"
    assert f"its parent, process {os.getpid()}, has not asked yet" in first.cause["evidence"][0]
    [before] = watch.rows()

    reap(watch, process)

    assert told(watch) == [("crashed", "first", "unknown"), ("crashed", "amended", "signal")]
    last = watch.messages()[-1]
    assert (last.id, last.text.splitlines()[0]) == (first.id, "💀 [now known] digits crashed: killed by SIGKILL")
    [after] = watch.rows()
    assert (before.cause, after.cause) == ("unknown", "signal")
    assert before.ended_wall - 5.0 < after.ended_wall <= before.ended_wall


def test_one_that_died_while_nobody_watched_is_told_at_once_and_again_when_it_is_known(watch, start):
    process = start("kill -9 $$")
    become_zombie(process)
    watch.daemon.restore(watch.clock())
    assert told(watch) == [("crashed", "first", "unknown")]
    reap(watch, process)
    assert told(watch) == [("crashed", "first", "unknown"), ("crashed", "amended", "signal")]
    assert "while nobody watched" in watch.messages()[-1].text


def test_nothing_is_said_twice_where_nothing_new_is_known(watch, start):
    process = start("exit 0")
    watch.tick()
    path = watch.beats / "a.beat"
    write(path, body=watch.daemon.registry.watches[str(path)].worker.body, state=wire.EXITING)
    die(watch, process)
    reap(watch, process)
    assert told(watch) == [("finished", "first", "unseen_status")]


def test_a_finish_that_was_none_is_told_as_a_crash(watch, start):
    process = start("exit 3")
    watch.tick()
    path = watch.beats / "a.beat"
    write(path, body=watch.daemon.registry.watches[str(path)].worker.body, state=wire.EXITING)
    die(watch, process)
    reap(watch, process)
    assert told(watch) == [("finished", "first", "unseen_status"), ("crashed", "first", "exit_code")]


def test_a_crash_that_was_none_is_told_as_a_finish(watch, start):
    process = start("exit 0", announces_end=False)
    watch.tick()
    die(watch, process)
    reap(watch, process)
    assert told(watch) == [("crashed", "first", "unknown"), ("finished", "first", None)]
    assert [row.verdict for row in watch.rows()] == ["finished"]


def test_a_rank_whose_status_comes_while_others_go_on(watch, start):
    dead, alive = start("kill -9 $$", "a", rank=0), start("exit 0", "b", rank=1)
    watch.tick()
    die(watch, dead)
    reap(watch, dead)
    assert told(watch) == [("crashed", "first", "unknown"), ("crashed", "amended", "signal")]
    die(watch, alive)
    reap(watch, alive)
    assert told(watch) == [("crashed", "first", "unknown"), ("crashed", "amended", "signal")]


def test_of_two_ranks_the_first_that_is_known_is_told(watch, start):
    ranks = [start("kill -9 $$", "a", rank=0), start("kill -9 $$", "b", rank=1)]
    watch.tick()
    for rank in ranks:
        die(watch, rank)
    for rank in ranks:
        reap(watch, rank)
    assert told(watch) == [("crashed", "first", "unknown"), ("crashed", "amended", "signal")]


def test_what_cannot_be_stored_of_it_is_stored_when_it_can(watch, start, monkeypatch):
    def full(*_):
        raise StoreUnusable("database or disk is full")

    process = start("kill -9 $$")
    watch.tick()
    die(watch, process)
    with monkeypatch.context() as broken:
        broken.setattr(watch.ledger._store, "record", full)
        reap(watch, process)
        assert told(watch) == [("crashed", "first", "unknown")]
    watch.wait(3)
    assert told(watch) == [("crashed", "first", "unknown"), ("crashed", "amended", "signal")]


def test_of_too_many_dead_the_first_are_given_up(watch, start, monkeypatch):
    monkeypatch.setattr("epochwatchd.service.registry.AWAITED_MAX", 0)
    process = start("kill -9 $$")
    watch.tick()
    die(watch, process)
    process.wait()
    watch.daemon.processes_died()
    assert told(watch) == [("crashed", "first", "unknown")]


def test_a_signal_not_of_memory_stays_one(watch, start):
    process = start("kill -15 $$")
    watch.tick()
    die(watch, process)
    reap(watch, process)
    assert told(watch)[-1] == ("interrupted", "first", "terminated")
    assert signal.SIGTERM.name in watch.messages()[-1].text
