"""What every kind of channel must keep, also those that will be added: the kinds are found, not listed.

Those that speak HTTP are tried against strict stand-ins of their vendors: ``tests/support/vendors``.
"""

import inspect
import logging
import re
import socket
import threading
import traceback
from contextlib import closing
from dataclasses import replace

import pytest
from pydantic import BaseModel, SecretStr, ValidationError
from telling import DictMemory, sending, told
from vendors.discord import Discord
from vendors.kakao import Kakao
from vendors.line import Line
from vendors.machines import Alertmanager, Hook
from vendors.ntfy import Ntfy
from vendors.rooms import NaverWorks, Teams
from vendors.slack import SlackBot, SlackWebhook
from vendors.telegram import Telegram

from epochwatchd.alerting.channels import KINDS, _deadline
from epochwatchd.alerting.rendering import render
from epochwatchd.model import ChannelError, Limits, Taken

VENDORS = [SlackWebhook, SlackBot, Discord, Telegram, Line, Kakao, NaverWorks, Teams, Ntfy, Hook, Alertmanager]
BY_OTHER_MEANS = {"email", "command", "console", "desktop", "sound", "apprise"}
"""These have test files of their own."""
SECRET = re.compile("geheim|XXXXXX", re.IGNORECASE)
SOON_S = 0.3

vendors = pytest.mark.parametrize("vendor", [kind() for kind in VENDORS], ids=lambda v: type(v).__name__)
kinds = pytest.mark.parametrize("kind", sorted(KINDS))


def memory_of(vendor):
    return DictMemory(vendor.memory() if hasattr(vendor, "memory") else None)


@pytest.fixture
def reach(serve_http):
    """What gives the sending half of a channel whose peer is this vendor."""

    def reach(vendor):
        vendor.__init__()  # each test has a vendor that knows nothing
        send, _ = sending(vendor.options(serve_http(vendor.answer)))
        return send

    return reach


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(_deadline, "TOTAL_S", SOON_S)


def test_every_kind_is_tried():
    tried = {vendor().options("http://127.0.0.1:1")["kind"] for vendor in VENDORS}
    assert set(KINDS) == tried | BY_OTHER_MEANS


@kinds
def test_a_kind_is_options_limits_and_send(kind):
    module = KINDS[kind]
    assert module.__doc__
    assert isinstance(module.LIMITS, Limits)
    assert list(inspect.signature(module.send).parameters)[-1] == "message"
    assert inspect.getdoc(module.send)
    assert issubclass(module.Options, BaseModel)


@kinds
def test_options_are_frozen_refuse_unknown_keys_and_quote_no_input(kind):
    options = KINDS[kind].Options
    assert options.model_config["frozen"]
    assert options.model_config["hide_input_in_errors"]
    with pytest.raises(ValidationError, match="no_such_key") as refused:
        options(no_such_key="geheim-0123456789")
    assert not SECRET.search(str(refused.value))


@vendors
def test_a_message_is_taken(vendor, reach, crash):
    send = reach(vendor)
    taken = send(told(crash, memory=memory_of(vendor)))
    assert isinstance(taken, Taken)
    assert taken.said
    [text] = vendor.taken
    assert "resnet50" in text


@vendors
def test_a_headline_alone_is_taken(vendor, reach, crash):
    send = reach(vendor)
    send(told(replace(crash, text=crash.text.partition("\n")[0]), memory=memory_of(vendor)))
    assert len(vendor.taken) == 1


@pytest.mark.parametrize(
    ("kind", "refusal", "answer"),
    [
        pytest.param(vendor, refusal, answer, id=f"{vendor.__name__}-{refusal}-{answer[0]}-{answer[2][:30]}")
        for vendor in VENDORS
        for refusal, answers in vendor.REFUSALS.items()
        for answer in answers
    ],
)
def test_a_vendors_refusal_is_understood(kind, refusal, answer, reach, crash):
    vendor = kind()
    send = reach(vendor)
    vendor.answers = [answer, answer]
    with pytest.raises(ChannelError) as refused:
        send(told(crash, memory=memory_of(vendor)))
    assert refused.value.refusal == refusal
    assert vendor.taken == []
    if refusal == "until":
        assert 0 < refused.value.wait_s <= 31 * 86400
    assert not SECRET.search(str(refused.value))
    assert len(str(refused.value)) < 250


def test_who_says_when_to_come_back_is_heard(reach, crash):
    for kind, wait_s in ((Hook, 17), (SlackWebhook, 30), (Discord, 0.3), (Telegram, 7), (Teams, 2)):
        vendor = kind()
        send = reach(vendor)
        vendor.answers = [kind.REFUSALS["later"][0]]
        with pytest.raises(ChannelError) as refused:
            send(told(crash))
        assert refused.value.wait_s == wait_s, kind


HOSTILE = [
    "<!channel> <@U123> @everyone @here <at>x</at>",
    "*bold* _it_ `code` ```fence``` [a](http://evil.example) <b>x</b> &amp; | ~s~ ||spoiler||",
    "\x00\x07\x1b[31mred\r\nBcc: all@example.com",
    "\u202egnp.exe\u202c \u200b\ufeff\u2028\u2029",
    "👩‍👩‍👧‍👦💀🏁" * 20,
    "학습이 멈췄습니다 " * 20,
    "\udcff\ud800 not unicode",
    "{job} %s {0} ${HOME} '; DROP TABLE run; --",
]


