"""What made a training fail: its exception, its last output and its exit status, weighed together. Pure.

The exception that ended the program outranks what it printed, and the most specific evidence wins rather than the
first that matches. Evidence counts only at the end: an error after which training went on is not the cause.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from flatlined.detection.failures import output
from flatlined.detection.failures.output import End, Line, Raised
from flatlined.detection.failures.patterns import ECHO, RAISED, SAID, SIGN, TYPES, Pattern, compiled, cued

_LAST_LINES, _ERROR_LINES, _EXCEPTIONS = 50, 8, 8
_TEXT_CHARS, _SAID_CHARS = 1200, 300
"""How much is read, counted from the end: whatever a program prints, to judge it costs little."""
_AFTERMATH = 12
"""Lines that may follow an error which ended the program: clean-up, summaries, the shell around it."""
_LOGGED_AFTERMATH = 3
"""The same after a warning, which is how a caught exception is mostly logged."""
_LAST = 1 << 30
"""A signal comes after all lines."""
_SHELL_SIGNAL = 128
"""A shell's exit status for a command that a signal ended is this more than the signal's number."""
_BYTE = 256
"""A program that exits with the return code that ``subprocess`` gave it, -n, has the status 256 - n."""
_SIGNALS: dict[int, tuple[str, int]] = {
    signal.SIGSEGV: ("segfault", SIGN),
    signal.SIGILL: ("illegal_instruction", SIGN),
    signal.SIGBUS: ("bus_error", SIGN),
    signal.SIGINT: ("keyboard_interrupt", ECHO),
}
_PYTHON_MAY_END_BY = (0, signal.SIGABRT, signal.SIGINT)
"""What an exception may lead to: an ordinary exit, an abort in native code, Python's report of an interrupt."""

_PATH = re.compile(r"^(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_]\w*(?::|$|\())")
_WRAPPERS = re.compile(
    r"(?:ChildFailedError|Process(?:Raised|Exited)Exception|CalledProcessError|SystemExit|SignalException"
    r"|SIGTERMException|TerminatedWorkerError|BrokenProcessPool|\w*RemoteTraceback|JoblibException|WorkerCrashedError"
    r"|Ray\w*Error|\w*Actor\w*Error|TrainingFailedError|TuneError|(?:Base)?ExceptionGroup|InstantiationException"
    r"|BrokenPipeError|ConnectionResetError|EOFError|Empty)\b"
    r"|\w+: (?:Caught \w+ in |.{0,200}\b[Ss]ee\b.{0,40}\b(?:above|logs?|below)\b)"
)
"""Exceptions that only pass on the failure of another process or part, which then has the reason."""
_RAISED = re.compile(r"\b[\w.]{0,150}(?:Error|Exception|Interrupt): ")
_ASIDE = re.compile(r"Exception (?:ignored in|in thread)\b")
_LOGGED = re.compile(r".{0,80}\bWARNING\b|W\d{4} ")


class Failure(NamedTuple):
    """A class of failures, one of ``CODES``, and the line that proves it."""

    code: str
    evidence: str


class _Proof(NamedTuple):
    """A candidate. The stronger wins, then the earlier."""

    strength: int
    at: int
    failure: Failure


class _Evidence(NamedTuple):
    """What a part of the story proves, and whether it leaves nothing to be said by the rest of it."""

    proofs: list[_Proof]
    decisive: bool


def classify(
    *, exception: str | None, traceback: str | None, tail: Sequence[str], exit_status: int | None
) -> Failure | None:
    """The class of a training's failure, or None where nothing proves one.

    ``exception`` is ``pkg.Type: message`` as the agent records it and ``traceback`` its text, ``tail`` the last lines
    of the output, ``exit_status`` as ``subprocess`` gives it: negative for a signal.
    """
    if exit_status == 0 and exception is None:
        return None
    own = _of_chain(_recorded(exception, traceback))
    if own.decisive:
        return _strongest(own.proofs)
    number = _signal_number(exit_status)
    printed = _of_output(output.read(tail), number)
    return _strongest(printed.proofs if printed.decisive else [*own.proofs, *printed.proofs, *_of_signal(number)])


def _strongest(proofs: Iterable[_Proof]) -> Failure | None:
    best = max(proofs, key=lambda proof: (proof.strength, -proof.at), default=None)
    return best.failure if best else None


def _recorded(exception: str | None, traceback: str | None) -> list[Raised]:
    """The chain of exceptions that the agent recorded."""
    found = output.tracebacks(output.read((traceback or "").splitlines()))
    chain = _chains(found)[-1] if found else []
    if exception and (not chain or not chain[-1].message[0].text.startswith(exception.partition(":")[0])):
        return [Raised(tuple(output.read(exception.splitlines())))]
    return chain


def _chains(raised: Iterable[Raised]) -> list[list[Raised]]:
    """Exceptions grouped with those that they followed from."""
    chains: list[list[Raised]] = []
    for error in raised:
        if error.link and chains:
            chains[-1].append(error)
        else:
            chains.append([error])
    return chains


def _of_chain(chain: Sequence[Raised]) -> _Evidence:
    """What a chain of exceptions proves; one that belongs to no class, and passes on no other's, leaves it at that."""
    proofs = [proof for error in _bearing(chain) if (proof := _of_message(error.message))]
    opaque = bool(chain) and not proofs and not _is_wrapper(chain[-1])
    return _Evidence(proofs, opaque or any(proof.strength > ECHO for proof in proofs))


