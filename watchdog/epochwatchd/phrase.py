"""Lines of evidence in our own words, which can be said in any language. Pure.

As with gettext, the English text is the key: where a line is made it reads as it will be read, and each language has a
table from it to its own words. What the world wrote (a log, a traceback) is a plain text, and stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

Table = Mapping[str, str]
"""English templates, and what they are in another language."""


class Phrase(str):
    """A line in English, and its parts.

    template: with ``{name}`` where a value stands; ``{name:.0f}`` formats one.
    values: numbers and texts; Phrases are said in the same language, lists of them with commas between.
    """

    __slots__ = ("template", "values")
    template: str
    values: Mapping[str, Any]

    def __new__(cls, template: str, /, **values: Any) -> Self:
        """The line that the template gives with these values."""
        line = super().__new__(cls, _filled(template, values, {}))
        line.template, line.values = template, values
        return line

    def __reduce__(self) -> tuple[Any, ...]:
        return _phrase, (self.template, self.values)


def kept(line: str) -> Any:
    """A line as JSON keeps it: a text, or the parts of one of ours."""
    if not isinstance(line, Phrase):
        return line
    return {"phrase": line.template, "values": {name: _kept(value) for name, value in line.values.items()}}


def restored_phrase(said: Any) -> str:
    """The line of what was ``kept``; what is none of ours, or was broken, becomes a text."""
    if not isinstance(said, Mapping):
        return str(said)
    try:
        return _phrase(said["phrase"], {name: _restored(value) for name, value in said["values"].items()})
    except (KeyError, ValueError, TypeError, AttributeError, IndexError):
        return str(said)


def say(line: str, table: Table) -> str:
    """The line in the words of a table; what that does not have stays English."""
    return _filled(table.get(line.template, line.template), line.values, table) if isinstance(line, Phrase) else line


def _phrase(template: str, values: Mapping[str, Any]) -> Phrase:
    return Phrase(template, **values)


def _filled(template: str, values: Mapping[str, Any], table: Table) -> str:
    return template.format_map({name: _said(value, table) for name, value in values.items()})


def _said(value: Any, table: Table) -> Any:
    if isinstance(value, list | tuple):
        return ", ".join(str(_said(part, table)) for part in value)
    return say(value, table) if isinstance(value, str) else value


def _kept(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_kept(part) for part in value]
    return kept(value) if isinstance(value, str) else value


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(part) for part in value]
    return restored_phrase(value) if isinstance(value, Mapping) else value
