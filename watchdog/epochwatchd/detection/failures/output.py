"""What a program printed, as the errors it ended with: sources told apart, tracebacks found, what it outlived left out.

Every look at a line is bounded, whatever the line holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import NamedTuple

from epochwatchd.detection.failures.log_lines import Line, is_noise
from epochwatchd.detection.failures.remarks import HEADLINE

_MESSAGE_LINES = 12
"""Lines of an exception's message that are read: TensorFlow and NCCL name the fault some lines below the type."""
_READ_ON, _BLOCK = 80, 3
"""Lines below an exception's type among which they are looked for, and those of a text that begins below the type."""
_OTHERS = 20
"""Steps that other ranks may still report after one of them has failed."""


class Raised(NamedTuple):
    """An exception whose traceback was printed. The first line of ``message`` bears its type.

    ``frames`` are (file, function), outermost first, and ``code`` is the innermost one's source, where it is shown.
    ``link`` ties it to the one before: ``cause``, ``context`` or nothing. ``before`` is the line above the traceback.
    """

    message: tuple[Line, ...]
    frames: tuple[tuple[str, str], ...] = ()
    link: str = ""
    before: str = ""
    code: str = ""


class End(NamedTuple):
    """The lines of one source after the last sign that training went on.

    ``ordinary`` are those that are neither empty nor what usually surrounds an end: warnings, summaries, launchers.
    ``mixed``: several ranks may speak in it, as nothing tells their lines apart.
    """

    lines: Sequence[Line]
    ordinary: Sequence[Line]
    raised: Sequence[Raised]
    mixed: bool


_DIGIT = re.compile(r"\d")
_HEADER = "Traceback (most recent call last)"
_FRAME = re.compile(r' {0,40}(?:> )?File "(.+?)", line \d+(?:, in (.+)|$)')
_NOTEBOOK = re.compile(r"(\w{1,100}) {2,}Traceback \(most recent call last\)")
"""IPython names the type above the frames, which look otherwise, and again with the message below them."""
_TYPE = re.compile(r"[^\W\d][\w.<>]{0,200}(?::|$)")
"""Where an exception's message begins. Source, carets, the boxes that rich draws and what others print are none."""
_LINKS = {
    "The above exception was the direct cause of the following exception:": "cause",
    "During handling of the above exception, another exception occurred:": "context",
}


def ends(lines: Sequence[Line]) -> list[End]:
    """How the output of each source ended."""
    sources: dict[str, list[Line]] = {}
    for line in lines:
        sources.setdefault(line.source, []).append(line)
    launched = is_launched(lines)
    return [_end(_without_prefixes(said), mixed=launched and not source) for source, said in sources.items()]


def _without_prefixes(lines: Sequence[Line]) -> Sequence[Line]:
    """The lines with each traceback that a logger wrote line by line freed of what it put before every one of them."""
    freed, prefix = list(lines), ""
    for at, line in enumerate(lines):
        if _HEADER in line.text:
            below = lines[at + 1].text if at + 1 < len(lines) else ""
            prefix = _DIGIT.sub("0", below[: max(0, below.find('  File "'))])
        if prefix and _DIGIT.sub("0", line.text[: len(prefix)]) == prefix:
            freed[at] = line._replace(text=line.text[len(prefix) :])
        else:
            prefix = ""
    return freed


def _end(lines: Sequence[Line], *, mixed: bool) -> End:
    last = _terminal(lines, mixed=mixed)
    return End(last, [line for line in last if not is_noise(line)], tracebacks(last), mixed)


_LAUNCHERS = (
    "ChildFailedError",
    "ProcessRaisedException",
    "ProcessExitedException",
    "mpirun noticed",
    "failed (exitcode",
)


def is_launched(lines: Iterable[Line]) -> bool:
    """Whether a launcher of several processes speaks in the output."""
    text = "\n".join(line.text for line in lines)
    return any(word in text for word in _LAUNCHERS)


_KILLED = re.compile(
    r"failed \(exitcode: -9\)|exits with return code = -9$|exited on signal 9\b|terminated with signal SIGKILL"
)


def tells_a_kill(lines: Iterable[Line]) -> bool:
    """Whether a launcher names a process that SIGKILL ended as the first of its processes to fall."""
    return any(_KILLED.search(line.text) for line in lines)


