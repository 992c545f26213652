"""When what is expected is due, in local time, also where clocks are changed."""

import time
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epochwatchd.config.crontab import parse_crontab
from epochwatchd.service.schedule import latest_due, next_due

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
"""Clocks go from 2:00 to 3:00 on 2026-03-29, and from 3:00 back to 2:00 on 2026-10-25."""
YEAR_S = 366 * 86400.0


@pytest.fixture
def in_berlin(monkeypatch):
    monkeypatch.setenv("TZ", BERLIN)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def wall(text):
    return datetime.fromisoformat(text).timestamp()


def said(at):
    return f"{datetime.fromtimestamp(at).astimezone():%m-%d %H:%M %Z}"


def dues(expression, after, count):
    """The last readings of the next times that are due."""
    at, found = wall(after), []
    for _ in range(count):
        at = next_due(parse_crontab(expression), at).last_wall
        found.append(said(at))
    return found


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("30 2 * * *", "2026-11-20 02:30", ["11-21 02:30 CET", "11-22 02:30 CET"]),
        ("0 9 * * 1", "2026-11-20", ["11-23 09:00 CET", "11-30 09:00 CET"]),
        ("0 9 * * 0", "2026-11-20", ["11-22 09:00 CET", "11-29 09:00 CET"]),
        ("0 9 * * 5-7", "2026-11-20", ["11-20 09:00 CET", "11-21 09:00 CET", "11-22 09:00 CET", "11-27 09:00 CET"]),
        ("0 9 1 * mon", "2026-11-29", ["11-30 09:00 CET", "12-01 09:00 CET", "12-07 09:00 CET"]),
        ("0 0 29 2 *", "2026-11-20", ["02-29 00:00 CET"]),
        ("*/30 1-2 * * *", "2026-11-20 02:00", ["11-20 02:30 CET", "11-21 01:00 CET"]),
    ],
)
def test_times_come_as_cron_has_them(expression, after, expected):
    assert dues(expression, after, len(expected)) == expected


@pytest.mark.usefixtures("in_berlin")
def test_a_time_that_comes_twice_in_a_night_is_due_once_from_the_first_to_the_last():
    due = next_due(parse_crontab("30 2 * * *"), wall("2026-10-25 00:00"))
    assert (said(due.first_wall), said(due.last_wall)) == ("10-25 02:30 CEST", "10-25 02:30 CET")
    assert dues("30 2 * * *", "2026-10-25", 2) == ["10-25 02:30 CET", "10-26 02:30 CET"]


@pytest.mark.usefixtures("in_berlin")
def test_a_time_that_a_night_leaves_out_is_due_all_the_same():
    due = next_due(parse_crontab("30 2 * * *"), wall("2026-03-29 00:00"))
    assert (said(due.first_wall), said(due.last_wall)) == ("03-29 01:30 CET", "03-29 03:30 CEST")
    assert dues("30 2 * * *", "2026-03-29", 2) == ["03-29 03:30 CEST", "03-30 02:30 CEST"]


def test_the_latest_of_many_is_found():
    until = wall("2026-11-20 12:00:30")
    latest = latest_due(parse_crontab("* * * * *"), until - 20 * YEAR_S, until)
    assert latest.last_wall == wall("2026-11-20 12:00")


def test_the_latest_may_be_years_ago():
    until = wall("2026-11-20")
    assert latest_due(parse_crontab("0 0 29 2 *"), until - 20 * YEAR_S, until).last_wall == wall("2024-02-29")


@pytest.mark.parametrize(
    ("after", "until"),
    [("2026-11-20 02:30", "2026-11-20 02:31"), ("2026-11-20 02:31", "2026-11-21 02:29"), ("2026-11-21", "2026-11-20")],
)
def test_nothing_is_due_between_two_times(after, until):
    assert latest_due(parse_crontab("30 2 * * *"), wall(after), wall(until)) is None


NUMBERS = st.sampled_from(["*", "*/3", "1", "2-5", "1,4", "1-6/2"])


@settings(deadline=None, max_examples=50)
@given(st.tuples(*[NUMBERS] * 5).map(" ".join), st.integers(1_700_000_000, 1_900_000_000))
def test_the_latest_is_the_one_after_which_the_next_is_still_to_come(text, until):
    crontab = parse_crontab(text)
    latest = latest_due(crontab, until - 30 * YEAR_S, until)
    assert latest is not None
    assert latest.last_wall <= until < next_due(crontab, latest.last_wall).last_wall
