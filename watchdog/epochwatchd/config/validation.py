"""A value against a pydantic model: the model, or mistakes in words that fit a file, at their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from epochwatchd.config.document import HIDDEN_MIN, Document
from epochwatchd.config.problems import BadValueError, Loc, did_you_mean, masked
from epochwatchd.phrase import Phrase

Model = TypeVar("Model", bound=BaseModel)

_WORDS = {
    "bool_parsing": ("must be true or false", ""),
    "bool_type": ("must be true or false", ""),
    "dict_type": ("must be a mapping", "write NAME: VALUE lines below it"),
    "model_type": ("must be a mapping", "write NAME: VALUE lines below it"),
    "model_attributes_type": ("must be a mapping", "write NAME: VALUE lines below it"),
    "string_too_short": ("must not be empty", ""),
    "string_type": ("must be a text", "put it in quotes"),
    "tuple_type": ("must be a list", "write [ONE, TWO]"),
    "list_type": ("must be a list", "write [ONE, TWO]"),
}
"""What pydantic's types of error mean to somebody who writes YAML, and a hint."""


def validated(model: type[Model], value: Any, document: Document, loc: Loc, context: Any = None) -> Model | None:
    """``value`` as the model; None after its mistakes were reported to the document, none of them with a secret."""
    try:
        return model.model_validate(value, context=context)
    except ValidationError as e:
        for error in e.errors(include_url=False):
            _report(document, loc, error, model)
        return None


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """The keys of a model as the file writes them, with their annotations."""
    return {str(info.validation_alias or name): info.annotation for name, info in model.model_fields.items()}


def secrets_of(model: type[BaseModel]) -> set[str]:
    """The keys of a model whose values are secrets."""
    return {name for name, types in _types_of(model) if SecretStr in types and dict not in types}


def secret_mappings_of(model: type[BaseModel]) -> set[str]:
    """The keys of a model whose values are mappings of names to secrets."""
    return {name for name, types in _types_of(model) if SecretStr in types and dict in types}


def paths_of(model: type[BaseModel]) -> set[str]:
    """The keys of a model whose values are paths."""
    return {name for name, types in _types_of(model) if Path in types}


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys that may stand in the file: a model's own, and ``x_file`` for every secret ``x``."""
    return [*fields_of(model), *(f"{name}_file" for name in sorted(secrets_of(model)))]


def _types_of(model: type[BaseModel]) -> Iterator[tuple[str, set[Any]]]:
    for name, annotation in fields_of(model).items():
        yield name, {get_origin(part) or part for part in _types_in(annotation)}


def _types_in(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _types_in(part)


def _report(document: Document, base: Loc, error: ErrorDetails, model: type[BaseModel]) -> None:
    loc = error["loc"]
    kind = error["type"]
    written = _as_written(document, (*base, *loc))
    if kind == "extra_forbidden":
        known = keys_of(_model_at(model, loc[:-1]))
        document.report(written, "unknown key", did_you_mean(str(loc[-1]), known))
    elif kind == "missing":
        document.report(written, "is missing", _missing_hint(model, loc))
    elif kind == "literal_error":
        document.report(
            _place(document, written),
            Phrase("must be {expected}", expected=error["ctx"]["expected"]),
            _nearest(error),
        )
    else:
        message, hint = _words(error)
        document.report(_place(document, written), message, hint)


def _words(error: ErrorDetails) -> tuple[str, str]:
    """A message and a hint. Those that are not ours, from pydantic or a kind of channel, may quote the value."""
    mistake = error.get("ctx", {}).get("error")
    if isinstance(mistake, BadValueError):
        return mistake.message, mistake.hint
    plain = re.sub(r"^(?:Value error, |Assertion failed, |Input )", "", error["msg"])
    quoted = {text: "***" for text in _texts_in(error["input"]) if len(text) >= HIDDEN_MIN}
    return _WORDS.get(error["type"], (masked(plain, quoted), ""))


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(part)
    else:
        yield str(value)


def _nearest(error: ErrorDetails) -> str:
    """The allowed word nearest to what was written, if any is near."""
    allowed = re.findall("'([^']+)'", error["ctx"]["expected"])
    hint = did_you_mean(str(error["input"]), allowed)
    return hint if hint.startswith("did") else ""


def _missing_hint(model: type[BaseModel], loc: Loc) -> str:
    name = str(loc[-1])
    return Phrase("or give {name}_file", name=name) if name in secrets_of(_model_at(model, loc[:-1])) else ""


def _model_at(model: type[BaseModel], loc: Loc) -> type[BaseModel]:
    """The model of the mapping at ``loc``, found by the keys on the way to it."""
    for key in (step for step in loc if isinstance(step, str)):
        parts = _types_in(fields_of(model).get(key))
        model = next((part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)), model)
    return model


def _as_written(document: Document, loc: Loc) -> Loc:
    """The place as the file has it: where one thing stands for a list of one, that has no number."""
    written: Loc = ()
    for step in loc:
        if step != 0 or (*written, 0) in document.lines or written not in document.lines:
            written = (*written, step)
    return written


def _place(document: Document, loc: Loc) -> Loc:
    """The longest beginning of ``loc`` that stands in the file: pydantic adds steps of its own."""
    return next(loc[:end] for end in range(len(loc), -1, -1) if loc[:end] in document.lines)
