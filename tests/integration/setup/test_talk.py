"""The conversation of setup: with services that take, refuse, or are not there. Vendors are stand-ins."""

import json
import stat

import pytest
from vendors import said
from vendors.kakao import CODE, LINK, Kakao
from vendors.kakao import KEY as KAKAO_KEY
from vendors.kakao import SECRET as KAKAO_SECRET

SAVE = "save"
REST = ("full", "usual", SAVE)
"""How messages are, who is told of what, and the end."""


@pytest.fixture
def hook(serve_http):
    """A receiver that takes whatever comes; ``answers`` come first."""

    class Hook:
        answers, asked = [], []

        def answer(self, asked):
            self.asked.append(asked)
            return self.answers.pop(0) if self.answers else said(200, "ok")

    found = Hook()
    found.url = serve_http(found.answer)
    return found


def test_a_channel_is_tried_with_a_real_message_before_it_is_written(converse, hook):
    draft, _, is_wanted = converse("", "en", ["webhook"], hook.url, "", *REST)
    assert (is_wanted, list(draft.channels), len(hook.asked)) == (True, ["webhook"], 1)
    assert "test" in json.loads(hook.asked[0].body)["job"]


def test_nothing_is_sent_while_it_is_asked(converse, hook):
    with pytest.raises(KeyboardInterrupt):
        converse("", "en", ["webhook"], hook.url, "", "full")
    assert len(hook.asked) == 1


def test_what_was_refused_can_be_typed_again(converse, hook):
    hook.answers = [said(404)]
    draft, ask, _ = converse("", "en", ["webhook"], hook.url + "/wrong", "", "retype", hook.url + "/right", "", *REST)
    assert any("FAILED" in told for told in ask.told)
    assert draft.secrets["webhook-url"] == f"{hook.url}/right".encode()


def test_what_was_refused_can_be_sent_again(converse, hook):
    hook.answers = [said(503)]
    _, ask, _ = converse("", "en", ["webhook"], hook.url, "", "resend", *REST)
    assert [told.split(",")[0] for told in ask.told if told.startswith("webhook: ")][1::2] == [
        "webhook: FAILED: answered 503",
        "webhook: ok",
    ]


def test_what_was_refused_can_be_left_out(converse, hook):
    hook.answers = [said(404)]
    draft, _, _ = converse("", "en", ["webhook"], hook.url, "", "drop", SAVE)
    assert (draft.channels, draft.secrets) == ({}, {})


def test_or_kept_for_later(converse, hook):
    hook.answers = [said(404)]
    draft, _, _ = converse("", "en", ["webhook"], hook.url, "", "keep_it", *REST)
    assert list(draft.channels) == ["webhook"]


def test_a_mistake_is_told_by_its_key_and_without_the_secret(converse):
    _, ask, _ = converse("", "en", ["slack"], "geheim-no-url", "drop", SAVE)
    [told] = [told for told in ask.told if "FAILED" in told]
    assert ("channels.slack.url" in told, "geheim" in told) == (True, False)


def test_what_is_needed_is_asked_until_it_is_given(converse, hook):
    _, ask, _ = converse("", "en", ["webhook"], "", "   ", hook.url, "", *REST)
    assert len(ask.refused) == 2


def test_kakao_is_logged_in_to_on_the_way(converse, serve_http, tmp_path):
    kakao = Kakao()
    url = serve_http(kakao.answer)
    text = f"channels:\n  kakao: {{kind: kakao, rest_api_key: x, link: x, api: '{url}', auth: '{url}'}}\n"
    answers = ("ko", "change:kakao", KAKAO_KEY, KAKAO_SECRET, LINK, SAVE)
    _, ask, _ = converse(text, *answers, pasted=f"http://localhost:8766/kakao?code={CODE}\n")
    assert len(kakao.taken) == 1
    assert any("/oauth/authorize?" in told for told in ask.told)
    [tokens] = (tmp_path / "state").rglob("kakao.json")
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600


def test_a_second_one_of_a_service_gets_a_number(converse, hook):
    text = "channels:\n  webhook: {kind: console}\n"
    draft, _, _ = converse(text, "en", "add", "webhook", hook.url, "", SAVE)
    assert list(draft.channels) == ["webhook", "webhook-2"]


def test_one_that_is_added_is_told_what_is_usual(converse, hook):
    text = "channels:\n  out: {kind: console}\nroutes:\n"
    draft, _, _ = converse(text, "en", "who", "worst", "add", "webhook", hook.url, "", SAVE)
    assert draft.wants == {"out": "worst", "webhook": "usual"}


def test_routes_written_by_hand_stay_unless_one_says_so(converse, hook):
    text = "channels:\n  out: {kind: console}\nroutes:\n  - {match: {user: mina}, to: [out]}\n"
    draft, ask, _ = converse(text, "en", "add", "webhook", hook.url, "", "who", "no", SAVE)
    assert "mina" in draft.unsaved.text
    assert any("no route names webhook" in told for told in ask.told)


def test_a_change_keeps_the_secret_that_is_not_typed_anew(converse, hook, tmp_path):
    (tmp_path / "hook").write_text(hook.url)
    text = "channels:\n  mine: {kind: webhook, url_file: hook}\n"
    draft, ask, _ = converse(text, "en", "change:mine", "", "", SAVE)
    assert (draft.unsaved.text, draft.secrets, len(hook.asked)) == (text, {}, 1)
    assert any("as it is" in asked for asked in ask.asked)


def test_what_rings_no_phone_is_said_at_the_end(converse):
    text = "channels:\n  out: {kind: console}\n"
    _, ask, _ = converse(text, "en", SAVE)
    assert any(told.startswith("note: route") for told in ask.told)


def test_it_speaks_the_language_that_was_chosen(converse, hook):
    draft, ask, _ = converse("", "ko", ["webhook"], hook.url, "", *REST)
    assert (draft.language, ask.asked[-1]) == ("ko", "무엇을 할까요?")


@pytest.mark.parametrize(("lang", "first"), [("ko_KR.UTF-8", "ko"), ("C", "en"), ("", "en")])
def test_it_begins_in_the_language_of_the_terminal(converse, lang, first):
    draft, _, is_wanted = converse("channels:\n  out: {kind: console}\n", first, "leave", env={"LANG": lang})
    assert (is_wanted, draft.language) == (False, "ko" if first == "ko" else None)
