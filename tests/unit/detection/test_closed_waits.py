"""From samples of threads to what a process waits for."""

import pytest

from epochwatchd.detection.waits import Sample, Thread, follow, habits

LOCK, POLL, SOCKET, HIDDEN = "futex_do_wait", "poll_schedule_timeout", "wait_woken", None
MAIN, OTHER = 1, 2


def sample(at, *threads, cpu_s=0.0, moved=0):
    """Threads as (channel, switches) or (channel, switches, state), the main one first."""
    found = {
        tid: Thread(tid == MAIN, state[0] if state else "S", switches, channel)
        for tid, (channel, switches, *state) in enumerate(threads, MAIN)
    }
    return Sample(float(at), found, cpu_s, moved)


def last(*samples, known=None, disturbed=False):
    standing = None
    for number, one in enumerate(samples):
        standing = follow(standing, one, known, disturbed=disturbed and number == len(samples) - 1)
    return standing.wait and (standing.wait.kind, standing.wait.since)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param((LOCK, 5), (LOCK, 5), ("closed", 0.0), id="nobody was woken"),
        pytest.param((LOCK, 5), (LOCK, 6), ("polls", 5.0), id="it was woken"),
        pytest.param((POLL, 5), (POLL, 5), ("polls", 5.0), id="a clock may wake it"),
        pytest.param((SOCKET, 5), (SOCKET, 5), ("network", 5.0), id="another machine may"),
        pytest.param((HIDDEN, 5), (HIDDEN, 5), ("still", 0.0), id="what it waits in is not shown"),
        pytest.param((HIDDEN, 5), (HIDDEN, 6), ("polls", 5.0), id="but it was woken"),
        pytest.param((LOCK, 5), (LOCK, 5, "R"), None, id="it computes"),
        pytest.param((LOCK, 5), (LOCK, 5, "D"), None, id="it waits for a disk"),
        pytest.param((LOCK, 5), (LOCK, 5, "T"), None, id="it is stopped"),
    ],
)
def test_of_one_thread(before, after, said):
    assert last(sample(0, before), sample(5, after)) == said


@pytest.mark.parametrize(
    ("thread", "said"),
    [((LOCK, 5), ("closed", 0.0)), ((POLL, 5), ("polls", 0.0)), ((LOCK, 5, "R"), None)],
    ids=["lock", "poll", "computes"],
)
def test_the_first_sample_says_what_is_waited_in(thread, said):
    assert last(sample(0, thread)) == said


def test_a_closed_wait_is_as_old_as_its_first_sample_and_begins_anew_when_it_was_broken():
    closed = [sample(5 * n, (LOCK, 5)) for n in range(5)]
    assert last(*closed) == ("closed", 0.0)
    assert last(*closed, sample(25, (LOCK, 6)), sample(30, (LOCK, 6))) == ("closed", 25.0)


@pytest.mark.parametrize("more", [{"cpu_s": 0.1}, {"moved": 10_000}], ids=["computes", "moves data"])
def test_who_works_does_not_wait(more):
    assert last(sample(0, (LOCK, 5)), sample(5, (LOCK, 5), **more)) is None


def test_who_came_or_went_may_end_it():
    assert last(sample(0, (LOCK, 5)), sample(5, (LOCK, 5), (LOCK, 1))) is None


def test_another_thread_counts_unless_it_does_what_it_always_does():
    waits = [sample(5 * n, (LOCK, 5), (POLL, 100 + n)) for n in range(3)]
    assert last(*waits) == ("polls", 10.0)
    assert last(*waits, known=habits(None, sample(-60, (LOCK, 1), (POLL, 9)))) == ("closed", 0.0)
    assert last(*waits, known=habits(None, sample(-60, (LOCK, 1), (SOCKET, 9)))) == ("polls", 10.0)


def test_the_main_thread_counts_whatever_it_always_does():
    assert last(sample(0, (POLL, 5)), sample(5, (POLL, 5)), known=habits(None, sample(-60, (POLL, 1))))[0] == "polls"


def test_a_thread_that_wakes_all_the_time_from_a_lock_is_known_by_two_samples():
    known = habits(habits(None, sample(-60, (LOCK, 1), (LOCK, 1))), sample(-1, (LOCK, 2), (LOCK, 9)))
    assert last(sample(0, (LOCK, 5), (LOCK, 10)), sample(5, (LOCK, 5), (LOCK, 11)), known=known) == ("closed", 0.0)


@pytest.mark.parametrize(("wakes", "kind"), [(500, "closed"), (100, "polls"), (5000, "polls"), (0, "polls")])
def test_a_thread_that_wakes_all_the_time_may_wait_in_anything_as_long_as_it_wakes_as_often(wakes, kind):
    known = habits(habits(None, sample(-11, (LOCK, 1), ("a", 0))), sample(-1, (LOCK, 2), ("b", 1000)))
    assert last(sample(0, (LOCK, 5), ("c", 0)), sample(5, (LOCK, 5), ("c", wakes)), known=known)[0] == kind


def test_that_we_woke_it_ourselves_is_not_held_against_it():
    samples = [sample(0, (LOCK, 5)), sample(5, (LOCK, 5)), sample(10, (LOCK, 7))]
    assert last(*samples, disturbed=True) == ("closed", 0.0)
    assert last(*samples) == ("polls", 10.0)
