"""How much of the watchdog one user may take."""

from itertools import count

import pytest

from epochwatch.wire import BODY_MAX, WireError
from epochwatchd.service.shares import AN_HOUR_BYTES, AT_ONCE_BYTES, RUN_BYTES, Shares


@pytest.fixture
def shares():
    return Shares(descriptors=1_000_000)


def fits(shares, uid, key, body_bytes, now=0.0):
    try:
        shares.take(uid, key, body_bytes, now)
    except WireError:
        return False
    return True


def fill(shares, uid, body_bytes=600):
    """Take until it is refused; gives how many were taken."""
    return next(n for n in count() if not fits(shares, uid, f"{uid}/{n}", body_bytes))


def test_ten_thousand_usual_runs_are_nothing_special(shares):
    assert fill(shares, 1000) >= 10_000


def test_a_thousand_runs_may_say_all_that_a_body_holds(shares):
    assert 900 < fill(shares, 1000, BODY_MAX) <= AT_ONCE_BYTES / BODY_MAX


@pytest.mark.parametrize("other", [1001, None])
def test_what_one_takes_is_nobody_elses(shares, other):
    fill(shares, 1000)
    shares.take(other, "theirs", 600, 0.0)
    assert shares.full(1.0) == [1000]
    assert shares.full(3600.0) == []


def test_what_has_ended_leaves_room(shares):
    taken = fill(shares, 1000)
    for number in range(taken):
        shares.give_back(1000, f"1000/{number}")
    shares.take(1000, "the next", 600, 0.0)


def test_what_begins_and_ends_without_a_break_has_a_limit_too(shares):
    begun = 0
    while fits(shares, 1000, "one", 600):
        shares.give_back(1000, "one")
        begun += 1
    assert begun == AN_HOUR_BYTES // (RUN_BYTES + 600)
    shares.take(1000, "one", 600, 10.0)
    shares.give_back(1000, "one")
    shares.take(1001, "another's", 600, 0.0)


def test_a_body_that_grows_is_counted_once_and_one_that_shrinks_stays_counted(shares):
    for length in (100, 20_000, 100, 20_000, 100):
        shares.take(1000, "one", length, 0.0)
    assert not fits(shares, 1000, "one", AT_ONCE_BYTES)
    shares.give_back(1000, "one")
    shares.give_back(1000, "one")
    assert fill(shares, 1000, BODY_MAX) == AT_ONCE_BYTES // (RUN_BYTES + BODY_MAX)


def is_tied(shares, uid, key):
    try:
        shares.tie(uid, key)
    except OSError:
        return False
    return True


def ties(shares, uid):
    """How many processes of one user can be tied."""
    return next(n for n in count() if not is_tied(shares, uid, f"{uid}/{n}"))


def test_descriptors_are_left_for_others():
    shares = Shares(descriptors=100)
    assert (ties(shares, 1000), ties(shares, 1001), ties(shares, 1002)) == (50, 25, 25)
    shares.give_back(1000, "1000/0")
    shares.give_back(1000, "1000/0")
    shares.tie(1002, "1002/0")
    with pytest.raises(OSError, match="enough for one user"):
        shares.tie(1000, "one more")
