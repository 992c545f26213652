"""What may be asked of the daemon, by whom, on a real store."""

from dataclasses import replace

import pytest
from builders import WALL, incident
from stored import MESSAGE, NOW, ROW

from epochwatchd.control.requests import Caller, Control, caller_of, listed, ready
from epochwatchd.control.server import Refused, Request
from epochwatchd.model import Notice, Pressed
from epochwatchd.store import Record, Store
from epochwatchd.store.ledger import Ledger

MINA, JIHO, ROOT = Caller("mina", "mina"), Caller("jiho", "jiho"), Caller("root", None)
TWO_HOURS = {"for_s": 7200.0, "why": "moving the data"}


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(Store(tmp_path / "epochwatch.db", "this boot"))
    for name, job, user in (("6f1c2d", "resnet50", "mina"), ("6f1caa", "vit", "mina"), ("77aa00", "bert", "jiho")):
        row = replace(ROW, key=name, job=job, user=user)
        ledger.record([Record(row, opened=[replace(incident(), id=name, run_key=name)])], NOW)
    yield ledger
    ledger.close()


class Changes(list):
    def __call__(self):
        self.append("changed")


@pytest.fixture
def changed():
    return Changes()


@pytest.fixture
def control(ledger, changed):
    runs = [replace(MESSAGE, job=job, user=user) for job, user in (("resnet50", "mina"), ("bert", "jiho"))]
    return Control(ledger, lambda: WALL, runs=lambda: runs, changed=changed)


def test_what_is_acknowledged_is_named(control, ledger, changed):
    [seen] = control.acknowledge(MINA, {"ids": ["6f1c2"]})
    assert (seen["id"], seen["job"], seen["kind"]) == ("6f1c2d", "resnet50", "silent")
    assert ledger.told("team", replace(MESSAGE, id="6f1c2d"), WALL).acked
    assert not ledger.told("team", replace(MESSAGE, id="6f1caa"), WALL).acked
    assert changed == ["changed"]


def test_an_acknowledgement_for_a_time_lapses(control, ledger):
    control.acknowledge(MINA, {"ids": ["6f1c2d"], "for_s": 60.0})
    about = replace(MESSAGE, id="6f1c2d")
    assert [ledger.told("team", about, WALL + after_s).acked for after_s in (59.0, 61.0)] == [True, False]


def test_those_told_in_one_message_are_seen_together(control, ledger):
    for name in ("6f1c2d", "6f1caa"):
        ledger.record([Record(replace(ROW, key=name), notices=[Notice(replace(MESSAGE, id=name), ["team"])])], NOW)
    both = ledger.fresh("team")
    ledger.lead(both, both[0])
    assert [one["id"] for one in control.acknowledge(ROOT, {"ids": ["6f1c2"]})] == ["6f1c2d", "6f1caa"]


def test_what_another_users_run_was_told_with_stays_unseen(control, ledger):
    """In the morning one message tells of everybody's night."""
    for name in ("6f1c2d", "77aa00"):
        ledger.record([Record(replace(ROW, key=name), notices=[Notice(replace(MESSAGE, id=name), ["team"])])], NOW)
    ledger.record([Record(replace(ROW, key="77aa00", user="jiho"))], NOW)
    both = ledger.fresh("team")
    ledger.lead(both, both[0])
    assert [one["id"] for one in control.acknowledge(MINA, {"ids": ["6f1c2"]})] == ["6f1c2d"]
    assert not ledger.told("team", replace(MESSAGE, id="77aa00"), WALL).acked
    assert len(control.acknowledge(ROOT, {"ids": ["6f1c2"]})) == 2


