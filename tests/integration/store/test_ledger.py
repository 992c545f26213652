"""The ledger across a store that cannot be used for a while: each message is told once, from memory or from there."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import count

import pytest
from builders import worker
from stored import MESSAGE, NOW, ROW

from epochwatchd.model import Notice
from epochwatchd.store import Record, Store
from epochwatchd.store.ledger import TRY_AGAIN_MOST_S, Ledger

TOLD = Record(ROW, workers=[worker()], notices=[Notice(MESSAGE, ["team"])])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "epochwatch.db"


@pytest.fixture
def ledger(path):
    ledger = Ledger(Store(path, "this boot"))
    yield ledger
    ledger.close()


def send_all(ledger):
    """What the channel's sender does; gives the ids of the messages."""
    sent = ledger.fresh("team")
    ids = [ledger.notification(delivery.id).id for delivery in sent]
    for delivery in sent:
        ledger.mark([delivery], "delivered")
    return ids


def catch_up(ledger):
    return next(at for at in count(0, TRY_AGAIN_MOST_S) if ledger.catch_up(at))


def test_what_was_told_before_the_store_could_be_opened_is_not_told_again(tmp_path, path):
    (tmp_path / "state").write_text("a file in the way")
    ledger = Ledger(Store(path, "this boot"))
    ledger.record([TOLD], NOW)
    assert send_all(ledger) == [MESSAGE.id]
    (tmp_path / "state").unlink()
    catch_up(ledger)
    assert ledger.is_new()
    assert not ledger.is_new()
    assert send_all(ledger) == []
    assert ledger.pending_counts() == {}
    ledger.close()


def test_what_was_not_yet_told_then_is_told_once_from_the_store(tmp_path, path):
    (tmp_path / "state").write_text("a file in the way")
    ledger = Ledger(Store(path, "this boot"))
    ledger.record([TOLD], NOW)
    taken = ledger.fresh("team")
    (tmp_path / "state").unlink()
    catch_up(ledger)
    ledger.is_new()
    assert send_all(ledger) == []
    [delivery] = taken
    assert ledger.notification(delivery.id).id == MESSAGE.id
    ledger.mark([delivery], "delivered")
    assert ledger.pending_counts() == {}
    ledger.close()


def test_a_store_that_is_begun_anew_in_the_midst_of_it_gives_what_was_rescued(ledger, path):
    ledger.record([TOLD], NOW)
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE worker")
    later = replace(TOLD, notices=[Notice(replace(MESSAGE, id="later"), ["team"])])
    ledger.record([later], NOW)
    assert ledger.is_new()
    assert sorted(send_all(ledger)) == sorted([MESSAGE.id, "later"])
    assert send_all(ledger) == []


def test_a_store_that_was_emptied_is_noticed_by_whoever_reads_it(ledger, path):
    ledger.record([TOLD], NOW)
    ledger.checkpoint()
    os.truncate(path, 0)
    assert ledger.unfinished(NOW).runs == []
    assert ledger.is_new()
