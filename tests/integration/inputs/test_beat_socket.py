import json
import random
import select
import socket
import zlib

import pytest

from epochwatch import wire
from epochwatch.wire import Body, Head
from epochwatchd.inputs.heartbeats.sockets import BATCH, bind_udp

KEY = b"a key for tests"
NOW_NS = 1_800_000_000_000_000_000


@pytest.fixture(params=[None], ids=["no key"])
def receiver(request):
    receiver = bind_udp("127.0.0.1", 0, request.param)
    yield receiver
    receiver.close()


@pytest.fixture
def send(receiver):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", receiver.port))
        yield sock.send


def received(receiver):
    """Everything that has been sent: on loopback a datagram has arrived when send returns."""
    select.select([receiver], [], [], 1.0)
    beats, faults, _ = receiver.receive(NOW_NS)
    later, more_faults = receiver.held(NOW_NS)
    return beats + later, [fault.code for fault in faults + more_faults]


def test_the_agents_datagram(receiver, send):
    send(wire.encode_datagram(Head(seq=4, epoch=2.0), Body("digits", run="r1")))
    [datagram], [] = received(receiver)
    assert (datagram.beat.head.seq, datagram.beat.body.run, datagram.is_json) == (4, "r1", False)
    assert datagram.sender == "127.0.0.1"


def introduced(receiver, send, body, key="digits"):
    """A sender whose first datagram the daemon has taken up."""
    send(wire.encode_datagram(Head(seq=1), body))
    [first], _, _ = receiver.receive(NOW_NS)
    receiver.known(key, first)


def test_of_a_known_sender_that_goes_on_only_the_newest_is_kept_for_the_tick(receiver, send):
    body = Body("digits", run="r1")
    introduced(receiver, send, body)
    for seq in range(2, 6):
        send(wire.encode_datagram(Head(seq=seq), body))
    assert receiver.receive(NOW_NS)[:2] == ([], [])
    [newest], _ = receiver.held(NOW_NS)
    assert (newest.beat.head.seq, newest.beat.body) == (5, body)
    assert receiver.held(NOW_NS) == ([], [])


def test_of_one_who_died_the_last_words_are_given_without_those_of_others(receiver, send):
    bodies = {key: Body(key, run="r1") for key in ("dead", "alive")}
    for key, body in bodies.items():
        introduced(receiver, send, body, key)
        send(wire.encode_datagram(Head(seq=2), body))
    assert receiver.receive(NOW_NS)[:2] == ([], [])
    [last], [] = receiver.held_of("dead", NOW_NS)
    assert (last.beat.body.job, last.beat.head.seq) == ("dead", 2)
    assert receiver.held_of("dead", NOW_NS) == receiver.held_of("unknown", NOW_NS) == ([], [])
    assert [d.beat.body.job for d in receiver.held(NOW_NS)[0]] == ["alive"]


def test_an_end_is_given_at_once(receiver, send):
    body = Body("digits", run="r1")
    introduced(receiver, send, body)
    for state in (wire.RUNNING, wire.EXITING):
        send(wire.encode_datagram(Head(seq=1, state=state), body))
    beats, _, _ = receiver.receive(NOW_NS)
    assert [d.beat.head.state for d in beats] == [wire.EXITING]


def test_nothing_is_remembered_of_one_that_the_daemon_has_not_taken_up(receiver, send):
    for run in range(100):
        send(wire.encode_datagram(Head(seq=1), Body("digits", run=f"r{run}")))
    assert len(receiver.receive(NOW_NS)[0]) == 100
    assert receiver._bodies == {}


def test_one_body_a_worker_is_remembered_until_it_is_forgotten(receiver, send):
    for epochs in range(1, 10):
        introduced(receiver, send, Body("digits", run="r1", epochs=epochs))
    assert [body.epochs for body in receiver._bodies.values()] == [9]
    receiver.forget("digits")
    receiver.forget("never met")
    assert (receiver._bodies, receiver._raw_of) == ({}, {})


def test_a_plain_json_object(receiver, send):
    send(b'{"job": "resnet50", "epoch": 3, "loss": 0.21}')
    [datagram], [] = received(receiver)
    assert (datagram.beat.head.epoch, datagram.beat.head.loss, datagram.is_json) == (3.0, 0.21, True)


