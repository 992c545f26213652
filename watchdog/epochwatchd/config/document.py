"""YAML as plain values, with the line of every key. Pure: text in, Document or ConfigError out.

Only what YAML 1.2 calls its core schema is read, so that ``off``, ``yes``, ``1:30`` and ``2026-01-01`` stay the texts
they look like, where YAML 1.1 makes them booleans, the number 90 and a date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, cast

import yaml

from epochwatchd.config.problems import ConfigError, Loc, Problem, masked, path_of
from epochwatchd.phrase import Phrase

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_NAMED = re.compile(r"(alias|anchor|tag handle) ['\"].*['\"]")
"""What a message may quote of the text: a password that begins with ``*``, ``&`` or ``!`` and was not quoted."""

_HINTS = {
    r"'\t'": "indent with spaces, not tabs",
    "but got '{'": "put a text with ${NAME} in quotes where it stands inside { }",
    "undefined alias": "put a text that begins with * in quotes",
    "single document": "leave out the second ---",
}
"""What probably stands behind a message of the YAML parser."""

DEPTH_MAX = 32
VALUES_MAX = 200_000
"""Aliases count each time they are used: a few hundred bytes of nested ones could otherwise fill any memory."""

HIDDEN_MIN = 4

_TAG = "tag:yaml.org,2002:"
_COLLECTIONS = (f"{_TAG}map", f"{_TAG}seq")
_BAD_TAG = ("does not fit its !tag", "leave out the tag, or put a text that begins with ! in quotes")
_SCALARS: Mapping[str, Callable[[str], Any]] = {
    f"{_TAG}null": lambda _: None,
    f"{_TAG}bool": lambda text: text.lower() == "true",
    f"{_TAG}int": int,
    f"{_TAG}float": float,
    f"{_TAG}str": str,
}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own way to hand a resolver its rules


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]{1,18}", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)


@dataclass
class Document:
    """The value of a YAML text, the line of each key and list item, and mistakes that did not stop the reading.

    ``files``: where what another file has added begins, and the name of that file.
    """

    file: str
    value: Any = None
    lines: dict[Loc, int] = field(default_factory=dict)
    files: dict[Loc, str] = field(default_factory=dict)
    problems: dict[tuple[str, int, str], Problem] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def report(self, loc: Loc, message: str, hint: str = "", line: int | None = None) -> None:
        """Note a mistake at ``loc``; its line is that of the nearest place above it that the text has.

        Only the first mistake of a value, or of the file that holds it, is kept: what follows from it would mislead.
        """
        message, hint = masked(message, self.hidden), masked(hint, self.hidden)
        problem = Problem(self.file_of(loc), line or self.line_of(loc), path_of(loc), message, hint)
        self.problems.setdefault((problem.file, problem.line, problem.path.removesuffix("_file")), problem)

    def hide(self, secret: str, instead: str = "***") -> None:
        """Keep ``secret`` out of all that is shown; what is shorter than 4 characters would mask ordinary words."""
        in_a_path = str(PurePath(secret))  # which loses the second of two slashes
        self.hidden |= {text: instead for text in (secret, in_a_path) if len(text) >= HIDDEN_MIN}

    def file_of(self, loc: Loc) -> str:
        """The file that ``loc`` stands in."""
        return next((self.files[loc[:end]] for end in range(len(loc), 0, -1) if loc[:end] in self.files), self.file)

    def add(self, other: Document) -> None:
        """Lay another file over this one: keys of mappings are added or replaced, lists go on."""
        self.value = self._laid_over({} if self.value is None else self.value, other.value, (), (), other)
        self.problems |= other.problems

    def _laid_over(self, mine: Any, theirs: Any, at: Loc, from_: Loc, other: Document) -> Any:
        """``theirs``, which stands at ``from_`` there, laid over ``mine`` at ``at`` here."""
        if isinstance(mine, dict) and isinstance(theirs, dict):
            laid = {
                key: self._laid_over(mine.get(key), value, (*at, key), (*from_, key), other)
                for key, value in theirs.items()
            }
            return {**mine, **laid}
        if isinstance(mine, list) and isinstance(theirs, list):
            more = [
                self._laid_over(None, value, (*at, len(mine) + n), (*from_, n), other) for n, value in enumerate(theirs)
            ]
            return [*mine, *more]
        if theirs is None:
            return mine
        if at:
            self.files[at] = other.file
        places = {(*at, *loc[len(from_) :]): line for loc, line in other.lines.items() if loc[: len(from_)] == from_}
        self.lines |= {loc: line for loc, line in places.items() if loc}
        return theirs

    def line_of(self, loc: Loc) -> int:
        """The line of ``loc``, or of the nearest place above it."""
        return next(self.lines[loc[:end]] for end in range(len(loc), -1, -1) if loc[:end] in self.lines)


def read_document(data: bytes, file: str) -> Document:
    """The document in ``data``; ``file`` is its name in messages. Raises ConfigError where it is not YAML at all."""
    document = Document(file, lines={(): 1})
    try:
        text = data.decode("utf-8-sig")
        _refuse_odd(text)
        node = _Loader(text).get_single_node()
    except UnicodeDecodeError as e:
        raise _unreadable(file, data.count(b"\n", 0, e.start), "not UTF-8", "save the file as UTF-8") from None
    except yaml.reader.ReaderError as e:
        raise _unreadable(
            file, text.count("\n", 0, e.position), Phrase("a control character (U+{code:04X})", code=e.character)
        ) from None
    except yaml.MarkedYAMLError as e:
        raise _not_yaml(file, e) from None
    document.value = _value(document, node, ()) if node else None
    return document


def _refuse_odd(text: str) -> None:
    """Refuse what later stages cannot bear: depth (parsing does not recurse, composing does) and half characters."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.ScalarEvent) and _HALF_CHARACTER.search(event.value):
            raise _at(event, "half of a surrogate pair")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX:
            raise _at(event, "nested too deep")


