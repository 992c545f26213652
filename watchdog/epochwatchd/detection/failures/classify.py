"""What made a training fail: its exception, its last output and its exit status, weighed together. Pure.

The exception that ended the program outranks what it printed, and the most specific evidence wins rather than the
first that matches. Evidence counts only at the end: an error after which training went on is not the cause.
"""

from __future__ import annotations

import re
import signal
import string
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from epochwatchd.detection.failures import output, remarks
from epochwatchd.detection.failures.chains import bare, bearing, chains, is_wrapper
from epochwatchd.detection.failures.log_lines import Line, read
from epochwatchd.detection.failures.output import End, Raised
from epochwatchd.detection.failures.patterns import (
    ECHO,
    ECHOES,
    PROOF,
    RAISED,
    SAID,
    SIGN,
    TYPES,
    Pattern,
    compiled,
    cued,
)
from epochwatchd.model import SHELL_SIGNAL
from epochwatchd.phrase import Phrase

_LAST_LINES, _ERROR_LINES, _EXCEPTIONS, _LAST_WORDS = 50, 8, 8, 2
_TEXT_CHARS, _SAID_CHARS = 1200, 400
"""How much is read, counted from the end: whatever a program prints, to judge it costs little."""
_AFTERMATH = 12
"""Lines that may follow an error which ended the program: clean-up, summaries, the shell around it."""
_LOGGED_AFTERMATH = 3
"""The same after a warning, which is how a caught exception is mostly logged."""
_SOON = 3
"""Lines after an exception in which a program that outlived it says so; its message may end in a paragraph more."""
_LAST = 1 << 30
"""A signal comes after all lines."""
_BYTE = 256
"""A program that exits with the return code that ``subprocess`` gave it, -n, has the status 256 - n."""
_SIGNALS: dict[int, tuple[str, int]] = {
    signal.SIGSEGV: ("segfault", SIGN),
    signal.SIGILL: ("illegal_instruction", SIGN),
    signal.SIGBUS: ("bus_error", SIGN),
    signal.SIGINT: ("keyboard_interrupt", PROOF),
}
_PYTHON_MAY_END_BY = (0, signal.SIGABRT, signal.SIGINT)
"""What an exception may lead to: an ordinary exit, an abort in native code, Python's report of an interrupt."""

_RAISED = re.compile(r"(?:Error|Exception|Interrupt): ")
_NAME = string.ascii_letters + string.digits + "_."
_ASIDE = re.compile(r"Exception (?:ignored in|in thread)\b")
_LOGGED = re.compile(r".{0,80}\bWARNING\b|W\d{4} ")
_SPARED = re.compile(
    r"(?=.{0,80}\bERROR\b).{0,300}(?i:\b(?:skip|ignor|continu|default|instead|fall(?:ing|s)? ?back)|건너|무시)"
)
"""What introduces an exception that was logged and survived."""


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
    printed = _of_output(read(tail), _patience(exit_status, number))
    return _strongest(printed.proofs if printed.decisive else [*own.proofs, *printed.proofs, *_of_signal(number)])


def _strongest(proofs: Iterable[_Proof]) -> Failure | None:
    best = max(proofs, key=lambda proof: (proof.strength, -proof.at), default=None)
    return best.failure if best else None


def _recorded(exception: str | None, traceback: str | None) -> list[Raised]:
    """The chain of exceptions that the agent recorded."""
    found = output.tracebacks(read((traceback or "").splitlines()))
    chain = chains(found)[-1] if found else []
    if exception and (not chain or not chain[-1].message[0].text.startswith(exception.partition(":")[0])):
        return [Raised(tuple(read(exception.splitlines())))]
    return chain


def _of_chain(chain: Sequence[Raised]) -> _Evidence:
    """What a chain of exceptions proves; one that belongs to no class, and passes on no other's, leaves it at that."""
    proofs = [proof for error in bearing(chain) if (proof := _of_message(error.message, error.frames))]
    opaque = bool(chain) and not proofs and not is_wrapper(chain[-1])
    return _Evidence(proofs, opaque or any(proof.strength > ECHO for proof in proofs))


def _of_message(message: Sequence[Line], frames: Sequence[tuple[str, str]] = ()) -> _Proof | None:
    """The strongest evidence in an exception's text and the place that raised it; among equals what stands first."""
    text = "\n".join([bare(message[0].text), *[line.text for line in message[1:]]])[:_TEXT_CHARS]
    text += "".join(f"\nraised in {file}, {function}" for file, function in frames[-1:])
    hits = [
        (pattern.strength, hit.start(), pattern.code)
        for pattern in cued(RAISED, text)
        if (hit := compiled(pattern.source).search(text))
    ]
    strength, start, code = min(hits, key=lambda hit: (-hit[0], hit[1]), default=(0, 0, ""))
    by_type = TYPES.get(re.split(r"\W", text, maxsplit=1)[0])
    if by_type and by_type[1] > strength:
        (code, strength), start = by_type, 0
    line = message[min(text.count("\n", 0, start), len(message) - 1)]
    return _Proof(strength, line.at, Failure(code, line.whole.strip())) if code else None


