"""E-mail, over any SMTP server that offers STARTTLS or TLS."""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from email.header import Header
from email.mime.text import MIMEText
from email.utils import format_datetime, formataddr, parseaddr
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from epochwatchd.alerting.channels import _deadline
from epochwatchd.alerting.rendering import headline
from epochwatchd.alerting.wording import moment, one_line
from epochwatchd.model import ChannelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from epochwatchd.model import Notification

SUBJECT_MAX = 200
ANSWER_CHARACTERS = 160
TLS_PORT, PLAIN_PORT = 465, 25
PERMANENT = 500
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LOGIN_HINTS = {
    "naver.com": "switch on POP3/SMTP in Naver Mail's settings; with 2-step verification use an application password",
    "gmail.com": "Gmail takes an app password only: https://myaccount.google.com/apppasswords",
}


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
    """Where to send. ``tls`` is by the port unless given: ``tls`` on 465, ``none`` on 25, else ``starttls``.

    ``from`` is ``user`` unless given. ``ca_file``: the certificates to trust instead of the system's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    user: str | None = None
    password: Annotated[SecretStr, AfterValidator(_ascii)] | None = None
    from_: EmailAddress | None = Field(default=None, alias="from")
    to: Annotated[tuple[EmailAddress, ...], BeforeValidator(_one_or_many), Field(min_length=1)]
    tls: Literal["starttls", "tls", "none"] | None = None
    ca_file: Path | None = None

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


def send(options: Options, notification: Notification) -> str:
    """Hand the message to the server and say whom it accepted. Raises ChannelError, by the deadline at the latest."""
    try:
        with _deadline.deadline(), contextlib.closing(_connect(options)) as smtp:
            _greet(smtp, options)
            refused = smtp.send_message(
                compose(options, notification), _bare(options.sender), [*map(_bare, options.to)]
            )
            with contextlib.suppress(OSError):  # accepted is accepted, however they part; SMTPException is an OSError
                smtp.quit()
    except smtplib.SMTPException as e:
        raise _refusal(e, options) from None
    except (OSError, UnicodeError) as e:  # a host name that cannot be one is a UnicodeError
        raise ChannelError(f"{options.host}:{options.port}: {_words(e)}") from None
    return _answer(options, refused)


def compose(options: Options, notification: Notification) -> MIMEText:
    """The message. Its Message-ID is the same when it is sent again, and an incident's messages form one thread."""
    domain = _bare(options.sender).rpartition("@")[2]
    thread, detected = f"<{notification.id}@{domain}>", moment(notification.detected_at)
    subject = one_line(headline(notification), SUBJECT_MAX)
    message = MIMEText(notification.text, "plain", "utf-8")
    message["From"] = _encoded(options.sender)
    message["To"] = ", ".join(map(_encoded, options.to))
    message["Subject"] = Header(subject, "utf-8", header_name="Subject").encode()
    message["Date"] = format_datetime(detected)
    message["Auto-Submitted"] = "auto-generated"
    if (notification.status, notification.reason) == ("firing", "first"):
        message["Message-ID"] = thread
    else:
        message["Message-ID"] = f"<{notification.id}.{notification.reason}.{detected:%Y%m%d%H%M%S%f}@{domain}>"
        message["In-Reply-To"] = message["References"] = thread
    return message


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
        raise ChannelError(f"ca_file {options.ca_file}: {_words(e)}") from None


def _answer(options: Options, refused: Mapping[str, tuple[int, bytes]]) -> str:
    if not refused:
        return f"accepted by {options.host}"
    return f"accepted by {options.host}, but not for {_recipients(refused)}"


def _recipients(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{address} ({code} {_text(said)})" for address, (code, said) in refused.items())


def _refusal(error: smtplib.SMTPException, options: Options) -> ChannelError:
    """The server's refusal in its own words: 4xx may pass, 5xx will not (RFC 5321, 4.2.1)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        permanent = all(code >= PERMANENT for code, _ in error.recipients.values())
        said = f"refused {_recipients(error.recipients)}"
    elif isinstance(error, smtplib.SMTPResponseException):
        permanent, said = error.smtp_code >= PERMANENT, f"{error.smtp_code} {_text(error.smtp_error)}"
    else:
        permanent, said = isinstance(error, smtplib.SMTPNotSupportedError), _text(str(error))
    if isinstance(error, smtplib.SMTPAuthenticationError):
        said = f"{said}: {_login_hint(options)}"
    if options.password is not None:
        said = said.replace(options.password.get_secret_value(), "…")
    return ChannelError(f"{options.host}:{options.port}: {said}", permanent=permanent)


def _login_hint(options: Options) -> str:
    hints = (hint for domain, hint in LOGIN_HINTS.items() if options.host.endswith(domain))
    return next(hints, "check user and password; some providers want an app password")


def _text(said: bytes | str) -> str:
    return one_line(said.decode("utf-8", "replace") if isinstance(said, bytes) else said, ANSWER_CHARACTERS)


def _words(error: OSError | UnicodeError) -> str:
    return str(getattr(error, "verify_message", None) or getattr(error, "strerror", None) or error)
