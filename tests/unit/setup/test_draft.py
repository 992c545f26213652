"""What setup makes of a configuration: what it does not know stays, what it writes is read as it was meant."""

from pathlib import Path

import pytest

from epochwatchd.config import load
from epochwatchd.service.connecting import OPTIONS
from epochwatchd.setup.draft import Draft

MINE = """\
# the lab's own words
defaults:
  silent_after: 10m   # our nights are long
channels:
  team: {kind: slack, url_file: slack-url}  # everybody reads it
"""
HOOK = "https://hooks.slack.com/services/T0/B0/X"


def read(draft):
    return load(Path("/nowhere/config.yaml"), kinds=OPTIONS, env={}, unsaved=draft.unsaved)


def test_a_new_one_is_read_as_it_was_meant():
    draft = Draft("")
    draft.language = "ko"
    draft.put("slack", "slack", {}, {"url": HOOK})
    config = read(draft)
    assert (config.language, config.channels["slack"].options.url.get_secret_value()) == ("ko", HOOK)


def test_no_secret_stands_in_the_text():
    draft = Draft("")
    draft.put("slack", "slack", {}, {"url": HOOK})
    assert (HOOK in draft.unsaved.text, draft.secrets) == (False, {"slack-url": HOOK.encode()})


def test_comments_and_what_is_not_asked_stay():
    draft = Draft(MINE)
    draft.put("telegram", "telegram", {"chat": -100123}, {"token": "1:x"})
    assert draft.unsaved.text.startswith(MINE)


def test_a_file_of_comments_alone_keeps_them():
    draft = Draft("# nothing yet\n")
    draft.put("out", "console", {}, {})
    assert draft.unsaved.text.startswith("# nothing yet\n")


@pytest.mark.parametrize("text", ["", "# only this\n", "channels:\n", "routes:\n"])
def test_whatever_little_is_there_it_can_be_added_to(text):
    draft = Draft(text)
    draft.put("out", "console", {}, {})
    assert list(read(draft).channels) == ["out"]


def test_a_change_leaves_what_was_not_asked():
    draft = Draft(MINE.replace("url_file: slack-url", "url_file: old-name, style: short"))
    draft.put("team", "slack", {}, {"url": HOOK})
    assert (read(draft).channels["team"].style, list(draft.secrets)) == ("short", ["old-name"])


def test_a_secret_that_stood_in_the_text_goes_into_a_file():
    draft = Draft(f"channels:\n  team: {{kind: slack, url: {HOOK}}}\n")
    draft.put("team", "slack", {}, {"url": HOOK})
    assert HOOK not in draft.unsaved.text


def test_what_looks_like_a_variable_is_a_text():
    draft = Draft("")
    draft.put("script", "command", {"run": ["/opt/${x}"]}, {})
    assert read(draft).channels["script"].options.run == ("/opt/${x}",)


def test_one_that_is_removed_leaves_neither_file_nor_route():
    draft = Draft("")
    for name in ("slack", "naver"):
        draft.put(name, "console", {}, {})
    draft.put("slack", "slack", {}, {"url": HOOK})
    draft.set_wants({"slack": "worst", "naver": "usual"})
    draft.remove("slack")
    assert (draft.secrets, draft.unused) == ({}, {"slack-url"})
    assert "slack" not in draft.unsaved.text


def test_a_file_that_it_did_not_name_is_not_its_own_to_remove():
    draft = Draft(MINE)
    draft.remove("team")
    assert draft.unused == set()


WANTS = ("all", "usual", "bad", "worst")


@pytest.mark.parametrize("first", WANTS)
@pytest.mark.parametrize("second", WANTS)
def test_who_is_told_of_what_is_read_back(first, second):
    draft = Draft("")
    wants = {"one": first, "two": second}
    for name in wants:
        draft.put(name, "console", {}, {})
    draft.set_wants(wants)
    assert Draft(draft.unsaved.text).wants == wants


@pytest.mark.parametrize(
    ("want", "told"),
    [
        ("all", ["started", "finished", "stalled", "crashed"]),
        ("usual", ["finished", "stalled", "crashed"]),
        ("bad", ["stalled", "crashed"]),
        ("worst", ["crashed"]),
    ],
)
def test_each_channel_is_told_what_it_wants(want, told, alerts):
    draft = Draft("")
    for name in ("one", "other"):
        draft.put(name, "console", {}, {})
    draft.set_wants({"one": want, "other": "all"})
    assert [kind for kind, channels in alerts(read(draft)) if "one" in channels] == told
    assert all("other" in channels for _, channels in alerts(read(draft)))


def test_routes_of_ones_own_are_not_taken_for_ours():
    draft = Draft(MINE + "routes:\n  - {match: {user: mina}, to: team}\n  - {to: [team]}\n")
    assert draft.wants is None


def test_usual_for_everybody_needs_no_routes():
    draft = Draft(MINE)
    draft.set_wants({"team": "bad"})
    draft.set_wants({"team": "usual"})
    assert draft.unsaved.text == MINE


def test_a_style_is_each_channels():
    draft = Draft(MINE)
    draft.put("team", "slack", {}, {"url": HOOK})
    draft.set_style("short")
    assert read(draft).channels["team"].style == "short"
    draft.set_style("full")
    assert "style" not in draft.unsaved.text