@vendors
@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_job_is_called_the_message_is_taken(vendor, reach, crash_told, name):
    send = reach(vendor)
    hostile = replace(
        crash_told, job=name, user=name, host=name, tags={name: name}, argv=[name], cwd=name,
        cause={"code": "exception", "details": {"type": name, "message": name}, "evidence": [name] * 5},
    )  # fmt: skip
    send(told(render(hostile, "ko"), memory=memory_of(vendor)))
    assert len(vendor.taken) == 1


@vendors
@pytest.mark.parametrize("unit", ["a", "한", "💀", "&", '"', "\\", "`", "\u0001"])
def test_a_message_far_beyond_every_limit_is_taken_with_its_first_line_and_its_last(vendor, reach, crash, unit):
    send = reach(vendor)
    huge = "\n".join([crash.text.partition("\n")[0], "", *[unit * 150] * 2000, unit * 100_000, "Next: the end"])
    send(told(replace(crash, text=huge), memory=memory_of(vendor)))
    text = vendor.taken[0]
    assert "resnet50" in text
    limits = KINDS[vendor.options("http://127.0.0.1:1")["kind"]].LIMITS
    assert "the end" in text or limits.text is None


@vendors
def test_what_is_not_known_is_left_out(vendor, reach, crash_told):
    send = reach(vendor)
    bare = replace(
        crash_told, job=None, run=None, user=None, pid=None, host="", cause=None, progress={}, kind="watchdog"
    )
    send(told(render(bare, "en"), memory=memory_of(vendor)))
    assert len(vendor.taken) == 1


# Peers that do not behave


class BadPeer:
    """Accepts connections, reads what comes, and does as it is told: says nothing, trickles, or hangs up."""

    def __init__(self, how):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.how, self.leave = how, threading.Event()
        self.threads = [threading.Thread(target=self.serve)]
        self.threads[0].start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def serve(self):
        while True:
            try:
                line, _ = self.server.accept()
            except OSError:
                return
            if self.leave.is_set():
                line.close()
                return
            self.threads.append(threading.Thread(target=self.talk, args=(line,)))
            self.threads[-1].start()

    def talk(self, line):
        with line:
            line.recv(65536)
            if self.how == "hangs up":
                return
            while not self.leave.wait(0.01):
                try:
                    if self.how == "trickles":
                        line.sendall(b"H")
                except OSError:
                    return

    def close(self):
        self.leave.set()
        with closing(socket.create_connection(self.server.getsockname())):
            pass
        for thread in self.threads:
            thread.join()
        self.server.close()


@vendors
@pytest.mark.parametrize("how", ["says nothing", "trickles", "hangs up"])
@pytest.mark.usefixtures("soon")
def test_a_peer_that_does_not_answer_is_left_and_tried_again_later(vendor, how, crash, caplog):
    vendor.__init__()
    with closing(BadPeer(how)) as peer, caplog.at_level(logging.DEBUG):
        send, options = sending(vendor.options(peer.url))
        with pytest.raises(ChannelError) as refused:
            send(told(crash, memory=memory_of(vendor)))
    assert refused.value.refusal == "later"
    everything = "".join(traceback.format_exception(refused.value)) + caplog.text + repr(options)
    assert not SECRET.search(str(refused.value) + caplog.text + repr(options) + str(options.model_dump()))
    assert not SECRET.search("".join(line for line in everything.splitlines() if "raise" in line))


@vendors
def test_nobody_listens(vendor, refused_port, crash, caplog):
    vendor.__init__()
    with caplog.at_level(logging.DEBUG):
        send, _ = sending(vendor.options(f"http://127.0.0.1:{refused_port}"))
        with pytest.raises(ChannelError) as refused:
            send(told(crash, memory=memory_of(vendor)))
    assert (refused.value.refusal, refused.value.__suppress_context__) == ("later", True)
    assert not SECRET.search(str(refused.value) + caplog.text)


@vendors
def test_a_secret_is_a_secret(vendor):
    _, options = sending(vendor.options("http://127.0.0.1:1"))
    assert any(isinstance(value, SecretStr | tuple) for value in dict(options).values())
    assert not SECRET.search(repr(options) + str(options.model_dump(mode="json")))


# Proxies and authorities


@vendors
def test_a_channel_goes_by_its_proxy(vendor, crash, serve_http):
    """A proxy for http gets the whole address as the path."""
    vendor.__init__()
    asked = []

    def proxy(request):
        asked.append(request.path)
        return 503, {}, b"from the proxy"

    send, _ = sending({**vendor.options("http://service.test:80"), "proxy": serve_http(proxy)})
    with pytest.raises(ChannelError) as refused:
        send(told(crash, memory=memory_of(vendor)))
    assert refused.value.refusal == "later"
    assert asked[0].startswith("http://service.test")


@vendors
def test_an_authority_that_is_not_there_parks_the_channel(vendor, crash, tmp_path):
    send, _ = sending({**vendor.options("https://127.0.0.1:1"), "ca_file": tmp_path / "none.pem"})
    with pytest.raises(ChannelError, match=r"none\.pem: No such file") as refused:
        send(told(crash, memory=memory_of(vendor)))
    assert refused.value.refusal == "channel"
