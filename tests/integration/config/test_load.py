from pathlib import Path

import pytest

from epochwatchd.config import (
    Address,
    ConfigError,
    Heartbeats,
    JobRule,
    Match,
    Route,
    StoreConfig,
    describe,
    find,
    load,
)
from epochwatchd.model import Policy

WHOLE = """
heartbeats: {directories: [/beats, beside, ~/mine], udp: "[::1]:99", key_file: key}
defaults: {silent_after: auto, first_beat_within: 5m, max_runtime: 1d, gpu_stalled_after: 90s}
jobs:
  - {match: "resnet*", silent_after: 15m}
channels:
  team: {kind: hook, url: http://a}
  mail: {kind: mail, host: h, port: "${PORT}", tls: starttls, from: a@b}
routes:
  - {match: {severity: critical, kind: [crashed, lost], job: "r*"}, to: [team, mail], repeat_every: 6h, continue: yes}
  - {match: {kind: started}, to: []}
  - {to: team}
store: {path: state/x.db, keep: 30d}
language: ko
"""


def test_a_whole_file_is_understood(read, tmp_path):
    (tmp_path / "key").write_bytes(b"sesame\n")
    config = read(WHOLE, HOME="/home/mina", PORT="587")
    directories = (Path("/beats"), tmp_path / "beside", Path("/home/mina/mine"))
    assert config.heartbeats == Heartbeats(directories, Address("::1", 99), udp_is_default=False, key=b"sesame")
    assert config.defaults == Policy(None, 300, 86_400, 90)
    assert config.jobs == (JobRule("resnet*", {"silent_after_s": 900}),)
    assert {name: channel.kind for name, channel in config.channels.items()} == {"team": "hook", "mail": "mail"}
    assert config.channels["mail"].options.port == 587
    assert config.routes == (
        Route(Match(("critical",), ("crashed", "lost"), job=("r*",)), ("team", "mail"), 21_600, continue_=True),
        Route(Match(kind=("started",)), ()),
        Route(Match(), ("team",)),
    )
    assert config.store == StoreConfig(tmp_path / "state/x.db", 30 * 86_400)
    assert (config.language, config.source) == ("ko", tmp_path / "config.yaml")
    assert describe(config)


@pytest.mark.parametrize(
    "text", ["", "# only this\n", "{}", "heartbeats:\ndefaults:\njobs:\nchannels:\nroutes:\nstore:\n"]
)
def test_an_empty_file_means_the_defaults(read, kinds, text):
    config, built_in = read(text), load(None, kinds=kinds, env={})
    assert describe(config)[1:] == describe(built_in)[1:]
    assert built_in.source is None
    assert built_in.heartbeats == Heartbeats((), Address("127.0.0.1", 8765), udp_is_default=True)
    assert built_in.defaults == Policy()
    assert list(built_in.channels) == ["console"]
    assert built_in.routes == (Route(Match(kind=("started",)), ()), Route(Match(), ("console",)))


def test_what_is_expected_is_missing_after_the_time_to_the_first_beat_unless_said_otherwise(read):
    text = 'jobs: [{match: a, expected: "30 2 * * *", first_beat_within: 5m}, {match: b, expected: "0 9 * * 1-5"}'
    config = read(f"{text}, {{match: c, expected: 0 4 * * *, start_within: 90s}}, {{match: d}}]")
    within = [rule.expected and (rule.expected.at.text, rule.expected.within_s) for rule in config.jobs]
    assert within == [("30 2 * * *", 300), ("0 9 * * 1-5", 1800), ("0 4 * * *", 90), None]
    assert describe(config)[7].endswith(', expected at "0 4 * * *", missing after 1m30s')


def test_without_routes_every_channel_is_told(read):
    config = read("channels: {a: {kind: console}, b: {kind: console}}")
    assert config.routes[-1] == Route(to=("a", "b"))


@pytest.mark.parametrize("word", ["off", "'off'", "false"])
def test_datagrams_can_be_switched_off(read, word):
    assert read(f"heartbeats: {{udp: {word}}}").heartbeats == Heartbeats()


def test_a_secret_may_stand_in_a_file_beside_the_configuration(read, tmp_path):
    (tmp_path / "slack-url").write_text("http://a/b\r\n")
    options = read("channels: {team: {kind: hook, url_file: slack-url}}").channels["team"].options
    assert options.url.get_secret_value() == "http://a/b"


def test_the_credentials_of_systemd_come_first_for_relative_names(read, tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (tmp_path / "url").write_text("http://beside")
    (tmp_path / "token").write_text("beside")
    (credentials / "url").write_text("http://credential")
    text = f"channels: {{a: {{kind: hook, url_file: url, secret_file: token, headers: {{X_file: {tmp_path}/url}}}}}}"
    options = read(text, CREDENTIALS_DIRECTORY=str(credentials)).channels["a"].options
    assert options.url.get_secret_value() == "http://credential"
    assert options.secret.get_secret_value() == "beside"
    assert options.headers["X"].get_secret_value() == "http://beside"


def test_paths_of_a_channel_start_beside_the_configuration(read, tmp_path):
    options = read("channels: {a: {kind: mail, host: h, from: f, ca_file: our-ca.pem}}").channels["a"].options
    assert options.ca_file == tmp_path / "our-ca.pem"


def test_environment_variables_are_put_in(read):
    text = "channels: {a: {kind: mail, host: 'x-${NAME}-${N2}', from: '$${NAME} $NAME $', password: '${NAME}'}}"
    options = read(text, NAME="one", N2="").channels["a"].options
    assert (options.host, options.sender) == ("x-one-", "${NAME} $NAME $")
    assert options.password.get_secret_value() == "one"


def test_the_configuration_is_found_where_it_may_be(tmp_path):
    mine = tmp_path / ".config/epochwatch/config.yaml"
    mine.parent.mkdir(parents=True)
    mine.touch()
    assert find({}, tmp_path) == mine
    assert find({"EPOCHWATCHD_CONFIG": "/named.yaml"}, tmp_path) == Path("/named.yaml")
    assert find({"EPOCHWATCHD_CONFIG": ""}, tmp_path) == mine


@pytest.mark.parametrize("kind", ["missing", "directory", "too long"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, kinds, kind):
    path = tmp_path / "config.yaml"
    if kind == "directory":
        path.mkdir()
    elif kind == "too long":
        path.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError, match=f"{path}:1: ") as caught:
        load(path, kinds=kinds, env={})
    assert len(caught.value.problems) == 1
