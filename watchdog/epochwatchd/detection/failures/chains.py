"""Exceptions that followed from one another: which of them speak of the end, and which only pass on another's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from epochwatchd.detection.failures.output import Raised

_PATH = re.compile(r"^(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_]\w*(?::|$|\())")
_WRAPPERS = re.compile(
    r"(?:ChildFailedError|Process(?:Raised|Exited)Exception|CalledProcessError|SystemExit|SignalException"
    r"|SIGTERMException|TerminatedWorkerError|BrokenProcessPool|\w*RemoteTraceback|JoblibException|WorkerCrashedError|KilledWorker"
    r"|Ray\w*Error|\w*Actor\w*Error|TrainingFailedError|TuneError|(?:Base)?ExceptionGroup|InstantiationException"
    r"|BrokenPipeError|ConnectionResetError|EOFError|Empty)\b"
    r"|\w+: (?:Caught \w+ in |.{0,200}\b[Ss]ee\b.{0,40}\b(?:above|logs?|below)\b|.{0,200}not the actual error"
    r"|.{0,200}event was set\b)"
)
"""Exceptions that only pass on the failure of another process or part, which then has the reason."""
_SENTENCE = 6
"""Spaces in what reads as a sentence rather than as a name."""


def chains(raised: Iterable[Raised]) -> list[list[Raised]]:
    """Exceptions grouped with those that they followed from."""
    chains: list[list[Raised]] = []
    for error in raised:
        if error.link and chains:
            chains[-1].append(error)
        else:
            chains.append([error])
    return chains


def bearing(chain: Sequence[Raised]) -> list[Raised]:
    """The exceptions of a chain that speak of its end: the last, and those which it was raised to report.

    One raised while another was handled reports that other only if it was raised on purpose, where the other was
    caught; else the handler did something new, and failed at that.
    """
    bearing = list(chain[-1:])
    for earlier, later in zip(chain[-2::-1], chain[:0:-1], strict=True):
        if not (later.link == "cause" or is_wrapper(later) or _replaces(later, earlier)):
            break
        bearing.append(earlier)
    return bearing


def _replaces(later: Raised, earlier: Raised) -> bool:
    """Whether an exception was raised, on purpose, where an earlier one was caught."""
    on_purpose = not later.code or "raise" in later.code
    return _cleans_up(later) or (on_purpose and bool(set(later.frames[-1:]) & set(earlier.frames)))


def _cleans_up(error: Raised) -> bool:
    """Whether an exception fell in the leaving of a ``with``, which closes what the one before it had broken."""
    return any(function in ("__exit__", "close") for _, function in error.frames[-1:])


def is_wrapper(error: Raised) -> bool:
    """Whether an exception only passes on the failure of something else."""
    return bool(_WRAPPERS.match(bare(error.message[0].text)))


def bare(text: str) -> str:
    """An exception's text without the modules before its type; what a KeyError says is a name, unless a sentence."""
    bare = _PATH.sub("", text)
    return "KeyError" if bare.startswith("KeyError: ") and bare.count(" ") < _SENTENCE else bare
