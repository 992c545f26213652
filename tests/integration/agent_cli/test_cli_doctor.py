import os
import socket
import stat
from contextlib import closing

import pytest

from epochwatch import doctor, transport


def said(env):
    """What is well and what is wrong, as text."""
    words = doctor.examine({"EPOCHWATCH_JOBS": "/nowhere", **env})
    return [w.text for w in words if w.is_well], [f"{w.text}: {w.todo}" for w in words if not w.is_well]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with a folder for everybody's beats, and no daemon."""
    beats = tmp_path / "run"
    beats.mkdir()
    beats.chmod(0o3777)
    monkeypatch.setattr(transport, "RUN_DIRECTORY", str(beats))
    monkeypatch.setattr(doctor, "SERVICE_SOCKET", str(tmp_path / "service"))
    return tmp_path


@pytest.fixture
def listen():
    """What has a daemon listen on a socket."""
    sockets = []

    def listening(path):
        path.parent.mkdir(exist_ok=True)
        sockets.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        sockets[-1].bind(str(path))

    yield listening
    for sock in sockets:
        sock.close()


def test_the_command_says_it_and_its_status_is_whether_all_is_well(epochwatch, directory):
    done = epochwatch("doctor")
    told = done.stdout.decode()
    assert (done.returncode, f"ok      beats go to {directory}" in told) == (1, True)
    assert "WRONG   no watchdog runs that looks there: `sudo epochwatchd service install`" in told


def test_with_the_machines_watchdog_all_is_well(machine, listen):
    listen(machine / "service")
    assert said({"TMPDIR": str(machine)}) == (
        [f"beats go to {machine}/run", "the machine's watchdog looks there"], [],
    )  # fmt: skip


def test_ones_own_watchdog_does_as_well(machine, listen):
    os.rmdir(machine / "run")
    listen(machine / "epochwatchd" / "beats")
    well, wrong = said({"XDG_RUNTIME_DIR": str(machine), "TMPDIR": str(machine)})
    assert (well, wrong) == ([f"beats go to {machine}/epochwatch", "your own watchdog looks there"], [])


def test_a_folder_where_the_machines_watchdog_does_not_look_is_told(machine, listen):
    listen(machine / "service")
    (machine / "mine").mkdir()
    _, [wrong] = said({"EPOCHWATCH_DIR": str(machine / "mine"), "TMPDIR": str(machine)})
    assert "does not look there: unset EPOCHWATCH_DIR" in wrong


def test_files_that_no_group_gets_are_told(machine, listen):
    listen(machine / "service")
    (machine / "run").chmod(0o1777)
    _, [wrong] = said({"TMPDIR": str(machine)})
    assert "gives its files to no group" in wrong


def test_a_dead_daemons_socket_is_no_daemon(machine):
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.bind(str(machine / "service"))
    _, [wrong] = said({"TMPDIR": str(machine)})
    assert wrong.startswith("no watchdog runs")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_is_not_for_us_is_told(machine):
    (machine / "run").chmod(0o555)
    _, wrong = said({"TMPDIR": str(machine)})
    assert any("you may not write to it" in text for text in wrong)


def test_nothing_is_left_in_the_folder_and_nothing_is_made(machine):
    said({"TMPDIR": str(machine), "XDG_RUNTIME_DIR": str(machine)})
    assert sorted(p.name for p in machine.rglob("*")) == ["run"]
    assert stat.S_IMODE((machine / "run").stat().st_mode) == 0o3777


@pytest.mark.parametrize(
    ("env", "is_well", "word"),
    [
        ({"EPOCHWATCH_OFF": "1"}, False, "no beats are sent"),
        ({"EPOCHWATCH_UDP": "10.0.0.1:8765"}, True, "by datagram: nobody answers there"),
        ({"EPOCHWATCH_UDP": "10.0.0.1:8765", "EPOCHWATCH_KEY_FILE": "/nowhere"}, False, "cannot be read by you"),
    ],
)
def test_what_the_environment_asks_for_is_told(env, is_well, word):
    well, wrong = said(env)
    assert any(word in text for text in (well if is_well else wrong))


@pytest.mark.parametrize(
    ("text", "is_well", "word"),
    [("res*:\n  silent_after: 15m\n", True, "holds for jobs res*"), ("res*:\n  silent: 15m\n", False, "jobs.yaml:2: ")],
)
def test_ones_own_file_of_wishes_is_read(machine, text, is_well, word):
    (machine / "jobs.yaml").write_text(text)
    well, wrong = said({"TMPDIR": str(machine), "EPOCHWATCH_JOBS": str(machine / "jobs.yaml")})
    assert any(word in told for told in (well if is_well else wrong))
