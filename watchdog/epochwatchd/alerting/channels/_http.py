"""Posting to a URL that is itself a secret, as webhooks' are: nothing said here gives away a part of it."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit

import requests
from pydantic import AfterValidator, SecretStr
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from epochwatchd.alerting.channels import _deadline
from epochwatchd.model import ChannelError

if TYPE_CHECKING:
    import socket

ANSWER_BYTES = 512
ANSWER_CHARACTERS = 80
TEMPORARY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""The refusals that the same request may not meet the next time; so are all of the server's own faults (5xx)."""
SECRET_PART_MIN = 6
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# At its debug level urllib3 logs the path of every request, and in a webhook's path is its token.
logging.getLogger("urllib3").setLevel(logging.INFO)


def _http_url(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    try:
        parts = urlsplit(text)
        well_formed = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        well_formed = False
    if not well_formed or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("must be a URL that begins with https:// or http://")
    return url


HttpUrl = Annotated[SecretStr, AfterValidator(_http_url)]


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _deadline.connect(self._dns_host, self.port or self.default_port)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _deadline.connect(self._dns_host, self.port or self.default_port)


class _Adapter(HTTPAdapter):
    """Has requests connect, to a peer or a proxy, by what the deadline watches."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if pool.ConnectionCls not in (HTTPConnection, HTTPSConnection):
            raise ChannelError("a SOCKS proxy cannot be used for messages: it knows no deadline")
        pool.ConnectionCls = _TlsConnection if pool.ConnectionCls is HTTPSConnection else _Connection
        return pool


def post(url: SecretStr, body: bytes, headers: Mapping[str, str], secrets: tuple[SecretStr, ...] = ()) -> str:
    """Post ``body`` as JSON and give the peer's answer, as ``200 ok``.

    Redirects are not followed: they turn a POST into a GET. ``secrets`` are left out of what is said, as the URL is.
    Raises ChannelError after ``_deadline.TOTAL_S`` seconds at the latest, permanent where the peer will refuse the same
    request again. A whole head is an answer: a body that does not end in time is left.
    """
    address = url.get_secret_value()
    parts = [*_secret_parts(address), *(secret.get_secret_value() for secret in secrets)]
    headers = {"Content-Type": "application/json", "User-Agent": "epochwatchd", **headers}
    try:
        with _deadline.deadline(), _session() as session, _posted(session, address, body, headers) as response:
            _deadline.check_time()
            return _judge(response, redact(f"{response.status_code} {_answer(response)}".strip(), parts))
    except OSError as e:  # every exception of requests is one
        raise _network_error(e, parts) from None


def _session() -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


def _posted(session: requests.Session, address: str, body: bytes, headers: Mapping[str, str]) -> requests.Response:
    return session.post(
        address,
        data=body,
        headers=headers,
        timeout=_deadline.TOTAL_S,
        allow_redirects=False,
        stream=True,
        auth=_no_netrc,
        proxies={"http": "", "https": ""} if urlsplit(address).hostname in LOOPBACK else None,
    )


def redact(text: str, secrets: list[str]) -> str:
    """``text`` without any of the secrets."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "…")
    return text


def _secret_parts(url: str) -> Iterator[str]:
    """What of a URL a peer may repeat in its answer, and nobody else must read: all of it but scheme and port."""
    parts = urlsplit(url)
    yield url
    for text in (parts.netloc, parts.hostname, parts.username, parts.password, parts.path, parts.query):
        for part in (text or "", unquote(text or "")):
            yield from (word for word in (part, *re.split("[/&=]", part)) if len(word) >= SECRET_PART_MIN)


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Without an ``auth`` of ours, requests would send the user's password for this host from ``~/.netrc``."""
    return request


def _answer(response: requests.Response) -> str:
    """The first line of what the peer said, or nothing: its status has already told whether it took the message."""
    try:
        said: bytes = response.raw.read1(ANSWER_BYTES, decode_content=True)
    except (HTTPError, OSError):
        return ""
    line = said.decode("utf-8", "replace").strip().partition("\n")[0]
    return "".join(c for c in line if c.isprintable())


def _judge(response: requests.Response, said: str) -> str:
    said = said[:ANSWER_CHARACTERS]
    if HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES:
        return said
    if response.status_code < HTTPStatus.BAD_REQUEST:
        raise ChannelError(f"answered {said}: redirects are not followed, give the final URL", permanent=True)
    permanent = response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR and response.status_code not in TEMPORARY
    wait_s = retry_after_s(response.headers.get("Retry-After"), time.time())
    raise ChannelError(f"answered {said}", permanent=permanent, retry_after_s=wait_s)


def retry_after_s(header: str | None, now_wall: float) -> float | None:
    """The seconds to wait by a ``Retry-After`` header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    try:
        wait_s = float(header) if header.strip()[:1].isdigit() else parsedate_to_datetime(header).timestamp() - now_wall
    except (ValueError, OverflowError):
        return None
    return max(0.0, wait_s) if math.isfinite(wait_s) else None


def _network_error(error: OSError, secrets: list[str]) -> ChannelError:
    """What went wrong, in words that never come from the exception of requests: that one quotes the URL."""
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidHeader):
        return ChannelError("the URL or a header is not valid", permanent=True)
    return ChannelError(redact(_reason(error) or f"the connection failed ({type(error).__name__})", secrets))


def _reason(error: BaseException) -> str | None:
    """The operating system's or TLS's own words, which lie somewhere beneath."""
    seen: set[int] = set()
    beneath: list[object] = [error]
    while beneath:
        e = beneath.pop(0)
        if not isinstance(e, BaseException) or id(e) in seen:
            continue
        seen.add(id(e))
        said = getattr(e, "verify_message", None) or (e.strerror if isinstance(e, OSError) else None)
        if said and not isinstance(e, requests.RequestException):
            return str(said)
        beneath += [getattr(e, "reason", None), *e.args, e.__cause__, e.__context__]
    return None
