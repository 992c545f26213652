"""What a heartbeat may say, field by field, and what it is read as."""

from __future__ import annotations

import json
import math

import pytest

from epochwatch import wire


def body(**fields):
    """The body that these fields of JSON are read as."""
    return wire.decode_body(json.dumps({"job": "a", **fields}).encode())


NUMBERS = [  # field, smallest, largest
    ("pid", 1, 2**22),
    ("command_pid", 0, 2**22),
    ("start", 0, 2**63 - 1),
    ("pidns", 0, 2**63 - 1),
    ("began_ns", 0, 2**63 - 1),
    ("rank", 0, 10**7),
    ("world_size", 0, 10**7),
    ("epochs", 0, 2**53),
    ("steps", 0, 2**53),
    ("stack_signal", 1, 64),
    ("stack_fd", 0, 2**31 - 1),
    ("exit_status", -(2**31), 2**32 - 1),
]


@pytest.mark.parametrize(("name", "least", "most"), NUMBERS)
def test_a_number_of_the_body_is_in_its_range(name, least, most):
    assert [getattr(body(**{name: value}), name) for value in (least, most)] == [least, most]
    for value in (least - 1, most + 1, 10**4000, -(10**400), 1.0, "1", True, [], {}):
        with pytest.raises(wire.WireError, match=f"^{name} must") as refused:
            body(**{name: value})
        assert refused.value.code == "type"


HEADS = [  # field, its name in words, good values, bad values
    ("epoch", "epoch", [-(2.0**53), 2.0**53], [math.nan, math.inf, -math.inf, 2.0**53 + 2, -1e300]),
    ("within_s", "within", [0.0, 1e9], [math.nan, math.inf, -0.1, 1.1e9]),
    ("time_ns", "time_ns", [0, 2**62 - 1], [-1, 2**62, -(2**63), 2**63 - 1]),
    ("phase_time_ns", "phase_time_ns", [0, 2**62 - 1], [-1, 2**62]),
]


@pytest.mark.parametrize(("name", "word", "good", "bad"), HEADS)
def test_a_number_of_the_head_is_in_its_range(name, word, good, bad):
    for value in good:
        assert getattr(wire.decode_head(wire.encode_head(wire.Head(**{name: value}))), name) == value
    for value in bad:
        with pytest.raises(wire.WireError, match=f"^{word} must") as refused:
            wire.decode_head(wire.encode_head(wire.Head(**{name: value})))
        assert refused.value.code == "type"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch", 2**53 + 1), ("epoch", 1e300), ("epoch", "NaN"), ("within", -1), ("within", 1.1e9), ("step", 2**63),
        ("step", 10**4000), ("loss", 10**400), ("loss", "nan"), ("pid", 0), ("event", 1), ("event", [[[]]]),
    ],
)  # fmt: skip
def test_a_number_of_a_json_datagram_is_in_its_range(name, value):
    with pytest.raises(wire.WireError, match=f"^{name} ") as refused:
        wire.decode_json_datagram(json.dumps({"job": "a", name: value}).encode())
    assert refused.value.code == "type"


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 30_000,
        b'{"job":' * 4_000,
        b'{"job":"a","pid":' + b"9" * 7_000 + b"}",
        b'{"job":"a","loss":' + b"9" * 7_000 + b"}",
        b'{"job":' + b"[" * 900 + b"]" * 900 + b"}",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"null",
    ],
    ids=["deep lists", "deep objects", "a huge pid", "a huge loss", "a deep job", "no UTF-8", "a BOM", "no object"],
)
def test_what_a_parser_chokes_on_is_a_wire_error(data):
    for decode in (wire.decode_body, wire.decode_json_datagram):
        with pytest.raises(wire.WireError):
            decode(data)


def test_a_body_longer_than_a_slot_is_not_read():
    with pytest.raises(wire.WireError, match="32769 bytes") as refused:
        wire.decode_body(b"{".ljust(wire.BODY_MAX + 1))
    assert refused.value.code == "size"


def test_keys_of_a_newer_agent_are_skipped_and_named():
    newer = body(pid=7, mood="good", unknown=1, shards=[{"deep": [None]}], rank=None)
    assert newer == wire.Body("a", pid=7, unknown=("mood", "unknown", "shards"))


def test_of_many_unknown_keys_a_few_names_are_kept_cut_and_cleaned():
    names = body(**{f"{n}\n\x1b[31m{'x' * 100}": n for n in range(100)}).unknown
    assert len(names) == 8
    assert names[0] == "0 \ufffd[31m" + "x" * 73


def test_unknown_keys_are_not_written_again():
    assert json.loads(wire.encode_body(wire.Body("a", unknown=("mood",)))) == {"job": "a"}


def test_a_known_key_of_a_wrong_kind_stays_an_error_beside_unknown_ones():
    with pytest.raises(wire.WireError, match="pid"):
        body(pid="seven", mood="good")


def test_json_by_hand_is_held_to_the_known_keys():
    with pytest.raises(wire.WireError, match="'epch'") as refused:
        wire.decode_json_datagram(b'{"job": "a", "epch": 3}')
    assert refused.value.code == "key"


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_numbers_that_are_not_finite_are_written_as_texts_and_read_as_numbers():
    said = {"a": math.inf, "b": -math.inf, "c": math.nan, "d": 0.5}
    data = wire.encode_body(wire.Body("a", metrics=said))
    assert json.loads(data, parse_constant=refuse)["metrics"] == {
        "a": "Infinity",
        "b": "-Infinity",
        "c": "NaN",
        "d": 0.5,
    }
    assert repr(wire.decode_body(data).metrics) == repr(said)


def test_bare_nan_of_older_senders_is_still_read():
    data = b'{"job": "a", "metrics": {"a": NaN, "b": -Infinity}}'
    assert repr(wire.decode_body(data).metrics) == "{'a': nan, 'b': -inf}"
    assert repr(wire.decode_json_datagram(data[:-1] + b', "loss": NaN}').head.loss) == "nan"


FORGED = "a\n  Where: train.py\x1b[2J\u202e\t\ud800"
ONE_LINE = "a   Where: train.py\ufffd[2J\ufffd \ufffd"
LINES = "a\n  Where: train.py\ufffd[2J\ufffd\t\ufffd"


@pytest.mark.parametrize("name", ["job", "run", "boot", "host", "user", "python", "gpus"])
def test_a_name_is_one_line(name):
    assert getattr(body(**{name: FORGED}), name) == ONE_LINE


@pytest.mark.parametrize("name", ["argv", "tail"])
def test_the_texts_of_a_list_are_one_line_each(name):
    assert getattr(body(**{name: [FORGED, "b"]}), name) == (ONE_LINE, "b")


def test_tags_and_metrics_are_one_line():
    said = body(tags={FORGED: FORGED}, metrics={FORGED: 1})
    assert (said.tags, said.metrics) == ({ONE_LINE: ONE_LINE}, {ONE_LINE: 1.0})


@pytest.mark.parametrize("name", ["reason", "exception", "traceback"])
def test_what_is_told_at_length_keeps_its_lines(name):
    assert getattr(body(**{name: FORGED}), name) == LINES


def test_a_phase_is_one_line():
    assert wire.decode_head(wire.encode_head(wire.Head(phase="a\nb\x1bc"))).phase == "a b\ufffdc"
    assert wire.decode_json_datagram(b'{"job": "a", "phase": "a\\nb"}').head.phase == "a b"


def test_the_name_of_a_refused_metric_is_cleaned():
    with pytest.raises(wire.WireError, match=r"metrics\.a b must be a number"):
        body(metrics={"a\nb": []})
