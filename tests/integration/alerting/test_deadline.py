"""Peers that never stop talking: each says a little, again and again, far longer than a channel may take."""

import contextlib
import os
import socket
import ssl
import threading
from types import SimpleNamespace

import certificates
import pytest
from requests.adapters import HTTPAdapter
from telling import told
from urllib3.connection import HTTPConnection

from epochwatchd.alerting.channels import _deadline, email, webhook
from epochwatchd.model import ChannelError

TOTAL_S, LONG_ENOUGH_S = 0.3, 2.0
PAUSE_S = 0.01
"""Between two bytes: far less than any time-out of one read would be."""
HEARD_S = 10.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GREETING = b"220 mail.test\r\n"
CAPABLE = b"250-mail.test\r\n250-STARTTLS\r\n250 SIZE\r\n"
TALK = (GREETING, CAPABLE, b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n", b"250 queued\r\n")
SERVER_HELLO = bytes.fromhex("16030300ff")
"""The head of a TLS record that promises 255 bytes more."""


class Peer:
    """Says the first of ``says``, each next one after it has heard something, and then ``endless`` until it is left."""

    def __init__(self, says, endless):
        self.says, self.endless = says, endless
        self.was_left = threading.Event()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError), self.server.accept()[0] as line:
            line.settimeout(HEARD_S)
            for at, said in enumerate(self.says):
                if at == 0 or line.recv(4096):
                    line.sendall(said)
            while self.endless:
                line.sendall(self.endless)
                self.was_left.wait(PAUSE_S)
            while line.recv(4096):
                pass
        self.was_left.set()

    def close(self):
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)  # where nobody came, it waits no longer
        self.thread.join()
        self.server.close()


@pytest.fixture
def peer():
    with contextlib.ExitStack() as ends:

        def start(*says, endless=b""):
            return ends.enter_context(contextlib.closing(Peer(says, endless)))

        yield start


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(_deadline, "TOTAL_S", TOTAL_S)


@pytest.fixture
def soon_enough(monkeypatch):
    """For what must be done in time, also on a busy machine."""
    monkeypatch.setattr(_deadline, "TOTAL_S", LONG_ENOUGH_S)


def post(port, notification, scheme="http"):
    return webhook.send(webhook.Options(url=f"{scheme}://127.0.0.1:{port}/hook"), told(notification))


def mail(port, notification, **given):
    options = {"host": "127.0.0.1", "port": port, "from": "a@example.com", "to": "b@example.com", "tls": "none"}
    return email.send(email.Options(**{**options, **given}), told(notification))


def post_encrypted(port, notification):
    return post(port, notification, "https")


def mail_encrypted(port, notification):
    return mail(port, notification, tls="tls")


def mail_with_starttls(port, notification):
    return mail(port, notification, tls="starttls")


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("send", "says", "endless"),
    [
        pytest.param(post, [], b"H", id="a status line that does not end"),
        pytest.param(post, [HEAD], b"x", id="a header that does not end"),
        pytest.param(post, [HEAD], b"X-Some: thing\r\n", id="headers without end"),
        pytest.param(post, [], b"HTTP/1.1 100 Continue\r\n\r\n", id="a request to go on, again and again"),
        pytest.param(post_encrypted, [SERVER_HELLO], b"\2", id="a TLS handshake, for HTTPS"),
        pytest.param(mail, [], b"2", id="a greeting that does not end"),
        pytest.param(mail, [], b"220-mail.test\r\n", id="a greeting of lines without end"),
        pytest.param(mail, [GREETING], b"250-MORE\r\n", id="a reply of lines without end"),
        pytest.param(mail, TALK[:-1], b"2", id="the last word"),
        pytest.param(mail_encrypted, [SERVER_HELLO], b"\2", id="a TLS handshake, for mail"),
        pytest.param(mail_with_starttls, [GREETING, CAPABLE, b"220 go on\r\n", SERVER_HELLO], b"\2", id="a STARTTLS"),
    ],
)  # fmt: skip
def test_a_peer_that_trickles_is_left_at_the_deadline(peer, crash, send, says, endless):
    one = peer(*says, endless=endless)
    with pytest.raises(ChannelError, match=r"no whole answer within 0\.3 s$") as refused:
        send(one.port, crash)
    assert refused.value.refusal == "later"
    assert one.was_left.wait(HEARD_S)


