"""What a line says of the program: that something failed, or that it went on after all. Every look at it is bounded."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

from epochwatchd.detection.failures.log_lines import Line

_RECOVERY = re.compile(
    r"\b(?:(?<!max )retr(?:y|ies|ied)\w*|skip\w*|fall(?:ing|s)? ?back|fallback|recover(?:ed|ing|y)"
    r"|resum(?:ing|ed)|ignor(?:ed|ing)"
    r"|(?<!cannot )(?<!can't )(?<!not )(?<!unable to )(?:continu|proceed)\w*|reducing|reduced|halv(?:ed|ing)|instead"
    r"|defaults? (?:is|are|will be) used"
    r"|(?:using|switching to|trying) (?:\w+ ){0,3}(?:default|cpu|smaller|next|another)|handled|non-fatal|attempt \d)"
    r"|재시도|건너|무시|대신|계속"
)


def tells_recovery(text: str) -> bool:
    """Whether a line says that the program goes on; one that a logger marks as fatal aborts it, whatever it says."""
    return bool(_RECOVERY.search(text[:200].lower())) and not _FATAL.match(text)


def is_outlived(line: Line, ordinary: Sequence[Line], *, aftermath: int, soon: int = 2) -> bool:
    """Whether the program went on after ``line``.

    It did if one of the next ``soon`` ordinary lines says so, or if more than ``aftermath`` of them follow.
    """
    if line.source.startswith("[rank"):  # written by torch's hook for exceptions that nothing caught
        return False
    after = ordinary[bisect_right(ordinary, line.at, key=attrgetter("at")) :]
    return len(after) > aftermath or any(tells_recovery(later.text) for later in after[:soon])


_FATAL = re.compile(r"\[?F(?:\d{3,4} | (?=external|tensorflow|xla))")
_LEVEL = re.compile(r"(?<!\d )\b(DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b")
_GLOG = re.compile(r"\[?([EFWI])(?:\d{3,4} | (?=external|tensorflow|xla|ProcessGroup|socket))")
_ERROR = re.compile(
    r"(?:[^\s:]{1,60}: )?(?i:fatal |internal |unexpected )?[Ee]rror\b[:!]|terminate called|\s{1,8}what\(\)"
    r"|\s{0,4}\[Errno \d+\]|Out of memory error on |ErrorMessage \""
)
HEADLINE = re.compile(r"(?:[A-Za-z_][\w.]{0,150})?(?:Error|Exception|Interrupt|Failure|Exhausted)\b(?::(?: |$)|$)")
"""The first line of what Python prints of an exception, below its frames."""
_LAST_WORDS = re.compile(
    r"(?![\s|>\"'`])(?i:[^:\"|]{0,80}(?:\b(?:error|fail\w*|fatal|cannot|could(?: not|n't)|unable|abort\w*|exception"
    r"|crash\w*)\b|실패|오류|할 수 없))[^:\"]{0,80}: "
)


def is_complaint(line: Line) -> bool:
    """Whether a line that no logger wrote speaks of a failure: a program's last words, perhaps."""
    return bool(_LAST_WORDS.match(line.text)) and not (_LEVEL.search(line.text, 0, 100) or _GLOG.match(line.text))


def is_error(line: Line) -> bool:
    """Whether a line reports an error: by its log level, or because it reads so where no logger wrote it."""
    if glog := _GLOG.match(line.text):
        return glog[1] in "EF"
    if level := _LEVEL.search(line.text, 0, 100):
        return level[1] in ("ERROR", "CRITICAL", "FATAL")
    return bool(_ERROR.match(line.text) or HEADLINE.match(line.text))
