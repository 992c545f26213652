"""A notification in a person's words: headline, then when, how far, where, the evidence, and what to look at next.

Pure. Whatever a user or a process wrote (job, exception, output) is filled in as it is and never interpreted.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import timezone, tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

from epochwatchd.alerting import wording
from epochwatchd.alerting.phrases import LANGUAGES, Phrases
from epochwatchd.config.settings import Language, Style
from epochwatchd.model import FLAPS
from epochwatchd.phrase import restored_phrase, say
from epochwatchd.verdicts import VERDICTS

if TYPE_CHECKING:
    from epochwatchd.model import Notification

EVIDENCE_LINES = 15
LINE_MAX = 200
HEADLINE_MAX, HEADLINE_JOB = 80, 36
"""A lock screen shows so many characters; of a name both ends are kept, which tell runs apart."""
CAUSE_MAX = 300
METRICS_MAX = 8
METRIC_NAME_MAX = 40
TAGS_MAX = 6

GOES_ON = ("started", "diverged", "overdue")
"""Only of what still works it is said how long it will take."""
_PARTICULARS = ("type", "status", "signal", "blame")
"""Details of a cause for which there may be words of their own."""

_T = TypeVar("_T")


def render(
    notification: Notification, language: Language, zone: tzinfo | None = timezone.utc, style: Style = "full"
) -> Notification:
    """The same notification with its ``text`` and its cause's ``text`` said in ``language``, with times of ``zone``.

    The cause's ``details``, from which the sentence is made, are left out: what comes back is the contract's message.
    ``zone``: None is the machine's own. ``style``: ``short`` is the headline and what to do.
    """
    phrases = LANGUAGES[language]
    cause = _cause(notification, phrases)
    words = _words(notification, phrases, zone)
    headline, is_whole = _headline(notification, cause, words, phrases)
    is_short, is_over = style == "short", notification.status == "resolved"
    paragraphs = [
        [headline],
        [
            *([] if cause is None or is_whole else [_why(notification, cause["text"], phrases)]),
            *([] if is_short else _facts(notification, words, phrases)),
            *_reservations(notification, phrases),
        ],
        [] if is_short or is_over else [*_evidence(cause, phrases)][notification.kind == "digest" :],
        [] if is_over else [*_advice(notification, words, phrases), *_ack(notification, phrases)],
    ]
    text = "\n\n".join("\n".join(lines) for lines in paragraphs if lines)
    return replace(notification, cause=cause, text=text)


def bare(notification: Notification) -> Notification:
    """The notification in few words, where rendering it breaks."""
    cause = notification.cause or {}
    said = f"{notification.job or 'epochwatch'}: {notification.kind} ({notification.status}) {cause.get('code', '')}"
    told: dict[str, Any] = {"code": cause.get("code"), "text": cause.get("code"), "evidence": []}
    return replace(notification, cause=told if cause else None, text=wording.one_line(said, HEADLINE_MAX))


def payload(notification: Notification) -> dict[str, Any]:
    """The contract's JSON object."""
    return {"version": notification.version, **asdict(notification)}


def _first(table: Mapping[str, _T], *keys: str) -> _T | None:
    return next((table[key] for key in keys if key in table), None)


def _words(notification: Notification, phrases: Phrases, zone: tzinfo | None) -> dict[str, str]:
    """Everything that may be filled into a template, as text; what is not known is absent."""
    since, detected = (wording.moment(at).astimezone(zone) for at in (notification.since, notification.detected_at))
    known = {
        "kind": phrases.KINDS.get(notification.kind, notification.kind),
        "host": notification.host,
        "user": notification.user,
        "run": notification.run,
        "pid": notification.pid,
        "rank": notification.rank,
        "since": f"{since:%Y-%m-%d %H:%M:%S %Z}",
        "detected": f"{detected:%Y-%m-%d %H:%M:%S %Z}",
        "age": wording.duration((detected - since).total_seconds(), phrases.DURATIONS),
        "elapsed": wording.duration(notification.elapsed_s, phrases.DURATIONS),
    }
    words = {name: str(value) for name, value in known.items() if value not in (None, "")}
    words["job"] = _job(notification, phrases)
    words["on_host"] = wording.say([phrases.ON_HOST], words) or ""
    return words


def _job(notification: Notification, phrases: Phrases) -> str:
    job = wording.one_line(notification.job or "", LINE_MAX)
    if notification.differs:
        job = f"{job} ({wording.one_line(notification.differs, LINE_MAX)})"
    return job if notification.rank is None else phrases.RANKED.format(job=job, rank=notification.rank)


