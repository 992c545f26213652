"""All languages say the same things."""

import string
import typing

import pytest

from epochwatchd.alerting.phrases import LANGUAGES, en, ko
from epochwatchd.alerting.rendering import render
from epochwatchd.alerting.wording import placeholders
from epochwatchd.model import Kind

TABLES = ("KINDS", "HEADLINES", "REASONS", "TIMES", "BRIEF", "CAUSES", "ADVICE", "LABELS", "DURATIONS")
TEXTS = ("ON_HOST", "RANKED", "CORE_DUMPED", "STANDS")
KINDS = typing.get_args(Kind)


def asked_for(phrase):
    return placeholders(phrase) if isinstance(phrase, str) else [placeholders(variant) for variant in phrase]


others = pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])


@others
@pytest.mark.parametrize("table", TABLES)
def test_every_phrase_has_its_translation_with_the_same_placeholders(language, table):
    english, other = getattr(en, table), getattr(LANGUAGES[language], table)
    assert {key: asked_for(phrase) for key, phrase in english.items()} == {
        key: asked_for(phrase) for key, phrase in other.items()
    }


@others
def test_single_phrases_have_the_same_placeholders_too(language):
    other = LANGUAGES[language]
    assert [asked_for(getattr(en, name)) for name in TEXTS] == [asked_for(getattr(other, name)) for name in TEXTS]
    assert list(map(asked_for, en.PROGRESS)) == list(map(asked_for, other.PROGRESS))
    assert list(map(asked_for, en.PLACE)) == list(map(asked_for, other.PLACE))
    assert list(map(asked_for, en.COMMAND)) == list(map(asked_for, other.COMMAND))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_barest_variant_of_a_cause_asks_for_nothing_or_is_the_users_word(language):
    bare = {code: placeholders(variants[-1]) for code, variants in LANGUAGES[language].CAUSES.items() if variants}
    assert {code for code, names in bare.items() if names} == {"finished.reported"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("status", ["firing", "resolved", "notice"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_verdict_can_be_said_with_hardly_anything_known(notification, kind, status, language):
    bare = {"host": "", "user": "", "run": "", "pid": None, "progress": {}, "cause": {"code": "unknown"}}
    text = render(notification(kind=kind, status=status, **bare), language).text
    assert "None" not in text
    assert not set(text) & set("{}")


def test_english_is_plain_and_korean_is_korean():
    korean = "".join(ko.HEADLINES.values())
    assert any("가" <= c <= "힣" for c in korean)
    assert set("".join(en.HEADLINES.values())) <= set(string.printable)
