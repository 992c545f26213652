"""Cron expressions as people write them, read as ``man 5 crontab`` has it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epochwatchd.config.crontab import parse_crontab
from epochwatchd.config.problems import BadValueError


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("30 2 * * *", "minutes", (30,)),
        ("*/20 * * * *", "minutes", (0, 20, 40)),
        ("5-20/5,1 * * * *", "minutes", (1, 5, 10, 15, 20)),
        ("0 9-11 * * *", "hours", (9, 10, 11)),
        ("0 0 1,15 * *", "days", (1, 15)),
        ("0 0 * jan,MAR-may *", "months", (1, 3, 4, 5)),
        ("0 0 * * mon-fri", "weekdays", (1, 2, 3, 4, 5)),
        ("0 0 * * 0,7", "weekdays", (0, 7)),
        ("0 0 * * sat-sun", "weekdays", (6, 7)),
    ],
)
def test_each_field_allows_what_is_written(text, field, values):
    assert getattr(parse_crontab(text), field) == values


@pytest.mark.parametrize(
    ("text", "is_either"),
    [("0 0 1 * 1", True), ("0 0 * * 1", False), ("0 0 1 * *", False), ("0 0 */2 * 1", False)],
)
def test_a_day_and_a_weekday_are_alternatives(text, is_either):
    assert parse_crontab(text).either_day is is_either


def test_a_nickname_stands_for_its_fields():
    assert parse_crontab("@Daily") == parse_crontab("0 0 * * *")._replace(text="@Daily")


@pytest.mark.parametrize(
    "text",
    ["", "@reboot", "* * * *", "* * * * * *", "60 * * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *",
     "5-1 * * * *", "1, * * * *", "-1 * * * *", "? * * * *", "* * * foo *", "0 0 30 2 *", "1" * 5000 + " * * * *",
     None, 5, ["30 2 * * *"]],
)  # fmt: skip
def test_what_cron_would_not_take_is_refused(text):
    with pytest.raises(BadValueError):
        parse_crontab(text)


@given(st.text(alphabet="0123456789*/-,a? \n٣", max_size=20) | st.text(max_size=20))
def test_anything_is_understood_or_refused(text):
    with suppress(BadValueError):
        assert parse_crontab(text).minutes
