"""A heartbeat of a newer agent says more than this watchdog knows: it is watched, and the log says to upgrade."""

from __future__ import annotations

import json
import logging
import os
import socket
import zlib

import pytest
from builders import beat, moment, worker
from watching import watching

from epochwatch import wire
from epochwatchd.inputs.heartbeats.sockets import bind_udp
from epochwatchd.inputs.process import procfs
from epochwatchd.store.records import worker_from, worker_snapshot


@pytest.fixture
def watch(tmp_path):
    receiver = bind_udp("127.0.0.1", 0, None)
    with watching(tmp_path, sockets=[receiver]) as watch:
        watch.port = receiver.port
        yield watch
    receiver.close()


def newer(job):
    """A heartbeat of this very process by a newer agent."""
    fields = {
        "job": job,
        "pid": os.getpid(),
        "start": procfs.read_stat(os.getpid()).start,
        "mood": "good",
        "w": [{}],
    }
    body = json.dumps({**fields, "boot": procfs.boot_id()}).encode()
    head = wire.Head(seq=1, body_at=wire.HEAD_SIZE, body_len=len(body), body_crc=zlib.crc32(body))
    return wire.encode_head(head) + body


def test_it_is_watched_and_named_in_the_log_once(watch, caplog):
    (watch.beats / "a.beat").write_bytes(newer("by file"))
    with caplog.at_level(logging.WARNING), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(2):
            sender.sendto(newer("by datagram"), ("127.0.0.1", watch.port))
            watch.tick()
    assert {row.job: row.verdict for row in watch.rows()} == {
        "by file": "running",
        "by datagram": "running",
    }
    assert watch.daemon.input_errors.counts["wire.unknown"] == 2
    assert [
        line
        for line in caplog.messages
        if "a.beat: fields that this version does not know are skipped (mood, w): upgrade the watchdog" in line
    ]


def test_what_is_unknown_is_not_kept_for_a_later_watchdog():
    told = worker((0.0, beat(body=wire.Body("a", pid=7, unknown=("mood",)))))
    snapshot = worker_snapshot(told, moment(1.0), "boot")
    assert json.loads(snapshot)["body"] == {"job": "a", "pid": 7}
    assert worker_from("/w", snapshot, moment(1.0), "boot").body == wire.Body("a", pid=7)
