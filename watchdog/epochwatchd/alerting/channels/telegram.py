"""Telegram, by a bot (https://core.telegram.org/bots/api#sendmessage)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import Field, SecretStr

from epochwatch.checks import clean
from epochwatchd.alerting.channels._http import Answer, GoneError, HttpOptions, Request, ServerUrl, exchange, meaning_of
from epochwatchd.alerting.cutting import LENGTHS, fit
from epochwatchd.model import Limits, Memory, Message, Pressed, Taken

_T = TypeVar("_T")

LIMITS = Limits(text=4096, unit="utf16", every_s=3.0)
"""A group takes 20 messages a minute."""
CLOSED = ("chat not found", "bot was blocked", "user is deactivated", "bot was kicked", "not enough rights",
          "chat_write_forbidden", "bot can't initiate", "group chat was deactivated", "have no rights")  # fmt: skip
NOT_MODIFIED, NOT_FOUND = "message is not modified", "message to edit not found"


POLL_S = 8
"""So long Telegram waits for something to tell. https://core.telegram.org/bots/api#getupdates"""
BUTTONS = {"ack": "확인 · Ack", "mute": "1시간 끄기 · Mute 1 h"}
WHO_MAX = 64


class Options(HttpOptions):
    """``token``: the bot's, from @BotFather; ``chat``: the number of a person, a group or a channel, or ``@name``.

    ``buttons``: under what is wrong, for everybody in the chat. The bot must be this watchdog's alone.
    """

    token: SecretStr = Field(min_length=1)
    chat: int | str
    thread: int | None = None
    api: ServerUrl = "https://api.telegram.org"
    buttons: bool = False


class _Moved(Exception):  # noqa: N818 - not an error: the group has become a larger one
    pass


def send(options: Options, message: Message) -> Taken:
    """Send the message: as an answer to the first of its incident, or in its place. Raises ChannelError.

    A group that has become a larger one has another number from then on: it is kept.
    """
    chat = message.memory.load().get("moved", {}).get(str(options.chat), options.chat)
    try:
        return _send(options, message, chat)
    except _Moved as moved:
        [chat] = moved.args
        message.memory.save({"moved": {str(options.chat): chat}})
        return _send(options, message, chat)


def _send(options: Options, message: Message, chat: int | str) -> Taken:
    body = {**body_of(message), "chat_id": chat}
    if options.buttons and message.notification.status == "firing":
        row = [{"text": text, "callback_data": f"{what}:{message.notification.id}"} for what, text in BUTTONS.items()]
        body["reply_markup"] = {"inline_keyboard": [row]}
    number = int(message.before) if message.before and message.before.isdecimal() else None
    if number is not None and message.is_correction:
        try:
            return _call(options, "editMessageText", {**body, "message_id": number})
        except GoneError:
            number = None
    if number is not None:
        body["reply_parameters"] = {"message_id": number, "allow_sending_without_reply": True}
    if options.thread is not None:
        body["message_thread_id"] = options.thread
    return _call(options, "sendMessage", {**body, "disable_notification": message.notification.severity == "info"})


def listen(options: Options, memory: Memory, after: int | None) -> tuple[list[Pressed], int | None]:
    """The buttons pressed since the update ``after``, and the number of the last update; waits for a while for one.

    Only what is pressed in this channel's own chat counts. Raises ChannelError.
    """
    told: dict[str, Any] = {"timeout": POLL_S, "allowed_updates": ["callback_query"]}
    if after is not None:
        told["offset"] = after + 1
    chat = memory.load().get("moved", {}).get(str(options.chat), options.chat)
    updates = _called(options, "getUpdates", told, _result)
    pressed = []
    for update in updates if isinstance(updates, list) else ():
        after = max(after or 0, int(update["update_id"]))
        press = _pressed(update.get("callback_query") or {}, chat)
        pressed += [press] if press else []
    return pressed, after


def answer(options: Options, pressed: Pressed, text: str) -> None:
    """Say to whoever pressed a button what came of it. Raises ChannelError."""
    _called(options, "answerCallbackQuery", {"callback_query_id": pressed.ticket, "text": text[:200]}, _result)


def _pressed(query: dict[str, Any], chat: int | str) -> Pressed | None:
    what, _, incident = str(query.get("data", "")).partition(":")
    there = (query.get("message") or {}).get("chat") or {}
    if what not in BUTTONS or chat not in (there.get("id"), f"@{there.get('username')}"):
        return None
    person = query.get("from") or {}
    name = person.get("username") or person.get("first_name") or ""
    return Pressed(what, incident, f"{clean(str(name))[:WHO_MAX]} (Telegram {person.get('id')})", str(query["id"]))


def body_of(message: Message) -> dict[str, Any]:
    """The text with what is bold and what is code marked beside it: nothing in it can be taken for markup."""
    text = fit(f"{message.headline}\n{message.rest}" if message.rest else message.headline, LIMITS)
    first, _, rest = text.partition("\n")
    length = LENGTHS["utf16"]
    marks = [{"type": "bold", "offset": 0, "length": length(first)}]
    if rest:
        marks.append({"type": "pre", "offset": length(first) + 1, "length": length(rest)})
    return {"text": text, "entities": marks if rest else [], "link_preview_options": {"is_disabled": True}}


def _call(options: Options, method: str, told: dict[str, Any]) -> Taken:
    return _called(options, method, told, _judge)


def _called(options: Options, method: str, told: dict[str, Any], judge: Callable[[Answer], _T]) -> _T:
    token = options.token.get_secret_value()
    url = f"{options.api}/bot{token}/{method}"
    return exchange(options, Request(url, json=told, secrets=(options.token,)), judge, whole=True)


def _result(answer: Answer) -> Any:
    """What a method gives."""
    said = answer.object()
    if answer.is_ok and said.get("ok") is True:
        return said.get("result")
    raise answer.refused("later")


def _judge(answer: Answer) -> Taken:
    said = answer.object()
    if answer.is_ok and said.get("ok") is True:
        result = said.get("result")
        number = result.get("message_id") if isinstance(result, dict) else None
        return Taken("sent", None if number is None else str(number))
    if answer.is_ok:
        raise answer.refused("later")
    parameters = said.get("parameters") or {}
    if "migrate_to_chat_id" in parameters:
        raise _Moved(parameters["migrate_to_chat_id"])
    why = str(said.get("description", "")).lower()
    if NOT_MODIFIED in why:
        return Taken("it says so already")
    if NOT_FOUND in why:
        raise GoneError(f"answered {answer.said}", "message")
    wait_s = parameters.get("retry_after")
    refusal = "channel" if any(words in why for words in CLOSED) else meaning_of(answer.status)
    raise answer.refused(refusal, wait_s=None if wait_s is None else float(wait_s))
