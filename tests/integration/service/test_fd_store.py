"""Descriptors that systemd keeps. A socket and an environment, which is all it is here, stand in for it."""

import os
import socket
import subprocess
import sys
from contextlib import closing

import pytest

from epochwatchd.service.fd_store import FdStore


@pytest.fixture
def systemd(tmp_path):
    """The socket that a service tells things on, and the environment that names it."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(20.0)
        yield sock, {"NOTIFY_SOCKET": str(tmp_path / "notify")}


def test_what_is_kept_is_sent_with_its_name_and_unpolled(systemd):
    sock, env = systemd
    reader, writer = os.pipe()
    assert FdStore(env).keep("pid.42.7", writer)
    said, fds, *_ = socket.recv_fds(sock, 1000, 4)
    os.write(fds[0], b"x")
    assert (said.decode().splitlines(), os.read(reader, 9)) == (["FDSTORE=1", "FDNAME=pid.42.7", "FDPOLL=0"], b"x")
    for fd in (reader, writer, *fds):
        os.close(fd)


def test_what_is_dropped_is_named(systemd):
    sock, env = systemd
    FdStore(env).drop("pid.42.7")
    assert sock.recv(1000).decode().splitlines() == ["FDSTOREREMOVE=1", "FDNAME=pid.42.7"]


def test_without_systemd_nothing_is_kept_and_nothing_was_left():
    store = FdStore({})
    assert (store.keep("x", 0), store.take("x"), store.sockets()) == (False, None, {})


@pytest.mark.parametrize("pid", ["1", "", "x"])
def test_what_is_meant_for_another_process_is_not_taken(pid):
    store = FdStore({"LISTEN_PID": pid, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"})
    assert (store.has("a"), store.sockets()) == (False, {})


CHILD = """
import os, socket, sys
from epochwatchd.service.fd_store import FdStore
os.environ["LISTEN_PID"] = str(os.getpid())
store = FdStore(os.environ)
sockets = store.sockets()
pipe, again = store.take("pipe"), store.take("pipe")
store.close()
print(sorted(sockets), os.get_inheritable(pipe), store.take("pipe"), os.path.exists("/proc/self/fd/5"), again != pipe)
"""


def test_sockets_are_told_from_others_and_what_nobody_wants_is_closed():
    """The child is started as systemd does it: descriptors from 3 on, in the order of their names."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    pipes = [*os.pipe(), *os.pipe()]

    def place():
        for target, source in enumerate((sock.fileno(), pipes[0], pipes[2]), 100):
            os.dup2(source, target)
        for target, source in enumerate((100, 101, 102), 3):
            os.dup2(source, target)
        os.closerange(6, 200)

    env = {**os.environ, "LISTEN_FDS": "3", "LISTEN_FDNAMES": "beats:pipe:unwanted"}
    line = [sys.executable, "-c", CHILD]
    done = subprocess.run(line, env=env, preexec_fn=place, close_fds=False, capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[0] == "['beats'] False None False True", done.stderr
    sock.close()
    for fd in pipes:
        os.close(fd)