BAD_ACKS = [
    ({}, 400, "ids must be a list"),
    ({"ids": []}, 400, "ids must be a list"),
    ({"ids": "6f1c"}, 400, "ids must be a list"),
    ({"ids": ["%"]}, 400, "is no id"),
    ({"ids": ["****"]}, 400, "is no id"),
    ({"ids": ["6f1"]}, 400, "is no id"),
    ({"ids": ["0000"]}, 404, "has the id 0000"),
    ({"ids": ["6f1c"]}, 400, "6f1c may be 6f1c"),
    ({"ids": ["77aa"]}, 403, "77aa is of user jiho: jiho, root, the group epochwatch may do that"),
    ({"ids": ["6f1c2"], "for_s": -1}, 400, "for_s must be seconds"),
    ({"ids": ["6f1c2"], "for_s": "2h"}, 400, "for_s must be seconds"),
    ({"ids": ["6f1c2"], "note": 3}, 400, "note must be a text"),
]


@pytest.mark.parametrize(("said", "status", "text"), BAD_ACKS, ids=[str(case[0]) for case in BAD_ACKS])
def test_what_cannot_be_acknowledged_says_why(control, changed, said, status, text):
    with pytest.raises(Refused, match=text) as refused:
        control.acknowledge(MINA, said)
    assert refused.value.status == status
    assert changed == []


def test_an_id_that_only_one_of_mine_has_is_clear(control):
    assert [one["id"] for one in control.acknowledge(JIHO, {"ids": ["77aa"]})] == ["77aa00"]


def test_a_button_works_before_the_peers_answer_is_known(control, ledger):
    """A message that arrived although its answer was lost has buttons, too."""
    notice = Notice(replace(MESSAGE, id="6f1c2d"), ["phone"])
    ledger.record([Record(replace(ROW, key="6f1c2d"), notices=[notice])], NOW)
    assert control.pressed("phone", Pressed("ack", "6f1c2d", "Mina", "q1")) == "Seen. / 확인했습니다."
    assert ledger.told("phone", replace(MESSAGE, id="6f1c2d"), WALL).acked


def test_a_button_is_for_what_its_channel_was_sent(control, ledger):
    notice = Notice(replace(MESSAGE, id="6f1c2d"), ["team"])
    ledger.record([Record(replace(ROW, key="6f1c2d"), notices=[notice])], NOW)
    assert control.pressed("phone", Pressed("ack", "6f1c2d", "Mina", "q1")).startswith("Nothing is known")
    assert not ledger.told("team", replace(MESSAGE, id="6f1c2d"), WALL).acked


def test_a_mute_says_how_many_runs_it_meets(control, ledger, changed):
    made = control.mute(ROOT, {"match": {"job": "resnet*"}, **TWO_HOURS})
    assert (made["runs"], made["of"], made["owner"]) == (1, 2, None)
    [muted] = ready(ledger.mutes(WALL))
    assert muted.takes(replace(MESSAGE, job="resnet50"))
    assert not muted.takes(replace(MESSAGE, job="bert"))
    assert ready(ledger.mutes(WALL + 7201.0)) == []
    assert changed == ["changed"]


def test_a_users_mute_is_of_that_users_runs(control, ledger):
    assert control.mute(JIHO, {"match": {"job": "*"}, **TWO_HOURS})["runs"] == 1
    [muted] = ready(ledger.mutes(WALL))
    assert [muted.takes(replace(MESSAGE, user=user)) for user in ("jiho", "mina")] == [True, False]


def test_what_is_listed_can_be_read_back(control, ledger):
    control.mute(JIHO, {"match": {"tag": {"team": "nlp"}}, **TWO_HOURS})
    assert [listed(shown) for shown in control.answer(Request(0, "GET", "/v1/mutes", {}))] == ledger.mutes(WALL)


def test_it_outlives_the_daemon(control, ledger):
    control.mute(ROOT, {"match": {"kind": ["silent"], "tag": {"team": "nlp"}}, **TWO_HOURS})
    again = Ledger(ledger._store)
    assert [muted.match.tag for muted in ready(again.mutes(WALL))] == [(("team", ("nlp",)),)]


