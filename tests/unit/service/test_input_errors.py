import logging

from epochwatchd.service.input_errors import LINES, QUIET_S, InputErrors


def test_all_are_counted_and_one_a_minute_is_logged_of_each_source(caplog):
    errors = InputErrors()
    with caplog.at_level(logging.WARNING):
        for at in range(100):
            errors.note("file.torn", "/beats/a", "the checksum is wrong", at * QUIET_S / 100)
    assert errors.counts["file.torn"] == 100
    assert [r.getMessage() for r in caplog.records] == ["/beats/a: the checksum is wrong"]


def test_a_flood_from_many_sources_neither_fills_the_log_nor_hides_another_fault(caplog):
    errors = InputErrors()
    with caplog.at_level(logging.WARNING):
        for source in range(1000):
            errors.note("file.torn", f"/beats/{source}", "torn", 1.0)
        errors.note("datagram.forged", "datagram from 10.0.0.9", "another key", 1.0)
    assert len(caplog.records) == LINES + 1


def test_the_next_line_says_how_many_were_left_out(caplog):
    errors = InputErrors()
    with caplog.at_level(logging.WARNING):
        for at in (0.0, 1.0, 2.0, QUIET_S):
            errors.note("file.torn", "/beats/a", "torn", at)
    assert caplog.messages[-1] == "/beats/a: torn (and 2 more of the kind 'file.torn' before)"


def test_another_kind_of_fault_and_another_source_are_logged_at_once(caplog):
    errors = InputErrors()
    with caplog.at_level(logging.WARNING):
        errors.note("file.torn", "/beats/a", "torn", 0.0)
        errors.note("file.magic", "/beats/a", "no heartbeat", 0.0)
        errors.note("file.torn", "/beats/b", "torn", 0.0)
    assert len(caplog.messages) == 3


def test_what_somebody_has_written_into_a_name_forges_no_line(caplog):
    with caplog.at_level(logging.WARNING):
        InputErrors().note("file.torn", "/beats/a\nWhere: here", "torn\x1b[2J", 0.0)
    assert caplog.messages == ["/beats/a Where: here: torn\ufffd[2J"]


def test_what_was_seen_several_times_is_counted_as_often():
    errors = InputErrors()
    errors.note("file.name", "/beats", "a name that does not print", 0.0, times=7)
    assert errors.counts["file.name"] == 7
