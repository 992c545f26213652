"""E-mail, over any SMTP server that offers STARTTLS or TLS. Each recipient is served, or not, by itself."""

from __future__ import annotations

import contextlib
import html
import re
import smtplib
import socket
import ssl
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, formataddr, parseaddr
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from epochwatchd.alerting.channels import _deadline
from epochwatchd.alerting.wording import moment, one_line
from epochwatchd.model import ChannelError, Limits, Message, Refusal, Taken
from epochwatchd.phrase import Phrase

LIMITS = Limits(text=100_000, every_s=0.5)
SUBJECT_MAX = 200
ANSWER_CHARACTERS = 160
TLS_PORT, PLAIN_PORT = 465, 25
PERMANENT = 500
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LOGIN_HINTS = {
    "naver.com": "switch on POP3/SMTP in Naver Mail's settings, and use an application password (after 2-step login)",
    "gmail.com": "Gmail takes an app password only: https://myaccount.google.com/apppasswords",
    "daum.net": "switch on IMAP/SMTP in Daum Mail's settings, and use an application password",
}


class _Preset(NamedTuple):
    host: str
    port: int


PRESETS = {
    "naver": _Preset("smtp.naver.com", TLS_PORT),
    "gmail": _Preset("smtp.gmail.com", TLS_PORT),
    "daum": _Preset("smtp.daum.net", TLS_PORT),
}
MICROSOFT = ("outlook.com", "office365.com", "hotmail.com", "live.com")
COLOURS = {"info": "#2ecc71", "warning": "#f39c12", "critical": "#e74c3c"}