BAD_MUTES = [
    ({"match": {}, **TWO_HOURS}, "that is everything"),
    ({"match": {"job": "x"}, "why": "y"}, "A mute must end"),
    ({"match": {"job": "x"}, "for_s": 60}, "why?"),
    ({"match": {"job": "x"}, "why": " ", "for_s": 60}, "why?"),
    ({"match": {"jb": "x"}, **TWO_HOURS}, r"jb: unknown key \(did you mean job"),
    ({"match": {"kind": "crash"}, **TWO_HOURS}, "kind"),
    ({"match": {"cause": "oom"}, **TWO_HOURS}, "no such cause"),
    ({"match": {"not": {"jb": 1}}, **TWO_HOURS}, "not.jb: unknown key"),
    ({"match": "job=x", **TWO_HOURS}, "must be an object"),
    ({"match": {"job": ["a*"] * 1000}, **TWO_HOURS}, "longer than 2000 characters"),
    ({"match": {"job": "x"}, "why": "y", "for_s": 91 * 86400}, "at most"),
    ({"match": {"job": "x"}, "why": "y", "for_s": float("nan")}, "for_s"),
]


@pytest.mark.parametrize(("said", "text"), BAD_MUTES, ids=[str(case[0])[:60] for case in BAD_MUTES])
def test_what_cannot_be_muted_says_why(control, ledger, said, text):
    with pytest.raises(Refused, match=text):
        control.mute(ROOT, said)
    assert ledger.mutes(WALL) == []


def test_a_reason_cannot_write_to_a_terminal(control):
    assert control.mute(ROOT, {"match": {"job": "x"}, "for_s": 60, "why": "a\x1b[2J\nb"})["why"].isprintable()


def test_everything_is_muted_by_who_says_so(control):
    assert control.mute(ROOT, {"match": {}, "all": True, **TWO_HOURS})["runs"] == 2


def test_one_user_cannot_fill_the_store(control, monkeypatch):
    monkeypatch.setattr("epochwatchd.control.requests.MUTES_OF_ONE", 2)
    for _ in range(2):
        control.mute(JIHO, {"match": {"job": "x"}, **TWO_HOURS})
    with pytest.raises(Refused, match="take some back"):
        control.mute(JIHO, {"match": {"job": "x"}, **TWO_HOURS})
    control.mute(MINA, {"match": {"job": "x"}, **TWO_HOURS})


def test_a_mute_is_taken_back_by_its_owner(control, ledger, changed):
    of_mina, of_all = (control.mute(who, {"match": {"job": "x"}, **TWO_HOURS})["id"] for who in (MINA, ROOT))
    for caller, mute_id in ((JIHO, of_mina), (MINA, of_all)):
        with pytest.raises(Refused) as refused:
            control.unmute(caller, mute_id)
        assert refused.value.status == 403
    control.unmute(MINA, of_mina)
    control.unmute(ROOT, of_all)
    assert ledger.mutes(WALL) == []
    assert len(changed) == 4
    with pytest.raises(Refused, match="there is no mute"):
        control.unmute(ROOT, of_all)


def test_dead_letters_are_for_administrators(control, ledger):
    ledger.record([Record(ROW, notices=[Notice(MESSAGE, ["team"])])], NOW)
    [letter] = ledger.fresh("team")
    ledger.mark([letter], "dead", "answered 404")
    with pytest.raises(Refused, match="root"):
        control.retry(MINA)
    assert control.retry(ROOT) == {"revived": 1}
    assert [again.id for again in ledger.fresh("team")] == [letter.id]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("PUT", "/v1/ack"), ("DELETE", "/v1/mutes"), ("GET", "/v1/mutes/../ack")]
)
def test_what_is_not_known_is_named(control, method, path):
    with pytest.raises(Refused, match="nothing that this epochwatchd knows"):
        control.answer(Request(0, method, path, {}))


def test_root_may_do_everything_and_a_user_what_is_his():
    assert caller_of(0).owns is None
    assert caller_of(65534).owns == "nobody"
    assert caller_of(4_000_000_000).owns == "4000000000"


def test_who_is_in_the_services_group_may_do_everything(monkeypatch):
    monkeypatch.setattr("epochwatchd.control.requests.GROUP", "nogroup")
    assert caller_of(65534).owns is None
