"""What holds for every heartbeat, and for every sequence of bytes that is none."""

from __future__ import annotations

import contextlib
import math
from datetime import datetime, timedelta, timezone

import pytest

from epochwatch import wire

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def for_any(*strategies):
    """``given``, on machines that are slow at times."""
    calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    return lambda test: calm(given(*strategies)(test))


whole = st.integers(-(2**63), 2**63 - 1)
natural = st.integers(0, 2**53)
pids = st.integers(1, 2**22)
count = st.integers(0, 2**32 - 1)
wall_ns = st.integers(0, 2**62 - 1)
texts = st.text(
    st.characters(blacklist_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp", "Zs", "Cf")), min_size=1, max_size=40
)

heads = st.fixed_dictionaries(
    {
        "state": st.sampled_from([wire.RUNNING, wire.FINISHED, wire.FAILED, wire.EXITING]),
        "seq": st.integers(0, 2**64 - 1),
        "time_ns": wall_ns,
        "epoch": st.none() | st.floats(-(2.0**53), 2.0**53),
        "step": st.none() | whole,
        "loss": st.none() | st.floats(allow_nan=False),
        "phase": st.none() | texts.map(lambda text: wire.encode_phase(text).decode()),
        "phase_time_ns": wall_ns,
        "within_s": st.none() | st.floats(0, 1e9),
        "body_at": count,
        "body_len": count,
        "body_crc": count,
    }
).map(lambda fields: wire.Head(**fields))
bodies = st.fixed_dictionaries(
    {
        "job": texts,
        "run": st.none() | texts,
        "pid": st.none() | pids,
        "rank": st.none() | st.integers(0, 10**7),
        "user": st.none() | texts,
        "argv": st.lists(texts, max_size=5).map(tuple),
        "epochs": st.none() | natural,
        "tags": st.none() | st.dictionaries(texts, texts, max_size=4),
        "announces_end": st.booleans(),
        "metrics": st.none() | st.dictionaries(texts, st.floats(allow_nan=False), max_size=4),
        "exit_status": st.none() | st.integers(-64, 2**32 - 1),
        "stack_signal": st.none() | st.integers(1, 64),
        "stack_fd": st.none() | st.integers(0, 2**31 - 1),
        "tail": st.lists(texts, max_size=5).map(tuple),
    }
).map(lambda fields: wire.Body(**fields))


@for_any(heads)
def test_a_head_is_read_as_it_was_written(head):
    data = wire.encode_head(head)
    assert len(data) == wire.HEAD_SIZE
    assert wire.decode_head(data) == head


def test_a_loss_that_is_no_number_is_read_as_it_was_written():
    assert math.isnan(wire.decode_head(wire.encode_head(wire.Head(loss=math.nan))).loss)


@for_any(bodies)
def test_a_body_is_read_as_it_was_written(body):
    assert wire.decode_body(wire.encode_body(body)) == body


@for_any(heads, bodies)
def test_a_datagram_is_read_as_it_was_sent_and_never_too_long(head, body):
    data = wire.encode_datagram(head, body._replace(job=body.job[:20]))
    assert len(wire.seal(data, b"key", 0)) <= wire.DATAGRAM_MAX
    read = wire.decode_head(data)
    assert read._replace(body_at=head.body_at, body_len=head.body_len, body_crc=head.body_crc) == head
    assert wire.decode_body(data[read.body_at :], read.body_crc).job == body.job[:20]


@for_any(heads, st.integers(0, wire.HEAD_SIZE - 1), st.integers(1, 255))
def test_every_byte_of_a_head_that_is_changed_is_noticed(head, at, change):
    data = bytearray(wire.encode_head(head))
    data[at] ^= change
    with pytest.raises(wire.WireError):
        wire.decode_head(bytes(data))


@for_any(bodies, st.data())
def test_every_byte_of_a_body_that_is_changed_is_noticed(body, data):
    text = bytearray(wire.encode_body(body))
    crc = wire.zlib.crc32(text)
    text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(wire.WireError, match="checksum"):
        wire.decode_body(bytes(text), crc)


@for_any(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: wire.MAGIC + b"\1" + tail))
def test_any_other_bytes_are_a_wire_error(data):
    for decode in (wire.decode_head, wire.decode_body, wire.decode_json_datagram, lambda data: wire.unseal(data, b"k")):
        with pytest.raises(wire.WireError):
            decode(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from([*wire.Body._fields, "epoch", "step", "loss", "phase", "within", "event", "other"])


@for_any(st.dictionaries(keys, json_values))
def test_any_json_is_a_heartbeat_or_a_wire_error(fields):
    data = wire.json.dumps(fields).encode()
    for decode in (wire.decode_body, wire.decode_json_datagram):
        with contextlib.suppress(wire.WireError):  # anything else fails the test
            decode(data)


@for_any(st.dictionaries(keys, json_values), st.data())
def test_json_with_changed_bytes_is_a_heartbeat_or_a_wire_error(fields, data):
    text = bytearray(wire.json.dumps({"job": "a", **fields}).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    for decode in (wire.decode_body, wire.decode_json_datagram):
        with contextlib.suppress(wire.WireError):
            decode(bytes(text))


@for_any(st.binary(min_size=wire.CRC_AT - 6, max_size=wire.CRC_AT - 6), st.integers(0, 5))
def test_a_head_of_any_numbers_with_a_good_checksum_is_one_to_reckon_with_or_a_wire_error(rest, state):
    data = wire.PREFIX.pack(wire.MAGIC, wire.VERSION, state) + rest
    with contextlib.suppress(wire.WireError):
        head = wire.decode_head(data + wire.CRC.pack(wire.zlib.crc32(data)))
        for time_ns in (head.time_ns, head.phase_time_ns):
            assert datetime.fromtimestamp(time_ns / 1e9, tz=timezone.utc) + timedelta(seconds=head.within_s or 0.0)
        assert head.epoch is None or int(head.epoch) <= 2**53
        assert head.phase is None or head.phase.isprintable()


@for_any(heads, st.sets(st.integers(0, wire.CRC_AT - 1), max_size=6), st.binary(min_size=6, max_size=6))
def test_a_head_with_changed_bytes_and_a_good_checksum_is_a_head_or_a_wire_error(head, places, news):
    data = bytearray(wire.encode_head(head)[: wire.CRC_AT])
    for place, new in zip(places, news):  # noqa: B905 - Python 3.8
        data[place] = new
    with contextlib.suppress(wire.WireError):
        wire.decode_head(bytes(data) + wire.CRC.pack(wire.zlib.crc32(data)))


@for_any(heads, st.integers(4, 15))
def test_flags_that_are_not_known_mean_nothing(head, bit):
    data = bytearray(wire.encode_head(head)[: wire.CRC_AT])
    flags = int.from_bytes(data[6:8], "little") | 1 << bit
    data[6:8] = flags.to_bytes(2, "little")
    assert wire.decode_head(bytes(data) + wire.CRC.pack(wire.zlib.crc32(data))) == head


@for_any(st.binary(max_size=200), st.binary(min_size=1, max_size=80), st.integers(0, 2**63 - 1), st.data())
def test_a_seal_opens_with_its_key_and_breaks_with_any_change(payload, key, time_ns, data):
    sealed = wire.seal(payload, key, time_ns)
    assert wire.unseal(sealed, key) == (payload, time_ns)
    broken = bytearray(sealed)
    broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(wire.WireError):
        wire.unseal(bytes(broken), key)
