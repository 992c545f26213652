"""Logging in to KakaoTalk: a browser that comes back, or an address that is pasted. Kakao itself is a stand-in."""

import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import yaml
from servers import free_port
from telling import DictMemory
from vendors import Asked
from vendors.kakao import CODE, Kakao

from epochwatchd.alerting.channels import kakao as module
from epochwatchd.model import ChannelError
from epochwatchd.service.channel_memory import FileMemory


@pytest.fixture
def kakao():
    kakao = Kakao()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, _, said = kakao.answer(Asked("POST", self.path, headers, body))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            pass

    with closing(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        server.close = server.server_close
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        kakao.url = f"http://127.0.0.1:{server.server_port}"
        yield kakao
        server.shutdown()


@pytest.fixture
def login(kakao, tmp_path):
    """What starts the command in a world of its own; gives the process, and the page that it shows."""
    kakao.redirect = f"http://localhost:{free_port()}/kakao"
    options = kakao.options(kakao.url, redirect_uri=kakao.redirect)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"channels": {"me": options}, "store": {"path": str(tmp_path / "epochwatch.db")}}))
    started = []

    def start(*names):
        line = [sys.executable, "-m", "epochwatchd.cli", "login", *names, "-c", str(path)]
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            line, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        said = ""
        while "paste it here" not in said:
            more = process.stdout.readline()
            assert more, said
            said += more
        [page] = re.findall(r"http://\S+/oauth/authorize\?\S+", said)
        return SimpleNamespace(process=process, page=page, memory=FileMemory(tmp_path / "channels/me.json"))

    yield start
    for process in started:
        with process:
            process.kill()


def state_of(page):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page).query))["state"]


def test_an_address_that_is_pasted_is_a_login(login, kakao):
    one = login()
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(one.page).query))
    assert (asked["response_type"], asked["scope"]) == ("code", "talk_message")
    said, _ = one.process.communicate(f"\n{asked['redirect_uri']}?code={CODE}&state={asked['state']}\n", timeout=30)
    assert (one.process.returncode, "ok  me: logged in" in said) == (0, True)
    known = one.memory.load()
    assert (known["access_token"], known["refresh_token"]) == (kakao.access, kakao.refresh)
    assert "geheim" not in said


def test_a_browser_that_comes_back_is_a_login(login, kakao):
    one = login("me")
    back = f"{kakao.redirect}?code={CODE}&state={state_of(one.page)}"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(urllib.parse.urljoin(back, "/favicon.ico"), timeout=10)
    with urllib.request.urlopen(back, timeout=10) as answer:
        assert "닫아도 됩니다" in answer.read().decode()
    assert one.process.wait(30) == 0
    assert one.memory.load()["access_token"] == kakao.access


def test_an_address_of_another_login_is_refused(login, kakao):
    one = login()
    said, _ = one.process.communicate(f"{kakao.redirect}?code={CODE}&state=x\n", timeout=30)
    assert one.process.returncode == 1
    assert "of another login" in said
    assert one.memory.load() == {}


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://x/kakao?error=access_denied&error_description=User%20denied", "refused: User denied"),
        ("http://x/kakao?code=abc&state=another", "of another login"),
        ("http://x/kakao", "no code"),
        ("wrong-code", "no longer valid"),
    ],
)
def test_what_is_no_login_is_told_and_nothing_is_kept(kakao, address, why):
    given = kakao.options(kakao.url)
    del given["kind"]
    memory = DictMemory({"refresh_token": "as before"})
    with pytest.raises(ChannelError, match=why):
        module.log_in(module.Options(**given), memory, address, "state")
    assert memory.known == {"refresh_token": "as before"}


def test_the_tokens_are_renewed_once_a_week_with_nothing_to_send(kakao):
    given = kakao.options(kakao.url)
    del given["kind"]
    options, memory = module.Options(**given), DictMemory(kakao.memory())
    module.refresh(options, memory, frozenset())
    module.refresh(options, memory, frozenset())
    assert (memory.saved, kakao.count) == (1, 1)
    module.refresh(options, DictMemory(), frozenset())
    assert kakao.count == 1
