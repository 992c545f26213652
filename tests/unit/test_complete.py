"""What must be whole: a verdict, a cause, a language or a field of a heartbeat of which one half was forgotten."""

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from rich.style import Style

from epochwatch import wire
from epochwatch.wire import Body
from epochwatchd import status
from epochwatchd.alerting.phrases import LANGUAGES
from epochwatchd.config import schema, settings
from epochwatchd.model import CauseCode, Kind, Policy
from epochwatchd.verdicts import VERDICTS

DOCS = Path(__file__).parents[2] / "docs"
languages = pytest.mark.parametrize("language", LANGUAGES)
kinds = pytest.mark.parametrize("kind", get_args(Kind))


def test_every_verdict_has_a_row_and_every_row_is_a_verdict():
    assert set(VERDICTS) == set(get_args(Kind))


@kinds
def test_a_verdict_has_a_sign_and_a_colour_for_every_terminal(kind):
    assert VERDICTS[kind].icon
    assert Style.parse(VERDICTS[kind].colour)
    assert VERDICTS[kind].colour in status.COLOURS


@kinds
@languages
def test_a_verdict_has_words_in_every_language(kind, language):
    assert kind in LANGUAGES[language].KINDS


@kinds
def test_a_verdict_that_is_alerted_is_told_in_the_docs(kind):
    if VERDICTS[kind].is_alert and not VERDICTS[kind].is_notice:
        assert f"`{kind}`" in (DOCS / "detection.md").read_text("utf-8")


@languages
def test_every_cause_has_words_and_there_are_words_for_no_other(language):
    """``finished.exec`` is of one verdict, ``gpu_error.noted`` of one particular: both are words on their code."""
    codes, said = set(get_args(CauseCode)), LANGUAGES[language].CAUSES
    assert {code for code in codes if not any(code in key.split(".") for key in said)} == set()
    for table in (said, LANGUAGES[language].ADVICE):
        assert {key for key in table if not codes & set(key.split("."))} == set()


def test_every_language_can_be_configured():
    assert set(LANGUAGES) == set(get_args(settings.Language))


def test_what_may_be_configured_of_a_job_and_a_route_reaches_the_settings():
    policies = {f"{name}_s" for name in schema.PolicySection.model_fields}
    assert policies == {field.name for field in fields(Policy)}
    assert set(schema.MatchSection.model_fields) == {field.name for field in fields(settings.Match)}


@pytest.mark.parametrize("field", [name for name in Body._fields if name != "unknown"])
def test_a_field_of_the_heartbeat_is_checked_and_documented(field):
    assert field in wire._CHECKS
    assert re.search(rf"^\|[^|]*`{field}`", (DOCS / "wire.md").read_text("utf-8"), re.MULTILINE)