def _at(event: yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=cast("yaml.Mark", event.start_mark))


def _unreadable(file: str, line: int, message: str, hint: str = "") -> ConfigError:
    return ConfigError([Problem(file, line + 1, "", message, hint)])


def _not_yaml(file: str, e: yaml.MarkedYAMLError) -> ConfigError:
    mark = e.problem_mark or e.context_mark
    message = _NAMED.sub(r"\1", ", ".join(part for part in (e.context, e.problem) if part))
    hint = next((hint for sign, hint in _HINTS.items() if sign in message), "")
    return _unreadable(file, mark.line if mark else 0, message, hint)


def _value(document: Document, node: yaml.Node, loc: Loc) -> Any:
    """The plain value of a node; children are added to the document's lines."""
    document.count += 1
    if document.count > VALUES_MAX or len(loc) > DEPTH_MAX:
        line = node.start_mark.line
        raise _unreadable(document.file, line, "too many or too deep values", "aliases (*name) count each time")
    if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
        document.report(loc, *_BAD_TAG)
    if isinstance(node, yaml.MappingNode):
        return _mapping(document, node, loc)
    if isinstance(node, yaml.SequenceNode):
        return [_at_line(document, child.start_mark.line + 1, child, (*loc, at)) for at, child in enumerate(node.value)]
    return _scalar(document, node, loc)


def _at_line(document: Document, line: int, node: yaml.Node, loc: Loc) -> Any:
    document.lines[loc] = line
    return _value(document, node, loc)


def _mapping(document: Document, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
    """Keys are taken as they are written: ``1`` and ``null`` are names as good as any."""
    values: dict[str, Any] = {}
    for key, child in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            document.lines.setdefault(loc, line)
            document.report(loc, "a key must be a text", "write NAME: VALUE")
        elif key.value in values:
            first = document.line_of((*loc, key.value))
            document.report((*loc, key.value), "given twice", Phrase("first on line {line}", line=first), line)
        else:
            values[key.value] = _at_line(document, line, child, (*loc, key.value))
    return values


def _scalar(document: Document, node: yaml.Node, loc: Loc) -> Any:
    try:
        return _SCALARS[node.tag](node.value)
    except (KeyError, ValueError):
        document.report(loc, *_BAD_TAG)
        return None
