"""Datagrams: how many a second one core decodes and applies, and how many a real daemon loses at 100,000 a second."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable, Sequence

import common
from flatline import wire
from flatlined.config import Config, Heartbeats, StoreConfig
from flatlined.inputs import processes
from flatlined.inputs.beat_files import BeatFiles
from flatlined.inputs.beat_socket import BeatSocket
from flatlined.model import Policy
from flatlined.service.daemon import Daemon
from flatlined.store import Store

RUNS = 100
BURST = 4_000


def binary(count: int) -> list[bytes]:
    """Beats of some runs in turn, as the agent sends them."""
    bodies = [_body(i) for i in range(RUNS)]
    return [
        wire.encode_datagram(wire.Head(seq=n, time_ns=n, epoch=float(n // 1000), loss=1 / (n + 1)), bodies[n % RUNS])
        for n in range(1, count + 1)
    ]


def _body(i: int) -> wire.Body:
    return wire.Body(
        job="resnet50", run=f"{i:012x}", pid=1000 + i, start=5_000_000 + i, boot="b" * 36, pidns=4026531836,
        host="elsewhere", user="mina", argv=("train.py", "--batch-size", "256"), epochs=90, python="3.11.7", announces_end=True,
    )  # fmt: skip


def plain_json(count: int) -> list[bytes]:
    """Beats of some runs in turn, as a shell script sends them."""
    return [
        json.dumps({"job": "resnet50", "run": f"{n % RUNS:012x}", "host": "elsewhere", "epoch": n // 1000, "loss": 1 / n}).encode()
        for n in range(1, count + 1)
    ]
