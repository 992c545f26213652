"""Every message there is, with nothing known and with everything at its longest: no hole, no end, no broken line."""

import re
from dataclasses import replace
from typing import get_args

import pytest

from epochwatch.table import width_of
from epochwatchd.alerting.catalogue import EXAMPLES, example
from epochwatchd.alerting.channels import KINDS
from epochwatchd.alerting.cutting import LENGTHS, fit
from epochwatchd.alerting.phrases import LANGUAGES, en
from epochwatchd.alerting.rendering import HEADLINE_MAX, render
from epochwatchd.alerting.wording import placeholders
from epochwatchd.config.settings import Style
from epochwatchd.phrase import Phrase, kept

LONG = "가" * 200 + "🚀" * 112 + "x" * 200
HOLES = re.compile(
    r"None|[{}]|  |(?<!\w)\(\s*\)|``|: *$|^[·,;)]|[(·,]$|\s[,.;)]|\bat (?:on|is|of|for)\b|\bof and\b|(?:^|\s)%|\bnan\b"
)
"""What shows that a word was missing: two spaces, empty brackets, a label without a text, a preposition alone."""
languages = pytest.mark.parametrize("language", LANGUAGES)
styles = pytest.mark.parametrize("style", get_args(Style))
codes = pytest.mark.parametrize("code", EXAMPLES)
PARTICULARS = {key.partition(".")[2] for table in (en.CAUSES, en.ADVICE) for key in table if "." in key}


def bare(code, particular=None):
    """A message with this cause of which hardly anything is known."""
    told = example(EXAMPLES[code][0], code)
    details = {"type": particular} if particular else {}
    return replace(
        told,
        cause={"code": code, "details": details, "evidence": []},
        host="", user=None, run=None, pid=None, progress={}, argv=[], cwd=None, tags={}, checkpoint=None, memory=None,
    )  # fmt: skip


def full(code):
    """The same with everything, and all of it as long as it may be."""
    told = example(EXAMPLES[code][0], code)
    names = {
        name for variants in (*en.CAUSES.values(), *en.ADVICE.values()) for v in variants for name in placeholders(v)
    }
    numbers = dict.fromkeys((name for name in names if name.endswith(("_s", "_mib"))), 1e9)
    details = {**dict.fromkeys(names, LONG), **numbers, "status": 255, "times": 10**9, "gpus": [*range(64)]}
    evidence = [LONG * 4, kept(Phrase("exit status {status}", status=3))] * 99
    progress = {
        "epoch": 1e9, "epochs": 2**53, "step": 2**53, "steps": 2**53, "loss": -1e300, "best_loss": 1e-300, "eta_s": 1e9,
        "best_at": {"epoch": 1e9, "step": 2**53}, "metrics": {f"{LONG}{n}": 1e300 for n in range(256)},
    }  # fmt: skip
    return replace(
        told,
        job=LONG, differs=LONG, host="h" * 256, user=LONG, run="r" * 64, pid=2**22, rank=10**7, progress=progress,
        cause={"code": code, "details": details, "evidence": evidence},
        argv=[LONG] * 100, cwd=LONG, tags={f"{n}{LONG}": LONG for n in range(32)}, elapsed_s=1e9,
        checkpoint={"path": LONG, "at": told.since}, memory={"peak_mib": 1e9, "limit_mib": 1e9},
        verified=False, stored=False,
    )  # fmt: skip


def paragraphs(text):
    """Its lines without those of the evidence, which are the world's."""
    return [line for line in text.split("\n") if not line.startswith("  ")]


@codes
@languages
@styles
def test_nothing_known_leaves_no_hole(code, language, style):
    for particular in (None, *PARTICULARS):
        text = render(bare(code, particular), language, style=style).text
        assert [line for line in paragraphs(text) if HOLES.search(line)] == [], text


@codes
@languages
@styles
def test_the_longest_has_an_end(code, language, style):
    text = render(full(code), language, style=style).text
    lines = text.split("\n")
    assert len(lines[0]) <= HEADLINE_MAX
    assert lines[0].count(": ") <= 1
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 1100
    assert "None" not in text


@pytest.mark.parametrize(
    "code", [code for code in EXAMPLES if code not in ("exec", "reported")]
)  # these are the user's words
@languages
def test_ordinary_names_fit_into_the_first_line(code, language):
    headline = render(example(EXAMPLES[code][0], code), language).text.partition("\n")[0]
    assert not headline.endswith("…"), headline


@codes
@languages
@pytest.mark.parametrize("kind", KINDS)
def test_every_channel_shows_what_happened_and_ends_with_what_to_do(code, language, kind):
    limits = KINDS[kind].LIMITS
    text = render(example(EXAMPLES[code][0], code), language).text
    cut = fit(text, limits)
    first, last = text.split("\n")[0], text.split("\n")[-1]
    assert cut.startswith(first)
    assert limits.text is None or LENGTHS[limits.unit](cut) <= limits.text
    if limits.text is None or limits.text > 400:
        assert cut.endswith(last)


@codes
@languages
def test_the_first_line_fits_into_two_of_a_terminal(code, language):
    headline = render(example(EXAMPLES[code][0], code), language).text.partition("\n")[0]
    assert width_of(headline) <= 2 * 80
