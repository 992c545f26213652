"""The socket that knows its senders: real processes, of other users too."""

import errno
import os
import select
import socket
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from epochwatch import wire
from epochwatch.wire import Body, Head
from epochwatchd.inputs.heartbeats.sockets import bind_unix

NOW_NS = 1_800_000_000_000_000_000
NOBODY = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can send as another user")


@pytest.fixture
def path():
    """In a folder of its own, since pytest's are closed to other users, and too long for the path of a socket."""
    with tempfile.TemporaryDirectory(prefix="beats-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder) / "run" / "beats"


@pytest.fixture
def receiver(path):
    receiver = bind_unix(path)
    yield receiver
    receiver.close()


def send(path, *datagrams, uid=None):
    """Have a process of a user send; a fork, since the interpreter's folder may be closed to other users."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if uid is not None:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            send_here(path, *datagrams)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def send_here(path, *datagrams):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(str(path))
        for data in datagrams:
            sender.send(data)


def received(receiver):
    select.select([receiver], [], [], 5.0)
    beats, faults, _ = receiver.receive(NOW_NS)
    return beats, faults


def test_a_plain_json_object_comes_with_the_uid_of_its_sender(receiver, path):
    send(path, b'{"job": "resnet50", "epoch": 3}')
    [datagram], [] = received(receiver)
    assert (datagram.beat.body.job, datagram.uid, datagram.is_json) == ("resnet50", os.getuid(), True)


@needs_root
def test_another_user_may_send_and_is_known_as_that_user(receiver, path):
    send(path, wire.encode_datagram(Head(seq=4), Body("digits", run="r1")), uid=NOBODY)
    [datagram], [] = received(receiver)
    assert (datagram.beat.head.seq, datagram.uid, datagram.sender) == (4, NOBODY, f"uid {NOBODY}")


@needs_root
def test_rubbish_is_named_with_the_user_it_came_from(receiver, path):
    send(path, b"rubbish", uid=NOBODY)
    [], [fault] = received(receiver)
    assert (fault.sender, fault.code) == (f"uid {NOBODY}", "json")


@needs_root
def test_another_users_copy_of_a_datagram_does_not_take_the_place_of_the_senders_own(receiver, path):
    body = Body("digits", run="r1")
    send(path, wire.encode_datagram(Head(seq=1), body))
    [first], [] = received(receiver)
    receiver.known("digits", first)
    send(path, wire.encode_datagram(Head(seq=2), body))
    send(path, wire.encode_datagram(Head(seq=99), body), uid=NOBODY)
    [copy], [] = received(receiver)
    [own], [] = receiver.held(NOW_NS)
    assert [(d.beat.head.seq, d.uid) for d in (copy, own)] == [(99, NOBODY), (2, os.getuid())]


def test_a_datagram_that_is_too_long_is_refused(receiver, path):
    send(path, b'{"job": "' + b"x" * 20_000 + b'"}', b'{"job": "other"}')
    [datagram], [fault] = received(receiver)
    assert (datagram.beat.body.job, fault.code) == ("other", "size")


def test_descriptors_that_are_sent_along_are_not_taken(receiver, path):
    before = set(os.listdir("/proc/self/fd"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, open(os.devnull) as gift:
        sender.connect(str(path))
        socket.send_fds(sender, [b'{"job": "x"}'], [gift.fileno()] * 10)
        [datagram], [] = received(receiver)
    assert datagram.uid == os.getuid()
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.usefixtures("receiver")
def test_every_user_may_send(path):
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o666
    assert stat.S_IMODE(os.stat(path.parent).st_mode) == 0o755


def test_the_file_is_removed_with_the_socket(path):
    bind_unix(path).close()
    assert not path.exists()


def test_a_socket_that_nobody_listens_to_any_more_is_replaced(path):
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left_over:
        left_over.bind(str(path))
    receiver = bind_unix(path)
    send(path, b'{"job": "x"}')
    assert len(received(receiver)[0]) == 1
    receiver.close()


@pytest.mark.parametrize("make", [lambda p: p.touch(), lambda p: p.symlink_to("elsewhere"), os.mkdir])
def test_what_is_no_socket_is_left_alone(path, make):
    path.parent.mkdir()
    make(path)
    with pytest.raises(OSError, match="in use"):
        bind_unix(path)
    assert os.path.lexists(path)


def test_where_another_daemon_listens_it_is_left_alone(receiver, path):
    with pytest.raises(OSError, match="in use") as caught:
        bind_unix(path)
    assert caught.value.errno == errno.EADDRINUSE
    send(path, b'{"job": "x"}')
    assert len(received(receiver)[0]) == 1


def test_a_file_that_is_anothers_by_now_is_left_at_the_close(path):
    first = bind_unix(path)
    path.unlink()
    second = bind_unix(path)
    first.close()
    assert path.exists()
    second.close()
    assert not path.exists()


def test_a_sender_that_is_not_heard_at_once_only_waits(receiver, path):
    sender = threading.Thread(target=send_here, args=(path, *[b'{"job": "x"}'] * 1000))
    sender.start()
    count = 0
    while count < 1000:
        count += len(received(receiver)[0])
    sender.join()
    assert receiver.newly_dropped() == 0
