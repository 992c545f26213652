"""Requests over a real socket, also those that are none."""

import asyncio
import json
import os
import socket

import pytest

from epochwatch import control
from epochwatch.control import ControlError, ask
from epochwatchd.control.server import OF_ONE_MAX, Refused, Server

DEADLINE_S = 10.0


def answer(request):
    if request.path == "/breaks":
        raise ZeroDivisionError
    if request.path == "/no":
        raise Refused(403, "that is jiho's")
    return {"uid": request.uid, "did": f"{request.method} {request.path}", "said": dict(request.body)}


@pytest.fixture
def served(tmp_path):
    """Calls a function, in a thread, with the path of a socket at which requests are answered."""

    def serve(call):
        async def run():
            server = Server(tmp_path / "control", answer)
            await server.start()
            try:
                return await asyncio.wait_for(asyncio.to_thread(call, str(server.path)), DEADLINE_S)
            finally:
                server.close()

        return asyncio.run(run())

    return serve


def test_the_caller_is_known_and_his_words_arrive(served):
    told = served(lambda path: ask("POST", "/v1/ack", {"ids": ["학습"]}, among=[path]))
    assert told == {"uid": os.geteuid(), "did": "POST /v1/ack", "said": {"ids": ["학습"]}}


def test_a_refusal_is_told_in_its_words(served):
    with pytest.raises(ControlError, match=r"^that is jiho's$"):
        served(lambda path: ask("GET", "/no", among=[path]))


def test_a_bug_of_ours_is_said_and_the_next_is_answered(served, caplog):
    def both(path):
        with pytest.raises(ControlError, match="broke the watchdog's answer"):
            ask("GET", "/breaks", among=[path])
        return ask("GET", "/well", among=[path])["did"]

    assert served(both) == "GET /well"
    assert "ZeroDivisionError" in caplog.text


def raw(path, data):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(DEADLINE_S)
        sock.connect(path)
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while part := sock.recv(65536):
            answer += part
        return answer


NONSENSE = [
    b"",
    b"\0" * 100,
    b"GET\r\n\r\n",
    b"GET / HTTP/9\r\n\r\n",
    b"POST /v1/ack HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{",
    b"POST /v1/ack HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{",
    b"POST /v1/ack HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]",
    b"POST /v1/ack HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n" + b"[" * 100001,
    b"POST /v1/ack HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b'POST /v1/ack HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\n{"why": "\\ud800 abc"}',
    b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20000 + b"\r\n",
]


@pytest.mark.parametrize("data", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_harms_nobody(served, data):
    def both(path):
        try:
            told = raw(path, data)
        except (BrokenPipeError, ConnectionResetError):
            told = b""
        return told, ask("GET", "/", among=[path])["did"]

    told, did = served(both)
    assert did == "GET /"
    assert not told or told.startswith(b"HTTP/1.1 400")
    assert not told or "error" in json.loads(told.partition(b"\r\n\r\n")[2])


def test_those_of_one_user_who_say_nothing_take_no_more_than_their_places_and_leave(served, monkeypatch):
    monkeypatch.setattr("epochwatchd.control.server.REQUEST_S", 0.3)

    def crowd(path):
        silent = [socket.socket(socket.AF_UNIX) for _ in range(OF_ONE_MAX + 20)]
        for sock in silent:
            sock.settimeout(DEADLINE_S)
            sock.connect(path)
        assert [sock.recv(1) for sock in silent] == [b""] * len(silent)
        for sock in silent:
            sock.close()
        return ask("GET", "/", among=[path])["did"]

    assert served(crowd) == "GET /"


def test_a_second_daemon_is_refused_and_what_a_dead_one_left_is_taken(tmp_path):
    async def story():
        first, second = Server(tmp_path / "control", answer), Server(tmp_path / "control", answer)
        await first.start()
        with pytest.raises(OSError, match="in use"):
            await second.start()
        first._server.close()  # it dies, and leaves its file
        await second.start()
        second.close()
        assert not (tmp_path / "control").exists()

    asyncio.run(story())


def test_a_socket_of_somebody_who_is_not_the_watchdog_is_not_asked(served, monkeypatch):
    monkeypatch.setattr(control, "_trusted", lambda: [4242])
    with pytest.raises(ControlError, match="who is not the watchdog"):
        served(lambda path: ask("GET", "/", among=[path]))


def test_where_no_watchdog_listens_that_is_said(tmp_path):
    with pytest.raises(ControlError, match="no watchdog listens"):
        ask("GET", "/", among=[str(tmp_path / "none")])


def test_the_watchdog_that_knows_of_it_is_asked(served, tmp_path):
    assert served(lambda path: ask("GET", "/", among=[str(tmp_path / "none"), path]))["did"] == "GET /"


def test_conditions_are_written_as_words():
    said = control.matcher(["job=resnet*,vit", "kind=silent", "tag.team=nlp", "tag.x=a=b"])
    assert said == {"job": ["resnet*", "vit"], "kind": ["silent"], "tag": {"team": ["nlp"], "x": ["a=b"]}}


@pytest.mark.parametrize("word", ["job", "=x", "job=", ""])
def test_a_word_that_is_no_condition_is_named(word):
    with pytest.raises(ValueError, match="NAME=PATTERN"):
        control.matcher([word])
