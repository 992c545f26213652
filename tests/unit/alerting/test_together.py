"""One message on many."""

from dataclasses import replace
from functools import partial

import pytest

from epochwatchd.alerting.rendering import render
from epochwatchd.alerting.together import NAMED, together


@pytest.fixture
def said(notification):
    """The text on as many notifications as changes are given."""

    def say(*changes, language="en"):
        told = [replace(notification(), **{"id": f"6f1c{at:02}", **change}) for at, change in enumerate(changes)]
        return together(told, partial(render, language=language), language, None).text

    return say


def test_one_alone_is_said_as_ever(said, notification):
    assert said({"id": "x"}) == render(replace(notification(), id="x"), "en").text


def test_what_is_alike_is_counted_and_named(said):
    lines = said(*({"job": f"sweep-{n}", "progress": {"epoch": 12 + n % 4}} for n in range(40))).splitlines()
    assert lines[0] == "💀 40 runs crashed on gpu01: out of memory (OOM-killed)"
    assert lines[2] == "Runs: sweep-0 … sweep-39"
    assert lines[3] == "User: mina"
    assert "Progress: epoch 12 … 15" in lines
    assert lines[-2].startswith("Next: fewer DataLoader workers")
    assert lines[-1] == "Seen it? `epochwatch ack 6f1c`"


@pytest.mark.parametrize(
    ("language", "headline"),
    [("en", "💀 3 runs of vit crashed on gpu01: out of memory (OOM-killed)"),
     ("ko", "💀 [gpu01] vit 3개 비정상 종료: 메모리 부족으로 강제 종료 (OOM)")],
)  # fmt: skip
def test_the_headline_names_the_job_that_all_are_of(said, language, headline):
    lines = said(*[{"job": "vit"}] * 3, language=language).splitlines()
    assert lines[0] == headline
    assert lines[2].endswith(": vit (x3)")


def test_runs_of_one_name_say_what_tells_them_apart(said):
    text = said({"differs": "--lr 1"}, {"differs": "--lr 2"}, {"job": "vit", "differs": "--lr 3"})
    assert "Runs: resnet50 (--lr 1), resnet50 (--lr 2), vit\n" in text


SILENT = {"kind": "silent", "cause": None}
HEADLINES = [
    (SILENT, "🔇 2 runs are stuck on gpu01"),
    ({**SILENT, "reason": "unacked"}, "🔇 [nobody has seen it] 2 runs are stuck on gpu01"),
    ({**SILENT, "status": "resolved", "reason": "resolved"}, "🟢 2 runs are moving again on gpu01"),
    ({"kind": "finished", "status": "notice", "cause": None}, "🏁 2 runs finished on gpu01"),
    ({"kind": "watchdog", "cause": None}, "📬 2 messages on gpu01"),
]


@pytest.mark.parametrize(("change", "headline"), HEADLINES, ids=[case[1] for case in HEADLINES])
def test_the_headline_says_what_happened_to_how_many(said, change, headline):
    assert said(change, {**change, "job": "vit"}).splitlines()[0] == headline


def test_what_differs_is_said_a_line_each(said):
    text = said({}, {"job": "vit", "kind": "diverged", "cause": None}, language="ko")
    assert text.splitlines()[0] == "📬 [gpu01] 알림 2건"
    assert text.splitlines()[2:4] == [
        "💀 [gpu01] resnet50 비정상 종료: 메모리 부족으로 강제 종료 (OOM)", "📈 [gpu01] vit loss 발산",
    ]  # fmt: skip
    assert text.endswith("확인: `epochwatch ack 6f1c`")


def test_of_many_names_the_rest_is_counted(said):
    text = said(*({"job": f"net-{n}", "id": f"{n}"} for n in range(0, 80, 2)))
    assert f"net-22, and {40 - NAMED} more\n" in text


def test_of_many_that_differ_the_rest_is_counted(said):
    lines = said(*({"kind": kind, "cause": None} for kind in ("silent", "stalled") * 10)).splitlines()
    assert f"and {20 - NAMED} more" in lines


@pytest.mark.parametrize("kinds", [("silent",), ("silent", "stalled")], ids=["alike", "different"])
def test_nobodys_many_runs_hide_the_one_of_another(said, kinds):
    many = [{"job": f"a{n}b", "kind": kinds[n % len(kinds)], "cause": None} for n in range(20)]
    text = said(*many, {"job": "her-only-one", "user": "jiho", "kind": "silent", "cause": None})
    assert "her-only-one" in text


def test_a_name_cannot_break_the_message(said):
    text = said({"job": "a\nSeen it? b"}, {"job": "x" * 5000})
    assert len(text.splitlines()[2]) < 300
    assert text.splitlines()[2].startswith("Runs: a Seen it? b, xxx")
