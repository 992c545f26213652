from dataclasses import replace

import pytest

from epochwatchd.alerting.deciding import LOOK_AGAIN_S, Drop, Hold, Muted, Tell, decide, is_plain
from epochwatchd.config import Match
from epochwatchd.model import Mute, Told

NOW, LATER = 10_000.0, 20_000.0


def mute(owner=None, until=LATER, **match):
    return Muted(Mute("3f2a", {}, 0.0, until, "mina", "maintenance", owner), Match(**match))


SILENT = {"kind": "silent"}
OVER = {"kind": "silent", "status": "resolved", "reason": "resolved"}
REMINDER = {"kind": "silent", "reason": "reminder"}
UNACKED = {"kind": "crashed", "reason": "unacked"}
DONE = {"kind": "finished", "status": "notice", "severity": "info"}
IDLE = {"kind": "stalled", "cause": {"code": "gpu_idle", "details": {}, "evidence": []}}
STARTED = {"kind": "started", "status": "notice", "severity": "info"}
NEVER_TOLD = Told(is_told=False)
MUTED, UNSEEN = Hold("muted 3f2a", LATER), {"after_s": 900.0}
CASES = [
    ("nothing speaks against it", SILENT, Told(), {}, Tell()),
    ("seen: it is not said again", REMINDER, Told(acked=True), {}, Drop("acked")),
    ("seen: nobody else is told", UNACKED, Told(acked=True), {"after_s": 900.0}, Drop("acked")),
    ("seen: that it is worse is", {**SILENT, "reason": "worse"}, Told(acked=True), {}, Tell()),
    ("seen: so is its end", OVER, Told(acked=True, is_open=False), {}, Tell()),
    ("what is over is not said again", REMINDER, Told(is_open=False), {}, Drop("over")),
    ("an end of which nobody knew the begin", OVER, Told(False, False, True), {}, Drop("untold")),
    ("an end that went to others all along", OVER, Told(False, False, False), {}, Tell()),
    ("muted: told when that ends", SILENT, Told(), {"mutes": [mute()]}, MUTED),
    ("muted: what is over by then is not", SILENT, Told(is_open=False), {"mutes": [mute()]}, Drop("muted 3f2a")),
    ("muted: nor is a start, of which there is no incident", STARTED, Told(), {"mutes": [mute()]}, Drop("muted 3f2a")),
    ("muted: nor is news", DONE, Told(is_open=False), {"mutes": [mute()]}, Drop("muted 3f2a")),
    ("muted: who knew of it hears its end", OVER, Told(False), {"mutes": [mute()]}, MUTED),
    ("muted: who did not, does not", OVER, Told(False, False), {"mutes": [mute()]}, Drop("muted 3f2a")),
    ("its mute has ended, and it is over", SILENT, Told(is_open=False), {"held": "muted 3f2a"}, Drop("muted 3f2a")),
    ("its mute has ended, and it is not", SILENT, Told(), {"held": "muted 3f2a"}, Tell()),
    ("a mute that has ended", SILENT, Told(), {"mutes": [mute(until=NOW)]}, Tell()),
    ("a mute of something else", SILENT, Told(), {"mutes": [mute(job=("vit*",))]}, Tell()),
    ("of two mutes the one that matches", SILENT, Told(), {"mutes": [mute(job=("x",)), mute()]}, MUTED),
    ("a user's mute of that user's run", SILENT, Told(), {"mutes": [mute("mina")]}, MUTED),
    ("a user's mute of another's run", SILENT, Told(), {"mutes": [mute("jiho")]}, Tell()),
    ("of who only says to be the user", {**SILENT, "verified": False}, Told(), {"mutes": [mute("mina")]}, Tell()),
    ("explained by another", IDLE, Told(inhibited_by="6f1c"), {}, Hold("inhibited by 6f1c", NOW + LOOK_AGAIN_S)),
    ("and over", IDLE, Told(is_open=False, inhibited_by="6f1c"), {}, Drop("inhibited by 6f1c")),
    ("not acknowledged, before its time", UNACKED, Told(first_wall=NOW - 60.0), UNSEEN, Hold("unacked", NOW + 840.0)),
    ("not acknowledged, in time", UNACKED, Told(first_wall=NOW - 900.0), {"after_s": 900.0}, Tell()),
    ("nobody was told yet", UNACKED, NEVER_TOLD, UNSEEN, Hold("unacked", NOW + 900.0)),
    ("not acknowledged, and over", {**UNACKED, "kind": "silent"}, Told(is_open=False), {"after_s": 9.0}, Drop("over")),
    ("a crash is never over", UNACKED, Told(first_wall=0.0, is_open=False), {"after_s": 900.0}, Tell()),
    ("at night", SILENT, Told(), {"quiet_until": LATER}, Hold("quiet", LATER, "quiet")),
    ("in the morning", SILENT, Told(), {"quiet_until": NOW}, Tell()),
    ("muted at night", SILENT, Told(), {"quiet_until": LATER, "mutes": [mute()]}, MUTED),
    ("seen at night", REMINDER, Told(acked=True), {"quiet_until": LATER}, Drop("acked")),
]  # fmt: skip


@pytest.mark.parametrize(("about", "told", "given"), [c[1:4] for c in CASES], ids=[c[0] for c in CASES])
def test_where_it_is_not_asked_how_it_stands_that_changes_nothing(notification, about, told, given):
    message = replace(notification(), **about)
    if is_plain(message, given.get("mutes", ()), given.get("after_s"), given.get("held")):
        assert decide(message, told, now_wall=NOW, **given) == decide(message, Told(), now_wall=NOW, **given)


@pytest.mark.parametrize(("about", "told", "given", "decision"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_becomes_of_a_message(notification, about, told, given, decision):
    assert decide(replace(notification(), **about), told, now_wall=NOW, **given) == decision
