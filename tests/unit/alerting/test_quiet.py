from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from epochwatchd.alerting.quiet import quiet_until
from epochwatchd.config import Quiet

SEOUL, BERLIN = ZoneInfo("Asia/Seoul"), ZoneInfo("Europe/Berlin")
WEEK, WEEKEND = frozenset(range(5)), frozenset({5, 6})
NIGHT = Quiet(22 * 60, 8 * 60, SEOUL)
NOON = Quiet(12 * 60, 13 * 60, SEOUL)
DAYS_OFF = Quiet(0, 24 * 60, SEOUL, WEEKEND)


def at(text, zone=SEOUL):
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


CASES = [
    ("by day", [NIGHT], "2026-11-25 21:59:59", None),
    ("in the evening", [NIGHT], "2026-11-25 22:00:00", "2026-11-26 08:00"),
    ("after midnight", [NIGHT], "2026-11-26 03:00:00", "2026-11-26 08:00"),
    ("when it is over", [NIGHT], "2026-11-26 08:00:00", None),
    ("within a day", [NOON], "2026-11-25 12:30:00", "2026-11-25 13:00"),
    ("not on such a day", [Quiet(1320, 480, SEOUL, WEEK)], "2026-11-28 23:00:00", None),
    ("the night that Friday began", [Quiet(1320, 480, SEOUL, WEEK)], "2026-11-28 07:00:00", "2026-11-28 08:00"),
    ("a weekend is one", [DAYS_OFF], "2026-11-28 10:00:00", "2026-11-30 00:00"),
    ("and goes on in the night", [DAYS_OFF, NIGHT], "2026-11-27 23:00:00", "2026-11-30 08:00"),
    ("no window", [], "2026-11-25 23:00:00", None),
]


@pytest.mark.parametrize(("windows", "now", "until"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_until_when_it_is_quiet(windows, now, until):
    assert quiet_until(windows, at(now)) == (None if until is None else at(until))


CHANGES = [
    ("in spring the night is an hour shorter", (1320, 480), "2027-03-27 22:00", "2027-03-28 08:00", 9.0),
    ("in autumn it is an hour longer", (1320, 480), "2026-10-24 22:00", "2026-10-25 08:00", 11.0),
    ("an end that does not exist is that moment", (1320, 150), "2027-03-27 22:00", "2027-03-28 03:30", 4.5),
    ("an end that comes twice is the first", (1320, 150), "2026-10-24 22:00", "2026-10-25 02:30", 4.5),
]


@pytest.mark.parametrize(
    ("window", "now", "until", "hours"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES]
)
def test_over_a_change_of_the_clock(window, now, until, hours):
    quiet = [Quiet(*window, BERLIN)]
    assert quiet_until(quiet, at(now, BERLIN)) == at(until, BERLIN) == at(now, BERLIN) + hours * 3600


def test_quiet_for_ever_is_looked_at_again():
    now = at("2026-11-25 10:00")
    assert quiet_until([Quiet(0, 24 * 60, SEOUL)], now) > now + 7 * 86400