def _bearing(chain: Sequence[Raised]) -> list[Raised]:
    """The exceptions of a chain that speak of its end: the last, and those which it was raised to report.

    One raised while another was handled reports that other only if it was raised where the other was caught; else the
    handler did something new, and failed at that.
    """
    bearing = list(chain[-1:])
    for earlier, later in zip(chain[-2::-1], chain[:0:-1], strict=True):
        if not (later.link == "cause" or _is_wrapper(later) or set(later.frames[-1:]) & set(earlier.frames)):
            break
        bearing.append(earlier)
    return bearing


def _is_wrapper(error: Raised) -> bool:
    return bool(_WRAPPERS.match(_bare(error.message[0].text)))


def _bare(text: str) -> str:
    """An exception's text without the modules before its type; what a KeyError says is a name and no message."""
    bare = _PATH.sub("", text)
    return "KeyError" if bare.startswith("KeyError: ") else bare


def _of_message(message: Sequence[Line]) -> _Proof | None:
    """The strongest evidence in an exception's text; among equals what stands first."""
    text = "\n".join([_bare(message[0].text), *[line.text for line in message[1:]]])[:_TEXT_CHARS]
    hits = [
        (pattern.strength, hit.start(), pattern.code)
        for pattern in cued(RAISED, text)
        if (hit := compiled(pattern.source).search(text))
    ]
    strength, start, code = min(hits, key=lambda hit: (-hit[0], hit[1]), default=(0, 0, ""))
    by_type = TYPES.get(re.split(r"\W", text, maxsplit=1)[0])
    if by_type and by_type[1] > strength:
        (code, strength), start = by_type, 0
    line = message[text.count("\n", 0, start)]
    return _Proof(strength, line.at, Failure(code, line.whole.strip())) if code else None


def _of_output(lines: Sequence[Line], number: int) -> _Evidence:
    """What the output proves: its last exceptions, or where none tells, its last error lines."""
    several = output.is_launched(lines)
    patience = _AFTERMATH if number in _PYTHON_MAY_END_BY else 0
    ends = output.ends(lines)
    found = [_of_exceptions(end, patience, several=several) for end in ends]
    proofs = [proof for evidence in found for proof in evidence.proofs]
    if any(evidence.decisive for evidence in found):
        return _Evidence([proof for proof in proofs if proof.strength > ECHO], decisive=True)
    return _Evidence([*proofs, *[proof for end in ends for proof in _of_lines(end)]], decisive=False)


def _of_exceptions(end: End, patience: int, *, several: bool) -> _Evidence:
    """What the tracebacks at the end of one source's output prove, read from the last one back."""
    proofs: list[_Proof] = []
    decisive = False
    for chain in _chains(end.raised)[: -_EXCEPTIONS - 1 : -1]:
        if _is_outlived(chain, end.ordinary, patience):
            continue
        evidence = _of_chain(chain)
        proofs += evidence.proofs
        decisive |= evidence.decisive
        if evidence.decisive and not several:
            break
    return _Evidence(proofs, decisive)


def _is_outlived(chain: Sequence[Raised], ordinary: Sequence[Line], patience: int) -> bool:
    """Whether a chain of exceptions was caught, or never in anybody's way."""
    message, before = chain[-1].message, chain[0].before
    if _ASIDE.match(before):
        return True
    aftermath = min(patience, _LOGGED_AFTERMATH) if _LOGGED.match(before) else patience
    return output.is_outlived(message[0], ordinary, aftermath=aftermath, soon=len(message) + 1)


def _of_lines(end: End) -> list[_Proof]:
    """What single lines at the end of one source's output prove."""
    headlines = {error.message[0].at for error in end.raised}
    last = [line for line in end.lines[-_LAST_LINES:] if line.at not in headlines and not output.tells_recovery(line)]
    raised = {line.at for error in end.raised for line in error.message}
    errors = [line for line in last if line.at not in raised and output.is_error(line)][-_ERROR_LINES:]
    patterns = cued(SAID, "\n".join(line.text[:_SAID_CHARS] for line in last))
    proofs = [*[_of_said(line, patterns) for line in last], *map(_of_error_line, errors)]
    outlived = {line.at for line in last if output.is_outlived(line, end.ordinary, aftermath=_AFTERMATH)}
    return [proof for proof in proofs if proof and proof.at not in outlived]


def _of_said(line: Line, patterns: Iterable[Pattern]) -> _Proof | None:
    for pattern in cued(patterns, line.text):
        if compiled(pattern.source).match(line.text):
            return _Proof(pattern.strength, line.at, Failure(pattern.code, line.whole.strip()))
    return None


def _of_error_line(line: Line) -> _Proof | None:
    """What a line proves that reports an error without a traceback: a grade less than the exception itself would."""
    raised = _RAISED.search(line.text)
    proof = _of_message([line._replace(text=line.text[raised.start() :] if raised else line.text)])
    return proof._replace(strength=proof.strength - 1) if proof else None


def _signal_number(exit_status: int | None) -> int:
    """The signal that an exit status tells of, also as shells (128 + n) and launchers (256 - n) pass it on; 0: none."""
    if exit_status is None or 0 <= exit_status <= _SHELL_SIGNAL:
        return 0
    if exit_status > _BYTE - _SHELL_SIGNAL // 2:
        number = _BYTE - exit_status
        return number if number > signal.SIGINT and number in set(signal.Signals) else 0
    number = -exit_status if exit_status < 0 else exit_status - _SHELL_SIGNAL
    return number if number in set(signal.Signals) else 0


def _of_signal(number: int) -> list[_Proof]:
    code, strength = _SIGNALS.get(number, ("", 0))
    told = f"killed by signal {number} {signal.Signals(number).name}" if code else ""
    return [_Proof(strength, _LAST, Failure(code, told))] if code else []
