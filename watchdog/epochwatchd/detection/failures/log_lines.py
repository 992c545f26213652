"""Lines of output: rank, time and colours taken off, and those told apart that usually surround an end. Bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

LINE_CHARS = 500


class Line(NamedTuple):
    """One line without what loggers and launchers put before it; ``source`` is the rank or host it came from."""

    at: int
    source: str
    text: str
    whole: str


_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
_SOURCE = re.compile(
    r"\[(?:[Rr]ank ?|default)?\d{1,5}\]:? ?(?=\S|\s|$)"  # torchrun, torch's own excepthook
    r"|\[\d+,\d+\]<std\w+>: ?"  # mpirun --tag-output
    r"|\s{0,3}\d{1,4}: "  # srun --label
    r"|\(\w{1,60} pid=\d+(?:, ip=[\d.]+)?\) ?"  # Ray
    r"|(?!\S{0,60}\.py:|python)(?:localhost|worker|(?:\d{1,3}\.){3}\d{1,3}|[a-z][a-z.-]{0,30}\d[a-z0-9.-]{0,40}): "
)
_NUMBER = re.compile(r"\[?\d{1,5}\]?:?$")
"""A source that is but a number: a rank if its lines are several, else the program counts its steps so."""
_TIME = re.compile(
    r"[\[(]?(?:\d{2,4}[-/]\d\d(?:[-/]\d{2,4})?[T ]|[A-Z][a-z]{2} +\d+ )?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
    r"(?:Z|[+-]\d\d:?\d\d)?[\])]?(?: std(?:out|err) [FP])?:? ?(?:\| )?"
    r"|\[ {0,8}\d+\.\d{6}\] "  # dmesg
)
_GLUED = re.compile(r"/\d{1,9} \[\d+:\d\d[^\]]{0,160}\](?=[^\s\]])")
"""The end of a progress bar with something printed behind it: a bar leaves the cursor on its line."""
_GROUP = re.compile(r" {1,40}\| ?")


def read(lines: Iterable[str]) -> list[Line]:
    """The lines without rank, time and control characters; indentation stays, it tells frames from messages."""
    found = [_read(at, line[:LINE_CHARS]) for at, line in enumerate(lines)]
    numbered = [line.source for line in found if _NUMBER.match(line.source)]
    if len(numbered) >= 3 * len(set(numbered)):
        return found
    return [line._replace(source="", text=line.whole) if _NUMBER.match(line.source) else line for line in found]


def _read(at: int, whole: str) -> Line:
    text = whole = whole if whole.isprintable() else _CONTROL.sub("", whole)
    source = ""
    for _ in range(2):  # srun's label may stand before torch's, and either before a time
        if time := _TIME.match(text):
            text = text[time.end() :]
        if label := _SOURCE.match(text):
            source += label[0].strip()
            text = text[label.end() :]
        else:
            break
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
