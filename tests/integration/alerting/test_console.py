import contextlib
import io
import json
import sys
from pathlib import Path

import pytest

from epochwatchd.alerting.channels import console
from epochwatchd.model import ChannelError


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_text_is_printed_with_an_empty_line_after_it(message, capsys):
    assert console.send(console.Options(), message).said == "printed"
    assert capsys.readouterr().out == message.text + "\n\n"


def test_json_is_one_object_a_line(message, capsys):
    console.send(console.Options(format="json"), message)
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["job"] == "resnet50 <é>"


def test_the_headline_is_coloured_on_a_terminal(message, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", Terminal())
    console.send(console.Options(), message)
    assert sys.stdout.getvalue().startswith("\033[1;31m💀 resnet50 <é> crashed on gpu01: killed by SIGKILL\033[0m\n")


def test_colours_can_be_declined(message, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", Terminal())
    console.send(console.Options(), message)
    assert "\033" not in sys.stdout.getvalue()


def test_a_terminal_that_knows_no_emoji_gets_the_rest(message, monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    console.send(console.Options(), message)
    assert out.buffer.getvalue().startswith(b"? resnet50 <?> crashed on gpu01")


def test_a_closed_output_is_told(message, monkeypatch):
    out = io.StringIO()
    out.close()
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(ChannelError, match="cannot print"):
        console.send(console.Options(), message)


def test_a_full_disk_is_told(message, monkeypatch):
    # What could not be written cannot be flushed at the end either.
    with contextlib.suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        with pytest.raises(ChannelError, match="No space left"):
            console.send(console.Options(), message)
