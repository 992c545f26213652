"""The demo's table of expected against seen."""

from signal import SIGSTOP

from epochwatchd.demo.scenarios import Alert, Expected, Scenario, reckon, scenarios

SILENT = Expected("silent", "stopped", "SIGSTOP", "SIGSTOP")
OVER = Expected("silent", "stopped", "SIGCONT", "SIGCONT", "resolved")
FROZEN = Scenario("frozen", (), 10, (SILENT, OVER), hit=SIGSTOP)
FAULTS = {("frozen", "SIGSTOP"): 10.0, ("frozen", "SIGCONT"): 15.0}


def message(at, kind="silent", status="firing", cause="stopped", job="frozen"):
    return Alert(at, {"job": job, "kind": kind, "status": status, "cause": {"code": cause} if cause else None})


def shown(*alerts):
    return [(r.expected, r.seen and r.seen["kind"], r.delay_s) for r in reckon([FROZEN], alerts, FAULTS)]


def test_what_came_as_expected_is_right_and_has_its_delay():
    alerts = [message(14.0), message(15.5, status="resolved")]
    assert shown(*alerts) == [(SILENT, "silent", 4.0), (OVER, "silent", 0.5)]
    assert all(row.is_right for row in reckon([FROZEN], alerts, FAULTS))


def test_what_is_missing_is_wrong():
    assert shown(message(14.0)) == [(SILENT, "silent", 4.0), (OVER, None, None)]


def test_another_cause_is_both_missing_and_too_much():
    assert shown(message(14.0, cause="deadlock"), message(15.5, status="resolved")) == [
        (SILENT, None, None),
        (OVER, "silent", 0.5),
        (None, "silent", None),
    ]


def test_what_comes_twice_is_wrong():
    rows = reckon([FROZEN], [message(14.0), message(14.5), message(15.5, status="resolved")], FAULTS)
    assert [row.is_right for row in rows] == [True, True, False]


def test_starts_and_other_jobs_do_not_count():
    others = [message(1.0, "started", "notice", None), message(2.0, job="somebody's")]
    assert shown(*others, message(14.0), message(15.5, status="resolved")) == [
        (SILENT, "silent", 4.0),
        (OVER, "silent", 0.5),
    ]


def test_where_the_kernel_does_not_tell_how_a_process_died_an_honest_unknown_will_do():
    unknown = message(1.0, "crashed", cause="unknown", job="iris-killed").message
    for kernel, fits in (((5, 15), True), ((6, 14), True), ((6, 15), False), ((7, 0), False)):
        killed = next(s for s in scenarios(kernel) if s.job == "iris-killed")
        assert killed.expected[0].fits(unknown) is fits
