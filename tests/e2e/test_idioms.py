"""The ways in which people start trainings, by the ways in which these end: one message each, and the right one.

All cells run at once, in one daemon. ``bench/idioms.py`` prints the table.
"""

import pytest
from harness import Daemon
from idioms import CELLS, CONFIG, is_right, playing, told_of


@pytest.fixture(scope="module")
def messages():
    """All that was said, after all cells have ended or hung."""
    with Daemon(CONFIG) as daemon:
        with playing(daemon):
            said = list(daemon.messages)
        yield said


@pytest.mark.parametrize(("row", "end"), CELLS)
def test_each_way_to_end_is_told_once_and_rightly_however_it_was_started(messages, row, end):
    said = told_of(messages, row, end)
    assert is_right(said, row, end), said
