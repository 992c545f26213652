"""What Slack alone can do: threads, corrections and files, by a bot. Against a stand-in: see vendors/slack.py."""

from dataclasses import replace

import pytest
from telling import sending, told
from vendors import said
from vendors.slack import SlackBot


@pytest.fixture
def bot(serve_http):
    bot = SlackBot()
    bot.send, _ = sending(bot.options(serve_http(bot.answer)))
    return bot


def test_later_messages_of_an_incident_stand_in_the_thread_of_the_first_and_in_the_channel(bot, crash):
    first = bot.send(told(crash))
    bot.send(told(replace(crash, reason="resolved", status="resolved"), first.handle))
    _, second = bot.messages.values()
    assert (second["thread_ts"], second["reply_broadcast"]) == (first.handle, True)


def test_what_is_known_better_is_corrected_in_its_place(bot, crash):
    first = bot.send(told(crash))
    corrected = bot.send(told(replace(crash, reason="amended", text="💀 known better\n\nwhy"), first.handle))
    assert (corrected.said, corrected.handle) == ("corrected", first.handle)
    [message] = bot.messages.values()
    assert message["text"] == "💀 known better"


def test_where_the_first_was_deleted_it_is_posted_anew(bot, crash):
    assert bot.send(told(replace(crash, reason="amended"), "1600000000.000100")).said == "posted"
    [message] = bot.messages.values()
    assert "thread_ts" not in message


def test_what_is_too_long_for_a_message_is_added_as_a_file_to_its_thread(bot, crash):
    text = crash.text + "\n" + "x" * 30_000
    assert bot.send(told(replace(crash, text=text))).said == "posted, with the whole text as a file"
    assert bot.files == {"F1": text.encode()}


def test_a_file_that_is_not_taken_loses_no_message(bot, crash):
    bot.answers = [said(200, {"ok": True, "ts": "17.1"}), said(200, {"ok": False, "error": "missing_scope"})]
    taken = bot.send(told(replace(crash, text=crash.text + "\n" + "x" * 30_000)))
    assert taken.handle == "17.1"
    assert "files:write" in taken.said


@pytest.mark.parametrize("given", [{}, {"token": "x"}, {"url": "https://a/b", "token": "x", "channel": "C"}])
def test_a_webhook_or_a_bot(given):
    with pytest.raises(ValueError, match=r"webhook|go together"):
        sending({"kind": "slack", **given})
