"""``missing``: a run that was to begin at a given time has not."""

import pytest
from builders import WALL, moment

from epochwatchd.detection.missing import EARLY_S, Due, missing

DUE = Due(WALL + 1000.0, WALL + 1000.0)


def found(began_wall, at, due=DUE):
    return missing(due, "30 2 * * *", 900.0, began_wall, moment(at))


@pytest.mark.parametrize(("at", "is_missing"), [(1000.0, False), (1899.9, False), (1900.0, True), (1e6, True)])
def test_missing_once_its_window_is_over(at, is_missing):
    assert (found(None, at) is not None) is is_missing


@pytest.mark.parametrize(
    ("began_at", "is_missing"),
    [
        pytest.param(1000.0 - EARLY_S - 0.1, True, id="a run that goes on since before has not begun"),
        pytest.param(1000.0 - EARLY_S, False, id="a minute early"),
        pytest.param(1000.0, False, id="on time"),
        pytest.param(1850.0, False, id="within the window"),
        pytest.param(5000.0, False, id="late, while nobody looked"),
    ],
)
def test_a_run_counts_from_a_little_before_its_time(began_at, is_missing):
    assert (found(WALL + began_at, 6000.0) is not None) is is_missing


def test_where_clocks_change_the_first_reading_counts_and_the_last_is_waited_for():
    twice = Due(WALL + 1000.0, WALL + 4600.0)
    assert found(WALL + 1000.0, 6000.0, twice) is None
    assert found(None, 5000.0, twice) is None
    assert found(None, 5500.0, twice).since == 4600.0


def test_it_is_told_since_when_and_what_is_known():
    finding = found(WALL + 1000.0 - 86400.0, 2000.0)
    assert (finding.kind, finding.severity, finding.since) == ("missing", "critical", 1000.0)
    assert (finding.cause.code, finding.cause.details) == ("not_begun", {"within_s": 900.0})
    assert finding.cause.evidence == ('expected at "30 2 * * *"; the last one began 24.0 h before',)
    assert found(None, 2000.0).cause.evidence == ('expected at "30 2 * * *"; no such run is known yet',)
