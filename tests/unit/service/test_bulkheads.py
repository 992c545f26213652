"""A step that breaks is left alone, everything else goes on."""

import logging

import pytest

from epochwatchd.service.bulkheads import BROKEN_MAX, GRACE_S, SET_ASIDE_S, Bulkheads, words_of


class Mina:
    title = "lenet (run r1, user mina)"
    user = "mina"


RUN = ("run", "verdict", Mina())
SHARED = ("", "the kernel log", None)


@pytest.fixture
def bulkheads():
    return Bulkheads()


def breaks():
    raise ZeroDivisionError("by nothing")


def test_what_goes_well_is_given_on(bulkheads):
    assert bulkheads.attempt(RUN, 0.0, max, 3, 4, default=None) == 4
    assert bulkheads.broken(0.0) == []


def test_what_breaks_gives_the_default_and_is_named(bulkheads, caplog):
    assert bulkheads.attempt(RUN, 7.0, breaks, default="nothing") == "nothing"
    [broken] = bulkheads.broken(7.0)
    assert (broken.title, broken.step, broken.user, broken.since) == (Mina.title, "verdict", "mina", 7.0)
    assert broken.fault.startswith("ZeroDivisionError: by nothing (test_bulkheads.py:")
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "lenet (run r1, user mina): verdict broke" in record.getMessage()
    assert record.exc_info


def test_a_step_of_a_run_is_left_alone_for_an_hour_and_then_tried_again(bulkheads):
    bulkheads.attempt(RUN, 0.0, breaks, default=None)
    assert bulkheads.attempt(RUN, SET_ASIDE_S - 1.0, lambda: "asked", default="aside") == "aside"
    assert bulkheads.attempt(RUN, SET_ASIDE_S, lambda: "asked", default="aside") == "asked"


def test_what_the_machine_refused_is_tried_again_at_once(bulkheads):
    def refused():
        raise OSError("too many open files")

    bulkheads.attempt(RUN, 0.0, refused, default=None)
    assert bulkheads.attempt(RUN, 1.0, lambda: "asked", default="aside") == "asked"
    [broken] = bulkheads.broken(1.0)
    assert broken.fault.startswith("OSError: too many open files")


def test_only_that_step_of_that_run_is_left_alone(bulkheads):
    bulkheads.attempt(RUN, 0.0, breaks, default=None)
    assert bulkheads.attempt((RUN[0], "row", RUN[2]), 1.0, lambda: "asked", default=None) == "asked"
    assert bulkheads.attempt(("another", *RUN[1:]), 1.0, lambda: "asked", default=None) == "asked"
    assert bulkheads.set_aside("run", 1.0) == {"verdict"}
    assert bulkheads.set_aside("another", 1.0) == set()


def test_what_all_share_is_tried_again_at_once_and_named_once(bulkheads, caplog):
    for at in range(5):
        bulkheads.attempt(SHARED, float(at), breaks, default=None)
    [broken] = bulkheads.broken(4.0)
    assert (broken.title, broken.since, broken.times) == ("all runs", 0.0, 5)
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1


def test_what_goes_well_again_is_broken_no_more(bulkheads, caplog):
    caplog.set_level(logging.INFO)
    bulkheads.attempt(SHARED, 0.0, breaks, default=None)
    assert bulkheads.broken(GRACE_S) != []
    assert bulkheads.broken(GRACE_S + 1.0) == []
    assert "all runs: the kernel log works again" in caplog.text


def test_one_that_breaks_each_hour_is_broken_all_the_time(bulkheads):
    bulkheads.attempt(RUN, 0.0, breaks, default=None)
    bulkheads.attempt(RUN, SET_ASIDE_S + 1.0, breaks, default=None)
    [broken] = bulkheads.broken(SET_ASIDE_S + 2.0)
    assert (broken.since, broken.times) == (0.0, 2)


def test_a_flood_of_broken_files_does_not_fill_the_memory(bulkheads):
    logging.disable(logging.CRITICAL)
    try:
        for number in range(BROKEN_MAX + 10):
            bulkheads.attempt((f"/{number}", "heartbeat file", None), 0.0, breaks, default=None)
    finally:
        logging.disable(logging.NOTSET)
    assert len(bulkheads.broken(0.0)) == BROKEN_MAX


def test_the_words_of_a_fault_are_one_short_line_that_prints():
    assert (
        words_of(ValueError("a\nforged line\x1b[31m" + "x" * 1000))[:40]
        == "ValueError: a forged line\ufffd[31mxxxxxxxxxx"
    )
    assert len(words_of(ValueError("x" * 1000))) <= 200


def test_what_is_not_a_fault_of_ours_ends_the_daemon(bulkheads):
    def asked_to_stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bulkheads.attempt(RUN, 0.0, asked_to_stop, default=None)
