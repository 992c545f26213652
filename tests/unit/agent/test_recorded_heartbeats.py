"""Heartbeats as they were written once, byte for byte: they stay readable, and say what they said.

The files lie in ``tests/data/heartbeats``. They are never changed, and not written by the code under test. A new
format adds files of its own.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from epochwatch import wire

RECORDED = Path(__file__).parents[2] / "data" / "heartbeats"
KEY, SEALED_NS = b"a shared secret", 1_795_000_000_123_456_789
MINAS = {
    "job": "resnet50", "run": "b71c09aa42d1", "pid": 4242, "start": 8675309, "pidns": 4026531836,
    "boot": "3f0c2a53-5d5f-4a38-9a57-0c64d5b1f7aa", "host": "gpu01", "user": "mina",
    "argv": ("train.py", "--lr", "0.1"),
    "python": "3.11.7", "gpus": "0,1", "announces_end": True, "began_ns": SEALED_NS - 5123 * 10**9,
    "epochs": 90, "steps": 115200, "tags": {"sweep": "lr", "이름": "실험"}, "stack_signal": 60, "stack_fd": 768,
}  # fmt: skip
LLAMAS = {
    **{name: MINAS[name] for name in ("run", "pid", "start", "boot", "pidns", "host", "user", "python", "gpus")},
    "job": "llama", "announces_end": True, "began_ns": MINAS["began_ns"],
}  # fmt: skip
TORCHRUN = {**LLAMAS, "argv": ("torchrun", "--nproc-per-node", "4", "train.py")}
WELL = {"seq": 15361, "time_ns": SEALED_NS, "epoch": 12.0, "step": 15360, "loss": 0.31}
TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 42, in <module>
    step(batch)
ValueError: bad batch
in shard 3
"""


def read(name):
    """The beat in a recorded file or datagram."""
    data = (RECORDED / name).read_bytes()
    if name.endswith(".json"):
        return wire.decode_json_datagram(data)
    if name.startswith("sealed"):
        data, sealed_ns = wire.unseal(data, KEY)
        assert sealed_ns == SEALED_NS
    head = wire.decode_head(data)
    return wire.Beat(head, wire.decode_body(data[head.body_at :][: head.body_len], head.body_crc))


def said(part):
    """The fields of a head or body that say something, but for where the body lies."""
    fields = part._replace(**{name: 0 for name in part._fields if name.startswith("body_")})._asdict()
    return {name: value for name, value in fields.items() if value != part._field_defaults.get(name)}


WORDS = {
    "running.beat": (WELL, {**MINAS, "metrics": {"accuracy": 0.91, "lr": 0.1}}),
    "phase.beat": ({**WELL, "phase": "체크포인트 저장", "phase_time_ns": SEALED_NS - 10**9, "within_s": 5400.0}, MINAS),
    "finished.beat": ({**WELL, "state": wire.FINISHED, "epoch": 89.0}, {**MINAS, "reason": "accuracy 0.95"}),
    "failed.beat": (
        {**WELL, "state": wire.FAILED},
        {**MINAS, "exception": "ValueError: bad batch\nin shard 3", "traceback": TRACEBACK},
    ),
    "leaving.beat": ({**WELL, "state": wire.EXITING}, MINAS),
    "wrapper.beat": ({"seq": 1, "time_ns": SEALED_NS}, {**TORCHRUN, "command_pid": 4250}),
    "wrapper-failed.beat": (
        {"seq": 2, "time_ns": SEALED_NS, "state": wire.FAILED},
        {
            **TORCHRUN,
            "command_pid": 4250,
            "exit_status": -9,
            "tail": ("epoch 3: loss 0.21", " torch.OutOfMemoryError: CUDA out of memory.", "Killed"),
        },
    ),
    "rank.beat": (
        {"seq": 7, "time_ns": SEALED_NS, "step": -3},
        {**LLAMAS, "argv": MINAS["argv"], "pid": 4251, "rank": 3, "world_size": 4},
    ),
    "bare.beat": ({}, {"job": "by-hand"}),
    "beat.datagram": (
        {**WELL, "phase": "eval", "phase_time_ns": SEALED_NS},
        {name: value for name, value in MINAS.items() if name[:6] != "stack_"},
    ),
    "sealed.datagram": (
        {**WELL, "phase": "eval", "phase_time_ns": SEALED_NS},
        {name: value for name, value in MINAS.items() if name[:6] != "stack_"},
    ),
    "least.json": ({}, {"job": "resnet50"}),
    "beat.json": (
        {"epoch": 3.0, "step": 12, "loss": 0.21, "phase": "eval", "within_s": 600.0},
        {"job": "resnet50", "run": "r1", "pid": 77, "host": "gpu02", "epochs": 90, "metrics": {"acc": 0.5}},
    ),
    "failed.json": ({"state": wire.FAILED}, {"job": "resnet50", "reason": "no data"}),
    "finished.json": ({"state": wire.FINISHED}, {"job": "resnet50"}),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_recorded_heartbeat_says_what_it_said(name):
    head, body = read(name)
    assert (said(head), said(body)) == WORDS[name]


@pytest.mark.parametrize(
    ("name", "metrics"),
    [
        ("nan.beat", {"grad_norm": math.inf, "kl": -math.inf, "loss2": math.nan}),  # as bare NaN and Infinity
        ("nan.json", {"grad": math.inf}),
    ],
)
def test_recorded_numbers_that_are_not_finite_are_what_they_were(name, metrics):
    head, body = read(name)
    assert math.isnan(head.loss)
    assert repr(body.metrics) == repr(metrics)


def test_every_recorded_heartbeat_has_its_words():
    assert {path.name for path in RECORDED.iterdir()} == {*WORDS, "nan.beat", "nan.json"}
