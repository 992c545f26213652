"""Our own lines of evidence: in every language, across restarts, with whatever stands in them."""

import ast
import copy
import json
import pickle
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import epochwatchd
from epochwatchd import status
from epochwatchd.alerting.phrases import LANGUAGES
from epochwatchd.alerting.wording import placeholders
from epochwatchd.config import addresses, crontab, document, durations, secrets, validation
from epochwatchd.detection.gpu.xids import XIDS
from epochwatchd.inputs.oom import decide
from epochwatchd.inputs.process import supervisor
from epochwatchd.model import Kind
from epochwatchd.phrase import Phrase, kept, restored_phrase, say

KO = {"held {mib:.0f} MiB": "{mib:.0f} MiB 사용", "{gpu}: {figures}": "{gpu}번: {figures}", "lost": "인식 불가"}
GPU = Phrase("{gpu}: {figures}", gpu=0, figures=[Phrase("lost"), Phrase("held {mib:.0f} MiB", mib=39.6), "raw"])
TABLES = {
    "supervisor.py": [line for _, line in supervisor._SUPERVISORS],
    "decide.py": [text for table in (decide._HELD, decide._COUNTED, decide._SIZES) for text in table.values()],
    "health.py": [xid.meaning for xid in XIDS.values()],
    "verdict.py": list(get_args(Kind)),
    "crontab.py": [field.name for field in crontab._FIELDS],
    "status.py": [*status.HEADINGS, *status._LETTERS.values()],
    "schema.py": [addresses._HINT, durations._HINT],
}
"""What stands in tables, where a call of Phrase names no text; the calls' files."""
PASSED_ON = ("phrase.py", "problems.py")
PLAIN = ("BadValueError", "ValueError", "report", "_unreadable", "_at")
"""What is given texts without values: mistakes in a configuration."""
HINTS = [
    *[text for words in validation._WORDS.values() for text in words if text],
    *document._HINTS.values(),
    *document._BAD_TAG,
    crontab._HINT,
    secrets.LOOKED_FOR,
]


def calls(*names):
    """Every call of these: its file, and the texts in its arguments."""
    for path in Path(epochwatchd.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in names:
                yield path, [text for part in node.args for text in texts_in(part)]


def texts_in(node):
    branches = [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]
    return [part.value for part in branches if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def mistakes():
    """What may be wrong in a configuration, as far as it is said without values."""
    rooms = ("config", "channels")
    return {text for path, texts in calls(*PLAIN) if path.parent.name in rooms for text in texts if " " in text}


def templates():
    """Every template there is."""
    return {text for path, texts in calls("Phrase") for text in texts or TABLES.get(path.name, [])}


def test_no_call_hides_its_text_from_this_test():
    assert {path.name for path, texts in calls("Phrase") if not texts} <= {*TABLES, *PASSED_ON}


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_line_is_said_in_every_language(language):
    assert {*templates(), *mistakes(), *HINTS} - set(LANGUAGES[language].LINES) == set()


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_and_says_the_same(language):
    said = LANGUAGES[language].LINES
    assert [t for t in templates() if placeholders(t) != placeholders(said[t]) and t not in get_args(Kind)] == []


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_no_words_are_left_over(language):
    assert set(LANGUAGES[language].LINES) - templates() - mistakes() - {*HINTS, *get_args(Kind)} == set()


def test_it_reads_as_english():
    assert GPU == "0: lost, held 40 MiB, raw"


def test_all_of_it_is_said_in_another_language():
    assert say(GPU, KO) == "0번: 인식 불가, 40 MiB 사용, raw"


def test_what_the_world_wrote_stays():
    assert say("lost", KO) == "lost"


@pytest.mark.parametrize("again", [copy.deepcopy, lambda line: pickle.loads(pickle.dumps(line))])
def test_a_copy_is_said_alike(again):
    assert say(again(GPU), KO) == say(GPU, KO)


@given(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
def test_it_outlives_json_with_whatever_stands_in_it(text, number, real):
    line = Phrase(
        "{text} {{}} {inner} {more}", text=text, inner=Phrase("{n} {x!r}", n=number, x=text), more=[real, text]
    )
    back = restored_phrase(json.loads(json.dumps(kept(line))))
    assert (str(back), say(back, {"{n} {x!r}": "{x!r}: {n}"})) == (str(line), say(line, {"{n} {x!r}": "{x!r}: {n}"}))


@pytest.mark.parametrize("text", ["{", "{0}", "{text.__class__}", "{{x}}", "%s", "{gpu}"])
def test_braces_in_a_value_are_only_text(text):
    assert Phrase("is {text}", text=text) == f"is {text}"


@pytest.mark.parametrize(
    "broken",
    [{}, {"phrase": "x"}, {"phrase": "{y}", "values": {}}, {"phrase": 3, "values": {}},
     {"phrase": "{y:.0f}", "values": {"y": "z"}},
     {"phrase": "{y.z}", "values": {"y": 1}}, {"phrase": "x", "values": []}, None, 7],
)  # fmt: skip
def test_what_is_broken_is_a_text(broken):
    assert isinstance(restored_phrase(broken), str)