def _patience(exit_status: int | None, number: int) -> int:
    """How many ordinary lines may follow the exception that led to an exit status.

    Python leaves with 1 after an exception, and so do launchers. Another status was chosen by the program, a signal
    was sent to it: an exception that it printed long before was not its end.
    """
    if number not in _PYTHON_MAY_END_BY:
        return 0
    return _AFTERMATH if exit_status in (1, None) else _LOGGED_AFTERMATH


def _of_output(lines: Sequence[Line], patience: int) -> _Evidence:
    """What the output proves: its last exceptions, or where none tells, its last error lines."""
    ends = output.ends(lines)
    found = [_of_exceptions(end, patience) for end in ends]
    proofs = [proof for evidence in found for proof in evidence.proofs]
    if any(evidence.decisive for evidence in found):
        return _Evidence([proof for proof in proofs if proof.strength > ECHO], decisive=True)
    proofs += [proof for end in ends for proof in _of_lines(end)]
    if output.tells_a_kill(lines):  # what the others say of it explains nothing
        proofs = [proof for proof in proofs if proof.failure.code not in ECHOES]
    return _Evidence(proofs, decisive=False)


def _of_exceptions(end: End, patience: int) -> _Evidence:
    """What the tracebacks at the end of one source's output prove, read from the last one back."""
    proofs: list[_Proof] = []
    decisive = False
    later = 0
    for chain in chains(end.raised)[: -_EXCEPTIONS - 1 : -1]:
        if _is_outlived(chain, end.ordinary, min(patience, _LOGGED_AFTERMATH + later) if later else patience):
            continue
        if not end.mixed:  # what led to the exceptions below it was printed right above them
            later += sum(1 + len(error.message) for error in chain)
        evidence = _of_chain(chain)
        proofs += evidence.proofs
        decisive |= evidence.decisive
        if evidence.decisive and not end.mixed:
            break
    return _Evidence(proofs, decisive)


def _is_outlived(chain: Sequence[Raised], ordinary: Sequence[Line], patience: int) -> bool:
    """Whether a chain of exceptions was caught, or never in anybody's way."""
    message, before = chain[-1].message, chain[0].before
    if _ASIDE.match(before):
        return True
    aftermath = min(patience, _LOGGED_AFTERMATH) if _LOGGED.match(before) else patience
    if _SPARED.match(before):
        aftermath = 0
    return remarks.is_outlived(message[0], ordinary, aftermath=aftermath, soon=len(message) + _SOON)


def _of_lines(end: End) -> list[_Proof]:
    """What single lines at the end of one source's output prove."""
    headlines = {error.message[0].at for error in end.raised}
    last = [
        line for line in end.lines[-_LAST_LINES:] if line.at not in headlines and not remarks.tells_recovery(line.text)
    ]
    raised = {line.at for error in end.raised for line in error.message}
    final = {line.at for line in end.ordinary[-_LAST_WORDS:] if remarks.is_complaint(line)}
    errors = [line for line in last if line.at not in raised and (line.at in final or remarks.is_error(line))]
    patterns = cued(SAID, "\n".join(line.text[:_SAID_CHARS] for line in last))
    proofs = [
        *[_of_said(line, patterns) for line in last],
        *[_of_error_line(line, _explained(line, end.lines)) for line in errors[-_ERROR_LINES:]],
    ]
    outlived = {line.at for line in last if remarks.is_outlived(line, end.ordinary, aftermath=_AFTERMATH)}
    return [proof for proof in proofs if proof and proof.at not in outlived]


def _of_said(line: Line, patterns: Iterable[Pattern]) -> _Proof | None:
    for pattern in cued(patterns, line.text):
        if compiled(pattern.source).match(line.text):
            return _Proof(pattern.strength, line.at, Failure(pattern.code, line.whole.strip()))
    return None


def _explained(line: Line, lines: Sequence[Line]) -> Sequence[Line]:
    """The lines that say what an error line means which ends in a colon."""
    if not line.text.rstrip().endswith(":"):
        return ()
    return output.message(lines[bisect_left(lines, line.at, key=attrgetter("at")) :])[1:]


def _of_error_line(line: Line, more: Sequence[Line]) -> _Proof | None:
    """What a line proves that reports an error without a traceback: a grade less than the exception itself would."""
    raised = _RAISED.search(line.text)
    before = line.text[: raised.start()].rstrip(_NAME) if raised else ""
    proof = _of_message([line._replace(text=line.text[len(before) :]), *more])
    return proof._replace(strength=proof.strength - 1, at=line.at) if proof else None


def _signal_number(exit_status: int | None) -> int:
    """The signal that an exit status tells of, also as shells (128 + n) and launchers (256 - n) pass it on; 0: none."""
    if exit_status is None or 0 <= exit_status <= SHELL_SIGNAL:
        return 0
    if exit_status > _BYTE - SHELL_SIGNAL // 2:
        number = _BYTE - exit_status
        return number if number > signal.SIGINT and number in set(signal.Signals) else 0
    number = -exit_status if exit_status < 0 else exit_status - SHELL_SIGNAL
    return number if number in set(signal.Signals) else 0


def _of_signal(number: int) -> list[_Proof]:
    code, strength = _SIGNALS.get(number, ("", 0))
    if not code:
        return []
    told = Phrase("killed by signal {number} {name}", number=number, name=signal.Signals(number).name)
    return [_Proof(strength, _LAST, Failure(code, told))]
