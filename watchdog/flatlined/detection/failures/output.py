"""What a program printed, as the errors it ended with: sources told apart, tracebacks found, what it outlived left out.

Every look at a line is bounded, whatever the line holds.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import takewhile
from operator import attrgetter
from typing import NamedTuple

LINE_CHARS = 500
_MESSAGE_LINES = 12
"""Lines of an exception's message that are read: TensorFlow and NCCL name the fault some lines below the type."""
_OTHERS = 20
"""Steps that other ranks may still report after one of them has failed."""


class Line(NamedTuple):
    """One line without what loggers and launchers put before it; ``source`` is the rank or host it came from."""

    at: int
    source: str
    text: str
    whole: str


class Raised(NamedTuple):
    """An exception whose traceback was printed. The first line of ``message`` bears its type.

    ``frames`` are (file, function), outermost first. ``link`` ties it to the one before: ``cause``, ``context`` or
    nothing. ``before`` is the line above the traceback.
    """

    message: tuple[Line, ...]
    frames: tuple[tuple[str, str], ...] = ()
    link: str = ""
    before: str = ""


class End(NamedTuple):
    """The lines of one source after the last sign that training went on.

    ``ordinary`` are those that are neither empty nor what usually surrounds an end: warnings, summaries, launchers.
    """

    lines: Sequence[Line]
    ordinary: Sequence[Line]
    raised: Sequence[Raised]


_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
_SOURCE = re.compile(
    r"\[(?:[Rr]ank ?|default)?\d{1,5}\]:? ?(?=\S|\s|$)"  # torchrun, torch's own excepthook
    r"|\[\d+,\d+\]<std\w+>: ?"  # mpirun --tag-output
    r"|\s{0,3}\d{1,4}: "  # srun --label
    r"|\(\w{1,60} pid=\d+(?:, ip=[\d.]+)?\) ?"  # Ray
    r"|(?!\S{0,60}\.py:|python)(?:localhost|worker|(?:\d{1,3}\.){3}\d{1,3}|[a-z][a-z.-]{0,30}\d[a-z0-9.-]{0,40}): "
)
_TIME = re.compile(
    r"[\[(]?(?:\d{2,4}[-/]\d\d(?:[-/]\d{2,4})?[T ]|[A-Z][a-z]{2} +\d+ )?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
    r"(?:Z|[+-]\d\d:?\d\d)?[\])]?(?: std(?:out|err) [FP])?:? ?"
    r"|\[ {0,8}\d+\.\d{6}\] "  # dmesg
)
_GLUED = re.compile(r"/\d{1,9} \[\d+:\d\d[^\]]{0,160}\](?=[^\s\]])")
"""The end of a progress bar with something printed behind it: a bar leaves the cursor on its line."""
_GROUP = re.compile(r" {1,40}\| ?")
_HEADER = "Traceback (most recent call last)"
_FRAME = re.compile(r' {0,40}(?:> )?File "(.+?)", line \d+(?:, in (.+)|$)')
_LINKS = {
    "The above exception was the direct cause of the following exception:": "cause",
    "During handling of the above exception, another exception occurred:": "context",
}


def read(lines: Iterable[str]) -> list[Line]:
    """The lines without rank, time and control characters; indentation stays, it tells frames from messages."""
    return [_read(at, line[:LINE_CHARS]) for at, line in enumerate(lines)]


def _read(at: int, whole: str) -> Line:
    text = whole = whole if whole.isprintable() else _CONTROL.sub("", whole)
    source = ""
    for _ in range(2):  # srun's label may stand before torch's, and either before a time
        if time := _TIME.match(text):
            text = text[time.end() :]
        if label := _SOURCE.match(text):
            source += label[0].strip()
            text = text[label.end() :]
    if mark := _GROUP.match(text):  # an exception group draws its parts beside a line
        text = text[mark.end() :]
    if bar := _GLUED.search(text, 0, 300):
        text = text[bar.end() :]
    return Line(at, source, text, whole)


_NOISE = re.compile(
    r"$|[ \t│╭╰|+]|[-=*#_~.]{3}|\^|wandb:|\d+it |(?:srun|slurmstepd|mpirun|make|sh|bash|ninja)\b[^ ]{0,40}:"
    r"|\S{1,120}Warning: |\S{1,120}:\d+: \w*Warning|(?:Sending )?[Pp]rocess \S{1,60}\d(?::$| closing)|Exception ignored"
    r"|(?:Killed|Aborted|Terminated|Trace/breakpoint trap)\b|frame #\d|Set the environment variable HYDRA_FULL_ERROR"
    r"|Error executing job|Root Cause|Failures:|\[\d+\]:$|\S{1,80} FAILED$|CUDA kernel errors|For debugging consider"
    r"|Compile with `TORCH|Exception raised from|terminate called|\[?[EW]\d{0,4} \S|ERROR\b|WARNING:torch\b"
    r"|\S{1,80}: line \d"
    r"|[Ee]xit (?:code|status)|Thread 0x|Current thread|Extension modules|To enable traceback|Stack trace|The above exc"
    r"|During handling of|Command exited|\[W|.{0,300}resource_tracker"
)


