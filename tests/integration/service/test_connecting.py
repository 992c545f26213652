"""Channels as they are configured: what they remember, and what cannot work."""

import json
import os
import stat
import subprocess
import sys

import pytest

from epochwatchd.alerting.channels import KINDS
from epochwatchd.config import load
from epochwatchd.model import ChannelError
from epochwatchd.service import paths
from epochwatchd.service.channel_memory import FileMemory
from epochwatchd.service.connecting import connected, notes


@pytest.fixture
def configured(tmp_path):
    def read(text):
        path = tmp_path / "config.yaml"
        path.write_text(text, "utf-8")
        return load(path, kinds={name: KINDS[name].Options for name in KINDS}, env={})

    return read


def test_a_channel_speaks_its_own_language_and_style(configured, tmp_path):
    config = configured(
        "language: ko\nchannels:\n  a: {kind: console}\n  b: {kind: console, language: en, style: short}\n"
    )
    made = connected(config, {"XDG_STATE_HOME": str(tmp_path)})
    assert {name: channel.say.keywords["language"] for name, channel in made.items()} == {"a": "ko", "b": "en"}
    assert made["b"].say.keywords["say"].keywords["style"] == "short"


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("k: {kind: kakao, rest_api_key: x, link: https://a.b}", "route 2 tells what is critical only to k"),
        ("c: {kind: console}", "route 2 tells what is critical only to c"),
        ("c: {kind: command, run: /no/such}", "channel c: /no/such is not there"),
        ("m: {kind: email, host: smtp.office365.com, user: a@b.c, password: geheim-0, to: a@b.c}", "takes no password"),
    ],
)
def test_what_cannot_work_is_noted(configured, text, note):
    assert any(note in line for line in notes(configured(f"channels:\n  {text}\n")))


def test_nothing_is_noted_where_all_is_well(configured):
    text = "channels:\n  k: {kind: kakao, rest_api_key: x, link: 'https://a.b', to: [uuid]}\n  d: {kind: discord, url: 'http://a/b'}"
    assert notes(configured(text)) == []


def test_what_is_remembered_is_its_owners_and_outlives_what_was_cut_off(tmp_path):
    memory = FileMemory(tmp_path / "channels" / "kakao.json")
    assert memory.load() == {}
    memory.save({"refresh_token": "one"})
    (tmp_path / "channels" / "kakao.json.new").write_text('{"refresh_tok')
    assert memory.load() == {"refresh_token": "one"}
    memory.save({"refresh_token": "two"})
    assert memory.load() == {"refresh_token": "two"}
    assert stat.S_IMODE(os.stat(tmp_path / "channels" / "kakao.json").st_mode) == 0o600
    assert [path.name for path in (tmp_path / "channels").iterdir()] == ["kakao.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_saves_belongs_to_the_daemon(tmp_path):
    os.chown(tmp_path, 54321, 54321)
    memory = FileMemory(tmp_path / "channels" / "kakao.json")
    memory.save({"refresh_token": "one"})
    memory.save({"refresh_token": "two"})
    assert {path.stat().st_uid for path in tmp_path.rglob("*")} == {54321}


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone asks for the service")
def test_root_tries_a_channel_with_what_the_service_remembers(tmp_path, monkeypatch):
    service, env = tmp_path / "service", {"XDG_STATE_HOME": str(tmp_path / "home")}
    monkeypatch.setattr(paths, "SERVICE_STATE", service)
    own = tmp_path / "home/epochwatch/channels/kakao.json"
    assert paths.memory_path("kakao", None, env) == own
    service.mkdir()
    (service / "epochwatch.db").touch()
    assert paths.memory_path("kakao", None, env) == service / "channels/kakao.json"
    own.parent.mkdir(parents=True)
    (own.parents[1] / "epochwatch.db").touch()
    assert paths.memory_path("kakao", None, env) == own


def test_a_memory_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ChannelError, match="no JSON") as refused:
        FileMemory(tmp_path / "x.json").load()
    assert refused.value.refusal == "channel"
    with pytest.raises(ChannelError, match="cannot be written"):
        FileMemory(tmp_path / "x.json" / "y.json").save({})


def test_nothing_is_imported_for_a_channel_that_is_not_configured(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("channels:\n  out: {kind: console}\n")
    script = """
import json, sys
from epochwatchd import cli
status = cli.main(["check", "-c", sys.argv[1]])
names = [name for name in sys.modules if name.startswith("epochwatchd.alerting.channels.")]
print(json.dumps([status, names, [name for name in ("requests", "apprise", "smtplib") if name in sys.modules]]))
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, ["epochwatchd.alerting.channels.console"], []]
