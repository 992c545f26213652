"""Several notifications in the words of one message: what happened to how many, to which, and what to do. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import tzinfo
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

from epochwatchd.alerting import wording
from epochwatchd.alerting.phrases import LANGUAGES, Phrases
from epochwatchd.alerting.rendering import HEADLINE_MAX, LINE_MAX
from epochwatchd.config.settings import Language
from epochwatchd.verdicts import VERDICTS

if TYPE_CHECKING:
    from epochwatchd.model import Notification

_T = TypeVar("_T")

JOB_MAX = 40
NAMED = 12
"""So many names are said; the other runs are counted."""


def together(
    told: Sequence[Notification],
    say: Callable[[Notification], Notification],
    language: Language,
    zone: tzinfo | None,
    own: Callable[[Notification], Notification] | None = None,
) -> Notification:
    """The first of the notifications with a text on all of them.

    Of what is alike (one verdict for one reason) the headline counts, and the names follow. Else each headline is said.

    say: puts one into words, its headline first.
    own: the same in the channel's own words, if it has some; for one alone.
    """
    if len(told) == 1:
        return (own or say)(told[0])
    first = say(told[0])
    phrases = LANGUAGES[language]
    is_alike = first.kind != "watchdog" and all(_likeness(n) == _likeness(told[0]) for n in told)
    body = _names(told, phrases, zone) if is_alike else _headlines(told, say, phrases)
    paragraphs = [
        [_headline(told, first, phrases, is_alike=is_alike)],
        body,
        _ending(first, phrases, is_alike=is_alike),
    ]
    return replace(first, text="\n\n".join("\n".join(lines) for lines in paragraphs if lines))


def _likeness(notification: Notification) -> tuple[str, str, Any]:
    return notification.kind, notification.status, (notification.cause or {}).get("code")


def _headline(told: Sequence[Notification], first: Notification, phrases: Phrases, *, is_alike: bool) -> str:
    host = phrases.ON_HOST.format(host=first.host) if len({n.host for n in told}) == 1 and first.host else ""
    words = {"count": len(told), "kind": phrases.KINDS.get(first.kind, first.kind), "on_host": host}
    if not is_alike:
        return f"📬 {phrases.TOGETHER['mixed'].format_map(words)}"
    which = "count.of" if len({n.job for n in told}) == 1 and first.job else "count"
    job = wording.one_line(first.job or "", JOB_MAX)
    words["runs"] = phrases.TOGETHER[which].format(count=len(told), job=job)
    resolved = first.status == "resolved"
    how = "resolved" if resolved else "alike"
    text = phrases.TOGETHER.get(f"{how}.{first.kind}", phrases.TOGETHER[how]).format_map(words)
    if {n.reason for n in told} == {first.reason} and first.reason in phrases.REASONS:
        text = phrases.REASONS[first.reason].format(headline=text)
    why = "" if resolved else first.text.partition("\n")[0].partition(": ")[2]
    line = f"{'🟢' if resolved else VERDICTS[first.kind].icon} {text}{f': {why}' if why else ''}"
    return wording.one_line(line, HEADLINE_MAX)


def _names(told: Sequence[Notification], phrases: Phrases, zone: tzinfo | None) -> list[str]:
    """Which they are, of whom, when, and how far they had come."""
    jobs = Counter(n.job for n in told)
    folded = _in_turn(
        wording.folded(wording.one_line(_name(n, is_one_of_many=jobs[n.job] > 1), LINE_MAX) for n in of_one)
        for of_one in _by_user(told)
    )
    names, left = [name for name, _ in folded[:NAMED]], sum(count for _, count in folded[NAMED:])
    more = [phrases.TOGETHER["more"].format(count=left)] if left else []
    users = ", ".join(sorted({n.user for n in told if n.user}))
    lines = [phrases.TOGETHER["runs"].format(names=", ".join([*names, *more]))]
    lines += [phrases.TOGETHER["user"].format(user=wording.one_line(users, LINE_MAX))] if users else []
    times = sorted(wording.moment(n.since) for n in told)
    span = wording.span(*(f"{time.astimezone(zone):%F %T %Z}" for time in (times[0], times[-1])))
    lines.append(phrases.LABELS["when"].format(text=span))
    epochs = [e for n in told if isinstance(e := n.progress.get("epoch_shown", n.progress.get("epoch")), int | float)]
    if epochs:
        span = wording.span(f"{min(epochs):.4g}", f"{max(epochs):.4g}")
        lines.append(phrases.LABELS["progress"].format(text=phrases.TOGETHER["epochs"].format(span=span)))
    return lines


def _by_user(told: Sequence[Notification]) -> list[list[Notification]]:
    """What is told of each user's runs."""
    found: dict[str, list[Notification]] = {}
    for notification in told:
        found.setdefault(notification.turn, []).append(notification)
    return list(found.values())


def _in_turn(lists: Iterable[Sequence[_T]]) -> list[_T]:
    """The first of each, then the second of each, and so on: nobody's many runs hide another's one."""
    return [one for row in zip_longest(*lists) for one in row if one is not None]


def _name(notification: Notification, *, is_one_of_many: bool) -> str:
    """Its job's name; with what tells it from others of that name, where there are some."""
    name = notification.job or notification.run or notification.id
    return f"{name} ({notification.differs})" if notification.differs and is_one_of_many else name


def _headlines(
    told: Sequence[Notification], say: Callable[[Notification], Notification], phrases: Phrases
) -> list[str]:
    lines = [say(notification).text.partition("\n")[0] for notification in _in_turn(_by_user(told))[:NAMED]]
    return [*lines, phrases.TOGETHER["more"].format(count=len(told) - NAMED)] if len(told) > NAMED else lines


def _ending(first: Notification, phrases: Phrases, *, is_alike: bool) -> list[str]:
    """What to do, where it is the same for all; and how to say that they were seen: the first stands for all."""
    paragraph = first.text.rpartition("\n\n")[2].split("\n") if is_alike and "\n\n" in first.text else []
    mark = phrases.LABELS["advice"].partition("{")[0]
    ack = [phrases.LABELS["ack"].format(id=first.ack)] if first.status == "firing" else []
    return [*(line for line in paragraph if line.startswith(mark)), *ack]
