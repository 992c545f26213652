"""``epochwatchd test-alert``: what it sends, and what it would send."""

import pytest

from epochwatchd import cli
from epochwatchd.verdicts import VERDICTS


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "config.yaml").write_text(
        "channels:\n  out: {kind: console}\n  ko: {kind: console, language: ko, style: short}\n"
    )

    def run(*words):
        status = cli.main(["test-alert", "-c", str(tmp_path / "config.yaml"), *words])
        return status, *capsys.readouterr()

    return run


def test_a_test_message_is_sent_and_says_that_it_is_one(command):
    status, out, _ = command("out")
    assert status == 0
    assert "this channel works" in out
    assert out.splitlines()[-1] == "ok      out  printed"
    assert "resnet" not in out


@pytest.mark.parametrize("kind", VERDICTS)
def test_every_kind_can_be_tried_and_be_seen_before(command, kind):
    status, out, _ = command("--kind", kind, "--render")
    english, korean = out.split("\n\n[ko]\n")
    assert (status, english.startswith("[out]\n")) == (0, True)
    assert VERDICTS[kind].icon in korean.splitlines()[0]
    assert "printed" not in out


def test_a_kind_that_is_none_is_told_with_those_there_are(command):
    status, _, errors = command("--kind", "nope")
    assert status == 2
    assert "no kind nope; known: crashed, interrupted" in errors
