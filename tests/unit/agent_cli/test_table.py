import pytest

from epochwatch import wire
from epochwatch.listing import Entry, state_of
from epochwatch.table import as_json, duration, number, render

SECOND = 10**9
NOW = 1_000_000 * SECOND


def entry(job="resnet50", state="running", head=None, **body):
    head = head or wire.Head(epoch=12.0, step=15360000, loss=0.31, time_ns=NOW - 2 * SECOND)
    return Entry(f"/run/epochwatch/{job}.beat", wire.Beat(head, wire.Body(job=job, **body)), "mina", state)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0.0s"), (0.04, "0.0s"), (0.4, "0.4s"), (1, "1s"), (59.9, "59s"), (60, "1m"), (200, "3m20s"),
        (5400, "1h30m"), (3605, "1h"), (2 * 86400, "2d"), (2 * 86400 + 4 * 3600, "2d4h"),
    ],
)  # fmt: skip
def test_a_duration_is_written_in_its_two_largest_units(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (0.0, "0"), (0.123456789, "0.12346"), (1e-9, "1e-09"), (float("nan"), "nan")]
)
def test_a_number_is_short(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("state", "alive", "word"),
    [
        (wire.RUNNING, True, "running"),
        (wire.RUNNING, False, "gone"),
        (wire.RUNNING, None, "unknown"),
        (wire.EXITING, True, "exiting"),
        (wire.EXITING, False, "exited"),
        (wire.EXITING, None, "unknown"),
        (wire.FINISHED, False, "finished"),
        (wire.FAILED, None, "failed"),
    ],
)
def test_a_state_says_what_can_be_seen(state, alive, word):
    assert state_of(state, alive) == word


def test_the_table_is_aligned():
    text = render([entry(run="b71c09aa42d1", pid=4242, epochs=90), entry("이미지 분류", "gone", pid=7)], NOW)
    assert text.splitlines() == [
        "JOB          RUN            PID  STATE    EPOCH      STEP  LOSS  PHASE  BEAT  USER",
        "resnet50     b71c09aa42d1  4242  running  12/90  15360000  0.31           2s  mina",
        "이미지 분류                   7  gone        12  15360000  0.31           2s  mina",
    ]


def test_only_states_are_coloured_and_only_if_asked():
    assert "\x1b[31mgone" in render([entry(state="gone")], NOW, colour=True)
    assert "\x1b" not in render([entry(state="gone")], NOW)


def test_a_job_cannot_write_to_the_terminal_of_whoever_looks():
    lines = render([entry(job="two\nlines\tand " + "x" * 100)], NOW).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("two lines and x")
    assert "x…" in lines[1]


def test_json_has_the_same_keys_whatever_is_known():
    bare = Entry("f", wire.Beat(wire.Head(), wire.Body(job="a")), "mina", "gone")
    assert as_json(bare, NOW).keys() == as_json(entry(pid=3), NOW).keys()


@pytest.mark.parametrize(
    ("loss", "written"), [(float("nan"), "NaN"), (float("inf"), "Infinity"), (float("-inf"), "-Infinity"), (0.5, 0.5)]
)
def test_json_writes_what_json_cannot_as_text(loss, written):
    assert as_json(entry(head=wire.Head(loss=loss)), NOW)["loss"] == written
