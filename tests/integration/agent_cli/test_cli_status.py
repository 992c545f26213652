"""``epochwatch status``: the heartbeat files of this machine, whoever wrote them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from epochwatch import identity, wire

SECOND = 10**9


@pytest.fixture
def write(directory):
    """Write a heartbeat file."""

    def to_file(job, head=None, **fields):
        body = identity.describe(job, **fields)
        data = wire.encode_datagram(head or wire.Head(), body)
        file = directory / f"{job}.beat"
        file.write_bytes(data)
        return file

    return to_file


@pytest.fixture
def ours(directory):
    """The part of what ``status --json`` printed that is not of trainings which really run on this machine."""
    return lambda printed: [run for run in json.loads(printed) if run["file"].startswith(str(directory))]


@pytest.fixture
def states(epochwatch, ours):
    """The states that ``epochwatch status`` shows, by job."""
    return lambda: {run["job"]: run["state"] for run in ours(epochwatch("status", "--json").stdout)}


@pytest.fixture
def dead_pid():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def zombie_pid(eventually):
    process = subprocess.Popen(["true"])
    eventually(lambda: ") Z " in Path(f"/proc/{process.pid}/stat").read_text())
    yield process.pid
    process.wait()


def test_a_live_process_is_running(write, states):
    write("a")
    assert states() == {"a": "running"}


def test_a_process_that_left_without_a_word_is_gone(write, states, dead_pid):
    write("a", pid=dead_pid)
    assert states() == {"a": "gone"}


def test_a_zombie_is_gone(write, states, zombie_pid):
    write("a", pid=zombie_pid)
    assert states() == {"a": "gone"}


def test_another_process_with_the_same_pid_does_not_count(write, states):
    write("a", start=1)
    assert states() == {"a": "gone"}


def test_a_process_of_an_earlier_boot_is_gone(write, states):
    write("a", boot="11111111-2222-3333-4444-555555555555")
    assert states() == {"a": "gone"}


def test_a_process_of_another_host_or_container_is_unknown(write, states):
    write("a", host="elsewhere")
    write("b", pidns=1)
    write("c", pid=None)
    assert states() == dict.fromkeys("abc", "unknown")


def test_an_end_by_word_is_shown_as_such(write, states, dead_pid):
    write("a", wire.Head(state=wire.FINISHED), pid=dead_pid)
    write("b", wire.Head(state=wire.FAILED), pid=dead_pid)
    write("c", wire.Head(state=wire.EXITING))
    write("d", wire.Head(state=wire.EXITING), pid=dead_pid)
    assert states() == {"a": "finished", "b": "failed", "c": "exiting", "d": "exited"}


def test_the_newest_beat_comes_first(write, epochwatch):
    for job, second in (("old", 1), ("new", 3), ("middle", 2)):
        write(job, wire.Head(time_ns=second * SECOND))
    lines = epochwatch("status").stdout.decode().splitlines()
    assert lines[0].startswith("JOB")
    assert [line.split()[0] for line in lines[-3:]] == ["new", "middle", "old"]


def test_files_that_cannot_be_read_are_named_and_the_others_shown(write, epochwatch, ours, directory, tmp_path):
    write("good")
    (directory / "empty.beat").touch()
    (directory / "text.beat").write_text("x" * 1000)
    (directory / "folder.beat").mkdir()
    os.mkfifo(directory / "fifo.beat")
    (directory / "link.beat").symlink_to(write("elsewhere").rename(tmp_path / "elsewhere"))
    torn = write("torn")
    torn.write_bytes(torn.read_bytes()[:-5])
    result = epochwatch("status", "--json")
    assert [run["job"] for run in ours(result.stdout)] == ["good"]
    lines = [line for line in result.stderr.splitlines() if bytes(directory) in line]
    named = {line.split(b": ")[1].rpartition(b"/")[2] for line in lines}
    assert named == {b"empty.beat", b"text.beat", b"folder.beat", b"fifo.beat", b"link.beat", b"torn.beat"}
    assert result.returncode == 0


HOSTILE = b"\x1b[2Jfake\nWhere: here\xff.beat"


def test_what_others_wrote_and_called_their_files_reaches_no_terminal_raw(epochwatch, directory):
    body = wire.encode_body(wire.Body("job\n\x1b[31m", run="r\u202e", reason="no\x07data\nat all", host="elsewhere"))
    head = wire.Head(phase="eval\x1b[0m", body_at=128, body_len=len(body), body_crc=wire.zlib.crc32(body))
    for name, data in ((HOSTILE, wire.encode_head(head) + body), (b"not-" + HOSTILE, b"text")):
        with open(os.path.join(bytes(directory), name), "wb") as file:
            file.write(data)
    for arguments in (["status"], ["status", "--json"]):
        result = epochwatch(*arguments)
        shown = (result.stdout + result.stderr).decode()
        assert result.returncode == 0
        assert "not-\ufffd[2Jfake Where: here\ufffd.beat: 4 bytes" in shown
        assert shown.replace("\n", "").isprintable()


def test_json_is_strict(write, epochwatch):
    write("a", wire.Head(loss=float("nan")), metrics={"grad": float("inf")})

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads(epochwatch("status", "--json").stdout, parse_constant=refuse)
    (run,) = [run for run in found if run["job"] == "a"]
    assert (run["loss"], run["metrics"]) == ("NaN", {"grad": "Infinity"})


def test_letters_that_the_terminal_does_not_have_are_no_fault(write, epochwatch, environment):
    write("실험")
    result = epochwatch("status", env={**environment, "PYTHONIOENCODING": "ascii"})
    assert (result.returncode, b"running" in result.stdout) == (0, True)


def test_a_file_of_a_gigabyte_is_not_read_whole(epochwatch, directory):
    with (directory / "big.beat").open("wb") as file:
        file.truncate(1 << 30)
    assert b"big.beat: not a heartbeat" in epochwatch("status").stderr


def test_hidden_and_other_files_are_not_looked_at(epochwatch, ours, directory):
    (directory / ".half.beat").touch()
    (directory / "notes.txt").touch()
    result = epochwatch("status", "--json")
    assert ours(result.stdout) == []
    assert bytes(directory) not in result.stderr


def test_without_heartbeats_it_says_where_it_looked(epochwatch, directory):
    if any(Path("/run/epochwatch").glob("*.beat")):
        pytest.skip("there are trainings on this machine")
    result = epochwatch("status")
    assert (result.returncode, result.stdout) == (0, b"")
    assert f"no heartbeats in {directory}".encode() in result.stderr


def test_colours_are_for_terminals_that_want_them(write, environment):
    write("a")
    assert b"\x1b[32mrunning" in _on_terminal(environment)
    assert b"\x1b" not in _on_terminal({**environment, "NO_COLOR": "1"})


def _on_terminal(environment):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "epochwatch", "status"]
    subprocess.run(command, env=environment, stdout=theirs, check=True, timeout=30)
    shown = os.read(ours, 65536)
    os.close(theirs)
    os.close(ours)
    return shown


def test_a_reader_that_has_left_is_no_fault(write, environment):
    write("a")
    unread, ours = os.pipe()
    os.close(unread)
    line = [sys.executable, "-m", "epochwatch", "status"]
    result = subprocess.run(line, env=environment, stdout=ours, stderr=subprocess.PIPE, check=True, timeout=30)
    os.close(ours)
    assert result.stderr == b""
