"""What a user wishes for their jobs: a small file of their own, read here, so that no daemon opens a file in a home.

    # ~/.config/epochwatch/jobs.yaml
    resnet*:
      silent_after: 15m
      first_beat_within: 1h
      tags:
        team: vision

The first entry whose pattern matches the job's name holds. It is YAML as far as it goes: names with values, indented,
and comments; what is more than that is a mistake, told once.
"""

import os
import re
from fnmatch import fnmatchcase
from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

from epochwatch import checks, scalars
from epochwatch.guard import report

FILE_MAX, LINE_MAX = 64 * 1024, 1000
SPANS = ("silent_after", "first_beat_within")
_JOB, _WISH, _TAG = range(3)
"""How deep a line stands."""
_LINE = re.compile(r"""( *)("[^"]*"|'[^']*'|[^"'\s#:][^:#]*?) *:(?: +|$)("[^"]*"|'[^']*'|[^#]*?)\s*(?:#.*)?$""")


class MistakeError(ValueError):
    """A file that says something else; the text has its line."""


class _Entry(NamedTuple):
    pattern: str
    spans: Dict[str, float]
    tags: Dict[str, str]


def laid_under(job: str, fields: Mapping[str, Any], path: str) -> Dict[str, Any]:
    """Fields of a heartbeat's body with what the file wishes for the job; what is said already is kept."""
    try:
        entry = next((e for e in read(path) if fnmatchcase(job, e.pattern)), None)
    except (OSError, ValueError) as error:
        report(error)
        entry = None
    if entry is None:
        return dict(fields)
    said = {f"{name}_s": value for name, value in entry.spans.items()}
    tags = {**entry.tags, **(fields.get("tags") or {})}
    return {**said, **fields, **({"tags": tags} if tags else {})}


def read(path: str) -> List[_Entry]:
    """The entries of a file; none where there is no file. Raises OSError, or MistakeError with the line."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return []
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(FILE_MAX + 1) or b""
    if len(data) > FILE_MAX:
        raise MistakeError(f"{path} is longer than {FILE_MAX} bytes")
    return _parsed(data.decode("utf-8-sig"), path)


def _parsed(text: str, path: str) -> List[_Entry]:
    entries: List[_Entry] = []
    depths, in_tags = [0], False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            indent, name, value = _split(line)
            depths = [depth for depth in depths if depth < indent] + [indent]
            level = min(len(depths) - 1, _TAG + 1)
            _take(entries, level if level != _TAG or in_tags else _TAG + 1, name, value)
        except ValueError as error:
            raise MistakeError(f"{path}:{number}: {error}") from None
        in_tags = level == _TAG or (level == _WISH and name == "tags" and not value)
    return entries


def _take(entries: List[_Entry], level: int, name: str, value: str) -> None:
    """Add what a line says, so deep in the file. Raises ValueError."""
    if level == _JOB and not value:
        entries.append(_Entry(name, {}, {}))
    elif level == _WISH and entries and name in SPANS:
        entries[-1].spans[name] = _span(name, value)
    elif level == _WISH and entries and name == "tags":
        _tags(entries[-1], value or "{}")
    elif level == _TAG and entries:
        _tag(entries[-1], name, value)
    else:
        raise ValueError("expected JOB:, then silent_after:, first_beat_within: or tags: below it")


def _split(line: str) -> Tuple[int, str, str]:
    """The indentation, name and value of a line. Raises ValueError."""
    found = _LINE.match(line.rstrip()) if len(line) <= LINE_MAX else None  # the pattern is slow on long lines
    if found is None or "\t" in line:
        raise ValueError("not NAME: VALUE, indented with spaces")
    name, value = (part[1:-1] if part.startswith(('"', "'")) else part for part in found.groups()[1:])
    return len(found[1]), name, value


def _tags(entry: _Entry, text: str) -> None:
    """Tags on one line, ``{team: vision, gpu: a100}``."""
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError("tags are written NAME: VALUE, a line each, or {NAME: VALUE, ...}")
    for part in filter(str.strip, text[1:-1].split(",")):
        _, name, value = _split(part.strip())
        _tag(entry, name, value)


def _tag(entry: _Entry, name: str, value: str) -> None:
    entry.tags[scalars.text(name, checks.NAME_MAX)] = scalars.text(value, checks.TAG_MAX)


def _span(name: str, value: str) -> float:
    found = scalars.seconds(value)
    if not found:
        raise ValueError(f"{name} must be longer than nothing")
    return found
