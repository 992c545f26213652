"""A parent that never reaps: its dead child is told of, and told once more when it becomes known how it ended."""

import os
import select
import signal
import subprocess
import zlib

import pytest

from epochwatch import wire
from epochwatch.wire import Body, Head
from epochwatchd.config import Config, Heartbeats, Route, StoreConfig
from epochwatchd.inputs import processes
from epochwatchd.inputs.beat_files import BeatFiles
from epochwatchd.model import Policy
from epochwatchd.service import daemon as daemon_module
from epochwatchd.service.daemon import Daemon
from epochwatchd.store import Store, read_runs

CONFIG = Config(Heartbeats(), Policy(), (), {}, (Route(to=("team",)),), StoreConfig(), "en")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "epochwatch.db", processes.boot_id())
    yield store
    store.close()


@pytest.fixture
def daemon(store, tmp_path, monkeypatch):
    """A daemon to which the kernel shows no more of strangers than it must, and which waits for no reaping."""
    monkeypatch.setattr(processes, "exit_status_of_zombie", lambda _: None)
    monkeypatch.setattr(daemon_module, "open_exit_events", lambda: None)
    monkeypatch.setattr("epochwatchd.inputs.deaths.UNREAPED_GRACE_S", 0.0)
    files = BeatFiles()
    daemon = Daemon(CONFIG, store, files, None, directories=lambda: [tmp_path], committed=lambda: None)
    yield daemon
    daemon.close()
    files.close()


@pytest.fixture
def start(tmp_path):
    """Starts processes, our children, that end as told; their heartbeats are in files named after them."""
    started = []

    def start_one(command, name="a", rank=None, *, announces_end=True):
        process = subprocess.Popen(["sh", "-c", f"read _; {command}"], stdin=subprocess.PIPE)
        started.append(process)
        stat = processes.read_stat(process.pid)
        body = Body(
            "digits", run="r1", pid=process.pid, start=stat.start, boot=processes.boot_id(), rank=rank,
            announces_end=announces_end,
        )  # fmt: skip
        write(tmp_path / f"{name}.beat", body)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def write(path, body, state=wire.RUNNING):
    data = wire.encode_body(body)
    head = Head(seq=1, state=state, body_at=wire.HEAD_SIZE, body_len=len(data), body_crc=zlib.crc32(data))
    path.write_bytes(wire.encode_head(head) + data)


def become_zombie(process):
    process.stdin.write(b"\n")
    process.stdin.flush()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def die(daemon, process):
    """The process ends, nobody reaps it, and the daemon takes notice."""
    become_zombie(process)
    daemon.processes_died()
    daemon.tick()


def reap(daemon, process):
    process.wait()
    select.select([daemon.deaths], [], [], 30.0)
    daemon.processes_died()


def messages(store):
    return [store.notification(delivery.id) for delivery in store.pending("team")]


def told(store):
    said = messages(store)
    return [(n.kind, n.reason, n.cause and n.cause["code"]) for n in said if n.kind != "started"]


def test_the_signal_is_told_when_it_is_known(daemon, store, start):
    process = start("kill -9 $$")
    daemon.tick()
    die(daemon, process)
    assert told(store) == [("crashed", "first", "unknown")]
    [first] = [n for n in messages(store) if n.kind == "crashed"]
    assert first.cause["text"] == "the process is dead, and how it ended is not known yet"
    assert f"its parent, process {os.getpid()}, has not asked yet" in first.cause["evidence"][0]
    [before] = read_runs(store.path)

    reap(daemon, process)

    assert told(store) == [("crashed", "first", "unknown"), ("crashed", "amended", "signal")]
    last = messages(store)[-1]
    assert (last.id, last.text.splitlines()[0]) == (first.id, "💀 Now known: digits crashed: killed by SIGKILL")
    [after] = read_runs(store.path)
    assert (before.cause, after.cause) == ("unknown", "signal")
    assert before.ended_wall - 5.0 < after.ended_wall <= before.ended_wall


