"""``epochwatchd routes test``: who would be told, and why."""

import time

import pytest

from epochwatchd import cli

CONFIG = """
channels: {team: {kind: console}, mina: {kind: console}, log: {kind: console}}
people: {mina: [mina, team]}
routes:
  - {match: {kind: started}, to: []}
  - {match: {cause: oom_kill, not: {job: "debug-*"}}, to: ["@user"], repeat_every: 6h, continue: true}
  - {match: {tag: {team: vision}}, to: team, continue: true}
  - {match: {severity: critical}, to: "@user"}
  - {to: log}
"""


@pytest.fixture
def told(tmp_path, capsys):
    """Gives what the command says of the routes, or its mistake."""
    (tmp_path / "config.yaml").write_text(CONFIG)

    def run(*words, status=0):
        assert cli.main(["routes", "test", "-c", str(tmp_path / "config.yaml"), *words]) == status
        printed = capsys.readouterr()
        return (printed.out.split("\n\n")[0] if status == 0 else printed.err).strip().splitlines()

    return run


def test_each_route_says_what_it_does(told):
    assert told("--cause", "oom_kill", "--tag", "team=vision") == [
        "route 1 does not match",
        "route 2: mina, and again every 6h while it lasts",
        "route 2: team, and again every 6h while it lasts",
        "route 3: team, which is told already",
        "route 4: mina, which is told already",
        "route 4: team, which is told already",
        "route 5 is not asked any more",
    ]


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["--user", "jiho"], ["route 4 is passed over: people says no channels of user jiho", "route 5: log, once"]),
        (["--unverified"],
         ["route 4 is passed over: who sent the beats is not known, so no user's own channels are taken",
          "route 5: log, once"]),
        (["--kind", "started"], ["route 1 says that nobody is told", "nobody is told"]),
        (["--job", "debug-1", "--cause", "oom_kill"], ["route 2 does not match", "route 4: mina, once"]),
        (["--kind", "finished"], ["route 4 does not match", "route 5: log, once"]),
        (["--kind", "finished", "--severity", "critical"], ["route 4: mina, once", "route 5 is not asked any more"]),
    ],
)  # fmt: skip
def test_why(told, words, lines):
    assert set(lines) <= set(told(*words))


NIGHT = """
channels:
  team: {kind: slack, url: "http://127.0.0.1:9/x"}
  phone: {kind: slack, url: "http://127.0.0.1:9/y", quiet: off}
  boss: {kind: slack, url: "http://127.0.0.1:9/z"}
quiet: {from: 22:00, until: 08:00, zone: Asia/Seoul}
routes:
  - {to: [team, phone], escalate: [{after: 15m, to: [phone, boss]}]}
"""


def test_it_says_when_each_is_told_at_a_time(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    (tmp_path / "config.yaml").write_text(NIGHT)
    at = ["routes", "test", "-c", str(tmp_path / "config.yaml"), "--severity", "warning", "--at", "2026-11-28T03:00"]
    try:
        assert cli.main(at) == 0
    finally:
        monkeypatch.undo()
        time.tzset()
    assert capsys.readouterr().out.split("\n\n")[0].splitlines() == [
        "route 1: team, once",
        "route 1: team hears it at 2026-11-28 08:00: until then it is quiet",
        "route 1: phone, once",
        "route 1: not acknowledged within 15m: boss too",
    ]


def test_a_time_that_is_none_is_told(told, capsys):
    with pytest.raises(SystemExit):
        told("--at", "25:00")
    assert "must be written 03:00 or 2026-11-29T03:00" in capsys.readouterr().err


def test_it_shows_the_words(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(CONFIG)
    cli.main(["routes", "test", "-c", str(tmp_path / "config.yaml"), "--job", "unet", "--host", "gpu07"])
    assert "unet crashed on gpu07" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--kind", "nope"], ["--cause", "oom"], ["--severity", "high"]])
def test_a_word_that_is_none_is_told(told, words):
    [line] = told(*words, status=2)
    assert f"{words[0]}: '{words[1]}' is none of " in line
