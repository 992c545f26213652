"""What a run's row shows of its workers."""

from builders import beat, finding, moment, steady, worker
from watches import watched

from epochwatchd.model import Policy
from epochwatchd.service.runs import Run, pending_changed, pending_of, row


def run(*workers):
    return Run("run", "r1", Policy(), watched(*workers), is_new=False)


def standing(key, for_s=200):
    return worker(*((float(i), beat(i + 1, step=min(i, 20))) for i in range(21 + for_s)), key=key)


def test_the_worst_suspicion_of_its_workers_is_the_runs():
    assert pending_of(run(standing("/a"), steady(1.0, 50, key="/b")), 220.0).code == "silent"
    assert pending_of(run(steady(1.0, 221, key="/a"), standing("/b")), 220.0).code == "stalled"


def test_of_two_alike_the_earlier_is_shown():
    assert pending_of(run(steady(1.0, 80, key="/a"), steady(1.0, 50, key="/b")), 220.0).since == 51.0


def test_a_suspicion_is_news_until_it_is_stored_and_again_when_it_is_over():
    one = run(steady(1.0, 50))
    assert pending_changed(one, 60.0)
    one.suspected = "silent"
    assert not pending_changed(one, 61.0)
    one.watches = watched(steady(1.0, 70))
    assert pending_changed(one, 69.0)


def test_a_row_says_what_is_suspected_and_since_when():
    one = run(steady(1.0, 50))
    shown = row(one, one.speaker, None, moment(60.0)).suspected
    assert (shown["code"], shown["since"]) == ("silent", "2027-01-15T08:00:51.000Z")


def test_a_verdict_leaves_nothing_to_suspect():
    one = run(steady(1.0, 50))
    assert row(one, one.speaker, finding("silent"), moment(60.0)).suspected is None