LONG = wire.encode_body(Body("x" * 500, reason="y" * 1000))
LONG = wire.encode_head(Head(seq=1, body_at=128, body_len=len(LONG), body_crc=zlib.crc32(LONG))) + LONG
BAD = [
    pytest.param(b"", "json", id="nothing"),
    pytest.param(b"\xff\xfe\x00random", "json", id="random bytes"),
    pytest.param(b'{"job": "x", "epo', "json", id="cut JSON"),
    pytest.param(b"[" * 4000, "json", id="deep JSON"),
    pytest.param(b'"job"', "json", id="JSON, no object"),
    pytest.param(b'{"job": "' + b"x" * 60000 + b'"}', "size", id="64 KB"),
    pytest.param(LONG, "size", id="a body longer than any agent sends"),
    pytest.param(b'{"epoch": 3}', "job", id="no job"),
    pytest.param(b'{"job": 5}', "type", id="job a number"),
    pytest.param(b'{"job": "x", "epoch": "three"}', "type", id="epoch a text"),
    pytest.param(b'{"job": "x", "epoch": NaN}', "type", id="epoch NaN"),
    pytest.param(b'{"job": "x", "loss": 1' + b"0" * 400 + b"}", "type", id="a huge integer"),
    pytest.param(b'{"job": "x", "step": 1' + b"0" * 30 + b"}", "type", id="a step past 64 bits"),
    pytest.param(b'{"job": "x", "pid": 1.5}', "type", id="half a pid"),
    pytest.param(b'{"job": "x", "colour": "red"}', "key", id="an unknown key"),
    pytest.param(b'{"job": "x", "event": "gone"}', "type", id="an unknown event"),
    pytest.param(b'{"job": "x", "metrics": {"a": []}}', "type", id="a list as a metric"),
    pytest.param(wire.encode_datagram(Head(seq=1), Body("x"))[:-1], "body", id="a cut datagram"),
    pytest.param(wire.seal(b'{"job": "x"}', KEY, NOW_NS), "sealed", id="sealed, and no key here"),
]


@pytest.mark.parametrize(("data", "code"), BAD)
def test_what_is_no_beat_is_named_and_harms_no_other(receiver, send, data, code):
    send(data)
    send(b'{"job": "other"}')
    [datagram], codes = received(receiver)
    assert (datagram.beat.body.job, codes) == ("other", [code])


def test_a_nan_loss_is_a_beat(receiver, send):
    send(b'{"job": "x", "loss": NaN}')
    send(json.dumps({"job": "x", "loss": "NaN"}).encode())
    beats, [] = received(receiver)
    assert all(b.beat.head.loss != b.beat.head.loss for b in beats)


def test_rubbish_in_any_amount_is_only_rubbish(receiver, send):
    rubbish = random.Random(1)
    for _ in range(300):
        send(rubbish.randbytes(rubbish.randrange(1500)))
    beats, codes = received(receiver)
    assert (beats, len(codes)) == ([], 300)


def test_a_batch_is_bounded_and_the_rest_waits(receiver, send):
    for _ in range(BATCH + 10):
        send(b'{"job": "x"}')
    beats, _, more = receiver.receive(NOW_NS)
    assert (len(beats), more) == (BATCH, True)
    assert len(receiver.receive(NOW_NS)[0]) == 10


def test_what_the_kernel_dropped_is_counted_once(receiver, send):
    sent = 0
    while not receiver.newly_dropped():
        for _ in range(1000):
            send(b"x" * 60_000)
        sent += 1000
        assert sent < 2_000_000, "the buffer never filled"
    assert receiver.newly_dropped() == 0


@pytest.mark.parametrize("receiver", [KEY], indirect=True, ids=["key"])
class TestWithAKey:
    def test_a_sealed_datagram_is_taken(self, receiver, send):
        send(wire.seal(b'{"job": "x"}', KEY, NOW_NS))
        [datagram], [] = received(receiver)
        assert datagram.sealed_ns == NOW_NS

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            pytest.param(b'{"job": "x"}', "unsealed", id="no seal"),
            pytest.param(wire.seal(b'{"job": "x"}', b"another key", NOW_NS), "forged", id="another key"),
            pytest.param(wire.seal(b'{"job": "x"}', KEY, NOW_NS)[:-3] + b'y"}', "forged", id="changed on the way"),
            pytest.param(wire.seal(b'{"job": "x"}', KEY, NOW_NS - 61 * 10**9), "stale", id="a minute old"),
            pytest.param(wire.seal(b'{"job": "x"}', KEY, NOW_NS + 61 * 10**9), "stale", id="from the future"),
        ],
    )
    def test_others_are_not(self, receiver, send, data, code):
        send(data)
        assert received(receiver) == ([], [code])