def _cause(notification: Notification, phrases: Phrases) -> dict[str, Any] | None:
    """The contract's cause: code, one sentence, evidence. A code without a sentence speaks for itself."""
    if notification.cause is None:
        return None
    code = notification.cause["code"]
    variants = _first(phrases.CAUSES, *_keys(notification.kind, notification.cause)) or ()
    details = _details(notification.cause, phrases)
    sentence = wording.say(variants, details) or notification.cause.get("text") or code
    if "at" in details:
        sentence = phrases.STANDS.format(sentence=sentence, at=details["at"])
    failure = _failure(notification, phrases)
    if failure and failure[0] != sentence:
        sentence = f"{failure[0]}: {sentence}"
    proven = details.get("failure")
    return {
        "code": code,
        **({"failure": proven} if proven else {}),
        "text": wording.one_line(sentence, CAUSE_MAX),
        "evidence": [say(restored_phrase(line), phrases.LINES) for line in notification.cause.get("evidence", ())],
    }


def _failure(notification: Notification, phrases: Phrases) -> tuple[str, str] | None:
    """What the class of a failure is called, and the advice for it; nothing failed that was interrupted."""
    if notification.cause is None or notification.kind == "interrupted":
        return None
    return phrases.FAILURES.get(notification.cause.get("details", {}).get("failure", ""))


def _keys(kind: str, cause: Mapping[str, Any]) -> tuple[str, str, str]:
    """Under what to look for the words on a cause: its class, exit status, signal, blame; its verdict; its code."""
    code, details = cause["code"], cause.get("details", {})
    particular = next((details[name] for name in _PARTICULARS if details.get(name) is not None), "")
    return f"{code}.{str(particular).rpartition('.')[2]}", f"{kind}.{code}", code


def _details(cause: Mapping[str, Any], phrases: Phrases) -> dict[str, str]:
    details = {
        k: v for k, v in cause.get("details", {}).items() if v is not None and v is not False and v not in ("", (), [])
    }
    if "core" in details:
        details["core"] = phrases.CORE_DUMPED
    return {name: wording.detail(name, value, phrases.DURATIONS) for name, value in details.items()}


def _headline(
    notification: Notification, cause: Mapping[str, Any] | None, words: Mapping[str, str], phrases: Phrases
) -> tuple[str, bool]:
    """The first line: which job, what, where, and after its one colon why; and whether that is all of the cause."""
    status, kind = notification.status, notification.kind
    said = {**words, "job": wording.middle_cut(words["job"], HEADLINE_JOB)}
    code = cause["code"] if cause else None
    sentence = _first(phrases.HEADLINES, f"{status}.{kind}.{code}", f"{status}.{kind}", status) or ""
    sentence = sentence.format_map(said)
    why = "" if cause is None or status == "resolved" else _brief(notification, cause, phrases)
    told = f"{_without_colons(sentence)}: {_without_colons(why)}" if why else _without_colons(sentence)
    reason = _first(phrases.REASONS, f"{status}.{notification.reason}", notification.reason)
    if reason is not None:
        told = reason.format(headline=told)
    line = f"{'🟢' if status == 'resolved' else VERDICTS[kind].icon} {told}"
    cut = wording.one_line(line, HEADLINE_MAX)
    return cut, not why or cut.endswith(f": {cause['text'] if cause else ''}")


def _without_colons(text: str) -> str:
    return text.replace(": ", " - ")


def _brief(notification: Notification, cause: Mapping[str, Any], phrases: Phrases) -> str:
    """The cause in few words."""
    assert notification.cause is not None
    failure = _failure(notification, phrases)
    variants = _first(phrases.BRIEF, *_keys(notification.kind, notification.cause)) or ()
    brief = failure[0] if failure else wording.say(variants, _details(notification.cause, phrases))
    return brief or str(cause["text"])


def _facts(notification: Notification, words: Mapping[str, str], phrases: Phrases) -> Iterable[str]:
    """When it happened, how far the run has come, where it runs: a line each."""
    when = phrases.TIMES.get(f"{notification.status}.{notification.kind}", phrases.TIMES[notification.status])
    yield phrases.LABELS["when"].format(text=when.format_map(words))
    if notification.kind in ("watchdog", "digest"):
        return
    for label, parts, known in (
        ("progress", phrases.PROGRESS, _progress(notification, phrases)),
        ("checkpoint", phrases.CHECKPOINT, _checkpoint(notification, phrases)),
        ("memory", phrases.MEMORY, _memory(notification)),
        ("place", phrases.PLACE, words),
        ("command", phrases.COMMAND, _command(notification)),
    ):
        said = [text for part in parts if (text := wording.say(part, known))]
        if said:
            yield phrases.LABELS[label].format(text=" · ".join(said))


