"""How much of the watchdog one user may take."""

from itertools import count, takewhile

import pytest

from epochwatch.wire import BODY_MAX, WireError
from epochwatchd.service.shares import AN_HOUR_BYTES, AT_ONCE_BYTES, RUN_BYTES, Shares


@pytest.fixture
def shares():
    return Shares(descriptors=1_000_000)


def taken(shares, uid, body_bytes, now=0.0):
    """The share of a worker; None where there is none for it."""
    try:
        return shares.take(uid, body_bytes, now)
    except WireError as error:
        assert "may not have more runs" in str(error)  # noqa: PT017
        return None


def fill(shares, uid, body_bytes=600):
    """Take until it is refused; gives what was taken."""
    return list(takewhile(bool, (taken(shares, uid, body_bytes) for _ in count())))


def test_ten_thousand_usual_runs_are_nothing_special(shares):
    assert len(fill(shares, 1000)) >= 10_000


def test_a_thousand_runs_may_say_all_that_a_body_holds(shares):
    assert 900 < len(fill(shares, 1000, BODY_MAX)) <= AT_ONCE_BYTES / BODY_MAX


@pytest.mark.parametrize("other", [1001, None])
def test_what_one_takes_is_nobody_elses(shares, other):
    fill(shares, 1000)
    assert taken(shares, other, 600)
    assert shares.full(1.0) == [1000]
    assert shares.full(3600.0) == []


def test_what_has_ended_leaves_room(shares):
    for share in fill(shares, 1000):
        share.close()
        share.close()
    assert len(fill(shares, 1000)) >= 10_000


def test_what_begins_and_ends_without_a_break_has_a_limit_too(shares):
    begun = 0
    while share := taken(shares, 1000, 600):
        share.close()
        begun += 1
    assert begun == AN_HOUR_BYTES // (RUN_BYTES + 600)
    assert taken(shares, 1000, 600, now=10.0)
    assert taken(shares, 1001, 600)


def test_a_body_that_grows_is_counted_once_and_one_that_shrinks_stays_counted(shares):
    share = taken(shares, 1000, 100)
    for length in (20_000, 100, 20_000, 100):
        share.grow(length, 0.0)
    with pytest.raises(WireError):
        share.grow(AT_ONCE_BYTES, 0.0)
    share.close()
    assert len(fill(shares, 1000, BODY_MAX)) == AT_ONCE_BYTES // (RUN_BYTES + BODY_MAX)


def is_tied(share):
    try:
        share.tie()
    except OSError:
        return False
    return True


def ties(shares, uid):
    """The shares of a user whose processes could be tied."""
    return list(takewhile(is_tied, (shares.take(uid, 0, 0.0) for _ in count())))


def test_descriptors_are_left_for_others():
    shares = Shares(descriptors=100)
    first, second, third = (ties(shares, uid) for uid in (1000, 1001, 1002))
    assert [len(tied) for tied in (first, second, third)] == [50, 25, 25]
    assert is_tied(first[0])
    first[0].close()
    assert not is_tied(shares.take(1000, 0, 0.0))
    assert len(ties(shares, 1003)) == 25
