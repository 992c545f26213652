from __future__ import annotations

import errno
import os
import socket

import pytest

from epochwatch import wire

KEY = b"a key that both sides know"


@pytest.fixture
def watchdog():
    """A socket in the watchdog's place."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        yield receiver


def address_of(watchdog, host="127.0.0.1"):
    return f"{host}:{watchdog.getsockname()[1]}"


def decode(datagram):
    head = wire.decode_head(datagram)
    assert head.body_at == wire.HEAD_SIZE
    return wire.Beat(head, wire.decode_body(datagram[wire.HEAD_SIZE :][: head.body_len], head.body_crc))


def receive(watchdog):
    datagram = watchdog.recv(65536)
    assert len(datagram) <= wire.DATAGRAM_MAX
    return decode(datagram)


def received(watchdog):
    """All that has come."""
    watchdog.setblocking(False)
    datagrams = []
    while True:
        try:
            datagrams.append(watchdog.recv(65536))
        except BlockingIOError:
            return datagrams


def test_beats_go_to_the_watchdog_instead_of_a_file(training, watchdog):
    training.run("agent.start('a', epochs=3); agent.beat(1, 0.5)", EPOCHWATCH_UDP=address_of(watchdog))
    beats = [decode(datagram) for datagram in received(watchdog)]
    assert [(beat.head.epoch, beat.head.seq) for beat in beats[:2]] == [(None, 0), (1, 1)]
    assert (beats[1].body.job, beats[1].body.epochs, beats[1].head.loss) == ("a", 3, 0.5)
    assert training.beats() == []


def test_the_end_is_sent_twice(training, watchdog):
    training.run("agent.beat(1)\nraise ValueError('x' * 5000 + 'the end')", EPOCHWATCH_UDP=address_of(watchdog))
    last, again = [decode(datagram) for datagram in received(watchdog)][-2:]
    assert last == again
    assert last.head.state == wire.FAILED
    assert last.body.job == "train"
    assert last.body.exception.startswith("ValueError: xxx")


def test_ipv6_and_names(training):
    try:
        receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        receiver.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with receiver:
        training.run("agent.beat(1)", EPOCHWATCH_UDP=address_of(receiver, "[::1]"))
        assert decode(received(receiver)[0]).head.epoch == 1


def test_a_name_is_resolved_in_the_background_and_nothing_is_lost(training, watchdog):
    training.run("agent.beat(1, 0.5)\nagent.finish('done')", EPOCHWATCH_UDP=address_of(watchdog, "localhost"))
    last = decode(received(watchdog)[-1])
    assert (last.head.epoch, last.head.state, last.body.reason) == (1, wire.FINISHED, "done")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 100 + ".invalid", "größe.invalid"])
def test_a_name_that_does_not_resolve_is_said_once_and_stops_nothing(training, host):
    process = training.start(
        """
        for epoch in range(1000):
            agent.beat(epoch, 0.5)
        print("on", flush=True)
        input()
        """,
        EPOCHWATCH_UDP=f"{host}:8765",
    )
    assert process.stdout.readline() == "on\n"
    assert "no way to" in process.stderr.readline()
    _, err = process.communicate("\n", timeout=60)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("address", ["8765", "host:", ":1", "host:99999", "host:x", "1.2.3.4"])
def test_a_malformed_address_is_said_once_and_stops_nothing(training, address):
    done = training.run("for epoch in range(10):\n    agent.beat(epoch)", EPOCHWATCH_UDP=address)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert "not HOST:PORT" in done.stderr


def test_nobody_listening_is_nothing_to_speak_of(training, watchdog):
    address = address_of(watchdog)
    watchdog.close()
    done = training.run("for epoch in range(100):\n    agent.beat(epoch)", EPOCHWATCH_UDP=address)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_watchdog_that_comes_back_hears_the_very_next_beat(training, watchdog):
    address = watchdog.getsockname()
    watchdog.close()
    process = training.start("agent.beat(1)\ninput()\nagent.beat(2)\ninput()", EPOCHWATCH_UDP="{}:{}".format(*address))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
        back.bind(address)
        back.settimeout(20)
        process.stdin.write("\n")
        process.stdin.flush()
        while receive(back).head.epoch != 2:
            pass


def test_keep_alives_come_without_beats_and_bring_what_was_held_back(training, watchdog):
    process = training.start(
        "for step in range(1000):\n    agent.beat(1, step / 2, step=step)\ninput()", EPOCHWATCH_UDP=address_of(watchdog)
    )
    while receive(watchdog).head.step != 999:
        pass
    first, second = receive(watchdog), receive(watchdog)
    assert first == second
    assert (first.head.seq, first.head.loss) == (1000, 499.5)
    process.communicate("\n", timeout=60)


def test_fast_beats_make_few_datagrams_but_news_is_sent_at_once(training, watchdog):
    training.run(
        "for step in range(5000):\n    agent.beat(1, 0.5, step=step)\nagent.beat(1, float('nan'))",
        EPOCHWATCH_UDP=address_of(watchdog),
    )
    beats = [decode(datagram) for datagram in received(watchdog)]
    assert len(beats) < 200
    assert [beat.head.loss for beat in beats][-1] != 0.5
    assert beats[-1].head.seq == 5001


def test_sealed_datagrams_have_a_time_that_only_grows(training, watchdog, tmp_path):
    (tmp_path / "key").write_bytes(KEY + b"\n")
    training.run(
        """
        import time
        times = iter([10**18, 5, 3])  # stands for a system clock that is set back
        time.time_ns = lambda: next(times, 7)
        for epoch in range(5):
            agent.beat(epoch)
            time.sleep(0.01)  # as news is sent
        """,
        EPOCHWATCH_UDP=address_of(watchdog),
        EPOCHWATCH_KEY_FILE=str(tmp_path / "key"),
    )
    opened = [wire.unseal(datagram, KEY) for datagram in received(watchdog)]
    times = [time_ns for _, time_ns in opened]
    assert len(times) > 3
    assert times == sorted(set(times))
    assert decode(opened[-1][0]).head.epoch == 4


def test_an_empty_key_is_no_key(training, watchdog, tmp_path):
    (tmp_path / "key").write_bytes(b"\n")
    done = training.run("agent.beat(1)", EPOCHWATCH_UDP=address_of(watchdog), EPOCHWATCH_KEY_FILE=str(tmp_path / "key"))
    assert "is empty" in done.stderr
    assert received(watchdog) == []


def test_a_key_that_cannot_be_read_is_said_once_and_nothing_is_sent_unsealed(training, watchdog, tmp_path):
    done = training.run(
        "agent.beat(1)\nagent.beat(2)", EPOCHWATCH_UDP=address_of(watchdog), EPOCHWATCH_KEY_FILE=str(tmp_path / "none")
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (0, 1)
    assert os.strerror(errno.ENOENT) in done.stderr
    assert received(watchdog) == []


def test_a_forked_child_sends_only_what_it_beats_itself(training, watchdog):
    training.run(
        """
        import os, time
        agent.beat(1)
        quiet = os.fork()
        if quiet == 0:
            time.sleep(1.5)  # longer than between two keep-alives
            os._exit(0)
        loud = os.fork()
        if loud == 0:
            agent.beat(7)
            os._exit(0)
        os.waitpid(quiet, 0)
        os.waitpid(loud, 0)
        print(quiet, loud)
        """,
        EPOCHWATCH_UDP=address_of(watchdog),
    )
    beats = [decode(datagram) for datagram in received(watchdog)]
    pids = {beat.head.epoch: beat.body.pid for beat in beats}
    assert len({beat.body.pid for beat in beats}) == 2
    assert pids[1] != pids[7]


def test_a_socket_closed_by_the_training_is_opened_again(training, watchdog):
    process = training.start(
        """
        import os
        agent.beat(1)
        os.closerange(3, 65536)
        sys_epoch = 1
        import sys, time
        while True:
            sys_epoch += 1
            agent.beat(sys_epoch)
            time.sleep(0.02)
        """,
        EPOCHWATCH_UDP=address_of(watchdog),
    )
    assert receive(watchdog).head.epoch == 1
    while receive(watchdog).head.epoch < 3:
        pass
    process.kill()


def test_waiting_for_a_resolver_at_exit_has_an_end(training):
    done = training.run(
        """
        import socket, threading
        forever = threading.Event()
        socket.getaddrinfo = lambda *_, **__: forever.wait()  # stands for a resolver that does not answer
        agent.beat(1)
        """,
        EPOCHWATCH_UDP="name.invalid:8765",
    )
    assert (done.returncode, done.stderr) == (0, "")
