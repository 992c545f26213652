import pytest

from epochwatchd.alerting.phrases import en, ko
from epochwatchd.alerting.wording import duration, folded, memory, one_line, say


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [
        (0, "0 s", "0초"),
        (-5.0, "0 s", "0초"),
        (0.04, "0 s", "0초"),
        (3.44, "3.4 s", "3.4초"),
        (9.97, "10 s", "10초"),
        (42.4, "42 s", "42초"),
        (59.6, "1 min", "1분"),
        (725, "12 min 5 s", "12분 5초"),
        (3600, "1 h", "1시간"),
        (5123.4, "1 h 25 min", "1시간 25분"),
        (86_400 + 59, "1 d", "1일"),
        (2 * 86_400 + 3 * 3600 + 59, "2 d 3 h", "2일 3시간"),
        (float("inf"), "?", "?"),
        (float("nan"), "?", "?"),
    ],
)
def test_durations_have_at_most_two_units(seconds, english, korean):
    assert duration(seconds, en.DURATIONS) == english
    assert duration(seconds, ko.DURATIONS) == korean


@pytest.mark.parametrize(("mib", "said"), [(0, "0 MiB"), (512.4, "512 MiB"), (62771.2, "61.3 GiB")])
def test_memory_is_said_in_the_unit_that_fits(mib, said):
    assert memory(mib) == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"a": "1", "b": "{a}"}, "both 1 {a}"),
        ({"a": "1"}, "one 1"),
        ({"b": "2"}, None),
    ],
)
def test_the_fullest_variant_is_said_whose_words_are_known(words, said):
    assert say(["both {a} {b}", "one {a}"], words) == said


def test_lines_are_joined_and_cut():
    assert one_line("a\n b\r\nc", 10) == "a b c"
    assert one_line("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], []),
        (["b", "a"], [("a", 1), ("b", 1)]),
        (["s-1", "s-2"], [("s-1", 1), ("s-2", 1)]),
        (["s-10", "s-9", "s-8", "vit"], [("s-8 … s-10", 3), ("vit", 1)]),
        (["s-08", "s-09", "s-10", "s-12"], [("s-08 … s-10", 3), ("s-12", 1)]),
        (["vit", "vit", "bert"], [("bert", 1), ("vit (x2)", 2)]),
        (["s1", "s2", "s2", "s3"], [("s1", 1), ("s2 (x2)", 2), ("s3", 1)]),
        (["7", "8", "9"], [("7 … 9", 3)]),
        (["x²", "x³", "x⁴"], [("x²", 1), ("x³", 1), ("x⁴", 1)]),
        (["9" * 500, ""], [("", 1), ("9" * 500, 1)]),
    ],
)
def test_names_that_count_on_are_said_as_a_row(names, said):
    assert folded(names) == said
