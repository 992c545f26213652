"""Slack: by an incoming webhook, or by a bot, which can answer in threads, correct what it said, and add files.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
https://docs.slack.dev/reference/methods/chat.postMessage
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr, model_validator

from epochwatchd.alerting.channels._http import (
    Answer,
    GoneError,
    HttpOptions,
    HttpUrl,
    Request,
    ServerUrl,
    by_status,
    exchange,
    meaning_of,
)
from epochwatchd.alerting.cutting import fit
from epochwatchd.model import ChannelError, Limits, Message, Refusal, Taken

LIMITS = Limits(text=12_000)
"""All blocks of a message together take about 13,200 characters."""
SECTION_MAX = 3000
FENCE = "```"
_CLOSED = """
invalid_token no_service no_team channel_is_archived action_prohibited posting_to_channel_denied
invalid_auth not_authed account_inactive token_revoked token_expired missing_scope no_permission
channel_not_found not_in_channel is_archived
"""
_BUSY = "ratelimited rate_limited internal_error fatal_error service_unavailable request_timeout rollup_error"
ANSWERS: Mapping[str, Refusal] = {**dict.fromkeys(_CLOSED.split(), "channel"), **dict.fromkeys(_BUSY.split(), "later")}
"""What Slack's words mean; any other is about this one message."""
HINTS = {
    "not_in_channel": "invite the bot: /invite @NAME",
    "missing_scope": "the bot needs chat:write (and files:write for files)",
    "channel_not_found": "give the channel's id (C…), and invite the bot",
}
GONE = ("message_not_found", "cant_update_message", "edit_window_closed")


class Options(HttpOptions):
    """``url``: of a webhook; or a bot's ``token`` and the ``channel`` it writes to, by its id."""

    url: HttpUrl | None = None
    token: SecretStr | None = None
    channel: str | None = None
    api: ServerUrl = "https://slack.com/api"

    @model_validator(mode="after")
    def _one_way(self) -> Options:
        if (self.url is None) == (self.token is None):
            raise ValueError("give the url of a webhook, or the token of a bot")
        if (self.token is None) != (self.channel is None):
            raise ValueError("token and channel go together")
        return self


def send(options: Options, message: Message) -> Taken:
    """Post the message and give Slack's answer. Raises ChannelError.

    A bot puts the later messages of an incident into the thread of the first, and corrects that in its place. What is
    too long for a message it adds as a file.
    """
    if options.url is not None:
        request = Request(options.url.get_secret_value(), json=body_of(message))
        return exchange(options, request, _judged_webhook)
    return _by_bot(options, message)


def body_of(message: Message) -> dict[str, Any]:
    """The headline in bold, and the rest as it is between fences, where nothing in it can be taken for formatting."""
    first, rest = escape(message.headline), fit(escape(message.rest), LIMITS)
    if not rest:
        return {"text": first}
    sections = [f"*{first}*", *(f"{FENCE}{part}{FENCE}" for part in _parts(rest, SECTION_MAX - 2 * len(FENCE)))]
    return {"text": first, "blocks": [_section(text) for text in sections]}


def escape(text: str) -> str:
    """``text`` without Slack's control characters, and without anything that ends a fence."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace(FENCE, "'''")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _parts(text: str, limit: int) -> Iterator[str]:
    """Whole lines, as many at a time as the limit allows; a line beyond the limit is cut."""
    part = ""
    for line in text.splitlines():
        if part and len(part) + 1 + len(line) > limit:
            yield part
            part = ""
        part = f"{part}\n{line}" if part else line[:limit]
    if part:
        yield part


def _judged_webhook(answer: Answer) -> Taken:
    if not answer.is_ok and (refusal := ANSWERS.get(answer.body.decode("utf-8", "replace").strip())):
        raise answer.refused(refusal)
    return by_status(answer)


# The bot


def _by_bot(options: Options, message: Message) -> Taken:
    body = {**body_of(message), "channel": options.channel, "unfurl_links": False}
    before = message.before
    if before is not None and message.is_correction:
        try:
            return Taken("corrected", _call(options, "chat.update", {**body, "ts": before}).get("ts"))
        except GoneError:
            before = None
    if before is not None:
        body |= {"thread_ts": before, "reply_broadcast": True}
    said = _call(options, "chat.postMessage", body)
    taken = Taken("posted", said.get("ts"))
    if len(escape(message.rest)) > (LIMITS.text or 0):
        return _with_file(options, message, before, taken)
    return taken


def _with_file(options: Options, message: Message, before: str | None, taken: Taken) -> Taken:
    """The message was taken: a file that is not stays a remark."""
    content = message.text.encode("utf-8", "replace")
    try:
        form = {"filename": f"{message.notification.id}.txt", "length": str(len(content))}
        place = _call(options, "files.getUploadURLExternal", form, as_form=True)
        exchange(options, Request(str(place["upload_url"]), data=content, secrets=_secrets(options)), by_status)
        thread = before or taken.handle
        told = {"files": [{"id": place["file_id"]}], "channel_id": options.channel, "thread_ts": thread}
        _call(options, "files.completeUploadExternal", told)
    except ChannelError as e:
        return Taken(f"{taken.said}, but the whole text was not: {e}", taken.handle)
    return Taken(f"{taken.said}, with the whole text as a file", taken.handle)


def _call(options: Options, method: str, told: Mapping[str, Any], *, as_form: bool = False) -> dict[str, Any]:
    assert options.token is not None
    request = Request(
        f"{options.api}/{method}",
        json=None if as_form else told,
        form=told if as_form else None,
        headers={
            "Authorization": f"Bearer {options.token.get_secret_value()}",
            **({} if as_form else {"Content-Type": "application/json; charset=utf-8"}),
        },
        secrets=_secrets(options),
    )
    return exchange(options, request, _judged_call, whole=True)


def _secrets(options: Options) -> tuple[SecretStr, ...]:
    return () if options.token is None else (options.token,)


def _judged_call(answer: Answer) -> dict[str, Any]:
    """Slack says 200 to nearly everything: whether it took the message stands in the body."""
    if not answer.is_ok:
        raise answer.refused(meaning_of(answer.status))
    said = answer.object()
    if said.get("ok") is True:
        return said
    error = str(said.get("error", ""))
    if error in GONE:
        raise GoneError(f"answered {answer.said}", "message")
    raise answer.refused(ANSWERS.get(error, "message") if error else "later", HINTS.get(error, ""))
