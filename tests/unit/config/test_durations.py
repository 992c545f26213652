from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epochwatchd.config import format_duration, parse_duration
from epochwatchd.config.durations import LONGEST_S
from epochwatchd.config.problems import BadValueError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), ("1d1h1m1s", 90_061), ("0.5s", 0.5), ("1.5h", 5400)],
)
def test_durations_are_read_in_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "10", "m10", "10 min", "1m1h", "-5s", "0s", "1e3s", "10M", "99999d", "٣s", "5s\n", None, True, []]
)
def test_what_is_no_duration_is_refused_with_a_hint(text):
    with pytest.raises(BadValueError) as caught:
        parse_duration(text)
    assert "90s" in caught.value.hint


@pytest.mark.parametrize("number", [90, 1.5])
def test_a_number_without_a_unit_says_how_to_write_it(number):
    with pytest.raises(BadValueError, match="no unit") as caught:
        parse_duration(number)
    assert caught.value.hint == "write it as 90s, 10m, 1h30m or 2d"


@given(st.floats(min_value=0.001, max_value=LONGEST_S).map(lambda seconds: round(seconds, 3)))
def test_a_formatted_duration_is_read_back(seconds):
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=0.0006)


@given(st.text())
def test_no_text_makes_the_parser_fail_in_another_way(text):
    with suppress(BadValueError):
        assert parse_duration(text) > 0
