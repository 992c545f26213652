"""One exchange over HTTP, within a deadline. A URL may itself be a secret, as webhooks' are: no part of it is said."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import unquote, urlsplit

import requests
from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from epochwatchd.alerting.channels import _deadline
from epochwatchd.model import ChannelError, Refusal, Taken

if TYPE_CHECKING:
    import socket

FIRST_BYTES, WHOLE_BYTES = 512, 64 * 1024
SAID_CHARACTERS = 80
BUSY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""The refusals that the same request may not meet the next time; so are all of the server's own faults (5xx)."""
CLOSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND,
                    HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})  # fmt: skip
"""What no other message would meet differently: a wrong token, a webhook that is gone."""
SECRET_PART_MIN = 6
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_T = TypeVar("_T")

log = logging.getLogger(__name__)

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


def _server(url: str) -> str:
    _http_url(SecretStr(url))
    return url.rstrip("/")


HttpUrl = Annotated[SecretStr, AfterValidator(_http_url)]
"""A URL that is itself a secret."""
ServerUrl = Annotated[str, AfterValidator(_server)]
"""A URL of which everybody may know."""


class GoneError(ChannelError):
    """The message that was to be corrected is there no longer: it is sent anew."""


class HttpOptions(BaseModel):
    """``proxy``: by which it is reached; ``ca_file``: certificates to trust instead of the usual ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    proxy: HttpUrl | None = None
    ca_file: Path | None = None


@dataclass(frozen=True)
class Request:
    """What is asked of a peer.

    secrets: texts that must not be said, besides the URL.
    json, form, data: the body, one of them at most.
    """

    url: str = field(repr=False)
    json: Any = None
    form: Mapping[str, str] | None = None
    data: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[SecretStr, ...] = ()
    method: str = "POST"


@dataclass(frozen=True)
class Answer:
    """What a peer said: ``said`` is for people, without secrets; ``wait_s`` is its ``Retry-After``."""

    status: int
    said: str
    body: bytes = field(repr=False)
    wait_s: float | None = None

    @property
    def is_ok(self) -> bool:
        """Whether the status says so."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def object(self) -> dict[str, Any]:
        """The JSON object of the body; an empty one if it is none, or did not come whole."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def refused(self, refusal: Refusal, hint: str = "", *, wait_s: float | None = None) -> ChannelError:
        """The error that says so."""
        said = f"answered {self.said}" + (f": {hint}" if hint else "")
        return ChannelError(said, refusal, wait_s=self.wait_s if wait_s is None else wait_s)


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
            raise ChannelError("a SOCKS proxy cannot be used for messages: it knows no deadline", "channel")
        pool.ConnectionCls = _TlsConnection if pool.ConnectionCls is HTTPSConnection else _Connection
        return pool


def by_status(answer: Answer) -> Taken:
    """Taken, or refused, as far as the status tells."""
    if answer.is_ok:
        return Taken(answer.said)
    if answer.status < HTTPStatus.BAD_REQUEST:
        raise answer.refused("channel", "redirects are not followed, give the final URL")
    raise answer.refused(meaning_of(answer.status))


def meaning_of(status: int) -> Refusal:
    """What a status from 400 on says of the same message another time."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in BUSY:
        return "later"
    return "channel" if status in CLOSED else "message"


def exchange(options: HttpOptions, request: Request, judge: Callable[[Answer], _T], *, whole: bool = False) -> _T:
    """Ask, and give what ``judge`` makes of the answer. Raises ChannelError.

    It takes ``_deadline.TOTAL_S`` seconds at most. Redirects are not followed: they turn a POST into a GET. A whole
    head is an answer: a body that does not end in time is left. ``whole``: the body is read to its end, up to 64 KiB.
    """
    parts = [*_secret_parts(request.url), *(secret.get_secret_value() for secret in request.secrets)]
    if options.proxy is not None:
        parts += _secret_parts(options.proxy.get_secret_value())
    try:
        with _deadline.deadline(), _session() as session, _asked(session, options, request) as response:
            _deadline.check_time()
            return judge(_answer(response, parts, WHOLE_BYTES if whole else FIRST_BYTES))
    except OSError as e:  # every exception of requests is one
        raise _network_error(e, parts) from None


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # it would look up proxies for this machine, too, and send passwords from ~/.netrc
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


def _asked(session: requests.Session, options: HttpOptions, request: Request) -> requests.Response:
    data: Any = request.data
    if request.form is not None:
        data = {name: value.encode("utf-8", "replace").decode() for name, value in request.form.items()}
    if request.json is not None:
        data = json.dumps(request.json, ensure_ascii=False).encode("utf-8", "replace")
    kind = {} if request.json is None else {"Content-Type": "application/json"}
    return session.request(
        request.method,
        request.url,
        data=data,
        headers={"User-Agent": "epochwatchd", **kind, **request.headers},
        timeout=_deadline.TOTAL_S,
        allow_redirects=False,
        stream=True,
        proxies=_proxies(options, request.url),
        verify=_trusted(options),
    )


def _proxies(options: HttpOptions, url: str) -> dict[str, str]:
    """The channel's proxy; none to this machine; else the environment's."""
    if options.proxy is not None:
        return dict.fromkeys(("http", "https"), options.proxy.get_secret_value())
    return {} if urlsplit(url).hostname in LOOPBACK else get_environ_proxies(url)


def _trusted(options: HttpOptions) -> str | bool:
    """The certificates to trust: the channel's, the environment's, or the usual ones. Raises ChannelError."""
    if options.ca_file is not None:
        return _ca_file(options.ca_file)
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


def _ca_file(path: Path) -> str:
    """It can be read; else requests would say so in words that quote the URL. Raises ChannelError."""
    try:
        path.open("rb").close()
    except OSError as e:
        raise ChannelError(f"ca_file {path}: {e.strerror}", "channel") from None
    return str(path)


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


def _answer(response: requests.Response, secrets: list[str], limit: int) -> Answer:
    """What the peer said; its status tells most of it, so what of the body does not come is left."""
    body = b""
    try:
        while len(body) < limit:
            more: bytes = response.raw.read1(limit - len(body), decode_content=True)
            body += more
            if not more or limit == FIRST_BYTES:
                break
    except (HTTPError, OSError):  # it broke off, or the time is over: what came is judged
        log.debug("an answer broke off after %d bytes", len(body))
    line = body.decode("utf-8", "replace").strip().partition("\n")[0]
    said = redact(f"{response.status_code} {''.join(c for c in line if c.isprintable())}".strip(), secrets)
    wait_s = retry_after_s(response.headers.get("Retry-After"), time.time())
    return Answer(response.status_code, said[:SAID_CHARACTERS], body, wait_s)


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
        return ChannelError("the URL or a header is not valid", "channel")
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
