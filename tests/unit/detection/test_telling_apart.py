"""What tells a run of a sweep from the others of its job."""

import pytest

from epochwatchd.detection.telling_apart import differs, words_of


def words(line, **tags):
    return words_of(line.split(), tags)


@pytest.mark.parametrize(
    ("mine", "others", "told"),
    [
        ("train.py --lr 0.7 --seed 1", ["train.py --lr 0.1 --seed 1"], "--lr 0.7"),
        ("train.py --lr=0.7 --seed=1", ["train.py --lr=0.1 --seed=1"], "--lr=0.7"),
        ("train.py lr=0.7 model=big", ["train.py lr=0.1 model=big", "train.py lr=0.2 model=big"], "lr=0.7"),
        ("train.py --lr 0.7 --fp16", ["train.py --lr 0.7"], "--fp16"),
        ("train.py --lr 0.7", ["train.py --lr 0.7 --fp16"], None),
        ("train.py config_a.yaml", ["train.py config_b.yaml"], "config_a.yaml"),
        ("train.py --lr 0.7 -v", ["train.py --lr 0.1 -v", "train.py --lr 0.7"], "--lr 0.7 -v"),
        ("train.py --lr 0.7", ["train.py --lr 0.7"], None),
        ("train.py --lr 0.7", [], None),
        ("", ["train.py"], None),
    ],
)
def test_the_words_that_not_all_of_the_others_have(mine, others, told):
    assert differs(words(mine), [words(line) for line in others]) == told


def test_tags_tell_runs_apart_too():
    assert differs(words("train.py", fold="3"), [words("train.py", fold="1")]) == "fold=3"


def test_a_long_difference_is_cut():
    told = differs(words("train.py " + "x" * 500), [words("train.py")])
    assert len(told) == 60
    assert told.endswith("…")
