"""What goes into the store and comes out of it again."""

from dataclasses import replace

import pytest
from builders import WALL, beat, finding, incident, moment, worker
from stored import MESSAGE, NOW, ROW

from epochwatch.wire import Body
from epochwatchd.model import Cause, Notice, Pace, Rhythm, Windows
from epochwatchd.phrase import Phrase, say
from epochwatchd.store import Letters, Record, Store, StoreRefused, read_letters
from epochwatchd.store.records import notification_from, notification_json


def reopened(store, boot="this boot"):
    store.close()
    return Store(store.path, boot)


@pytest.mark.parametrize(("former", "now"), [("repeat", "reminder"), ("escalated", "worse"), ("first", "first")])
def test_a_message_that_waits_from_before_has_the_reason_of_today(former, now):
    stored = notification_json(replace(MESSAGE, reason=former))
    assert notification_from(stored).reason == now


def test_what_was_recorded_is_there_after_a_restart(store):
    watched = worker((0.0, beat(7, epoch=3.0, loss=float("inf"))))._replace(rhythm=Rhythm(2.5), not_finite_at=50.0)
    open_ = incident(notified_wall={"team": WALL})
    store.record([Record(ROW, workers=[watched], opened=[open_], notices=[Notice(MESSAGE, ["team", "hook"])])], NOW)
    again = reopened(store)
    [(row, [restored], [same], *_)], [] = again.unfinished(moment(200.0))
    assert row == ROW
    assert restored == watched
    assert (same.id, same.finding.kind, same.notified_wall) == (open_.id, "silent", {"team": WALL})
    assert [again.notification(d.id) for d in again.pending("team")] == [MESSAGE]
    again.close()


def test_after_a_reboot_times_are_moved_to_the_new_clock(store):
    store.record([Record(ROW, workers=[worker((90.0, beat()))])], NOW)
    again = reopened(store, "another boot")
    [(_, [restored], _, *_)], [] = again.unfinished(moment(5.0)._replace(wall=NOW.wall + 60.0))
    assert restored.beat_at == pytest.approx(5.0 - 70.0)
    again.close()


def test_what_steps_took_survives_and_is_moved_to_the_new_clock(store):
    pace = Pace(80.0, 85.0, 3.0, True, Windows(7, 60.0, (0.5, 0.25), (2.0,), 30.0))
    store.record([Record(ROW, workers=[worker((90.0, beat()))._replace(pace=pace)])], NOW)
    [(_, [restored], _, *_)], [] = store.unfinished(NOW)
    assert restored.pace == pace
    again = reopened(store, "another boot")
    [(_, [moved], _, *_)], [] = again.unfinished(moment(5.0)._replace(wall=NOW.wall + 60.0))
    assert moved.pace == Pace(-75.0, -70.0, 3.0, True, Windows(7, -95.0, (0.5, 0.25), (2.0,), -125.0))
    again.close()


def test_until_when_it_was_watched_is_told_by_what_was_stored_last(store):
    assert store.watched_wall() is None
    store.record([Record(ROW, workers=[worker((90.0, beat()))])], NOW)
    assert store.watched_wall() == NOW.wall
    store.record([Record(replace(ROW, key="other", ended_wall=NOW.wall + 5.0))], NOW)
    assert store.watched_wall() == NOW.wall + 5.0


def test_a_cause_survives_with_its_details_and_evidence(store):
    made = incident()
    evidence = ("a", Phrase("exit status {status}", status=3))
    made = replace(made, finding=replace(made.finding, cause=Cause("signal", {"signal": "SIGKILL"}, evidence)))
    store.record([Record(ROW, opened=[made])], NOW)
    [(_, _, [restored], *_)], [] = store.unfinished(NOW)
    assert restored.finding.cause == made.finding.cause
    assert say(restored.finding.cause.evidence[1], {"exit status {status}": "종료 코드 {status}"}) == "종료 코드 3"


def test_a_closed_incident_and_an_ended_run_are_not_taken_up_again(store):
    store.record([Record(ROW, opened=[incident()])], NOW)
    store.record([Record(replace(ROW, ended_wall=NOW.wall), closed=[incident()])], NOW)
    assert store.unfinished(NOW) == ([], [])
    assert store.ended_wall("run") == NOW.wall
    assert store.ended_wall("another") is None


def test_a_delivery_says_whose_it_is_and_whether_it_is_urgent(store):
    store.record(
        [
            Record(
                ROW, notices=[Notice(MESSAGE, ["team"]), Notice(replace(MESSAGE, id="n2", severity="info"), ["team"])]
            )
        ],
        NOW,
    )
    first, second = store.pending("team")
    assert (first.incident, first.user, first.critical, first.attempts) == (MESSAGE.id, "mina", True, 0)
    assert (second.incident, second.critical) == ("n2", False)
    assert store.notification(10**6) is None


def test_a_run_that_is_over_leaves_nothing_to_go_on_watching(store):
    store.record([Record(ROW, workers=[worker()])], NOW)
    store.record([Record(replace(ROW, ended_wall=WALL), workers=[worker()])], NOW)
    assert store._db.execute("SELECT count(*) FROM worker").fetchone()[0] == 0
    store.record([Record(ROW, workers=[worker()])], NOW)  # begun anew
    [(_, [_], _, *_)], [] = store.unfinished(NOW)


def test_deliveries_come_in_order_and_leave_once_delivered(store):
    store.record(
        [Record(ROW, notices=[Notice(MESSAGE, ["team"]), Notice(replace(MESSAGE, reason="reminder"), ["team"])])], NOW
    )
    first, second = store.pending("team")
    assert store.pending("team", after=first.id) == [second]
    store.mark([(first.id, ())], "delivered", None, None)
    store.mark([(second.id, ())], "pending", "no answer", None)
    assert [(d.id, d.attempts) for d in store.pending("team")] == [(second.id, 1)]


