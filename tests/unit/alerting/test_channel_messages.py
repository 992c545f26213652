"""What channels make of a notification before anything is sent."""

from email import message_from_bytes
from email.policy import default

import pytest
from pydantic import ValidationError

from epochwatchd.alerting.channels import email, slack, webhook
from epochwatchd.alerting.channels._http import redact, retry_after_s
from epochwatchd.alerting.rendering import render
from epochwatchd.model import Message


def told(notification):
    return Message(notification, memory=None)


MAIL = email.Options(**{"host": "localhost", "from": "플랫라인 <alerts@example.com>", "to": "mina@example.com"})


def sent(notification):
    return message_from_bytes(email.compose(MAIL, told(notification)).as_bytes(), policy=default)


def test_slack_gets_the_headline_in_bold_and_the_rest_between_fences(notification):
    message = slack.body_of(told(render(notification(job="<a&b>"), "en")))
    assert message["text"].startswith("💀 &lt;a&amp;b&gt; crashed on gpu01")
    first, second = (block["text"]["text"] for block in message["blocks"])
    assert first == f"*{message['text']}*"
    assert second.startswith("```Why: ")
    assert second.endswith("```")


def test_slacks_sections_stay_within_its_limit_and_nothing_ends_a_fence(notification):
    long = notification(cause={"code": "exception", "evidence": ["&```" * 400] * 30}, host="&" * 256, user="&" * 256)
    texts = [block["text"]["text"] for block in slack.body_of(told(render(long, "en")))["blocks"]]
    assert len(texts) > 2
    assert max(map(len, texts)) <= 3000
    assert all(text.count("```") == 2 for text in texts[1:])


def test_a_line_beyond_slacks_limit_is_cut(notification):
    blocks = slack.body_of(told(notification(text="head\n\n" + "x" * 9000)))["blocks"]
    texts = [block["text"]["text"] for block in blocks]
    assert [len(text) for text in texts] == [6, 3000]


def test_the_first_mail_of_an_incident_begins_the_thread_and_the_others_refer_to_it(notification):
    first = sent(render(notification(kind="silent"), "en"))
    last = sent(render(notification(kind="silent", status="resolved", reason="resolved"), "en"))
    assert first["Message-ID"] == "<6f1c2d@example.com>"
    assert first["References"] is None
    assert last["References"] == last["In-Reply-To"] == first["Message-ID"]
    assert last["Message-ID"] != first["Message-ID"]


def test_a_mail_that_is_sent_again_is_the_same_mail(notification):
    again = render(notification(reason="reminder"), "en")
    assert sent(again)["Message-ID"] == sent(again)["Message-ID"]
    later = render(notification(reason="reminder", detected_at="2026-11-20T18:15:00.121Z"), "en")
    assert sent(later)["Message-ID"] != sent(again)["Message-ID"]


def test_a_mail_says_the_headline_the_time_and_the_whole_text(notification):
    rendered = render(notification(), "ko")
    mail = sent(rendered)
    assert mail["Subject"] == "💀 [gpu01] resnet50 비정상 종료: 메모리 부족으로 강제 종료 (OOM)"
    assert mail["Date"].datetime.isoformat() == "2026-11-20T12:15:00+00:00"
    assert mail["From"].addresses[0].display_name == "플랫라인"
    assert mail.get_body(("plain",)).get_content().strip() == rendered.text


@pytest.mark.parametrize("job", ["x\r\nBcc: all@example.com", "x\nBcc: all@example.com\n\n", "x" * 5000, "이름 " * 300])
def test_no_name_of_a_job_can_add_a_header(notification, job):
    mail = sent(render(notification(job=job), "en"))
    assert mail["Bcc"] is None
    assert len(mail["Subject"]) <= email.SUBJECT_MAX


def test_long_domains_leave_the_thread_readable(notification):
    options = MAIL.model_copy(update={"from_": f"a@{'d' * 60}.example.com"})
    mail = email.compose(options, told(render(notification(reason="reminder"), "en"))).as_string()
    assert f"References: <6f1c2d@{'d' * 60}.example.com>" in mail


@pytest.mark.parametrize(
    ("given", "encryption"),
    [({}, "starttls"), ({"port": 465}, "tls"), ({"port": 25}, "none"), ({"port": 25, "tls": "starttls"}, "starttls")],
)
def test_the_port_tells_the_encryption_unless_it_is_given(given, encryption):
    assert email.Options(**{"host": "h", "from": "a@b.c", "to": ["d@e.f"], **given}).encryption == encryption


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        ({"to": "nobody"}, "e-mail address"),
        ({"to": []}, "at least 1"),
        ({"from": "a@b.c\r\nBcc: d@e.f"}, "e-mail address"),
        ({"user": "mina"}, "go together"),
        ({"user": "mina", "password": "geheim-geheim", "port": 25}, "unencrypted"),
        ({"user": "mina@b.c", "password": "geheim-geheim-ß"}, "ASCII"),
        ({"user": "mina", "password": "geheim-geheim", "from": None}, "e-mail address"),
        ({"from": None}, "from is missing"),
        ({"host": ""}, "give the server, or a preset"),
    ],
)
def test_mistakes_in_mail_options_are_told_without_the_password(given, mistake):
    with pytest.raises(ValidationError, match=mistake) as told:
        email.Options(**{"host": "mail.example.com", "from": "a@b.c", "to": "d@e.f", **given})
    assert "geheim" not in str(told.value)


@pytest.mark.parametrize(
    "url", ["hooks.slack.com/x", "ftp://a/b", "https://?token", "https://a/b c", "http://a:99999/", "https://[::1"]
)
def test_what_is_no_url_is_refused_without_being_quoted(url):
    with pytest.raises(ValidationError, match="must be a URL") as told:
        slack.Options(url=url)
    assert url not in str(told.value)


@pytest.mark.parametrize("headers", [{"X Y": "a"}, {"X": "a\r\nY: b"}, {"X": "ä"}, {"X": " a"}, {"": "a"}])
def test_headers_that_http_cannot_carry_are_refused(headers):
    with pytest.raises(ValidationError):
        webhook.Options(url="https://example.com", headers=headers)


def test_the_signature_is_an_hmac_over_the_time_and_the_body():
    # printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
    expected = "t=1700000000,v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
    assert webhook.signature(b'{"a":1}', "key", 1_700_000_000) == expected


def test_each_message_of_an_incident_has_a_key_of_its_own(notification):
    messages = [
        notification(),
        notification(reason="reminder"),
        notification(reason="reminder", detected_at="2026-11-20T18:15:00.121Z"),
        notification(status="resolved", reason="resolved"),
    ]
    assert len({told(message).key for message in messages}) == len(messages)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("30", 30),
        ("0", 0),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0),
        ("soon", None),
        ("1e999", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    assert retry_after_s(header, 1_795_176_000.0) == seconds


def test_longer_secrets_are_taken_out_first():
    assert redact("see /services/T1/abc and abc", ["abc", "/services/T1/abc"]) == "see … and …"
