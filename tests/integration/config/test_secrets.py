"""No secret is ever shown, wherever in the file somebody has put it."""

import re

import pytest
import yaml

from epochwatchd import cli
from epochwatchd.config import ConfigError
from epochwatchd.config.document import read_document

SECRET = "hunter2"
URL = f"https://hooks.slack.com/services/T0/B0/{SECRET}"
NUMBER = 4815162342
ENV = {"BOT_TOKEN": URL, "lower": SECRET}

WHOLE = """\
heartbeats: {directories: [a], udp: 127.0.0.1:8765, key_file: secret}
defaults: {silent_after: auto, first_beat_within: 5m, max_runtime: 1d, gpu_stalled_after: 9m, min_runtime: 5m}
jobs:
  - {match: a, silent_after: 5m, expected: 30 2 * * *, start_within: 5m}
channels:
  console: {kind: console, format: text}
  team: {kind: slack, url_file: secret}
  chat: {kind: slack, url: 'https://x.example/y'}
  hook: {kind: webhook, url: 'https://x.example/y', headers: {Authorization: x, X-Key_file: secret},
         secret_file: secret}
  mail: {kind: email, host: localhost, port: 25, tls: none, user: a@b.example, password: x, from: a@b.example,
         to: [a@b.example], ca_file: x}
  post: {kind: email, host: localhost, user: a@b.example, password_file: secret, to: a@b.example}
routes:
  - {match: {severity: critical, kind: [crashed], status: firing, job: a, user: b, host: c}, to: [team],
     repeat_every: 6h}
  - {to: hook, continue: true}
store: {path: a, keep: 9d}
language: en
"""
OPEN = re.compile(
    r"heartbeats\.directories(\[0\])?|jobs\[0\]\.match|store\.path|channels\.\w+\.(host|user|from|ca_file)"
    r"|channels\.\w+\.to(\[0\])?|routes\[0\]\.match\.(job|user|host)"
)
"""Where any text is valid and is no secret: `check` shows it as it was understood."""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys, caplog):
    """What `epochwatchd check` says of a configuration, to anybody."""
    (tmp_path / "secret").write_text("https://x.example/y")
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    def said(value):
        path = tmp_path / "config.yaml"
        path.write_text(value if isinstance(value, str) else yaml.safe_dump(value, allow_unicode=True), "utf-8")
        with caplog.at_level(0):
            status = cli.main(["check", "-c", str(path)])
        told = capsys.readouterr()
        return status, f"{told.out}\n{told.err}\n{caplog.text}"

    return said