def test_a_message_is_kept_until_every_channel_has_taken_it(store):
    store.record([Record(ROW, notices=[Notice(MESSAGE, ["team", "hook"])])], NOW)
    [team], [hook] = store.pending("team"), store.pending("hook")
    store.mark([(team.id, ())], "delivered", None, None)
    assert (store.notification(team.id), store.notification(hook.id)) == (None, MESSAGE)
    store.mark([(hook.id, ())], "dead", "no answer", None)
    store.revive_dead(0.0)
    assert store.notification(hook.id) == MESSAGE
    store.mark([(hook.id, ())], "delivered", None, None)
    assert store._db.execute("SELECT content FROM notification").fetchall()[0][0] == ""


def test_dead_letters_are_kept_and_revived(store):
    store.record([Record(ROW, notices=[Notice(MESSAGE, ["team"])])], NOW)
    [letter] = store.pending("team")
    store.mark([(letter.id, ())], "dead", "404 no_service", None)
    assert store.pending("team") == []
    assert store.pending_counts() == {("team", "dead"): 1}
    assert store.revive_dead(0.0) == 1
    assert len(store.pending("team")) == 1


def test_a_second_daemon_is_refused(store, path):
    store.open()
    with pytest.raises(StoreRefused, match="another epochwatchd"):
        Store(path, "this boot").open()


def test_what_is_no_longer_expected_is_forgotten(store):
    assert store.expect(["a", "b"], WALL) == {"a": WALL, "b": WALL}
    store.settle("a", WALL + 5.0)
    assert store.expect(["a"], WALL + 9.0) == {"a": WALL + 5.0}
    assert store.expect(["a", "b"], WALL + 10.0) == {"a": WALL + 5.0, "b": WALL + 10.0}


def test_what_was_missing_is_no_run_that_began(store):
    store.record([Record(ROW), Record(replace(ROW, key="r2", started_wall=WALL + 5.0))], NOW)
    store.record([Record(replace(ROW, key="expected:d*", job="d*", verdict="missing"))], NOW)
    assert store.latest_begins() == [("digits", WALL + 5.0)]


def test_a_body_with_everything_in_it_survives(store):
    body = Body("j", run="r", argv=("a", "b"), tags={"k": "v"}, metrics={"acc": 0.5}, tail=("x",), announces_end=True)
    store.record([Record(ROW, workers=[worker((0.0, beat(1, body)))])], NOW)
    [(_, [restored], _, *_)], [] = store.unfinished(NOW)
    assert restored.body == body


def test_a_message_that_nobody_took_for_a_day_is_a_dead_letter_and_not_revived(store):
    store.record([Record(ROW, notices=[Notice(MESSAGE, ["team"])])], NOW)
    [letter] = store.pending("team")
    store.mark([(letter.id, ())], "pending", "answered 503", None)
    assert store.expire(NOW.wall + 86_399.0) == 0
    assert store.expire(NOW.wall + 86_401.0) == 1
    assert store.notification(letter.id) is None
    assert store.revive_dead(NOW.wall + 86_401.0) == 0
    [told] = read_letters(store.path)
    assert told == Letters("team", "dead", 1, "digits", MESSAGE.kind, NOW.wall, "answered 503, not taken for a day")


def test_recipients_that_were_served_are_known_after_a_restart(store):
    store.record([Record(ROW, notices=[Notice(MESSAGE, ["mail"])])], NOW)
    [letter] = store.pending("mail")
    store.mark([(letter.id, ("a@b.c",))], "pending", "450", None)
    again = reopened(store)
    assert [delivery.done for delivery in again.pending("mail")] == [("a@b.c",)]
    again.close()


def test_the_handle_of_an_incidents_first_message_is_kept(store):
    store.record(
        [Record(ROW, notices=[Notice(MESSAGE, ["team"]), Notice(MESSAGE, ["team"]), Notice(MESSAGE, ["hook"])])], NOW
    )
    for number, delivery in enumerate([*store.pending("team"), *store.pending("hook")]):
        store.mark([(delivery.id, ())], "delivered", None, f"handle {number}")
    assert (store.handle_of("team", MESSAGE.id), store.handle_of("hook", MESSAGE.id)) == ("handle 0", "handle 2")
    assert store.handle_of("team", "another") is None


def test_what_is_open_is_known(store):
    store.record([Record(ROW, opened=[incident()])], NOW)
    assert store.open_incidents() == {incident().id}
    store.record([Record(ROW, closed=[incident()])], NOW)
    assert store.open_incidents() == frozenset()


def test_a_driver_that_hangs_and_was_told_explains_what_seems_wrong_with_gpus_there(store):
    hangs = replace(incident("stalled"), finding=finding("stalled", cause=Cause("gpu_driver")))
    idle = replace(MESSAGE, id="other", cause={"code": "gpu_idle", "details": {}, "evidence": []})
    store.record([Record(ROW, opened=[hangs], notices=[Notice(replace(MESSAGE, id=hangs.id), ["team"])])], NOW)
    [delivery] = store.pending("team")
    assert store.told("team", idle, WALL).inhibited_by is None
    store.mark([(delivery.id, ())], "delivered", None, None)
    assert store.told("team", idle, WALL).inhibited_by == hangs.id[:4]
    assert store.told("hook", idle, WALL).inhibited_by is None
    assert store.told("team", replace(idle, host="gpu02"), WALL).inhibited_by is None
    store.record([Record(ROW, closed=[hangs])], NOW)
    assert store.told("team", idle, WALL).inhibited_by is None
