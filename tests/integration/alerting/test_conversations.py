"""Channels that remember: answers, corrections, a chat that has moved, what was accepted before. Against stand-ins."""

from dataclasses import replace
from datetime import datetime, timezone

import pytest
from telling import DictMemory, sending, told
from vendors.discord import Discord
from vendors.line import Line
from vendors.telegram import MOVED, Telegram, refused

from epochwatchd.alerting.channels import line
from epochwatchd.alerting.channels import telegram as module
from epochwatchd.model import ChannelError


@pytest.fixture
def start(serve_http):
    def start(vendor):
        vendor.send, _ = sending(vendor.options(serve_http(vendor.answer)))
        return vendor

    return start


@pytest.mark.parametrize("kind", [Telegram, Discord])
def test_what_is_known_better_is_corrected_in_its_place(start, crash, kind):
    vendor = start(kind())
    first = vendor.send(told(crash))
    better = replace(crash, reason="amended", text="💀 known better\n\nwhy")
    assert vendor.send(told(better, first.handle)).handle == first.handle
    assert len(vendor.messages) == 1
    assert "known better" in vendor.taken[-1]


@pytest.mark.parametrize("kind", [Telegram, Discord])
def test_where_it_was_deleted_it_is_sent_anew(start, crash, kind):
    vendor = start(kind())
    taken = vendor.send(told(replace(crash, reason="amended"), "99"))
    assert taken.handle == "1"
    assert len(vendor.messages) == 1


def test_telegram_answers_the_first_message_and_rings_for_what_matters(start, crash):
    telegram = start(Telegram())
    first = telegram.send(told(crash))
    telegram.send(told(replace(crash, reason="resolved", status="resolved", severity="info"), first.handle))
    one, two = telegram.messages.values()
    assert two["reply_parameters"] == {"message_id": 1, "allow_sending_without_reply": True}
    assert (one["disable_notification"], two["disable_notification"]) == (False, True)


def test_telegram_says_nothing_twice_where_a_correction_was_made_before(start, crash):
    telegram = start(Telegram())
    first = telegram.send(told(crash))
    assert telegram.send(told(replace(crash, reason="amended"), first.handle)).said == "it says so already"


def with_buttons(telegram, serve_http):
    options = telegram.options(serve_http(telegram.answer))
    options.pop("kind")
    return module.Options(buttons=True, **options)


def test_telegrams_buttons_stand_under_what_is_wrong_also_when_it_is_known_better(crash, serve_http):
    telegram = Telegram()
    options = with_buttons(telegram, serve_http)
    module.send(options, told(replace(crash, id="6f1c2d")))
    [row] = telegram.messages[1]["reply_markup"]["inline_keyboard"]
    assert [button["callback_data"] for button in row] == ["ack:6f1c2d", "mute:6f1c2d"]
    module.send(options, told(replace(crash, id="6f1c2d", reason="amended", text="better"), "1"))
    assert "reply_markup" in telegram.messages[1]
    module.send(options, told(replace(crash, status="resolved", reason="resolved")))
    assert "reply_markup" not in telegram.messages[2]


def test_telegram_tells_of_each_press_once_and_only_of_its_own_chat(serve_http):
    telegram = Telegram()
    options = with_buttons(telegram, serve_http)
    telegram.press("ack:6f1c2d")
    telegram.press("ack:6f1c2d", chat=-4242)
    telegram.press("rm:6f1c2d")
    telegram.press("ack:6f1c2d", message=None)
    pressed, last = module.listen(options, DictMemory(), None)
    assert [(press.what, press.incident, press.who) for press in pressed] == [("ack", "6f1c2d", "Mina (Telegram 7)")]
    assert module.listen(options, DictMemory(), last) == ([], last)
    module.answer(options, pressed[0], "seen")
    assert telegram.answered == [("q1", "seen")]


def test_telegram_that_another_program_asks_too_is_told_later(serve_http):
    telegram = Telegram()
    options = with_buttons(telegram, serve_http)
    telegram.answers.append(refused(409, "Conflict: terminated by other getUpdates request"))
    with pytest.raises(ChannelError, match="Conflict"):
        module.listen(options, DictMemory(), None)


def test_telegram_follows_a_group_that_has_moved_and_remembers(start, crash):
    telegram, memory = start(Telegram()), DictMemory()
    telegram.chat = MOVED
    telegram.send(told(crash, memory=memory))
    assert memory.known == {"moved": {"-100": MOVED}}
    telegram.send(told(crash, memory=memory))
    assert len(telegram.asked) == 3, "the second message goes to the new chat at once"


def test_line_counts_a_message_that_was_accepted_before_as_taken(start, crash):
    vendor = start(Line())
    vendor.send(told(crash))
    assert vendor.send(told(crash)).said == "accepted before"
    vendor.send(told(replace(crash, reason="reminder")))
    assert len(vendor.taken) == 2


@pytest.mark.parametrize(("now", "days"), [("2026-11-27 12:00", 3.5), ("2026-12-31 00:00", 1), ("2027-02-01", 28)])
def test_a_months_quota_is_waited_for_until_the_next_month(now, days):
    assert line.month_left_s(datetime.fromisoformat(now).replace(tzinfo=timezone.utc)) == days * 86_400
