"""Asking in a terminal, with arrow keys."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import cast

import questionary

from epochwatchd.setup.talk import Choices


class Terminal:
    """The questions as questionary shows them. Ctrl-C raises KeyboardInterrupt."""

    lines = sys.stdin

    def one(self, ask: str, choices: Choices, hint: str, default: str | None = None) -> str:
        """One of the values."""
        shown = [questionary.Choice(title, value) for value, title in choices]
        question = questionary.select(ask, shown, default=default, instruction=hint, qmark=">")
        return cast("str", question.unsafe_ask())

    def many(self, ask: str, choices: Choices, hint: str, none_chosen: str) -> list[str]:
        """Some of the values, one at least."""
        shown = [questionary.Choice(title, value) for value, title in choices]
        question = questionary.checkbox(
            ask, shown, instruction=hint, qmark=">", validate=lambda chosen: bool(chosen) or none_chosen
        )
        return cast("list[str]", question.unsafe_ask())

    def text(self, ask: str, default: str, refuse: Callable[[str], str | None], *, is_secret: bool) -> str:
        """A line; stars stand for a secret."""

        def is_well(text: str) -> bool | str:
            return refuse(text) or True

        asked = questionary.password if is_secret else questionary.text
        return cast("str", asked(f"{ask}:", default=default, validate=is_well, qmark=">").unsafe_ask())

    def say(self, text: str) -> None:
        """Print it."""
        print(text, flush=True)
