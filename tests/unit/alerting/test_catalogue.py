"""Every message there is stands in docs/messages.*.txt: a change of words is seen there. To write them anew:

epochwatchd messages --language ko > docs/messages.ko.txt
"""

from pathlib import Path
from typing import get_args

import pytest

from epochwatchd import cli
from epochwatchd.alerting.catalogue import EXAMPLES, catalogue
from epochwatchd.model import CauseCode

DOCS = Path(__file__).parents[3] / "docs"


def test_every_cause_has_an_example():
    assert set(EXAMPLES) == set(get_args(CauseCode))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_catalogue_in_the_docs_is_what_is_said_today(language, capsys):
    assert cli.main(["messages", "--language", language]) == 0
    assert capsys.readouterr().out == (DOCS / f"messages.{language}.txt").read_text("utf-8")


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("style", ["full", "short"])
def test_no_example_has_a_hole(language, style):
    for text in catalogue(language, style):
        assert not set(text) & set("{}")
        assert "None" not in text
        assert "  " not in text.partition("\n")[0]
        assert not text.rstrip().endswith((":", ";", ","))