def places(value, path=()):
    """The path of every value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def changed(value, path, change):
    """The structure with ``change(parent, key)`` made at a path."""
    if len(path) == 1:
        return change(value, path[0])
    parts = dict(value) if isinstance(value, dict) else list(value)
    parts[path[0]] = changed(parts[path[0]], path[1:], change)
    return parts


def with_value(instead):
    def change(parent, key):
        parts = dict(parent) if isinstance(parent, dict) else list(parent)
        parts[key] = instead
        return parts

    return change


def with_key(instead):
    def change(parent, key):
        if isinstance(parent, list):
            return [*parent, {instead: parent[key]}]
        return {instead if name == key else name: value for name, value in parent.items()}

    return change


CONFIGURATION = read_document(WHOLE.encode(), "").value
PLACES = {".".join(map(str, path)): path for path in places(CONFIGURATION)}


def test_the_configuration_that_is_spoilt_here_is_valid(check):
    status, said = check(WHOLE)
    assert status == 0
    assert "x.example" not in said


@pytest.mark.parametrize("name", PLACES)
def test_a_secret_in_the_place_of_anything_is_not_shown(check, name):
    path = PLACES[name]
    is_open = OPEN.fullmatch(re.sub(r"\.(\d+)", r"[\1]", name))
    for wrong in (
        SECRET,
        f"{SECRET}:99999",
        f"[{SECRET}]:1",
        f"a b {SECRET}",
        URL,
        NUMBER,
        [SECRET],
        [[URL]],
        {"a": URL},
    ):
        status, said = check(changed(CONFIGURATION, path, with_value(wrong)))
        if not (status == 0 and is_open):
            assert SECRET not in said, wrong
            assert str(NUMBER) not in said, wrong


@pytest.mark.parametrize("name", PLACES)
def test_a_secret_from_the_environment_is_not_shown_even_where_it_is_valid(check, name):
    for wrong in ("${BOT_TOKEN}", "${lower}", "a${lower}", ["${BOT_TOKEN}"], f"${{{SECRET}}}", f"${{{SECRET}-x}}"):
        _, said = check(changed(CONFIGURATION, PLACES[name], with_value(wrong)))
        assert SECRET not in said, wrong


@pytest.mark.parametrize("name", PLACES)
def test_a_secret_in_the_place_of_a_key_is_not_shown(check, name):
    for wrong in (URL, f"url:{URL}", f"password:{SECRET}", f"Bearer {SECRET}", f"{SECRET}!"):
        _, said = check(changed(CONFIGURATION, PLACES[name], with_key(wrong)))
        assert SECRET not in said, wrong


@pytest.mark.parametrize(
    "channel",
    [
        f"{{kind: slack, url_file: '{URL}'}}",
        f"{{kind: slack, url_fil: '{URL}'}}",
        f"{{kind: slack, url:{URL}}}",
        f"{{kind: slack, {SECRET}}}",
        f"{{kind: {SECRET}}}",
        f"{{kind: email, host: a, to: a@b.example, user: a@b.example, password_file: {SECRET}}}",
        f"{{kind: email, host: a, to: a@b.example, user: a@b.example, password_file: {SECRET}{'x' * 300}}}",
        f"{{kind: email, host: a, to: a@b.example, user: a@b.example, passwrod: {SECRET}}}",
        f"{{kind: email, host: a, to: a@b.example, user: a@b.example, password: {SECRET}, password_file: {SECRET}}}",
        f"{{kind: email, host: a, to: a@b.example, user: a@b.example, password: {SECRET}é}}",
        f"{{kind: email, host: a, to: a@b.example, user: {SECRET}, password: x}}",
        f"{{kind: email, host: a, to: a@b.example, user: a@b.example, password: *{SECRET}}}",
        f"{{kind: webhook, url: 'http://a', headers: {{Authorization: [Bearer, {SECRET}]}}}}",
        f"{{kind: webhook, url: 'http://a', headers: {{Authorization: {{Bearer: {SECRET}}}}}}}",
        f"{{kind: webhook, url: 'http://a', headers: {{Authorization: 'Bearer {SECRET} '}}}}",
        f"{{kind: webhook, url: 'http://a', headers: {{Bearer {SECRET}: }}}}",
        f"{{kind: webhook, url: 'http://a', headers: {{{SECRET}: Authorization}}}}",
        f"{{kind: webhook, url: 'http://a', headers: {{{SECRET}}}}}",
        f"{{kind: webhook, url: 'http://a', headers: 'Authorization: Bearer {SECRET}'}}",
        f"{{kind: webhook, url: 'http://a', headers: {{Authorization_file: Bearer {SECRET}}}}}",
        f"{{kind: webhook, url: '{URL} x'}}",
        f"{{kind: webhook, url: 'ftp://{SECRET}@a'}}",
        f"'{URL}'",
        f"[{SECRET}]",
        f"{{kind: slack, url: '{URL}'",
        f"{{kind: slack, url: !{SECRET} x}}",
    ],
)
def test_a_secret_that_was_written_wrongly_is_not_shown(check, channel):
    _, said = check(f"channels:\n  team: {channel}\n")
    assert SECRET not in said
    assert "config" in said


def test_what_came_from_the_environment_is_shown_by_its_name(check):
    _, said = check("store: {path: '/var/${BOT_TOKEN}'}")
    assert "store: /var/${BOT_TOKEN}," in said


def test_a_short_secret_or_one_like_a_path_masks_no_ordinary_words(mistakes):
    text = "channels: {a: {kind: hook, url: x, secret: '/////', headers: {A: '././.', B: as}}}\nheartbeats: {udp: x}"
    address = "write it as 127.0.0.1:8765 or [::1]:8765, or off"
    assert mistakes(text) == [f"2: heartbeats.udp: not an address with a port ({address})"]


def test_a_secret_that_begins_another_leaves_nothing_of_it(mistakes):
    text = "channels: {a: {kind: hook, url: 'hunter2 space', secret: 'hunter2'}}"
    assert mistakes(text) == ["1: channels.a.url: *** has a space in it"]


def test_a_kind_that_quotes_what_it_refuses_gives_nothing_away(mistakes):
    told = mistakes("channels: {a: {kind: mail, host: 'hunter2 x', from: f}}")
    assert told == ["1: channels.a.host: '***' is no name of a host"]


def test_a_secret_is_in_no_error_of_a_configuration(read):
    with pytest.raises(ConfigError) as told:
        read("channels: {a: {kind: hook, url: x, secret: [hunter2]}}")
    assert SECRET not in f"{told.value!r} {told.value} {told.value.__cause__!r}"
    assert told.value.__suppress_context__ or told.value.__context__ is None


def test_check_speaks_the_configured_language(check):
    status, text = check("language: ko\nchannels: {out: {kind: console}}\njobs: [{match: a, max_runtime: 2h}]\n")
    assert (status, "채널 out: console" in text, "실행 시간 2h까지" in text) == (0, True, True)


def test_so_do_its_mistakes(check):
    status, text = check("language: ko\nchannels: {out: {kind: consol}}\ndefaults: {silent_after: 5}\n")
    assert (status, "모르는 채널 종류입니다 (혹시 console?" in text, "단위가 없습니다" in text) == (2, True, True)
