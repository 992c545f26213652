"""Summaries at their times, from a real store."""

from dataclasses import replace
from datetime import datetime

import pytest
from builders import finding, incident
from stored import ROW

from epochwatchd.config import load
from epochwatchd.model import Cause, Moment
from epochwatchd.service import digests
from epochwatchd.service.connecting import OPTIONS
from epochwatchd.store import Record, Store
from epochwatchd.store.ledger import Ledger

NINE = datetime(2027, 1, 15, 9).astimezone().timestamp()
H = 3600.0


@pytest.fixture
def config(tmp_path):
    (tmp_path / "config.yaml").write_text('channels: {a: {kind: console, digest: "0 9 * * *"}, b: {kind: console}}')
    return load(tmp_path / "config.yaml", kinds=OPTIONS, env={})


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(Store(tmp_path / "epochwatch.db", "this boot"))
    yield ledger
    ledger.close()


def told(ledger):
    return [ledger.notification(delivery.id) for delivery in ledger.fresh("a")]


def test_each_time_once_and_since_the_last_however_long_nobody_watched(config, ledger):
    assert not digests.tell(config, ledger, NINE - 2 * H)  # since it was installed
    assert not digests.tell(config, ledger, NINE - 1.0)
    assert digests.tell(config, ledger, NINE + 5.0)
    assert not digests.tell(config, ledger, NINE + 15.0)
    assert digests.tell(config, ledger, NINE + 72 * H + 60.0)
    first, second = told(ledger)
    assert [first.cause["details"]["period_s"], second.cause["details"]["period_s"]] == [2 * H, 72 * H]
    assert ledger.fresh("b") == []


def test_it_counts_what_happened(config, ledger):
    digests.tell(config, ledger, NINE - 24 * H)
    hang = replace(incident(), finding=finding("silent", since=0.0, cause=Cause("deadlock", {"held": [0, 1]})))
    at = NINE - 3 * H
    for key, verdict, ended in (("a", "finished", at), ("b", "crashed", at), ("c", "silent", None)):
        row = replace(ROW, key=key, verdict=verdict, ended_wall=ended)
        opened = [replace(hang, run_key=key)] if key == "c" else []
        ledger.record([Record(row, opened=opened)], Moment(0.0, at))
    assert digests.tell(config, ledger, NINE)
    [message] = told(ledger)
    details = message.cause["details"]
    assert [details[name] for name in ("finished", "failed", "running", "lost_s", "gpu_hours")] == [
        1,
        1,
        1,
        3 * H,
        "6.0",
    ]
