"""A user's own file of wishes for jobs: what it says, what is a mistake, and that neither harms the training."""

import os

import pytest

from epochwatch import wishes

RESNET_TAGS = {"team": "vision", "a b": "c # d"}
GOOD = """\
# mine
"resnet*":            # all of them
  silent_after: 15m
  first_beat_within: '1h'
  tags:
    team: vision
    "a b": 'c # d'

llama:
    silent_after: 2h
    tags: {team: nlp, gpu: a100}
nothing:
"""


@pytest.fixture
def jobs(tmp_path):
    def written(text):
        path = tmp_path / "jobs.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return written


@pytest.mark.parametrize(
    ("job", "wished"),
    [
        (
            "resnet50",
            {"silent_after_s": 900.0, "first_beat_within_s": 3600.0, "tags": {"team": "vision", "a b": "c # d"}},
        ),
        ("llama", {"silent_after_s": 7200.0, "tags": {"team": "nlp", "gpu": "a100"}}),
        ("nothing", {}),
        ("another", {}),
    ],
)
def test_the_first_entry_that_matches_holds(jobs, job, wished):
    assert wishes.laid_under(job, {}, jobs(GOOD)) == wished


def test_what_the_training_says_itself_is_kept(jobs):
    fields = {"tags": {"team": "mine", "lr": "0.1"}, "epochs": 9, "rank": None}
    wished = wishes.laid_under("llama", fields, jobs(GOOD))
    assert (wished["tags"], wished["epochs"]) == ({"team": "mine", "gpu": "a100", "lr": "0.1"}, 9)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("job:\n  silent_afte: 15m\n", 2, "expected JOB:"),
        ("job:\n  silent_after: 15\n", 2, "no time span"),
        ("job:\n  silent_after:\n", 2, "no time span"),
        ("job:\n  silent_after: 0s\n", 2, "longer than nothing"),
        ("job: 15m\n", 1, "expected JOB:"),
        ("  silent_after: 15m\n", 1, "expected JOB:"),
        ("- job\n", 1, "not NAME: VALUE"),
        ("job:\n\tsilent_after: 15m\n", 2, "not NAME: VALUE"),
        ("job:\n  tags: vision\n", 2, "tags are written"),
        ("job:\n  silent_after: 15m\n    team: x\n", 3, "expected JOB:"),
    ],
)
def test_a_mistake_is_told_with_its_line(jobs, text, line, why):
    path = jobs(text)
    with pytest.raises(wishes.MistakeError, match=f"{path}:{line}: .*{why}"):
        wishes.read(path)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"x" * 70_000, "job:\n  silent_after: 15\n", "\0"])
def test_no_file_harms_the_training(jobs, monkeypatch, text):
    monkeypatch.delenv("EPOCHWATCH_DEBUG", raising=False)
    assert wishes.laid_under("job", {"epochs": 3}, jobs(text)) == {"epochs": 3}


@pytest.mark.skipif(os.name != "posix", reason="no such files")
def test_a_pipe_in_its_place_holds_up_nobody(tmp_path):
    os.mkfifo(tmp_path / "jobs.yaml")
    assert wishes.read(str(tmp_path / "jobs.yaml")) == []


@pytest.mark.parametrize("line", ["x" + " " * 60_000, "job: " + " " * 60_000 + "x", "x" * 60_000])
def test_a_long_line_is_a_mistake_and_no_long_work(jobs, line):
    with pytest.raises(wishes.MistakeError, match=":1: not NAME: VALUE"):
        wishes.read(jobs(line))
