"""Waiting for the address that a login in a browser leads to: the browser asks for it here, or somebody pastes it."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, TextIO
from urllib.parse import urlsplit

from epochwatchd.model import EpochwatchError

HERE = ("localhost", "127.0.0.1")
PATIENCE_S = 5.0
DONE = "<!doctype html><meta charset=utf-8><p>Done. You may close this page. / 끝났습니다. 이 창을 닫아도 됩니다."


class LoginError(EpochwatchError):
    """Nobody logged in; the text says why."""


@contextmanager
def expected(redirect_uri: str) -> Iterator[Callable[[TextIO], str]]:
    """What waits for the address; a browser may come from the beginning of the block on."""
    server = _listening(redirect_uri)
    try:
        yield partial(_awaited, server)
    finally:
        if server is not None:
            server.server_close()


def _awaited(server: _Server | None, lines: TextIO) -> str:
    """The first address with an answer that a browser asks this machine for, or the first line that is pasted.

    Raises LoginError where neither can come any more.
    """
    waiting: list[Any] = [lines, *([server] if server else [])]
    while waiting:
        ready, _, _ = select.select(waiting, [], [])
        if server in ready and server is not None:
            server.handle_request()
            if server.asked:
                return server.asked
        if lines in ready:
            line = lines.readline()
            if line.strip():
                return line.strip()
            if not line:
                waiting.remove(lines)
    raise LoginError("nothing was pasted, and no browser can come here: try again in a terminal")


class _Server(HTTPServer):
    asked = ""


def _listening(redirect_uri: str) -> _Server | None:
    """A server for the browser, if the address is one of this machine and its port is free."""
    parts = urlsplit(redirect_uri)
    if parts.scheme != "http" or parts.hostname not in HERE:
        return None
    try:
        return _Server(("127.0.0.1", parts.port or 80), _Handler)
    except OSError:
        return None


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        """Keep an address with an answer; browsers ask for others, too."""
        query = urlsplit(self.path).query
        is_answer = "code=" in query or "error=" in query
        if is_answer:
            self.server.asked = f"http://localhost{self.path}"
        body = DONE.encode() if is_answer else b""
        self.send_response(200 if is_answer else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the address holds a secret."""