_BAR = re.compile(r"/(\d{1,9}) \[\d+:\d\d")
_DONE = re.compile(r"\W{0,9}(?:training (?:is )?(?:complete|finished|done)|학습 ?(?:완료|종료)|all done\b)")
_STEP = re.compile(
    r"(?:epochs?|steps?|iter(?:ation)?s?|batch|update|round|episode|에폭|에포크|스텝|단계)\W{0,4}\d"
    r"|\d{1,9}/\d{1,9} \[[=>.━]|\d ?(?:에폭|에포크)"
)
_METRICS = (
    "loss", "acc", "lr", "ppl", "perplexity", "reward", "psnr", "map", "bleu", "grad", "eta", "it/s", "s/it", "tok/s",
    "tokens/s", "samples/s", "img/s", "s/step", "done", "complete", "finished", "손실", "정확도", "학습률",
)  # fmt: skip
_TROUBLE = re.compile(r"\b(?:nan|inf|error|exception|fail\w*|abort\w*|stopp\w+|killed|timed? ?out)\b")


def _terminal(lines: Sequence[Line], *, mixed: bool) -> Sequence[Line]:
    """The lines after the last sign of progress, or of ``mixed`` ranks those after all but a few such signs."""
    left, bars = (_OTHERS if mixed else 0), _bars(lines)
    for at in range(len(lines) - 1, -1, -1):
        if _advances(lines[at].text, bars):
            left -= 1
            if left < 0:
                return lines[at + 1 :]
    return lines


def _bars(lines: Iterable[Line]) -> dict[int, int]:
    """How far each progress bar, known by its total, had come where it is first seen."""
    first: dict[int, int] = {}
    for line in lines:
        if bar := _bar(line.whole):
            first.setdefault(bar[1], bar[0])
    return first


def _bar(text: str) -> tuple[int, int] | None:
    """How far a progress bar has come, and its total. The expression begins with a literal, and so is searched fast."""
    bar = _BAR.search(text, 0, 300)
    before = text[max(0, bar.start() - 9) : bar.start()] if bar else ""
    digits = before[len(before.rstrip("0123456789")) :]
    return (int(digits), int(bar[1])) if bar and digits else None


def _advances(text: str, bars: dict[int, int]) -> bool:
    """Whether a line tells of training that goes on. A bar that has not moved is what an end leaves behind."""
    if bar := _bar(text):
        done, total = bar
        return done > bars.get(total, 0) or done == total > 0
    head = text[:160].lower()
    if _DONE.match(head):
        return True
    return bool(any(map(head.__contains__, _METRICS)) and _STEP.search(head) and not _TROUBLE.search(head))


def tracebacks(lines: Sequence[Line]) -> list[Raised]:
    """Every exception whose traceback stands in the lines of one source, in their order."""
    found: list[Raised] = []
    frames: list[tuple[str, str]] | None = None
    link = before = last = code = awaited = ""
    for at, line in enumerate(lines):
        if line.text in _LINKS:
            link = _LINKS[line.text]
        elif _HEADER in line.text:
            frames, before = [], last
            awaited = f"{notebook[1]}:" if (notebook := _NOTEBOOK.match(line.text)) else ""
        elif (frame := _FRAME.match(line.text)) and (frames is not None or not line.text.startswith("   ")):
            frames, code = [*(frames or []), (frame[1], frame[2] or "")], ""
        elif frames and not code and last.startswith("File ") and not HEADLINE.match(line.text):
            code = line.text  # something took the indentation away
        elif frames is not None and line.text.startswith(awaited) and _TYPE.match(line.text):
            found.append(Raised(message(lines[at:]), tuple(frames), link, before, code))
            frames, link, before, code = None, "", "", ""
        elif frames and not code:
            code = line.text.strip()
        last = line.text or last
    return found


_SAYS_MORE = re.compile(r":\s*$|Exception encountered when calling ")
_UNSAID = re.compile(r"[\w.]{1,150}:\s*$")
_ROOT = re.compile(r"\s{1,4}\(\d\) ")
"""Where TensorFlow names one of several errors that led to a message."""


def message(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines of an exception from its type on; one that ends in a colon says what it means further down."""
    more = bool(_SAYS_MORE.search(lines[0].text))
    rest = list(takewhile(lambda line: _HEADER not in line.text and (line.text or more), lines[1:_READ_ON]))
    if _UNSAID.match(lines[0].text):  # nothing but a type: a text in a block begins on a line of its own
        rest = [line._replace(text=line.text.lstrip()) for line in rest[:_BLOCK]] + rest[_BLOCK:]
    return (lines[0], *[line for line in rest if not is_noise(line) or _ROOT.match(line.text)][:_MESSAGE_LINES])
