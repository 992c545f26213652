"""A configuration that is being changed: its text, whose comments and order stay, and the secrets beside it. Pure."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from epochwatchd.config import Language, Unsaved

Wants = Literal["all", "usual", "bad", "worst"]
"""What a channel is told: everything; all but starts; what is bad (warnings, too); what is critical."""
Style = Literal["full", "short"]

_MATCHES: tuple[tuple[dict[str, str] | None, tuple[Wants, ...]], ...] = (
    ({"kind": "started"}, ("all",)),
    ({"severity": "critical"}, ("all", "usual", "bad", "worst")),
    ({"severity": "warning"}, ("all", "usual", "bad")),
    (None, ("all", "usual")),
)
"""The routes, first to last, and which channels each goes to."""


class Draft:
    """The text of a configuration as YAML, to be changed channel by channel.

    ``secrets``: what is to be written, by the name of the file; ``unused``: files of ours that nothing names any more.
    """

    def __init__(self, text: str) -> None:
        self._yaml = YAML()
        self._yaml.preserve_quotes = True
        self._yaml.indent(mapping=2, sequence=4, offset=2)
        self._yaml.width = 4096  # no line is broken that was not
        self._data: dict[str, Any] = self._yaml.load(text) or self._yaml.load("{}\n")
        if not self._data:
            self._data.fa.set_block_style()
        self._head = text if not self._data else ""
        self.secrets: dict[str, bytes] = {}
        self.unused: set[str] = set()

    @property
    def unsaved(self) -> Unsaved:
        """The whole, as ``config.load`` reads it."""
        stream = io.StringIO()
        if self._data:
            self._yaml.dump(self._data, stream)
        head = f"{self._head.rstrip()}\n\n" if self._head.strip() else ""  # a file of comments alone keeps them
        return Unsaved(head + stream.getvalue(), self.secrets)

    @property
    def language(self) -> Language | None:
        """The language of messages, if one is given."""
        return self._data.get("language")

    @language.setter
    def language(self, language: Language) -> None:
        if self._data.get("language", "en") != language:
            self._data["language"] = language

    @property
    def channels(self) -> Mapping[str, Mapping[str, Any]]:
        """What is written of each channel."""
        return self._data.get("channels") or {}

    def put(self, name: str, kind: str, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Write a channel: its options, and the name of a file for each of the secrets. What it had besides stays."""
        if not self.channels:
            self._data["channels"] = {}
        before = self._data["channels"].get(name)
        channel = before if before is not None else {}
        channel["kind"] = kind
        for key, value in options.items():
            channel[key] = _escaped(value)
        for key, secret in secrets.items():
            file = channel.get(f"{key}_file") or f"{name}-{key.replace('_', '-')}"
            channel.pop(key, None)
            channel[f"{key}_file"] = file
            self.secrets[file] = secret.encode()
            self.unused.discard(file)
        self._data["channels"][name] = channel

    def remove(self, name: str) -> None:
        """Take a channel away, out of the routes too; a route that goes nowhere is none."""
        channel = self._data["channels"].pop(name)
        ours = {value for key, value in channel.items() if key.endswith("_file") and str(value).startswith(f"{name}-")}
        self.unused |= ours
        for file in ours:
            self.secrets.pop(file, None)
        for route in self._routes:
            to = [route["to"]] if isinstance(route.get("to"), str) else list(route.get("to", ()))
            if name in to:
                route["to"] = [other for other in to if other != name]
        if not self.channels:
            del self._data["channels"]

    def set_style(self, style: Style) -> None:
        """The form of the messages of every channel."""
        for channel in self.channels.values():
            if style == "full":
                channel.pop("style", None)  # type: ignore[attr-defined]
            else:
                channel["style"] = style  # type: ignore[index]

    @property
    def wants(self) -> dict[str, Wants] | None:
        """What each channel is told; None: the routes were written by hand, and say more than that."""
        if self._data.get("routes") is None:
            return dict.fromkeys(self.channels, "usual")
        told = [set(route.get("to", ())) for route in self._routes if isinstance(route.get("to"), list)]
        if len(told) != len(_MATCHES):
            return None
        wants = {name: _wants([name in to for to in told]) for name in self.channels}
        same = _plain(self._routes) == _plain(_routes(wants))
        return wants if same else None

    def set_wants(self, wants: Mapping[str, Wants]) -> None:
        """Write the routes that tell each channel so much."""
        if all(want == "usual" for want in wants.values()):
            self._data.pop("routes", None)  # as it is without any
        else:
            self._data["routes"] = _routes(wants)

    @property
    def _routes(self) -> list[dict[str, Any]]:
        return self._data.get("routes") or []


def _wants(told: list[bool]) -> Wants:
    """What a channel wants that stands in these of the routes."""
    starts, _, warnings, rest = told
    return "all" if starts else "usual" if rest else "bad" if warnings else "worst"


def _routes(wants: Mapping[str, Wants]) -> list[dict[str, Any]]:
    """The routes, a line each."""
    routes: list[dict[str, Any]] = []
    for match, those in _MATCHES:
        to = [name for name, want in wants.items() if want in those]
        route = CommentedMap({**({"match": match} if match else {}), "to": to})
        route.fa.set_flow_style()
        routes.append(route)
    return routes


def _plain(routes: Iterable[Mapping[str, Any]]) -> list[Any]:
    return [{key: dict(value) if key == "match" else sorted(value) for key, value in route.items()} for route in routes]


def _escaped(value: Any) -> Any:
    """A text that holds ``${`` means just that."""
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value
