"""KakaoTalk: a memo to oneself, which rings no phone, or a message to friends who use the same app, which does.

https://developers.kakao.com/docs/latest/ko/kakaotalk-message/rest-api. The tokens come from a login; they are renewed
here, and a renewed one is kept before it is used: the one before is worth nothing from then on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import BeforeValidator, Field, SecretStr

from epochwatchd.alerting.channels._http import Answer, HttpOptions, Request, ServerUrl, exchange, meaning_of
from epochwatchd.alerting.cutting import fit
from epochwatchd.model import ChannelError, Limits, Memory, Message, Refusal, Taken
from epochwatchd.phrase import Phrase

LIMITS = Limits(text=200, rings=False)
RECIPIENTS_MAX = 5
RENEWED_BEFORE_S, RENEWED_EVERY_S = 600.0, 7 * 86400.0
"""An access token is renewed so long before its end; and without a message once a week, so that the login stays."""
WARNED_BEFORE_S = 7 * 86400.0
SEOUL = timezone(timedelta(hours=9))
LOGIN = "log in again (`epochwatchd login`)"
TRANSIENT, QUOTA = (-1, -7, -603), (-10, -532, -533, -536)
TOKEN_INVALID, SCOPE_MISSING = -401, -402
SET_UP = (-3, -4, -5, -6, -501, -530, SCOPE_MISSING)
"""The app may not do it, or the recipient does not want it."""


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) and value != "me" else value


class Options(HttpOptions):
    """``rest_api_key``: the app's; ``client_secret`` where it is switched on; ``link``: a page of a registered domain.

    ``to``: ``me``, or the uuids of friends. ``redirect_uri``: as it is registered in the app, for the login.
    """

    rest_api_key: SecretStr = Field(min_length=1)
    client_secret: SecretStr | None = None
    link: str = Field(min_length=1)
    to: Annotated[str | tuple[str, ...], BeforeValidator(_one_or_many)] = "me"
    redirect_uri: ServerUrl = "http://localhost:8766/kakao"
    api: ServerUrl = "https://kapi.kakao.com"
    auth: ServerUrl = "https://kauth.kakao.com"


def notes(options: Options) -> list[str]:
    """What does not work as one may think."""
    if options.to == "me":
        return [Phrase("a memo to yourself rings no phone")]
    too_many = len(options.to) > RECIPIENTS_MAX
    return [Phrase("at most {most} friends get a message", most=RECIPIENTS_MAX)] if too_many else []


def send(options: Options, message: Message) -> Taken:
    """Send the message. Raises ChannelError; ``until`` tomorrow where the day's messages are used up."""
    token = _token(options, message.memory)
    try:
        return _say(options, message, token)
    except _TokenRefusedError:
        return _say(options, message, _renewed(options, message.memory))


def template(options: Options, message: Message) -> dict[str, Any]:
    """The text, and the link that Kakao wants to stand below it."""
    link = {"web_url": options.link, "mobile_web_url": options.link}
    return {"object_type": "text", "text": fit(message.text, LIMITS), "link": link}


class _TokenRefusedError(ChannelError):
    pass


def _say(options: Options, message: Message, token: str) -> Taken:
    form = {"template_object": json.dumps(template(options, message), ensure_ascii=False)}
    path = "/v2/api/talk/memo/default/send"
    if options.to != "me":
        path = "/v1/api/talk/friends/message/default/send"
        form["receiver_uuids"] = json.dumps(options.to[:RECIPIENTS_MAX])
    request = Request(
        options.api + path,
        form=form,
        headers={"Authorization": f"Bearer {token}"},
        secrets=(SecretStr(token),),
    )
    return exchange(options, request, _judge, whole=True)


def _judge(answer: Answer) -> Taken:
    """By the code in the body: a status of 400 may mean anything here."""
    said = answer.object()
    if answer.is_ok and said.get("result_code", 0) == 0:
        reached = said.get("successful_receiver_uuids")
        if reached == []:
            failed = (said.get("failure_info") or [{}])[0]
            raise answer.refused(_meaning(failed.get("code"), answer.status), wait_s=_wait_s(failed.get("code")))
        return Taken("sent" if reached is None else f"sent to {len(reached)}")
    code = said.get("code")
    if code == TOKEN_INVALID:
        raise _TokenRefusedError(f"answered {answer.said}: {LOGIN}", "channel")
    hint = LOGIN + ", and agree to messages" if code == SCOPE_MISSING else ""
    raise answer.refused(_meaning(code, answer.status), hint, wait_s=_wait_s(code))


def _meaning(code: object, status: int) -> Refusal:
    if code in TRANSIENT:
        return "later"
    if code in QUOTA:
        return "until"
    if code in SET_UP:
        return "channel"
    return meaning_of(status) if status >= HTTPStatus.BAD_REQUEST else "later"


