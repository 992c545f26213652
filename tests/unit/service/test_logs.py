import logging
import os
import struct
import sys
from contextlib import closing
from functools import partial

import pytest

from epochwatchd.service import logs
from epochwatchd.service.journal import Journal, entry
from epochwatchd.service.logs import Aside, OneLine, about, to_descriptor


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


@pytest.fixture
def pipe():
    """The reading and the writing end, and those who write: they have ended before the ends are closed."""
    reader, writer = os.pipe()
    handlers = []
    yield reader, writer, handlers
    os.close(reader)
    for handler in handlers:
        handler.finish(20.0)
    os.close(writer)


def record(message):
    return logging.LogRecord("epochwatchd", logging.INFO, "x.py", 1, message, (), None)


def test_a_log_that_nobody_reads_holds_up_nobody_and_says_later_what_was_lost(pipe, monkeypatch):
    monkeypatch.setattr(logs, "WAITING_MAX", 20)
    reader, writer, handlers = pipe
    handler = Aside(partial(to_descriptor, descriptor=writer))
    handlers.append(handler)
    for number in range(5000):  # far more than a pipe holds
        handler.emit(record(f"{number} " + "x" * 1000))
    handler.finish(0.01)
    read = b""
    while b"lines of the log were lost" not in read:
        read += os.read(reader, 65536)
    assert read.startswith(b"0 xxx")


def test_what_is_said_last_is_written_before_the_end(pipe):
    reader, writer, _ = pipe
    handler = Aside(partial(to_descriptor, descriptor=writer))
    handler.emit(record("the last word"))
    handler.finish(20.0)
    assert os.read(reader, 100) == b"the last word\n"


def test_a_log_whose_reader_is_gone_costs_nothing():
    reader, writer = os.pipe()
    os.close(reader)
    handler = Aside(partial(to_descriptor, descriptor=writer))
    handler.emit(record("to nobody"))
    handler.finish(20.0)
    os.close(writer)
    assert not handler._thread.is_alive()


def test_an_entry_of_the_journal_has_its_fields_and_whatever_stands_in_them():
    fields = about(job="a\nPRIORITY=0", run="r1", user=None)["fields"]
    data = entry("two\nlines", logging.ERROR, fields)
    assert data == (
        b"MESSAGE\n" + struct.pack("<Q", 9) + b"two\nlines\n"
        b"PRIORITY=3\nSYSLOG_IDENTIFIER=epochwatchd\nEPOCHWATCH_JOB=a PRIORITY=0\nEPOCHWATCH_RUN=r1\n"
    )


def test_where_there_is_no_journal_the_text_goes_the_usual_way(tmp_path, capfd):
    with closing(Journal(str(tmp_path / "nothing"))) as journal:
        journal.write("hello", logging.INFO, {})
    assert capfd.readouterr().err == "hello\n"