def test_one_that_died_while_nobody_watched_is_told_at_once_and_again_when_it_is_known(daemon, store, start):
    process = start("kill -9 $$")
    become_zombie(process)
    daemon.restore(daemon_module.read_clocks())
    assert told(store) == [("crashed", "first", "unknown")]
    reap(daemon, process)
    assert told(store) == [("crashed", "first", "unknown"), ("crashed", "amended", "signal")]
    assert "while nobody watched" in messages(store)[-1].text


def test_nothing_is_said_twice_where_nothing_new_is_known(daemon, store, start, tmp_path):
    process = start("exit 0")
    daemon.tick()
    path = tmp_path / "a.beat"
    write(path, daemon.roster.run_of[str(path)].workers[str(path)].body, wire.EXITING)
    die(daemon, process)
    reap(daemon, process)
    assert told(store) == [("finished", "first", "unseen_status")]


def test_a_finish_that_was_none_is_told_as_a_crash(daemon, store, start, tmp_path):
    process = start("exit 3")
    daemon.tick()
    path = tmp_path / "a.beat"
    write(path, daemon.roster.run_of[str(path)].workers[str(path)].body, wire.EXITING)
    die(daemon, process)
    reap(daemon, process)
    assert told(store) == [("finished", "first", "unseen_status"), ("crashed", "first", "exit_code")]


def test_a_crash_that_was_none_is_told_as_a_finish(daemon, store, start):
    process = start("exit 0", announces_end=False)
    daemon.tick()
    die(daemon, process)
    reap(daemon, process)
    assert told(store) == [("crashed", "first", "unknown"), ("finished", "first", None)]
    assert [row.verdict for row in read_runs(store.path)] == ["finished"]


def test_a_rank_whose_status_comes_while_others_go_on(daemon, store, start):
    dead, alive = start("kill -9 $$", "a", rank=0), start("exit 0", "b", rank=1)
    daemon.tick()
    die(daemon, dead)
    reap(daemon, dead)
    assert told(store) == [("crashed", "first", "unknown"), ("crashed", "amended", "signal")]
    die(daemon, alive)
    reap(daemon, alive)
    assert told(store) == [("crashed", "first", "unknown"), ("crashed", "amended", "signal")]


def test_of_two_ranks_the_first_that_is_known_is_told(daemon, store, start):
    ranks = [start("kill -9 $$", "a", rank=0), start("kill -9 $$", "b", rank=1)]
    daemon.tick()
    for rank in ranks:
        die(daemon, rank)
    for rank in ranks:
        reap(daemon, rank)
    assert told(store) == [("crashed", "first", "unknown"), ("crashed", "amended", "signal")]


def test_what_could_not_be_stored_is_told_when_it_can(daemon, store, start, monkeypatch):
    process = start("kill -9 $$")
    daemon.tick()
    die(daemon, process)
    with monkeypatch.context() as broken:
        broken.setattr(daemon._verdicts, "_stored", lambda *_: None)
        reap(daemon, process)
        assert told(store) == [("crashed", "first", "unknown")]
    daemon.tick()
    assert told(store) == [("crashed", "first", "unknown"), ("crashed", "amended", "signal")]


def test_of_too_many_dead_the_first_are_given_up(daemon, store, start, monkeypatch):
    monkeypatch.setattr("epochwatchd.service.roster.UNSETTLED_MAX", 0)
    process = start("kill -9 $$")
    daemon.tick()
    die(daemon, process)
    process.wait()
    daemon.processes_died()
    assert told(store) == [("crashed", "first", "unknown")]


def test_a_signal_not_of_memory_stays_one(daemon, store, start):
    process = start("kill -15 $$")
    daemon.tick()
    die(daemon, process)
    reap(daemon, process)
    assert told(store)[-1] == ("crashed", "amended", "terminated")
    assert signal.SIGTERM.name in messages(store)[-1].text
