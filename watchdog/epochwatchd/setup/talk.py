"""What ``epochwatchd setup`` asks, in what order, and what it makes of the answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timezone
from pathlib import Path
from typing import Any, Protocol, TextIO, get_args

from epochwatchd.alerting import catalogue
from epochwatchd.alerting.phrases import LANGUAGES
from epochwatchd.alerting.rendering import render
from epochwatchd.config import Config, ConfigError, Language, load, spoken
from epochwatchd.model import EpochwatchError
from epochwatchd.phrase import Table, say
from epochwatchd.service.connecting import OPTIONS, connected, notes
from epochwatchd.service.trying import log_in, trial, tried, wants_login
from epochwatchd.setup.draft import Draft, Style, Wants
from epochwatchd.setup.services import SERVICES, Field, Service
from epochwatchd.setup.texts import TEXTS

Choices = Sequence[tuple[str, str]]
"""Values, and what people read for them."""


class Asker(Protocol):
    """Asks somebody. Each raises KeyboardInterrupt where they have had enough.

    lines: what they type, or paste, where none of these asks.
    """

    lines: TextIO

    def one(self, ask: str, choices: Choices, hint: str, default: str | None = None) -> str:
        """One of the values."""

    def many(self, ask: str, choices: Choices, hint: str, none_chosen: str) -> list[str]:
        """Some of the values, one at least."""

    def text(self, ask: str, default: str, refuse: Callable[[str], str | None], *, is_secret: bool) -> str:
        """A line; ``refuse`` says what is wrong with one, or None."""

    def say(self, text: str) -> None:
        """Show it."""


class Talk:
    """One conversation about one draft, which will be written to ``path``; ``language`` is that of the questions."""

    def __init__(self, ask: Asker, draft: Draft, path: Path, env: Mapping[str, str]) -> None:
        self._ask = ask
        self._draft = draft
        self._path = path
        self._env = env
        self.language: Language = spoken(draft.language, env)

    def begin(self) -> bool:
        """Ask until it is to be saved (True) or forgotten (False)."""
        self._ask_language()
        if not self._draft.channels:
            self._ask_all()
        while True:
            match self._ask_what().split(":", 1):
                case ["save"]:
                    self._say_notes()
                    return True
                case ["leave"]:
                    return False
                case ["add"]:
                    self._add(self._one("which", self._services()))
                case ["form"]:
                    self._ask_language()
                    self._ask_style()
                case ["who"]:
                    self._ask_wants()
                case ["change", name]:
                    self._fill(name, _service_of(self._draft.channels[name]))
                case ["remove", name]:
                    self._draft.remove(name)

    def _ask_all(self) -> None:
        """The first time, everything in its turn."""
        hint, none_chosen = self._t("choose_many"), self._t("none_chosen")
        for service in self._ask.many(self._t("which"), self._services(), hint, none_chosen):
            self._add(service)
        self._ask_style()
        self._ask_wants()

    def _t(self, key: str, **words: object) -> str:
        return TEXTS[self.language][key].format(**words)

    def _one(self, ask: str, choices: Choices, default: str | None = None, **words: object) -> str:
        return self._ask.one(self._t(ask, **words), choices, self._t("choose"), default)

    def _services(self) -> Choices:
        return [(name, service.title[self.language]) for name, service in SERVICES.items()]

    def _ask_language(self) -> None:
        languages = [("ko", "한국어"), ("en", "English")]
        chosen = self._ask.one("언어 / Language", languages, "(↑ ↓, Enter)", self.language)
        self.language = self._draft.language = "ko" if chosen == "ko" else "en"

    def _ask_what(self) -> str:
        channels = self._draft.channels
        changes = [
            (f"change:{name}", self._t("change", name=name, kind=channel.get("kind")))
            for name, channel in channels.items()
            if _service_of(channel) is not None
        ]
        removals = [(f"remove:{name}", self._t("remove", name=name)) for name in channels]
        rest = ["form", "who"] if channels else []
        plain = [(what, self._t(what)) for what in ("add", *rest)]
        ends = [(what, self._t(what)) for what in ("save", "leave")]
        return self._one("what", [ends[0], *plain, *changes, *removals, ends[1]])

    def _ask_style(self) -> None:
        if not self._draft.channels:
            return
        for style in get_args(Style):
            text = render(catalogue.example("crashed", "exception"), self.language, timezone.utc, style).text
            self._ask.say("\n".join(["", self._t(style), *(f"  │ {line}" for line in text.split("\n"))]))
        chosen = self._one("style", [(style, self._t(style)) for style in get_args(Style)])
        self._draft.set_style("short" if chosen == "short" else "full")

    def _ask_wants(self) -> None:
        known = self._draft.wants
        if known is None and self._one("by_hand", [("no", self._t("no")), ("yes", self._t("yes"))]) == "no":
            return
        choices = [(want, self._t(want)) for want in get_args(Wants)]
        wants = {
            name: self._one("wants", choices, (known or {}).get(name, "usual"), name=name)
            for name in self._draft.channels
        }
        self._draft.set_wants(wants)  # type: ignore[arg-type]

    def _add(self, service: str) -> None:
        """A channel of this service, under its name or with a number behind it."""
        taken = self._draft.channels
        name = next(
            name for n in range(1, len(taken) + 2) if (name := service if n == 1 else f"{service}-{n}") not in taken
        )
        known = self._draft.wants if taken else {}
        if self._fill(name, SERVICES[service]) and known is not None:
            self._draft.set_wants({**known, name: "usual"})

    def _fill(self, name: str, service: Service | None) -> bool:
        """Ask for a channel's options until a test message was taken, or it is left as it is or out (False)."""
        assert service is not None
        self._ask.say(f"\n{service.title[self.language]}\n{service.steps[self.language]}\n")
        is_new = name not in self._draft.channels
        what = "retype"
        while True:
            if what == "retype":
                self._ask_options(name, service)
            if self._is_taken(name):
                return True
            what = self._one("again", [(w, self._t(w)) for w in ("retype", "resend", "keep_it", "drop")])
            if what == "drop" and is_new:
                self._draft.remove(name)
            if what in ("drop", "keep_it"):
                return what == "keep_it"

    def _ask_options(self, name: str, service: Service) -> None:
        before = self._draft.channels.get(name, {})
        given: dict[str, str] = {}
        for field in service.fields:
            given[field.key] = self._ask_field(field, before, given)
        secret = {field.key for field in service.fields if field.is_secret}
        lists = {field.key for field in service.fields if field.is_list}
        options = {
            key: [part.strip() for part in value.split(",") if part.strip()] if key in lists else _number_or_text(value)
            for key, value in given.items()
            if value and key not in secret
        }
        secrets = {key: value for key, value in given.items() if value and key in secret}
        self._draft.put(name, service.kind, {**service.fixed, **options}, secrets)

    def _ask_field(self, field: Field, before: Mapping[str, Any], given: Mapping[str, str]) -> str:
        """An answer; of what is there already an empty one means that it stays."""
        ask, stays = field.ask[self.language], field.key in before or f"{field.key}_file" in before
        value = before.get(field.key)
        default = "" if field.is_secret else _shown(value) if stays else field.default.format(**given)
        may_be_empty = field.is_optional or (stays and field.is_secret)

        def refuse(text: str) -> str | None:
            return None if text.strip() or may_be_empty else self._t("needed")

        asked = self._t("keep", ask=ask) if stays and field.is_secret else ask
        return self._ask.text(asked, default, refuse, is_secret=field.is_secret).strip()

    def _config(self) -> Config:
        return load(self._path, kinds=OPTIONS, env=self._env, unsaved=self._draft.unsaved)

    def _is_taken(self, name: str) -> bool:
        """Whether a test message went through; what came of it is said."""
        try:
            config = self._config()
            if wants_login(config.channels[name].kind):
                log_in(name, config, self._env, self._ask.lines, self._show_login)
            self._ask.say(self._t("sending", name=name))
            is_taken, said = tried(connected(config, self._env)[name], trial())
        except EpochwatchError as e:
            is_taken, said = False, _problems(e, LANGUAGES[self.language].LINES)
        self._ask.say(self._t("sent" if is_taken else "failed", name=name, said=said))
        return is_taken

    def _show_login(self, page: str, address: str) -> None:
        self._ask.say(self._t("login", page=page, address=address))

    def _say_notes(self) -> None:
        """What cannot work, before it is saved."""
        try:
            config = self._config()
        except ConfigError as e:
            self._ask.say(e.said(LANGUAGES[self.language].LINES))
            return
        for note in notes(config):
            self._ask.say(self._t("note", note=config.shown(say(note, LANGUAGES[self.language].LINES))))
        routed = {name for route in config.routes for name in route.to}
        for name in config.channels.keys() - routed - {name for names in config.people.values() for name in names}:
            self._ask.say(self._t("unrouted", name=name, path=self._path))


