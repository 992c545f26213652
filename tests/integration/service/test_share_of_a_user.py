"""One user has more runs than one may have: the rest waits, the user is told, and nobody else notices."""

import json
import socket

import pytest
from watching import watching

from epochwatch import wire
from epochwatchd.inputs.heartbeats.sockets import bind_udp
from epochwatchd.service import shares

ROOM = 3


@pytest.fixture
def watch(tmp_path, monkeypatch):
    monkeypatch.setattr(shares, "RUN_BYTES", 100_000)
    monkeypatch.setattr(shares, "AT_ONCE_BYTES", ROOM * 100_000 + 50_000)
    udp = bind_udp("127.0.0.1", 0)
    with watching(tmp_path, sockets=[udp]) as watch:
        watch.udp = udp
        yield watch
    udp.close()


def jobs(watch):
    return sorted(run.speaker.body.job for run in watch.daemon.registry.runs.values())


def test_what_is_too_much_waits_until_others_have_ended(watch):
    for number in range(ROOM + 1):
        watch.beat(f"{number}", job=f"j{number}")
        watch.tick()
    assert jobs(watch) == ["j0", "j1", "j2"]
    watch.beat("0", job="j0", seq=2, state=wire.FINISHED)
    watch.wait(2)
    assert jobs(watch) == ["j1", "j2", "j3"]
    assert ("j3", "started") in watch.told()


def test_its_user_is_told_once_and_when_it_is_over(watch):
    for number in range(ROOM + 2):
        watch.beat(f"{number}", job=f"j{number}")
    watch.wait(3)
    said = [m for m in watch.messages() if m.kind == "watchdog"]
    assert [(m.cause["code"], m.status, m.user) for m in said] == [("too_many_runs", "firing", said[0].user)]
    assert said[0].user in said[0].cause["text"]
    for number in range(2):
        watch.beat(f"{number}", job=f"j{number}", seq=2, state=wire.FINISHED)
    watch.wait(65)
    assert [m.status for m in watch.messages() if m.kind == "watchdog"] == ["firing", "resolved"]


def test_senders_that_are_not_known_leave_room_for_known_ones(watch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(100):
            sender.sendto(json.dumps({"job": f"u{number}", "run": "r"}).encode(), ("127.0.0.1", watch.udp.port))
    watch.tick()
    assert len(jobs(watch)) == ROOM
    watch.beat("a", job="by file")
    watch.tick()
    assert "by file" in jobs(watch)
    assert watch.daemon.input_errors.counts["datagram.share"] == 100 - ROOM
