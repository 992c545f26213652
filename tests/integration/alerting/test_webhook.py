import json
import logging

import pytest

from epochwatchd.alerting.channels import _deadline, _http, webhook
from epochwatchd.model import ChannelError

TOKEN = "T0PSECRET-path"


def options(url, **given):
    return webhook.Options(url=f"{url}/hooks/{TOKEN}", **given)


def failure(given, message):
    with pytest.raises(ChannelError) as told:
        webhook.send(given, message)
    return told.value


def test_the_receiver_gets_the_contracts_json(receiver, message):
    assert webhook.send(options(receiver.url), message).said == "200 ok"
    [(path, headers, body)] = receiver.requests
    assert path == f"/hooks/{TOKEN}"
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "6f1c2d.firing.first.2026-11-20T12:00:00.121Z"
    message = json.loads(body)
    assert (message["version"], message["job"], message["progress"]["loss"]) == (1, "resnet50 <é>", "NaN")
    assert message["cause"] == {"code": "signal", "text": "killed by SIGKILL", "evidence": ["exit status -9"]}
    assert message["text"].startswith("💀 resnet50 <é> crashed on gpu01")


def test_headers_and_a_signature_that_the_receiver_can_check(receiver, message):
    webhook.send(options(receiver.url, headers={"Authorization": "Bearer abc"}, secret="key"), message)
    [(_, headers, body)] = receiver.requests
    assert headers["authorization"] == "Bearer abc"
    time_s = int(headers["x-epochwatch-signature"].split(",")[0].removeprefix("t="))
    assert headers["x-epochwatch-signature"] == webhook.signature(body, "key", time_s)


def test_what_is_sent_again_has_the_same_key_and_body(receiver, message):
    receiver.answers = [(500, {}, b"")]
    failure(options(receiver.url), message)
    webhook.send(options(receiver.url), message)
    (_, first, body), (_, again, same_body) = receiver.requests
    assert (first["idempotency-key"], body) == (again["idempotency-key"], same_body)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_taken(receiver, message, status):
    receiver.answers = [(status, {}, b"")]
    assert webhook.send(options(receiver.url), message).said == str(status)


def test_a_redirect_is_not_followed(receiver, message):
    receiver.answers = [(302, {"Location": f"{receiver.url}/elsewhere"}, b"")]
    error = failure(options(receiver.url), message)
    assert error.refusal == "channel"
    assert "redirects are not followed" in str(error)
    assert len(receiver.requests) == 1


def test_nobody_listens(refused_port, message):
    error = failure(options(f"http://127.0.0.1:{refused_port}"), message)
    assert error.refusal == "later"
    assert str(error) == "Connection refused"


def test_a_peer_that_says_nothing_is_left(mute_port, message, monkeypatch):
    monkeypatch.setattr(_deadline, "TOTAL_S", 0.05)
    error = failure(options(f"http://127.0.0.1:{mute_port}"), message)
    assert error.refusal == "later"
    assert str(error) == "no whole answer within 0.05 s"


def test_a_peer_without_tls_is_named_for_what_it_is(receiver, message):
    error = failure(options(receiver.url.replace("http", "https")), message)
    assert error.refusal == "later"
    assert "SSL" in str(error)


def test_an_answer_that_breaks_off_is_an_answer_all_the_same(receiver, message, monkeypatch):
    monkeypatch.setattr(_deadline, "TOTAL_S", 2.0)
    receiver.answers = [(200, {"Content-Length": "1000"}, b"")]
    assert webhook.send(options(receiver.url), message).said == "200"


def test_a_long_answer_is_shown_in_part(receiver, message):
    receiver.answers = [(200, {}, b"x" * 1_000_000)]
    assert len(webhook.send(options(receiver.url), message).said) == _http.SAID_CHARACTERS


def test_a_peer_that_repeats_the_path_gives_nothing_away(receiver, message):
    receiver.answers = [(404, {}, f"Cannot POST /hooks/{TOKEN} with Bearer geheim".encode())]
    error = failure(options(receiver.url, headers={"Authorization": "Bearer geheim"}), message)
    assert TOKEN not in str(error)
    assert "geheim" not in str(error)
    assert str(error).startswith("answered 404 Cannot POST …")


def test_the_path_is_not_logged_even_when_everything_is(receiver, message, caplog):
    with caplog.at_level(logging.DEBUG):
        webhook.send(options(receiver.url), message)
    assert TOKEN not in caplog.text


def test_the_users_netrc_is_not_sent(receiver, message, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login mina password geheim\n")
    monkeypatch.setenv("NETRC", str(netrc))
    webhook.send(options(receiver.url), message)
    assert "authorization" not in receiver.requests[0][1]


def test_loopback_is_reached_without_the_users_proxy(receiver, refused_port, message, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{refused_port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert webhook.send(options(receiver.url), message).said == "200 ok"
