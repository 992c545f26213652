"""The screen and the loudspeaker of whoever is logged in: real programs where they are, stand-ins for their tools."""

import os
import wave
from dataclasses import replace
from pathlib import Path

import pytest
from telling import sending, told

from epochwatchd.alerting.channels import desktop, sound
from epochwatchd.model import ChannelError

KEEPS = """#!/bin/sh
for word; do printf '%s\\0' "$word"; done > "$0.got"
cp "$1" "$0.file" 2>/dev/null
exit ${STATUS:-0}
"""


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """What makes a stand-in for a program that keeps what it is called with."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def make(name):
        path = tmp_path / name
        path.write_text(KEEPS)
        path.chmod(0o755)
        return lambda: Path(f"{path}.got").read_text().split("\0")[:-1]

    return make


def test_a_notification_is_shown_and_nothing_in_it_is_markup(tool, crash):
    got = tool("notify-send")
    send, _ = sending({"kind": "desktop"})
    assert send(told(replace(crash, text="-x <b>head\n\n<a href='x'>rest</a>"))).said == "shown"
    body = "&lt;a href='x'&gt;rest&lt;/a&gt;"
    assert got() == ["--app-name=epochwatch", "--urgency=critical", "--", "-x <b>head", body]


def test_without_the_program_the_desktop_is_parked_and_that_is_noted(tmp_path, monkeypatch, crash):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    send, options = sending({"kind": "desktop"})
    with pytest.raises(ChannelError, match="libnotify-bin") as refused:
        send(told(crash))
    assert refused.value.refusal == "channel"
    assert ["session" in note or "missing" in note for note in desktop.notes(options)] == [True, True]


def test_a_program_that_fails_is_tried_again(tool, crash, monkeypatch):
    tool("notify-send")
    monkeypatch.setenv("STATUS", "1")
    send, _ = sending({"kind": "desktop"})
    with pytest.raises(ChannelError, match="left with 1") as refused:
        send(told(crash))
    assert refused.value.refusal == "later"


@pytest.mark.parametrize(("severity", "tones"), [("info", 1), ("warning", 2), ("critical", 3)])
def test_bad_news_sound_worse(tool, crash, tmp_path, severity, tones):
    tool("pw-play")
    send, _ = sending({"kind": "sound"})
    assert send(told(replace(crash, severity=severity))).said == "played"
    with wave.open(str(tmp_path / "pw-play.file")) as file:
        seconds = file.getnframes() / file.getframerate()
    assert seconds == pytest.approx(tones * (sound.TONE_S + sound.PAUSE_S), abs=0.01)


def test_a_sound_of_ones_own_is_played(tool, crash, tmp_path):
    got = tool("pw-play")
    (tmp_path / "own.wav").write_bytes(b"RIFF")
    send, _ = sending({"kind": "sound", "file": tmp_path / "own.wav"})
    send(told(crash))
    assert got() == [str(tmp_path / "own.wav")]


def test_without_a_player_the_channel_is_parked_and_that_is_noted(monkeypatch, crash, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    send, options = sending({"kind": "sound", "file": tmp_path / "none.wav"})
    with pytest.raises(ChannelError, match="no player") as refused:
        send(told(crash))
    assert refused.value.refusal == "channel"
    expected = 3 if os.geteuid() == 0 else 2
    assert len(sound.notes(options)) == expected