def is_noise(line: Line) -> bool:
    """Whether a line is empty or what usually surrounds an end, and so tells nothing of the program going on."""
    return bool(_NOISE.match(line.text))


def ends(lines: Sequence[Line]) -> list[End]:
    """How the output of each source ended."""
    sources: dict[str, list[Line]] = {}
    for line in lines:
        sources.setdefault(line.source, []).append(line)
    several = is_launched(lines)
    return [_end(_terminal(source, several=several)) for source in sources.values()]


def _end(lines: Sequence[Line]) -> End:
    return End(lines, [line for line in lines if not is_noise(line)], tracebacks(lines))


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


def _terminal(lines: Sequence[Line], *, several: bool) -> Sequence[Line]:
    """The lines after the last sign of progress, or with ``several`` ranks after all but a few such signs."""
    left, bars = (_OTHERS if several else 0), _bars(lines)
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
    link = before = last = ""
    for at, line in enumerate(lines):
        if line.text in _LINKS:
            link = _LINKS[line.text]
        elif _HEADER in line.text:
            frames, before = [], last
        elif frame := _FRAME.match(line.text):
            frames = [*(frames or []), (frame[1], frame[2] or "")]
        elif frames is not None and line.text and not _is_inside(line.text):
            found.append(Raised(_message(lines[at:]), tuple(frames), link, before))
            frames, link, before = None, "", ""
        last = line.text or last
    return found


def _is_inside(text: str) -> bool:
    """Whether a line is a part of a traceback: source, carets, the boxes that rich draws, loguru's values."""
    return text[0] in " \t│╭╰╮╯└├>"


_SAYS_MORE = re.compile(r":\s*$|Exception encountered when calling ")


def _message(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines of an exception from its type on; one that ends in a colon says what it means further down."""
    rest = list(takewhile(lambda line: _HEADER not in line.text, lines[1 : 2 * _MESSAGE_LINES]))
    if not _SAYS_MORE.search(lines[0].text):
        rest = list(takewhile(lambda line: line.text, rest))
    return (lines[0], *[line for line in rest if not is_noise(line)][:_MESSAGE_LINES])


_RECOVERY = re.compile(
    r"\b(?:retr(?:y|ie)\w*|skip\w*|fall(?:ing|s)? ?back|fallback|continu\w+|recover\w*|resum\w+|ignor(?:ed|ing)"
    r"|reducing|reduced"
    r"|(?:using|switching to|trying) (?:\w+ ){0,3}(?:default|cpu|smaller|next|another)|handled|non-fatal|attempt \d)"
    r"|재시도|건너|무시|대신|계속"
)


def tells_recovery(line: Line) -> bool:
    """Whether a line says that the program goes on."""
    return bool(_RECOVERY.search(line.text[:200].lower()))


def is_outlived(line: Line, ordinary: Sequence[Line], *, aftermath: int, soon: int = 2) -> bool:
    """Whether the program went on after ``line``.

    It did if one of the next ``soon`` ordinary lines says so, or if more than ``aftermath`` of them follow.
    """
    if line.source.startswith("[rank"):  # written by torch's hook for exceptions that nothing caught
        return False
    after = ordinary[bisect_right(ordinary, line.at, key=attrgetter("at")) :]
    return len(after) > aftermath or any(map(tells_recovery, after[:soon]))


_LEVEL = re.compile(r"(?<!\d )\b(DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b")
_GLOG = re.compile(r"\[?([EFWI])(?:\d{3,4} | (?=external|tensorflow|xla|ProcessGroup|socket))")
_ERROR = re.compile(
    r"(?:[^\s:]{1,60}: )?(?i:fatal |internal |unexpected )?[Ee]rror\b[:!]|terminate called|\s{1,8}what\(\)"
)
_HEADLINE = re.compile(r"(?:[A-Za-z_][\w.]{0,150})?(?:Error|Exception|Interrupt|Failure|Exhausted)\b(?:: |$)")


def is_error(line: Line) -> bool:
    """Whether a line reports an error: by its log level, or because it reads so where no logger wrote it."""
    if glog := _GLOG.match(line.text):
        return glog[1] in "EF"
    if level := _LEVEL.search(line.text, 0, 100):
        return level[1] in ("ERROR", "CRITICAL", "FATAL")
    return bool(_ERROR.match(line.text) or _HEADLINE.match(line.text))