def _reservations(notification: Notification, phrases: Phrases) -> Iterable[str]:
    """Why this message may be less sure than others."""
    if not notification.verified:
        yield phrases.LABELS["unverified"]
    if notification.status == "firing" and notification.times >= FLAPS:
        label = "looping" if VERDICTS[notification.kind].is_end else "flapping"
        yield phrases.LABELS[label].format(count=notification.times)
    if not notification.stored:
        yield phrases.LABELS["unstored"]


def _progress(notification: Notification, phrases: Phrases) -> dict[str, str]:
    formats: dict[str, Any] = {
        "epoch_shown": lambda n: f"{n:.4g}" if isinstance(n, float) else f"{n}",
        "epochs": lambda n: f"{n}",
        "step": lambda n: f"{n:,}",
        "steps": lambda n: f"{n:,}",
        "loss": wording.figure,
        "best_loss": wording.figure,
        "best_epoch": lambda n: f"{n:.4g}",
        "best_step": lambda n: f"{n:,}",
        "metrics": _metrics,
        "eta_s": lambda s: wording.duration(s, phrases.DURATIONS),
    }
    place = notification.progress.get("best_at") or {}
    best = {"best_epoch": place.get("epoch_shown", place.get("epoch")), "best_step": place.get("step")}
    told = {"epoch_shown": notification.progress.get("epoch"), **best, **notification.progress}
    known = {name: value for name, value in told.items() if name in formats and value is not None}
    if notification.kind not in GOES_ON:
        known.pop("eta_s", None)
    if known.get("best_loss") == known.get("loss"):
        known.pop("best_loss", None)
    return {name: said for name, value in known.items() if (said := formats[name](value))}


def _checkpoint(notification: Notification, phrases: Phrases) -> dict[str, str]:
    """How old the last checkpoint is: at the end of a run that has ended, else now."""
    if notification.checkpoint is None:
        return {}
    until = notification.since if VERDICTS[notification.kind].is_end else notification.detected_at
    age_s = (wording.moment(until) - wording.moment(notification.checkpoint["at"])).total_seconds()
    told = {"ckpt_age": wording.duration(max(0.0, age_s), phrases.DURATIONS)}
    path = notification.checkpoint.get("path")
    return {**told, "ckpt": wording.one_line(path, LINE_MAX)} if path else told


def _memory(notification: Notification) -> dict[str, str]:
    known = notification.memory or {}
    return {name: wording.memory(mib) for name, mib in known.items() if mib is not None}


def _command(notification: Notification) -> dict[str, str]:
    """How it was started. A tag that is an address stands alone, so that it can be followed."""
    tags = " · ".join(
        value if value.startswith(("https://", "http://")) else f"{name}={value}"
        for name, value in list(notification.tags.items())[:TAGS_MAX]
    )
    told = {"argv": shlex.join(notification.argv), "cwd": notification.cwd or "", "tags": tags}
    return {name: wording.one_line(text, LINE_MAX) for name, text in told.items() if text}


def _metrics(metrics: Mapping[str, float | str]) -> str:
    shown = list(metrics.items())[:METRICS_MAX]
    said = [f"{wording.one_line(name, METRIC_NAME_MAX)} {wording.figure(value)}" for name, value in shown]
    return " · ".join([*said, "…"] if len(metrics) > METRICS_MAX else said)


def _evidence(cause: Mapping[str, Any] | None, phrases: Phrases) -> Iterable[str]:
    lines = [line.rstrip() for item in (cause or {}).get("evidence", ()) for line in item.splitlines() if line.strip()]
    if not lines:
        return
    shown = lines[-EVIDENCE_LINES:]
    label = "evidence" if len(shown) == len(lines) else "evidence_cut"
    yield phrases.LABELS[label].format(count=len(shown))
    yield from (f"  {line if len(line) <= LINE_MAX else line[: LINE_MAX - 1] + '…'}" for line in shown)


def _ack(notification: Notification, phrases: Phrases) -> Iterable[str]:
    """How to say that one has seen it."""
    if notification.status == "firing":
        yield phrases.LABELS["ack"].format(id=notification.ack)


def _why(notification: Notification, text: str, phrases: Phrases) -> str:
    return text if notification.kind == "digest" else phrases.LABELS["cause"].format(text=text)


def _advice(notification: Notification, words: Mapping[str, str], phrases: Phrases) -> Iterable[str]:
    """Where to look next."""
    if notification.cause is None:
        return
    variants = _first(phrases.ADVICE, *_keys(notification.kind, notification.cause)) or ()
    failure = _failure(notification, phrases)
    advice = failure[1] if failure else wording.say(variants, {**words, **_details(notification.cause, phrases)})
    if advice:
        yield phrases.LABELS["advice"].format(text=advice)
