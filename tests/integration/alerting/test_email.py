import asyncio
import contextlib
import ssl
import threading
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from types import SimpleNamespace

import certificates
import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from telling import told

from epochwatchd.alerting.channels import _deadline, email
from epochwatchd.model import ChannelError

USER, PASSWORD = "mina@example.com", "geheim-0123456789"


class Postbox:
    """What a server accepts, and how it answers instead where a test says so."""

    def __init__(self):
        self.mails = []
        self.refusals = {}
        self.answer = "250 queued"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        if self.answer.startswith("2"):
            mail = message_from_bytes(envelope.content, policy=default)
            self.mails.append(SimpleNamespace(mail=mail, to=envelope.rcpt_tos, sender=envelope.mail_from))
        return self.answer


def authenticate(_server, _session, _envelope, _mechanism, login):
    good = (login.login, login.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=False)


@contextlib.contextmanager
def listening():
    """What opens a port on an event loop that runs in a thread of its own, and gives the port's number."""
    loop, servers = asyncio.new_event_loop(), []
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def listen(talk, tls_context):
        opening = loop.create_server(lambda: talk(loop), "127.0.0.1", 0, ssl=tls_context)
        servers.append(asyncio.run_coroutine_threadsafe(opening, loop).result())
        return servers[-1].sockets[0].getsockname()[1]

    yield listen
    asyncio.run_coroutine_threadsafe(close(servers), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def close(servers):
    for server in servers:
        server.close()
    talks = asyncio.all_tasks() - {asyncio.current_task()}
    for talk in talks:
        talk.cancel()
    await asyncio.gather(*talks, return_exceptions=True)


@pytest.fixture(scope="session")
def trusted(tmp_path_factory):
    return certificates.issue(tmp_path_factory.mktemp("trusted"))


@pytest.fixture
def postbox():
    return Postbox()


@pytest.fixture
def smtp(postbox, trusted):
    """What starts a server with ``tls`` for the postbox, and gives the options to reach it."""
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(trusted.server)
    by_tls = {
        "tls": {"auth_require_tls": False},  # aiosmtpd does not see that the whole connection is encrypted
        "starttls": {"tls_context": server_side, "require_starttls": True},
        "none": {"auth_require_tls": False},
    }

    with listening() as listen:

        def start(tls, /, **given):
            def talk(loop):
                return SMTP(postbox, authenticator=authenticate, hostname="mail.test", loop=loop, **by_tls[tls])

            known = {
                "host": "localhost",
                "port": listen(talk, server_side if tls == "tls" else None),
                "tls": tls,
                "ca_file": trusted.authority,
                "user": USER,
                "password": PASSWORD,
                "to": "team@example.com",
            }
            return email.Options(**{**known, **given})

        yield start


def failure(options, notification, done=()):
    with pytest.raises(ChannelError) as refused:
        email.send(options, told(notification, done=done))
    assert PASSWORD not in str(refused.value)
    return refused.value


@pytest.mark.parametrize("tls", ["starttls", "tls", "none"])
def test_a_mail_arrives(smtp, postbox, crash, tls):
    assert email.send(smtp(tls), told(crash)).said == "accepted by localhost"
    [got] = postbox.mails
    assert (got.sender, got.to) == (USER, ["team@example.com"])
    assert got.mail["Subject"] == "💀 resnet50 <é> crashed on gpu01: killed by SIGKILL"
    assert got.mail.get_body(("plain",)).get_content().split() == crash.text.split()
    assert "resnet50 &lt;é&gt; crashed" in got.mail.get_body(("html",)).get_content()


def test_a_mail_to_several_from_a_named_sender(smtp, postbox, crash):
    options = smtp(
        "starttls", **{"from": "플랫라인 <alerts@example.com>", "to": ["a@example.com", "B <b@example.com>"]}
    )
    email.send(options, told(crash))
    [got] = postbox.mails
    assert (got.sender, got.to) == ("alerts@example.com", ["a@example.com", "b@example.com"])


def test_a_wrong_password_is_permanent_and_says_what_to_check(smtp, crash):
    error = failure(smtp("starttls", password="wrong"), crash)
    assert error.refusal == "channel"
    assert "535" in str(error)
    assert "app password" in str(error)


@pytest.mark.parametrize(("answer", "refusal"), [("451 try later", "later"), ("554 spam", "message")])
def test_the_servers_code_tells_whether_to_try_again(smtp, postbox, crash, answer, refusal):
    postbox.answer = answer
    error = failure(smtp("tls"), crash)
    assert error.refusal == refusal
    assert answer in str(error)


@pytest.mark.parametrize(("answer", "refusal"), [("450 busy", "later"), ("550 no such user", "channel")])
def test_a_refused_recipient_is_named(smtp, postbox, crash, answer, refusal):
    postbox.refusals = {"team@example.com": answer}
    error = failure(smtp("tls"), crash)
    assert error.refusal == refusal
    assert f"team@example.com ({answer})" in str(error)


def test_one_refused_recipient_of_two_is_told_and_the_other_gets_it(smtp, postbox, crash):
    postbox.refusals = {"a@example.com": "550 no such user"}
    answer = email.send(smtp("tls", to=["a@example.com", "b@example.com"]), told(crash)).said
    assert answer == "accepted by localhost, but not for a@example.com (550 no such user)"
    assert postbox.mails[0].to == ["b@example.com"]


def test_one_that_is_greylisted_gets_it_later_and_the_other_once(smtp, postbox, crash):
    options = smtp("tls", to=["a@example.com", "B <b@example.com>", "c@example.com"])
    postbox.refusals = {"a@example.com": "450 greylisted for ten minutes", "c@example.com": "550 no such user"}
    first = failure(options, crash)
    assert (first.refusal, first.done) == ("later", ("b@example.com", "c@example.com"))
    again = failure(options, crash, done=first.done)
    assert (again.refusal, again.done) == ("later", ())
    postbox.refusals = {}
    assert email.send(options, told(crash, done=first.done)).said == "accepted by localhost"
    assert [mail.to for mail in postbox.mails] == [["b@example.com"], ["a@example.com"]]


def test_the_last_one_that_is_refused_for_good_after_others_were_served_is_told(smtp, postbox, crash):
    options = smtp("tls", to=["a@example.com", "b@example.com"])
    postbox.refusals = {"a@example.com": "550 no such user"}
    taken = email.send(options, told(crash, done=("b@example.com",)))
    assert taken.said == "accepted by localhost, but not for a@example.com (550 no such user)"
    assert postbox.mails == []


def test_a_microsoft_mailbox_with_a_password_is_noted():
    options = {"user": "a@b.c", "password": "geheim-0123", "to": "a@b.c"}
    assert "takes no password" in email.notes(email.Options(host="smtp.office365.com", **options))[0]
    assert email.notes(email.Options(preset="naver", **options)) == []


@pytest.mark.parametrize(
    ("preset", "host"), [("naver", "smtp.naver.com"), ("gmail", "smtp.gmail.com"), ("daum", "smtp.daum.net")]
)
def test_a_preset_stands_for_host_and_port(preset, host):
    options = email.Options(preset=preset, user="a@b.c", password="geheim-0123", to="a@b.c")
    assert (options.host, options.port, options.encryption) == (host, 465, "tls")


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(smtp, postbox, crash, tls):
    error = failure(smtp(tls, ca_file=None), crash)
    assert error.refusal == "later"
    assert "unable to get local issuer certificate" in str(error)
    assert postbox.mails == []


def test_a_certificate_for_another_name_is_refused(smtp, crash):
    assert "certificate is not valid for '127.0.0.1'" in str(failure(smtp("tls", host="127.0.0.1"), crash))


def test_a_certificate_file_that_is_not_there_is_named(smtp, crash, tmp_path):
    error = failure(smtp("tls", ca_file=tmp_path / "none.pem"), crash)
    assert "none.pem: No such file" in str(error)


def test_a_server_without_starttls_gets_no_password(smtp, crash):
    error = failure(smtp("none", tls="starttls"), crash)
    assert error.refusal == "channel"
    assert "STARTTLS" in str(error)


def test_tls_where_the_server_speaks_none_is_told(smtp, crash):
    assert "SSL" in str(failure(smtp("none", tls="tls"), crash))


def test_a_server_that_says_nothing_is_left(smtp, mute_port, crash, monkeypatch):
    monkeypatch.setattr(_deadline, "TOTAL_S", 0.05)
    for tls in ("starttls", "tls", "none"):
        error = failure(smtp(tls, host="127.0.0.1").model_copy(update={"port": mute_port}), crash)
        assert error.refusal == "later"
        assert str(error) == f"127.0.0.1:{mute_port}: no whole answer within 0.05 s"


def test_nobody_listens(smtp, refused_port, crash):
    error = failure(smtp("tls").model_copy(update={"port": refused_port}), crash)
    assert str(error) == f"localhost:{refused_port}: Connection refused"


def test_a_host_that_cannot_be_one_is_told(smtp, crash):
    assert failure(smtp("tls", host="a" * 64), crash).refusal == "later"


@pytest.mark.parametrize(("host", "hint"), [("smtp.naver.com", "POP3/SMTP"), ("smtp.gmail.com", "apppasswords")])
def test_well_known_providers_have_their_own_hint(smtp, crash, host, hint, monkeypatch):
    reached = email._connect
    monkeypatch.setattr(email, "_connect", lambda options: reached(options.model_copy(update={"host": "localhost"})))
    error = failure(
        smtp("none", tls="none", password="wrong", host="localhost").model_copy(update={"host": host}), crash
    )
    assert hint in str(error)


def test_a_server_that_drops_the_line_after_it_took_the_mail_has_taken_it(smtp, postbox, crash, monkeypatch):
    async def drop(self, _):
        self.transport.abort()

    monkeypatch.setattr(SMTP, "smtp_QUIT", drop)
    assert email.send(smtp("tls"), told(replace(crash, text="short"))).said == "accepted by localhost"
    assert len(postbox.mails) == 1
