"""The mirror of what is wrong. Against a stand-in here; test_real_servers.py has two real Alertmanagers."""

from dataclasses import replace

import pytest
from telling import DictMemory, sending, told
from vendors.machines import Alertmanager

from epochwatchd.alerting.channels import alertmanager
from epochwatchd.model import ChannelError


@pytest.fixture
def clock(monkeypatch):
    """The time of alertmanager alone; it begins now."""
    now = [alertmanager.time.time()]
    monkeypatch.setattr(alertmanager, "time", type("", (), {"time": staticmethod(lambda: now[0])}))
    return now


@pytest.fixture
def mirror(serve_http):
    mirror = Alertmanager()
    mirror.url = serve_http(mirror.answer)
    mirror.send, mirror.options_ = sending({"kind": "alertmanager", "url": [mirror.url], "labels": {"team": "vision"}})
    return mirror


def silent(crash, number):
    return replace(crash, id=number, kind="silent", run=number, severity="critical")


def test_an_incident_is_an_alert_until_it_is_over(mirror, crash):
    memory = DictMemory()
    mirror.send(told(silent(crash, "x"), memory=memory))
    assert [(a["alertname"], a["run"], a["team"]) for a in mirror.firing()] == [("epochwatch_silent", "x", "vision")]
    mirror.send(told(replace(silent(crash, "x"), status="resolved", reason="resolved"), memory=memory))
    assert mirror.firing() == []
    assert memory.known == {}


def test_each_minute_it_is_said_again_and_what_is_closed_ends(mirror, crash):
    memory = DictMemory()
    for number in "xy":
        mirror.send(told(silent(crash, number), memory=memory))
    alertmanager.refresh(mirror.options_, memory, frozenset("y"))
    assert [alert["run"] for alert in mirror.firing()] == ["y"]
    assert list(memory.known) == ["y"]


def test_a_crash_is_over_at_once_and_shown_for_an_hour(mirror, crash, clock):
    memory = DictMemory()
    mirror.send(told(crash, memory=memory))
    clock[0] += 3000.0
    alertmanager.refresh(mirror.options_, memory, frozenset())
    assert [alert["alertname"] for alert in mirror.firing()] == ["epochwatch_crashed"]
    clock[0] += 601.0
    alertmanager.refresh(mirror.options_, memory, frozenset())
    assert memory.known == {}


def test_a_start_is_no_alert(mirror, crash):
    assert mirror.send(told(replace(crash, kind="started", status="notice"))).said == "not an alert"
    assert mirror.asked == []


def test_nothing_is_posted_where_nothing_is_wrong(mirror):
    alertmanager.refresh(mirror.options_, DictMemory(), frozenset())
    assert mirror.asked == []


def test_every_member_gets_it_and_one_that_has_it_is_enough(mirror, crash, refused_port):
    dead = f"http://127.0.0.1:{refused_port}"
    send, options = sending({"kind": "alertmanager", "url": [dead, mirror.url]})
    memory = DictMemory()
    assert send(told(silent(crash, "x"), memory=memory)).said.startswith("taken by 1 of 2; Connection refused")
    alertmanager.refresh(options, memory, frozenset("x"))
    assert len(mirror.firing()) == 1
    send, _ = sending({"kind": "alertmanager", "url": [dead, dead]})
    with pytest.raises(ChannelError, match="Connection refused"):
        send(told(crash))


def test_one_user_with_a_thousand_alerts_takes_none_of_anybody_elses():
    def entry(user):
        return {"labels": {"user": user}}

    shown = {"victim": entry("mina"), **{f"a{n}": entry("attacker") for n in range(1000)}, "late": entry("jin")}
    kept = alertmanager.within_limits(shown, 10)
    assert [key for key in kept if not key.startswith("a")] == ["victim", "late"]
    assert list(kept)[1:-1] == [f"a{n}" for n in range(992, 1000)]
