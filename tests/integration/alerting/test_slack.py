"""Slack against a stand-in: there is no Slack to be had here.

The stand-in is written from Slack's documentation of incoming webhooks and blocks and refuses what that does not allow.
"""

import json
from dataclasses import replace

import pytest

from epochwatchd.alerting.channels import slack
from epochwatchd.model import ChannelError

PATH = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"


def slack_standin(path, headers, body):
    """Slack's answer by its documented rules."""
    if path != PATH:
        return 404, {}, b"no_service"
    fault = fault_of(headers, body)
    return (400, {}, fault) if fault else (200, {}, b"ok")


def fault_of(headers, body):
    try:
        message = json.loads(body)
    except ValueError:
        return b"invalid_payload"
    if headers.get("Content-Type") != "application/json" or not message.keys() <= {"text", "blocks"}:
        return b"invalid_payload"
    if not message.get("text") or len(message["text"]) > 40_000:
        return b"no_text"
    blocks = message.get("blocks", [])
    return None if len(blocks) <= 50 and all(map(is_section, blocks)) else b"invalid_blocks"


def is_section(block):
    text = block.get("text", {})
    return (
        block.keys() == {"type", "text"}
        and block["type"] == "section"
        and text.keys() <= {"type", "text", "verbatim"}
        and text["type"] == "mrkdwn"
        and 1 <= len(text["text"]) <= 3000
        and "<" not in text["text"]
    )


@pytest.fixture
def slack_url(serve_http):
    return serve_http(slack_standin) + PATH


def test_slack_takes_a_message(slack_url, crash):
    assert slack.send(slack.Options(url=slack_url), crash) == "200 ok"


def test_slack_takes_the_longest_message(slack_url, crash):
    long = replace(crash, text="&" * 400 + "\n\n" + "\n".join(["<" * 200] * 40))
    assert slack.send(slack.Options(url=slack_url), long) == "200 ok"


def test_a_webhook_that_was_revoked_is_permanent(slack_url, crash):
    with pytest.raises(ChannelError, match="404 no_service") as told:
        slack.send(slack.Options(url=slack_url[:-1]), crash)
    assert told.value.permanent


@pytest.mark.parametrize(
    ("status", "permanent", "wait_s"), [(403, True, None), (410, True, None), (429, False, 30), (503, False, None)]
)
def test_slacks_refusals(receiver, crash, status, permanent, wait_s):
    receiver.answers = [(status, {"Retry-After": "30"} if wait_s else {}, b"")]
    with pytest.raises(ChannelError) as told:
        slack.send(slack.Options(url=receiver.url + PATH), crash)
    assert (told.value.permanent, told.value.retry_after_s) == (permanent, wait_s)
    assert "XXXX" not in str(told.value)
