"""The ``channels`` section: each channel is checked by the model of its kind, which this room does not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from epochwatchd.config.document import Document
from epochwatchd.config.problems import BadValueError, Loc, did_you_mean, is_channel_name
from epochwatchd.config.schema import ChannelSection, QuietSection
from epochwatchd.config.secrets import Surroundings
from epochwatchd.config.settings import ChannelConfig, Quiet
from epochwatchd.config.validation import paths_of, secret_mappings_of, secrets_of, validated
from epochwatchd.phrase import Phrase

Kinds = Mapping[str, type[BaseModel]]

DEFAULT_CHANNELS = {"console": {"kind": "console"}}
UNREADABLE = "unreadable"


def quiet_of(section: QuietSection) -> Quiet:
    """Quiet hours as the others see them."""
    return Quiet(section.from_, section.until, section.zone, frozenset(section.days), section.passes)


def channel_names(given: Any) -> Mapping[str, Any]:
    """The channels that routes may name: those given, however faulty, or the default one."""
    return given if isinstance(given, dict) else DEFAULT_CHANNELS


def read_channels(given: Any, document: Document, kinds: Kinds, surroundings: Surroundings) -> dict[str, ChannelConfig]:
    """The channels without a mistake; the mistakes of the others are reported to the document."""
    if given is not None and not isinstance(given, dict):
        document.report(("channels",), "must be a mapping", "write NAME: {kind: KIND} lines below it")
    found: dict[str, ChannelConfig] = {}
    for name, value in channel_names(given).items():
        loc = ("channels", name)
        if not is_channel_name(name):
            document.report(loc, "not a name for a channel", "take letters, digits, - and _")
            continue
        try:
            kind, options = _split(value, kinds)
            model = kinds[kind]
        except BadValueError as e:
            document.report((*loc, "kind"), e.message, e.hint)
            continue
        except ImportError as e:
            needed = Phrase("needs the package {name}, which is not installed", name=e.name)
            document.report((*loc, "kind"), needed, Phrase("python -m pip install {name}", name=e.name))
            continue
        _complete(options, model, document, loc, surroundings)
        every = {key: options.pop(key) for key in ChannelSection.model_fields if key in options}
        common, checked = validated(ChannelSection, every, document, loc), validated(model, options, document, loc)
        if common and checked:
            found[name] = ChannelConfig(
                kind,
                checked,
                common.language,
                common.style,
                common.template,
                None if common.quiet is None else tuple(map(quiet_of, common.quiet)),
                common.group_interval,
                common.digest,
            )
    return found


def _split(given: Any, kinds: Kinds) -> tuple[str, dict[str, Any]]:
    """A channel's kind and the rest of its keys."""
    if not isinstance(given, dict):
        raise BadValueError("is missing", "write NAME: {kind: KIND}")
    kind = given.get("kind")
    if kind is None:
        raise BadValueError("is missing", Phrase("known: {words}", words=[*kinds]))
    if not isinstance(kind, str) or kind not in kinds:
        guess, known = did_you_mean(str(kind), list(kinds)), Phrase("known: {words}", words=[*kinds])
        both = Phrase("{guess}; {known}", guess=guess, known=known)
        raise BadValueError("unknown kind of channel", both if guess.startswith("did") else known)
    return kind, {key: value for key, value in given.items() if key != "kind"}


def _complete(
    values: dict[str, Any], model: type[BaseModel], document: Document, loc: Loc, surroundings: Surroundings
) -> None:
    """Put in what stands in files, and let relative paths start beside the configuration."""
    _take_secrets(values, secrets_of(model), document, loc, surroundings)
    for key in secret_mappings_of(model) & values.keys():
        _take_mapping(values, key, document, loc, surroundings)
    for key in paths_of(model) & values.keys():
        if isinstance(values[key], str):
            values[key] = surroundings.path(values[key])


def _take_mapping(values: dict[str, Any], key: str, document: Document, loc: Loc, surroundings: Surroundings) -> None:
    """The same for a mapping of secrets: each of its entries may be given as ``NAME_file``."""
    if isinstance(values[key], dict):
        values[key] = dict(values[key])
        names = {name.removesuffix("_file") for name in values[key]}
        _take_secrets(values[key], names, document, (*loc, key), surroundings)


def _take_secrets(
    values: dict[str, Any], names: set[str], document: Document, loc: Loc, surroundings: Surroundings
) -> None:
    """Put the content of the file ``NAME_file`` in the place of each secret NAME that is given so."""
    for name in names:
        if f"{name}_file" in values:
            _take_file(values, name, document, loc, surroundings)
        given = values.get(name)
        for text in given if isinstance(given, list) else [given]:
            if isinstance(text, str):
                document.hide(text)


def _take_file(values: dict[str, Any], name: str, document: Document, loc: Loc, surroundings: Surroundings) -> None:
    """An unreadable file leaves a text behind, so that nothing complains of a missing NAME besides."""
    file, place = values.pop(f"{name}_file"), (*loc, f"{name}_file")
    document.lines.setdefault((*loc, name), document.lines[place])
    if name in values:
        document.report(
            place, Phrase("given besides {name}", name=name), Phrase("leave out {name} or {name}_file", name=name)
        )
        return
    values[name] = UNREADABLE
    try:
        values[name] = surroundings.secret(file).decode()
    except UnicodeDecodeError:
        document.report(place, "the file is not UTF-8 text")
    except BadValueError as e:
        document.report(place, e.message, e.hint)