@pytest.mark.usefixtures("soon_enough")
@pytest.mark.parametrize(
    ("head", "endless"),
    [
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED, b"0"),
        (HEAD + b"Content-Length: 99999\r\n\r\n", b"x"),
        (HEAD + b"\r\n", b"x"),
    ],
)
def test_a_body_that_trickles_is_left_and_the_status_counts(peer, crash, head, endless):
    one = peer(head, endless=endless)
    assert post(one.port, crash).said.startswith("200")
    assert one.was_left.wait(HEARD_S)


@pytest.mark.usefixtures("soon_enough")
def test_a_mail_that_was_taken_is_taken_though_the_server_trickles_its_good_bye(peer, crash):
    assert mail(peer(*TALK, endless=b"2").port, crash).said == "accepted by 127.0.0.1"


def watchman_is_there(send, port, crash):
    """The one thread that watches all deadlines begins with the first exchange."""
    with pytest.raises(ChannelError):
        send(port, crash)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("send", [post, post_encrypted, mail, mail_encrypted, mail_with_starttls])
def test_no_thread_and_no_descriptor_is_left_of_what_came_to_nothing(mute_port, crash, send):
    watchman_is_there(send, mute_port, crash)
    before = threading.enumerate(), os.listdir("/proc/self/fd")
    with pytest.raises(ChannelError, match="no whole answer"):
        send(mute_port, crash)
    assert (threading.enumerate(), os.listdir("/proc/self/fd")) == before


def test_no_thread_and_no_descriptor_is_left_of_what_was_taken(peer, crash):
    one = peer(HEAD + b"Content-Length: 2\r\n\r\nok")
    assert post(one.port, crash).said == "200 ok"
    assert one.was_left.wait(HEARD_S), "a descriptor of the connection is still open"
    assert [thread.name for thread in threading.enumerate()].count("deadlines") == 1


@pytest.mark.usefixtures("soon")
def test_an_encrypted_exchange_ends_as_well(crash, monkeypatch, tmp_path):
    """Past the handshake the descriptor is the TLS layer's: it is the raw connection that is shut down."""
    certificate = certificates.issue(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.authority))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.server)
    with socket.create_server(("127.0.0.1", 0)) as server:
        trickling = threading.Thread(target=trickle_encrypted, args=(server, context))
        trickling.start()
        with pytest.raises(ChannelError, match="no whole answer"):
            webhook.send(webhook.Options(url=f"https://localhost:{server.getsockname()[1]}/"), told(crash))
        trickling.join()


def trickle_encrypted(server, context):
    nobody = threading.Event()
    with server.accept()[0] as raw, contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as line:
        while True:
            line.sendall(b"H")
            nobody.wait(PAUSE_S)


def test_a_host_with_a_dead_address_is_reached_by_its_next_one(receiver, crash, monkeypatch, refused_port):
    port = int(receiver.url.rpartition(":")[2])
    dead, alive = ((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", at)) for at in (refused_port, port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [dead, alive])
    assert post(port, crash).said == "200 ok"


def test_addresses_that_do_not_answer_share_the_time(crash, monkeypatch):
    """A full backlog answers nobody: what connects to it waits."""
    monkeypatch.setattr(_deadline, "TOTAL_S", TOTAL_S)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as queue:
        for _ in range(2):
            one = queue.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        silent = (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [silent] * 1000)
        with pytest.raises(ChannelError, match=r"no whole answer within 0\.3 s|no connection within 0\.\d* s"):
            post(1, crash)


def test_without_a_thread_to_watch_the_time_nothing_is_sent(receiver, crash, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_deadline, "_watchman", _deadline._Watchman())
    monkeypatch.setattr(_deadline.threading.Thread, "start", refuse)
    with pytest.raises(ChannelError, match="no thread is left to watch the time with") as refused:
        post(int(receiver.url.rpartition(":")[2]), crash)
    assert refused.value.refusal == "later"
    assert receiver.requests == []


def test_a_proxy_that_knows_no_deadline_is_refused_rather_than_passed_by(crash, monkeypatch):
    socks = SimpleNamespace(ConnectionCls=type("SOCKSConnection", (HTTPConnection,), {}))
    monkeypatch.setattr(HTTPAdapter, "get_connection_with_tls_context", lambda *_, **__: socks)
    with pytest.raises(ChannelError, match="SOCKS"):
        post(1, crash)