def _address(text: str) -> str:
    """``text`` if it is one address, with or without a name: ``Epochwatch <alerts@example.com>``."""
    _, address = parseaddr(text)
    if not re.fullmatch(r"[^\s@<>]+@[^\s@<>]+", address) or re.search(r"[\r\n]", text):
        raise ValueError("must be an e-mail address")
    return text


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _ascii(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isascii():
        raise ValueError("must be ASCII: smtplib can log in with no other")
    return value


EmailAddress = Annotated[str, AfterValidator(_address)]


class Options(BaseModel):
    """Where to send. ``preset`` stands for host and port: naver, gmail, daum.

    ``tls`` is by the port unless given: ``tls`` on 465, ``none`` on 25, else ``starttls``. ``from`` is ``user`` unless
    given. ``ca_file``: the certificates to trust instead of the system's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    preset: Literal["naver", "gmail", "daum"] | None = None
    host: str = Field(default="", validate_default=True)
    port: int = Field(default=587, ge=1, le=65535)
    user: str | None = None
    password: Annotated[SecretStr, AfterValidator(_ascii)] | None = None
    from_: EmailAddress | None = Field(default=None, alias="from")
    to: Annotated[tuple[EmailAddress, ...], BeforeValidator(_one_or_many), Field(min_length=1)]
    tls: Literal["starttls", "tls", "none"] | None = None
    ca_file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        preset = PRESETS.get(str(given.get("preset"))) if isinstance(given, dict) else None
        return given if preset is None else {**preset._asdict(), **given}

    @field_validator("host")
    @classmethod
    def _host(cls, host: str) -> str:
        if not host:
            raise ValueError("is missing: give the server, or a preset")
        return host

    @model_validator(mode="after")
    def _complete(self) -> Options:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.from_ is None:
            if self.user is None:
                raise ValueError("from is missing")
            _address(self.user)
        if self.password and self.encryption == "none" and self.host not in LOOPBACK:
            raise ValueError("would send the password unencrypted: set tls to starttls or tls")
        return self

    @property
    def encryption(self) -> Literal["starttls", "tls", "none"]:
        """``tls`` as given, or as the port has it."""
        if self.tls is not None:
            return self.tls
        return "tls" if self.port == TLS_PORT else "none" if self.port == PLAIN_PORT else "starttls"

    @property
    def sender(self) -> str:
        """The address that messages come from."""
        return self.from_ or self.user or ""


class _Smtp(smtplib.SMTP):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 - the deadline is ours
        return _deadline.connect(host, port)


class _TlsSmtp(smtplib.SMTP_SSL, _Smtp):
    """Encrypts, as SMTP_SSL does, what its next class connects."""


def notes(options: Options) -> list[str]:
    """What cannot work: Microsoft takes no passwords."""
    if options.password is not None and any(options.host.endswith(domain) for domain in MICROSOFT):
        return [
            Phrase("Microsoft's mail takes no password any more (personal accounts since 2024): use another mailbox")
        ]
    return []


def send(options: Options, message: Message) -> Taken:
    """Hand the message to the server and say whom it accepted. Raises ChannelError, by the deadline at the latest.

    A recipient that may be served later (4xx) is tried again alone; one that was served, or never will be, is not.
    """
    waiting = [address for address in options.to if _bare(address) not in message.done]
    if not waiting:
        return Taken(f"accepted by {options.host}")
    try:
        with _deadline.deadline(), contextlib.closing(_connect(options)) as smtp:
            _greet(smtp, options)
            refused = _handed(smtp, options, message, [*map(_bare, waiting)])
            with contextlib.suppress(OSError):  # accepted is accepted, however they part; SMTPException is an OSError
                smtp.quit()
    except smtplib.SMTPException as e:
        raise _refusal(e, options) from None
    except (OSError, UnicodeError) as e:  # a host name that cannot be one is a UnicodeError
        raise ChannelError(f"{options.host}:{options.port}: {_words(e)}") from None
    later = {address: said for address, said in refused.items() if said[0] < PERMANENT}
    if later:
        done = [_bare(address) for address in waiting if _bare(address) not in later]
        raise ChannelError(f"{options.host}:{options.port}: refused {_recipients(later)}", done=done)
    return Taken(_answer(options, refused))


_Refused = dict[str, tuple[int, bytes]]


def _handed(smtp: smtplib.SMTP, options: Options, message: Message, to: list[str]) -> _Refused:
    """Those who were refused. Raises SMTPRecipientsRefused where nobody is left, and none of them may be later."""
    try:
        return dict(smtp.send_message(compose(options, message), _bare(options.sender), to))
    except smtplib.SMTPRecipientsRefused as e:
        refused: _Refused = dict(e.recipients)
        if all(code >= PERMANENT for code, _ in refused.values()) and not message.done:
            raise
        return refused


def compose(options: Options, message: Message) -> MIMEMultipart:
    """The mail, plain and as HTML. Its Message-ID stays when it is sent again; an incident's mails are one thread."""
    notification, domain = message.notification, _bare(options.sender).rpartition("@")[2]
    thread, detected = f"<{notification.id}@{domain}>", moment(notification.detected_at)
    subject = one_line(message.headline, SUBJECT_MAX)
    mail = MIMEMultipart("alternative")
    mail.attach(MIMEText(message.text, "plain", "utf-8"))
    mail.attach(MIMEText(_html(message), "html", "utf-8"))
    mail["From"] = _encoded(options.sender)
    mail["To"] = ", ".join(map(_encoded, options.to))
    mail["Subject"] = Header(subject, "utf-8", header_name="Subject").encode()
    mail["Date"] = format_datetime(detected)
    mail["Auto-Submitted"] = "auto-generated"
    if (notification.status, notification.reason) == ("firing", "first"):
        mail["Message-ID"] = thread
    else:
        mail["Message-ID"] = f"<{notification.id}.{notification.reason}.{detected:%Y%m%d%H%M%S%f}@{domain}>"
        mail["In-Reply-To"] = mail["References"] = thread
    return mail


def _html(message: Message) -> str:
    """The headline, and the rest as it is: nothing in it is markup, and nothing is fetched."""
    colour = COLOURS[message.notification.severity]
    first, rest = html.escape(message.headline), html.escape(message.rest)
    return (
        f'<div style="border-left:4px solid {colour};padding-left:12px;font-family:sans-serif">'
        f'<p style="font-size:16px;font-weight:bold">{first}</p>'
        f'<pre style="font-size:13px;white-space:pre-wrap">{rest}</pre></div>'
    )


def _bare(address: str) -> str:
    return parseaddr(address)[1]


def _encoded(address: str) -> str:
    return formataddr(parseaddr(address))


def _connect(options: Options) -> smtplib.SMTP:
    # Without a name of ours smtplib asks the resolver for it, which may take long.
    name = socket.gethostname()
    if options.encryption != "tls":
        return _Smtp(options.host, options.port, name)
    return _TlsSmtp(options.host, options.port, name, context=_trust(options))


def _greet(smtp: smtplib.SMTP, options: Options) -> None:
    """Encrypt and log in, as far as the options say."""
    if options.encryption == "starttls":
        smtp.starttls(context=_trust(options))
    if options.user is not None and options.password is not None:
        smtp.login(options.user, options.password.get_secret_value())


def _trust(options: Options) -> ssl.SSLContext:
    """Certificates and host names are always checked."""
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except OSError as e:
        raise ChannelError(f"ca_file {options.ca_file}: {_words(e)}", "channel") from None


def _answer(options: Options, refused: _Refused) -> str:
    if not refused:
        return f"accepted by {options.host}"
    return f"accepted by {options.host}, but not for {_recipients(refused)}"


def _recipients(refused: _Refused) -> str:
    return ", ".join(f"{address} ({code} {_text(said)})" for address, (code, said) in refused.items())


def _refusal(error: smtplib.SMTPException, options: Options) -> ChannelError:
    """The server's refusal in its own words: 4xx may pass, 5xx will not (RFC 5321, 4.2.1)."""
    meant: Refusal = "later"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        meant, said = "channel", f"refused {_recipients(dict(error.recipients))}"
    elif isinstance(error, smtplib.SMTPSenderRefused):
        meant = "channel" if error.smtp_code >= PERMANENT else "later"
        said = f"{error.smtp_code} {_text(error.smtp_error)}"
    elif isinstance(error, smtplib.SMTPAuthenticationError):
        meant = "channel" if error.smtp_code >= PERMANENT else "later"
        said = f"{error.smtp_code} {_text(error.smtp_error)}: {_login_hint(options)}"
    elif isinstance(error, smtplib.SMTPResponseException):
        meant = "message" if error.smtp_code >= PERMANENT else "later"
        said = f"{error.smtp_code} {_text(error.smtp_error)}"
    else:
        meant = "channel" if isinstance(error, smtplib.SMTPNotSupportedError) else "later"
        said = _text(str(error))
    if options.password is not None:
        said = said.replace(options.password.get_secret_value(), "…")
    return ChannelError(f"{options.host}:{options.port}: {said}", meant)


def _login_hint(options: Options) -> str:
    hints = (hint for domain, hint in LOGIN_HINTS.items() if options.host.endswith(domain))
    return next(hints, "check user and password; some providers want an app password")


def _text(said: bytes | str) -> str:
    return one_line(said.decode("utf-8", "replace") if isinstance(said, bytes) else said, ANSWER_CHARACTERS)


def _words(error: OSError | UnicodeError) -> str:
    return str(getattr(error, "verify_message", None) or getattr(error, "strerror", None) or error)