def _wait_s(code: object) -> float | None:
    """Until the day ends in Seoul, where the quota is the day's."""
    if code not in QUOTA:
        return None
    now = datetime.now(SEOUL)
    return ((now + timedelta(days=1)).replace(hour=0, minute=1, second=0, microsecond=0) - now).total_seconds()


# Tokens


def _token(options: Options, memory: Memory) -> str:
    known = memory.load()
    if known.get("access_token") and known.get("expires_wall", 0.0) - RENEWED_BEFORE_S > time.time():
        return str(known["access_token"])
    return _renewed(options, memory)


def _renewed(options: Options, memory: Memory) -> str:
    """A new access token. Of a refresh token that comes with it the old one is dead: it is kept before it is used."""
    known = memory.load()
    if not known.get("refresh_token"):
        raise ChannelError(f"nobody has logged in: {LOGIN}", "channel")
    refresh = SecretStr(str(known["refresh_token"]))
    said = _tokens(options, {"grant_type": "refresh_token", "refresh_token": refresh.get_secret_value()}, refresh)
    memory.save({**known, **_kept(said)})
    return str(said["access_token"])


def _tokens(options: Options, asked: Mapping[str, str], *secrets: SecretStr) -> dict[str, Any]:
    form, hidden = {"client_id": options.rest_api_key.get_secret_value(), **asked}, [*secrets, options.rest_api_key]
    if options.client_secret is not None:
        form["client_secret"] = options.client_secret.get_secret_value()
        hidden.append(options.client_secret)
    request = Request(f"{options.auth}/oauth/token", form=form, secrets=tuple(hidden))
    return exchange(options, request, _judged_tokens, whole=True)


def _kept(said: Mapping[str, Any]) -> dict[str, Any]:
    """Of Kakao's answer what is to be remembered."""
    now = time.time()
    kept = {"access_token": said["access_token"], "expires_wall": now + float(said.get("expires_in", 0))}
    new = {"refresh_token": said["refresh_token"]} if said.get("refresh_token") else {}
    if new and said.get("refresh_token_expires_in"):
        new["refresh_expires_wall"] = now + float(said["refresh_token_expires_in"])
    return {**kept, **new, "renewed_wall": now}


def refresh(options: Options, memory: Memory, _: frozenset[str]) -> str | None:
    """Renew the tokens once a week, with nothing to send: a login that is not used ends after two months.

    Gives the day on which the login ends, where that is near and it could not be renewed. Raises ChannelError.
    """
    known = memory.load()
    if known.get("refresh_token") and time.time() - known.get("renewed_wall", 0.0) > RENEWED_EVERY_S:
        try:
            _renewed(options, memory)
        except ChannelError as e:
            if e.refusal == "channel" or _last_day(known) is None:
                raise
    return _last_day(memory.load())


def _last_day(known: Mapping[str, Any]) -> str | None:
    ends_wall = known.get("refresh_expires_wall")
    if ends_wall is None or ends_wall - time.time() > WARNED_BEFORE_S:
        return None
    return f"{datetime.fromtimestamp(ends_wall, SEOUL):%Y-%m-%d}"


# The login


def login_url(options: Options, state: str) -> str:
    """The page on which its user logs in and agrees; it leads to ``redirect_uri``, with a code and this ``state``."""
    asked = {
        "client_id": options.rest_api_key.get_secret_value(),
        "redirect_uri": options.redirect_uri,
        "response_type": "code",
        "scope": "talk_message" if options.to == "me" else "talk_message,friends",
        "state": state,
    }
    return f"{options.auth}/oauth/authorize?{urlencode(asked)}"


def log_in(options: Options, memory: Memory, address: str, state: str) -> None:
    """Take the tokens for the code in the address that the login led to; a bare code will do. Raises ChannelError."""
    told = dict(parse_qsl(urlsplit(address).query))
    if "error" in told:
        raise ChannelError(f"the login was refused: {told.get('error_description') or told['error']}", "channel")
    if told.get("state", state) != state:
        raise ChannelError("this address is of another login: open the one above", "channel")
    code = SecretStr(told.get("code", "" if "/" in address else address))
    if not code.get_secret_value():
        raise ChannelError("there is no code in this address", "channel")
    asked = {"grant_type": "authorization_code", "redirect_uri": options.redirect_uri, "code": code.get_secret_value()}
    memory.save({**memory.load(), **_kept(_tokens(options, asked, code))})


def _judged_tokens(answer: Answer) -> dict[str, Any]:
    said = answer.object()
    if answer.is_ok and said.get("access_token"):
        return said
    code = str(said.get("error_code", ""))
    if code.startswith("KOE") or answer.status == HTTPStatus.UNAUTHORIZED:  # KOE322: the refresh token is dead
        raise ChannelError(f"the login is no longer valid ({answer.status} {code}): {LOGIN}", "channel")
    raise ChannelError(f"the tokens were not renewed ({answer.status} {code})", "later")
