"""Which worker a datagram speaks of, and what it leaves unsaid."""

import pytest
from builders import beat, worker

from epochwatch.wire import Beat, Body, Head, WireError
from epochwatchd.inputs.heartbeats.sockets import Datagram
from epochwatchd.service.senders import Senders
from epochwatchd.service.watch import Watch


def said(job="digits", *, sealed_ns=0, is_json=True, head=None, **body):
    return Datagram(Beat(head or Head(), Body(job, **body)), "10.0.0.9", sealed_ns, is_json)


@pytest.fixture
def datagrams():
    return Senders(lambda _: False)


def test_one_sender_is_one_worker(datagrams):
    assert datagrams.place(said(run="r"), {}) == datagrams.place(said(run="r"), {})


@pytest.mark.parametrize(
    "other", [said("another"), said(run="r2"), said(pid=7), said(host="gpu02")], ids=["job", "run", "pid", "host"]
)
def test_another_job_run_pid_or_host_is_another_worker(datagrams, other):
    assert datagrams.place(said(), {}) != datagrams.place(other, {})


def test_after_its_end_the_same_words_begin_another_run(datagrams):
    first = datagrams.place(said(), {})
    datagrams.over(Watch(worker(key=first.key)))
    again = datagrams.place(said(), {})
    assert (first.key != again.key, first.run != again.run) == (True, True)


def test_processes_that_name_the_same_run_are_of_one_run(datagrams):
    one, other = (datagrams.place(said(run="r", pid=pid, host=f"gpu0{pid}"), {}) for pid in (1, 2))
    assert one.key != other.key
    assert one.run_key == other.run_key


def test_after_its_end_a_named_run_is_not_begun_again(datagrams):
    datagrams.over(Watch(worker(key=datagrams.place(said(run="r"), {}).key)))
    assert datagrams.place(said(run="r"), {}) is None


def test_lives_that_the_store_remembers_are_not_lived_again():
    datagrams = Senders(lambda key: key.endswith(("#0", "#1")))
    assert datagrams.place(said(), {}).key.endswith("#2")


def test_a_sealed_datagram_is_taken_once(datagrams):
    datagrams.place(said(run="r", sealed_ns=5), {})
    datagrams.place(said(run="r", sealed_ns=6), {})
    with pytest.raises(WireError, match="came before"):
        datagrams.place(said(run="r", sealed_ns=6), {})


def test_a_sealed_end_is_not_replayed_as_another_run(datagrams):
    datagrams.over(Watch(worker(key=datagrams.place(said(sealed_ns=5), {}).key)))
    with pytest.raises(WireError, match="came before"):
        datagrams.place(said(sealed_ns=5), {})


def test_a_known_sender_speaks_of_other_runs_than_somebody_with_the_same_words(datagrams):
    known, unknown = datagrams.place(said(run="r1")._replace(uid=1000), {}), datagrams.place(said(run="r1"), {})
    assert (known.run_key, known.run) == ("1000:r1", "r1")
    assert known.key != unknown.key
    assert known.run_key != unknown.run_key


def test_json_leaves_the_count_and_old_numbers_to_the_receiver(datagrams):
    before = worker((0.0, beat(4, epoch=2.0, step=7, loss=0.5)))
    now = datagrams.completed(said(head=Head(loss=0.25)), before)
    assert (now.head.seq, now.head.epoch, now.head.step, now.head.loss) == (5, 2.0, 7, 0.25)
    assert now.body == before.body


def test_json_may_say_more_of_its_plan_later(datagrams):
    assert datagrams.completed(said(epochs=90, metrics={"lr": 0.1}), worker()).body.epochs == 90


def test_the_agents_beat_is_whole_as_it_is(datagrams):
    datagram = said(is_json=False, head=Head(seq=9))
    assert datagrams.completed(datagram, worker()) is datagram.beat
