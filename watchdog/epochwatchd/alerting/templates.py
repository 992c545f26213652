"""A message in words of one's own: a Jinja2 template, which can read the notification and nothing else.

https://jinja.palletsprojects.com/en/stable/sandbox. What is wrong with a template loses no message: then the built-in
words are sent. Jinja2 is imported when a template is configured.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from epochwatchd.alerting.catalogue import EXAMPLES, example
from epochwatchd.alerting.rendering import payload, render
from epochwatchd.config.settings import Language

if TYPE_CHECKING:
    import jinja2

    from epochwatchd.model import Notification

OUTPUT_MAX = 20_000
TEMPLATE_MAX = 20_000

log = logging.getLogger(__name__)


class Words:
    """A template, ready to be filled."""

    def __init__(self, text: str) -> None:
        """Raises ValueError, with the line, for a text that is no template."""
        from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError  # noqa: PLC0415 - see above
        from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415 - see above

        if len(text) > TEMPLATE_MAX:
            raise ValueError(f"it is longer than {TEMPLATE_MAX} characters")
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        try:
            self._template: jinja2.Template = environment.from_string(text)
        except TemplateSyntaxError as e:
            raise ValueError(f"line {e.lineno}: {e.message}") from None
        except TemplateError as e:
            raise ValueError(str(e)) from None

    def fill(self, notification: Notification) -> str:
        """The text for a notification in words, whose own first line is ``headline``. Raises whatever is wrong."""
        told = {**payload(notification), "headline": notification.text.partition("\n")[0]}
        said = ""
        for part in self._template.generate(told):
            said += part
            if len(said) > OUTPUT_MAX:
                break
        return said[:OUTPUT_MAX].strip("\n")

    def say(self, notification: Notification) -> Notification:
        """The notification in these words; in the built-in ones where these break, or say nothing."""
        try:
            text = self.fill(notification)
        except Exception as e:  # noqa: BLE001 - whatever a template does: the message is sent
            log.warning("a template broke on %s, the built-in words are sent: %s", notification.kind, e)
            return notification
        return replace(notification, text=text) if text.strip() else notification


def faults(text: str, language: Language) -> Iterator[str]:
    """What is wrong with a template, tried on every message there is; at most three faults."""
    try:
        words = Words(text)
    except ValueError as e:
        yield str(e)
        return
    yield from islice(_faults(words, language), 3)


def _faults(words: Words, language: Language) -> Iterator[str]:
    told = set()
    for code, (kind, _) in EXAMPLES.items():
        try:
            empty = not words.fill(render(example(kind, code), language)).strip()
        except Exception as e:  # noqa: BLE001 - see above
            if str(e) not in told:
                told.add(str(e))
                yield f"{kind} ({code}): {e}"
        else:
            if empty:
                yield f"{kind} ({code}): it says nothing"
