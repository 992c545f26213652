"""What the kernel drops at one socket excuses the silence of those who are heard there, and of nobody else."""

import contextlib
import json
import socket
import tempfile
from pathlib import Path

import pytest
from watching import watching

from epochwatchd.inputs.heartbeats.sockets import bind_udp, bind_unix


@pytest.fixture
def sockets():
    with tempfile.TemporaryDirectory(prefix="beats-") as folder, contextlib.ExitStack() as stack:
        udp, unix = bind_udp("127.0.0.1", 0), bind_unix(Path(folder) / "beats")
        for each in (udp, unix):
            stack.callback(each.close)
        yield udp, unix


def test_a_flood_of_udp_makes_no_other_run_deaf(tmp_path, sockets, monkeypatch):
    udp, unix = sockets
    with watching(tmp_path, sockets=sockets) as watch:
        watch.beat("file", job="by file")
        for kind, address, job in (
            (socket.AF_INET, ("127.0.0.1", udp.port), "by udp"),
            (socket.AF_UNIX, unix.name, "by socket"),
        ):
            with socket.socket(kind, socket.SOCK_DGRAM) as sender:
                sender.sendto(json.dumps({"job": job}).encode(), address)
        watch.tick()
        before = {w.body.job: w.beat_at for run in watch.daemon.registry.runs.values() for w in run.workers}
        monkeypatch.setattr(udp, "newly_dropped", lambda: 1000)
        watch.wait(3)
        after = {w.body.job: w.beat_at for run in watch.daemon.registry.runs.values() for w in run.workers}
    assert set(before) == {"by file", "by udp", "by socket"}
    assert {job for job in before if after[job] > before[job]} == {"by udp"}
