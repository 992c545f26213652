import logging
import sys

from epochwatchd.service.logs import OneLine


def said(message, *args, exc_info=None):
    record = logging.LogRecord("epochwatchd", logging.WARNING, "x.py", 1, message, args, exc_info)
    return OneLine("%(levelname)s %(message)s").format(record)


def test_a_name_with_line_ends_and_colours_forges_no_line():
    assert said("%s: cannot be read", "a\n2026 ERROR all is lost\x1b[31m") == (
        "WARNING a 2026 ERROR all is lost\ufffd[31m: cannot be read"
    )


def forge():
    raise ValueError("x\n2026-11-27 INFO nothing is wrong\r")


def test_a_traceback_is_set_in_so_that_it_cannot_pass_for_lines_of_the_log():
    try:
        forge()
    except ValueError:
        lines = said("it broke", exc_info=sys.exc_info()).split("\n")
    assert lines[0] == "WARNING it broke"
    assert all(line.startswith("    | ") for line in lines[1:])
    assert "    | 2026-11-27 INFO nothing is wrong " in lines
