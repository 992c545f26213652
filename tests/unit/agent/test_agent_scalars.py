from __future__ import annotations

import pytest

from epochwatch import scalars


@pytest.mark.parametrize(
    ("within", "seconds"),
    [(90, 90), (0.5, 0.5), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172800), (" 1.5h ", 5400), ("0s", 0)],
)
def test_time_spans(within, seconds):
    assert scalars.seconds(within) == seconds


@pytest.mark.parametrize("within", ["", "soon", "90", "m", "1h30", "1x", "-5m", "1e999s", "nans", float("nan"), [], -1])
def test_what_is_no_time_span_is_an_error(within):
    with pytest.raises(ValueError, match=r"within|time span|cannot be read"):
        scalars.seconds(within)


def test_numbers_leave_out_what_is_none():
    assert scalars.numbers({"epoch": float("inf"), "step": 2**63, "loss": "x", "good": 1}) == {"good": 1.0}


@pytest.mark.parametrize(("value", "limit", "text"), [("abc", 2, "ab"), (7, 5, "7"), ("", 5, "")])
def test_texts_are_cut(value, limit, text):
    assert scalars.text(value, limit) == text
