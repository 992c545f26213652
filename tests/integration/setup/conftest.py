"""Somebody who answers, and real servers for the channels that are tried. The answerer is a stand-in for a terminal."""

import os

import pytest
from vendors import serving

from epochwatchd.setup.draft import Draft
from epochwatchd.setup.talk import Talk


class Answerer:
    """Gives prepared answers, one after the other, and keeps what it was asked and told.

    Strict: what it is to choose must be offered, what it types must not be refused.
    """

    def __init__(self, answers, pasted=""):
        self._answers = iter(answers)
        ours, theirs = os.pipe()
        self.lines = os.fdopen(ours)
        with os.fdopen(theirs, "w") as typed:
            typed.write(pasted)
        self.asked, self.told, self.refused = [], [], []

    def one(self, ask, choices, _, default=None):
        answer = next(self._answers, None)
        self.asked.append(ask)
        if answer is None:
            raise KeyboardInterrupt
        assert default is None or default in [value for value, _ in choices], (ask, default)
        assert answer in [value for value, _ in choices], (ask, answer, choices)
        return answer

    def many(self, ask, choices, *_):
        self.asked.append(ask)
        answer = next(self._answers)
        assert set(answer) <= {value for value, _ in choices}
        return answer

    def text(self, ask, default, refuse, *, is_secret):
        self.asked.append(ask)
        answer = next(self._answers)
        text = default if answer is ... else answer
        said = refuse(text)
        if said is not None:
            self.refused.append((ask, said))
            return self.text(ask, default, refuse, is_secret=is_secret)
        return text

    def say(self, text):
        self.told.append(text)

    @property
    def is_done(self):
        return next(self._answers, None) is None


@pytest.fixture
def converse(tmp_path):
    """What holds a conversation with these answers: gives the draft, the answerer, and whether it is to be saved."""

    def hold(text, *answers, pasted="", env=None):
        ask, draft = Answerer(answers, pasted), Draft(text)
        places = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
        with ask.lines:
            is_wanted = Talk(ask, draft, tmp_path / "config.yaml", {**places, **(env or {})}).begin()
        assert ask.is_done, "answers are left"
        return draft, ask, is_wanted

    return hold


@pytest.fixture
def serve_http():
    """See vendors.serving."""
    with serving() as serve:
        yield serve
