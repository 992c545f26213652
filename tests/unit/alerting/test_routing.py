import pytest

from epochwatchd.alerting.routing import channels_for, escalations, repeats_due
from epochwatchd.config import Escalation, Match, Route

HOURS = 3600.0


def escalating(to, steps, *, go_on=False):
    return Route(to=(to,), continue_=go_on, escalate=tuple(Escalation(after, who) for after, who in steps.items()))


def route(*to, every=None, go_on=False, **match):
    return Route(Match(**match), to, every, go_on)


CASES = [
    ("no route at all", [], ()),
    ("a route without conditions takes everything", [route("a")], ("a",)),
    ("the first that matches wins", [route("a"), route("b")], ("a",)),
    ("one that does not match is passed over", [route("a", severity=("info",)), route("b")], ("b",)),
    ("continue goes on to the next that matches", [route("a", go_on=True), route("b"), route("c")], ("a", "b")),
    ("a channel is told once", [route("a", "b", go_on=True), route("b", "c", "a")], ("a", "b", "c")),
    ("a route to nobody ends the search", [route(kind=("crashed",)), route("a")], ()),
    ("any name of a list will do", [route("a", severity=("warning", "critical"))], ("a",)),
    ("all conditions must hold", [route("a", severity=("critical",), kind=("silent",)), route("b")], ("b",)),
    ("status is a condition", [route("a", status=("resolved",)), route("b", status=("firing",))], ("b",)),
    ("jobs match by shell pattern", [route("a", job=("bert*",)), route("b", job=("vit", "res[mn]et??"))], ("b",)),
    ("patterns are case-sensitive", [route("a", job=("ResNet*",)), route("b")], ("b",)),
    ("a pattern is of the whole name", [route("a", job=("resnet",)), route("b")], ("b",)),
    ("users and hosts match too", [route("a", user=("root",)), route("b", user=("mi*",), host=("gpu??",))], ("b",)),
    ("causes match by pattern", [route("a", cause=("gpu_*",)), route("b", cause=("oom_*",))], ("b",)),
    ("so do classes of failures", [route("a", failure=("cuda_*",)), route("b", failure=("host_oom",))], ("b",)),
    ("and tags", [route("a", tag=(("team", ("nlp",)),)), route("b", tag=(("team", ("vis*", "x")),))], ("b",)),
    ("all tags must fit", [route("a", tag=(("team", ("*",)), ("gpu", ("*",)))), route("b")], ("b",)),
    ("what is left out is not taken", [route("a", not_=Match(user=("mi*",))), route("b")], ("b",)),
    ("what fits it only in part is", [route("a", not_=Match(user=("mi*",), job=("x",))), route("b")], ("a",)),
    ("an empty list matches nothing", [route("a", kind=()), route("b")], ("b",)),
]


@pytest.mark.parametrize(("routes", "told"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_routes(notification, routes, told):
    cause = {"code": "oom_kill", "details": {"failure": "host_oom"}}
    assert channels_for(routes, {}, notification(cause=cause, tags={"team": "vision"})) == told


def test_what_is_not_there_fits_no_pattern(notification):
    for match in ({"cause": ("*",)}, {"failure": ("*",)}, {"tag": (("team", ("*",)),)}):
        assert channels_for([route("a", **match)], {}, notification(cause=None)) == ()


STEPS = [
    ("nobody", [route("a")], {}),
    ("after a time", [escalating("a", {900.0: ("boss",)})], {900.0: ("boss",)}),
    ("the run's user", [escalating("a", {900.0: ("@user", "boss")})], {900.0: ("kakao", "team", "boss")}),
    ("only by routes that are taken", [route("a"), escalating("b", {900.0: ("boss",)})], {}),
    (
        "by all that are, each channel once",
        [escalating("a", {60.0: ("x",), 900.0: ("boss",)}, go_on=True), escalating("b", {900.0: ("boss", "y")})],
        {60.0: ("x",), 900.0: ("boss", "y")},
    ),
]


@pytest.mark.parametrize(("routes", "told"), [case[1:] for case in STEPS], ids=[case[0] for case in STEPS])
def test_who_is_told_when_nobody_acknowledges(notification, routes, told):
    assert escalations(routes, PEOPLE, notification()) == told


PEOPLE = {"mina": ("kakao", "team"), "jiho": ("line",)}
OWNED = [
    ("the channels of its user", [route("@user")], {}, ("kakao", "team")),
    ("beside others", [route("team", "@user", "log")], {}, ("team", "kakao", "log")),
    ("a user without channels falls through", [route("@user"), route("all")], {"user": "root"}, ("all",)),
    ("but others of that route are told", [route("@user", "log"), route("all")], {"user": "root"}, ("log",)),
    ("one whose sender is not known has no user", [route("@user"), route("all")], {"verified": False}, ("all",)),
    ("nor has what is no run's", [route("@user"), route("all")], {"user": None}, ("all",)),
    ("nobody is still nobody", [route(), route("all")], {"user": "root"}, ()),
]


@pytest.mark.parametrize(("routes", "about", "told"), [c[1:] for c in OWNED], ids=[c[0] for c in OWNED])
def test_the_owner_of_a_run(notification, routes, about, told):
    assert channels_for(routes, PEOPLE, notification(**about)) == told


def test_the_owner_is_reminded_too(notification):
    assert repeats_due([route("@user", every=HOURS)], PEOPLE, notification(), {"kakao": 0.0}, 10 * HOURS) == ("kakao",)


REMINDED = [
    ("nobody without an interval", [route("a")], {"a": 0.0}, ()),
    ("not before the interval is over", [route("a", every=6 * HOURS)], {"a": 4.5 * HOURS}, ()),
    ("when it is over", [route("a", every=6 * HOURS)], {"a": 4 * HOURS}, ("a",)),
    ("only who was told", [route("a", "b", every=6 * HOURS)], {"b": 0.0}, ("b",)),
    ("each by its own last time", [route("a", "b", every=6 * HOURS)], {"a": 9 * HOURS, "b": 0.0}, ("b",)),
    ("each by its own route", [route("a", go_on=True), route("b", every=HOURS)], {"a": 0.0, "b": 0.0}, ("b",)),
    ("not by a route that was not taken", [route("a"), route("a", every=HOURS)], {"a": 0.0}, ()),
    ("after the clock was set back", [route("a", every=6 * HOURS)], {"a": 100 * HOURS}, ("a",)),
    ("once", [route("a", every=HOURS, go_on=True), route("a", every=HOURS)], {"a": 0.0}, ("a",)),
]


@pytest.mark.parametrize(("routes", "told", "due"), [c[1:] for c in REMINDED], ids=[c[0] for c in REMINDED])
def test_repeats(notification, routes, told, due):
    assert repeats_due(routes, {}, notification(), told, 10 * HOURS) == due