def _service_of(channel: Mapping[str, Any]) -> Service | None:
    """The service that a channel was made for: of its kind the one with most that agrees; None: there is none."""
    fits = [
        service
        for service in SERVICES.values()
        if service.kind == channel.get("kind")
        and all(channel.get(key) == value for key, value in service.fixed.items())
    ]
    return max(fits, key=lambda service: (len(service.fixed), _known(service, channel)), default=None)


def _known(service: Service, channel: Mapping[str, Any]) -> int:
    return sum(field.key in channel or f"{field.key}_file" in channel for field in service.fields)


def _number_or_text(text: str) -> int | str:
    return int(text) if text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() else text


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else str(value)


def _problems(error: EpochwatchError, table: Table) -> str:
    """What is wrong, without the file: it is not written yet."""
    if not isinstance(error, ConfigError):
        return str(error)
    return "; ".join(problem.said(table).removeprefix(f"{problem.file}:{problem.line}: ") for problem in error.problems)


def example(path: Path, env: Mapping[str, str]) -> str:
    """What to write where nobody can be asked."""
    language = spoken(None, env)
    draft = Draft("")
    draft.language = language
    draft.put("slack", "slack", {}, {"url": "-"})
    mail = {"preset": "naver", "user": "mina@naver.com", "to": ["mina@naver.com"]}
    draft.put("naver", "email", mail, {"password": "-"})
    draft.set_wants({"slack": "usual", "naver": "worst"})
    texts, block = TEXTS[language], draft.unsaved.text
    told = texts["then"].format(name=os.fspath(path.parent / "slack-url"))
    return f"{texts['no_terminal'].format(path=path)}\n\n{block}\n{told}"
