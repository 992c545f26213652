"""Messages in words of one's own."""

import logging

import pytest

from epochwatchd.alerting.rendering import render
from epochwatchd.alerting.templates import OUTPUT_MAX, Words, faults


@pytest.fixture
def said(notification):
    return render(notification(), "en")


def test_a_template_reads_the_message(said):
    words = Words("{{ headline }}\n{{ job }} on {{ host }}, epoch {{ progress.epoch }}: {{ cause.text }}")
    assert words.say(said).text.splitlines() == [
        "💀 resnet50 crashed on gpu01: out of memory (OOM-killed)",
        "resnet50 on gpu01, epoch 12: killed by SIGKILL: the kernel ran out of memory",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{{ nothing_like_it }}",
        "{{ 1 / 0 }}",
        "",
        "{{ job.__class__.__mro__ }}",
        "{{ progress.update({'epoch': 1}) }}",
        "{% for n in range(10**9) %}x{% endfor %}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_what_a_template_must_not_or_cannot_do_leaves_the_built_in_words(said, text, caplog):
    with caplog.at_level(logging.WARNING):
        assert Words(text).say(said) == said
    assert ("a template broke" in caplog.text) == bool(text)
    assert list(faults(text, "en"))


def test_a_template_without_end_is_cut(said):
    text = Words("{% for n in range(99999) %}{{ 'x' * 1000 }}{% endfor %}").say(said).text
    assert len(text) == OUTPUT_MAX


def test_a_text_that_is_no_template_is_told_with_its_line():
    with pytest.raises(ValueError, match="line 2"):
        Words("ok\n{% if %}")
    assert list(faults("{{ job }", "en")) == ["line 1: unexpected '}'"]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_good_template_has_no_faults(language):
    assert list(faults("{{ headline }}{% if user %} {{ user }}{% endif %}", language)) == []
    assert next(faults("{{ progress.epoch }}", language)).startswith("watchdog (run_set_aside): ")
