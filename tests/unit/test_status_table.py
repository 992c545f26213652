"""The table of ``status`` in a narrow terminal."""

import pytest

from epochwatch.table import width_of
from epochwatchd.status import HEADINGS, NAME_LEAST, fitted

ROW = [
    "resnet50 (--lr 0.1)",
    "b71c09aa42d1",
    "crashed",
    "exception",
    "4/50",
    "812/10010",
    "0.2314",
    "",
    "3h20m",
    "mina",
]
ROWS = [list(HEADINGS), [*ROW, "4242"]]


def shown(width):
    """The headings that are left, the job's cell, and how wide the table is."""
    rows = fitted(ROWS, width)
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    return rows[0], rows[1][0], sum(widths) + 2 * (len(widths) - 1)


def test_a_pipe_gets_every_column():
    assert fitted(ROWS, None) == ROWS


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_it_is_no_wider_than_the_terminal_and_keeps_what_tells_runs_apart(width):
    headings, job, wide = shown(width)
    assert wide <= width
    assert job == "resnet50 (--lr 0.1)"
    assert {"JOB", "VERDICT", "EPOCH", "FOR"} <= {*headings}


def test_at_80_columns_run_ids_go_first_and_the_cause_stays():
    headings, _, _ = shown(80)
    assert "RUN" not in headings
    assert "CAUSE" in headings


@pytest.mark.parametrize("job", ["a-very-long-name-of-an-experiment (--lr 0.1)", "아주-긴-이름의-실험-하나 (--lr 0.1)"])
def test_a_long_name_is_cut_in_the_middle(job):
    rows = fitted([["JOB", "VERDICT"], [job, "running"]], 40)
    assert (rows[1][0][:2], rows[1][0][-7:], "…" in rows[1][0]) == (job[:2], "lr 0.1)", True)
    assert width_of(rows[1][0]) <= 40 - 9


def test_a_very_narrow_terminal_still_gets_a_name():
    assert width_of(fitted([["JOB", "VERDICT"], ["n" * 60, "running"]], 5)[1][0]) == NAME_LEAST - 1
