"""What setup offers: every kind there is, each question a key that the kind knows, each in both languages."""

from typing import get_args

import pytest

from epochwatch.table import width_of
from epochwatchd.alerting.channels import KINDS
from epochwatchd.alerting.wording import placeholders
from epochwatchd.config.settings import Language
from epochwatchd.config.validation import fields_of, secrets_of
from epochwatchd.setup.services import SERVICES
from epochwatchd.setup.texts import TEXTS

NOT_OFFERED = {"console"}
"""What one has without any."""
IN_THE_OPEN = {"alertmanager": {"url"}}
"""A member's address, of which there may be several: none has a file of its own."""


def test_every_kind_is_offered():
    assert {service.kind for service in SERVICES.values()} == set(KINDS) - NOT_OFFERED


@pytest.mark.parametrize("name", SERVICES)
def test_each_question_is_a_key_of_its_kind(name):
    service = SERVICES[name]
    known = fields_of(KINDS[service.kind].Options)
    assert {field.key for field in service.fields} | set(service.fixed) <= set(known)


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_are_asked_for_as_such(name):
    service = SERVICES[name]
    secret = secrets_of(KINDS[service.kind].Options)
    kept = {field.key for field in service.fields if field.key in secret} - IN_THE_OPEN.get(name, set())
    assert {field.key for field in service.fields if field.is_secret} == kept


@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("name", SERVICES)
def test_each_is_said_in_each_language(name, language):
    service = SERVICES[name]
    for words in (service.title, service.steps, *(field.ask for field in service.fields)):
        assert words[language].strip()
    assert width_of(service.title[language]) < 60


def test_each_language_says_the_same():
    assert len({frozenset(texts) for texts in TEXTS.values()}) == 1


@pytest.mark.parametrize("key", TEXTS["en"])
def test_each_language_fills_in_the_same(key):
    assert len({frozenset(placeholders(texts[key])) for texts in TEXTS.values()}) == 1
