"""Apprise itself, with its plainest service: JSON to a server here."""

import json
import logging
import re

import pytest
from pydantic import ValidationError
from telling import sending, told

from epochwatchd.model import ChannelError


def address(receiver, token="geheim-0123456789"):
    return f"{receiver.url.replace('http://', 'json://')}/{token}"


def test_each_address_gets_the_message(receiver, crash):
    send, _ = sending({"kind": "apprise", "url": [address(receiver), address(receiver, "other")]})
    assert send(told(crash)).said == "taken by 2"
    (_, _, body), _ = receiver.requests
    got = json.loads(body)
    assert got["title"].startswith("💀 resnet50 <é> crashed on gpu01")
    assert (got["type"], "exit status -9" in got["message"]) == ("failure", True)


def test_one_that_failed_is_tried_again_alone(receiver, crash):
    send, _ = sending({"kind": "apprise", "url": [address(receiver), address(receiver, "other")]})
    receiver.answers = [(500, {}, b"")]
    with pytest.raises(ChannelError, match="1 of 2 addresses did not take it") as refused:
        send(told(crash))
    assert (refused.value.refusal, refused.value.done) == ("later", ("1",))
    send(told(crash, done=refused.value.done))
    assert [path.strip("/") for path, _, _ in receiver.requests] == ["geheim-0123456789", "other", "geheim-0123456789"]


def test_no_address_is_said_nor_logged(receiver, crash, caplog):
    receiver.answers = [(500, {}, b"geheim-0123456789")]
    with caplog.at_level(logging.DEBUG):
        send, options = sending({"kind": "apprise", "url": address(receiver)})
        with pytest.raises(ChannelError) as refused:
            send(told(crash))
    logging.getLogger("apprise").error("still quiet")
    assert not re.search("geheim|still quiet", f"{refused.value} {options!r} {caplog.text}")


def test_an_address_that_is_none_is_a_mistake():
    with pytest.raises(ValidationError, match="no address that Apprise knows") as refused:
        sending({"kind": "apprise", "url": "nosuchthing://geheim"})
    assert "geheim" not in str(refused.value)
