"""From what the detectors find in each worker to what is wrong with the run."""

from __future__ import annotations

import math
import signal
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from epochwatch.wire import RUNNING
from epochwatchd.detection.detectors import Detector
from epochwatchd.detection.failures import ECHOES
from epochwatchd.model import SEVERITIES, SHELL_SIGNAL, Cause, Facts, Finding, Policy, Worker
from epochwatchd.phrase import Phrase
from epochwatchd.verdicts import ENDS, RANK

RANKS_NAMED = 4
LINE_MAX = 120
PIDS_NAMED = 8
OUTLIVED_S = 2.0
"""Those inside a launcher that ended mostly end with it, a moment later."""
SETTLES_S = 0.5
"""One that falls is not always the first to be dead: the kernel closes its files before, and so the others are told."""
_RUNNING = Phrase("running")
_SAID = ("exception", "reported", "stopped_early", "too_fast")
_WAITING = ("deadlock", "peer_wait", "gpu_spin", "unknown")
"""Causes of a silence that waiting for another rank has too."""

RETRY_WITHIN_S = 10.0
"""A training that falls inside a wrapper that lives on may be tried again: so long that is waited for."""

Found: TypeAlias = tuple[Finding, Worker]


class Fall(NamedTuple):
    """A bad end inside a wrapped command. ``is_last``: no other training has begun there since."""

    end: Finding
    worker: Worker
    is_last: bool


class Failure(NamedTuple):
    """A detector that broke on a worker."""

    detector: str
    worker_key: str
    error: Exception


def examine(
    worker: Worker, facts: Facts, policy: Policy, now: float, detectors: Mapping[str, Detector]
) -> tuple[list[Finding], list[Failure]]:
    """What each detector finds in one worker, and which of them broke on it."""
    try:
        return [f for detect in detectors.values() if (f := detect(worker, facts, policy, now)) is not None], []
    except Exception:  # noqa: BLE001 - said below, for each that breaks; here all are asked at the least cost
        return _examine_singly(worker, facts, policy, now, detectors)


def _examine_singly(
    worker: Worker, facts: Facts, policy: Policy, now: float, detectors: Mapping[str, Detector]
) -> tuple[list[Finding], list[Failure]]:
    findings, failures = [], []
    for name, detect in detectors.items():
        try:
            finding = detect(worker, facts, policy, now)
        except Exception as e:  # noqa: BLE001 - a broken plug-in is isolated: named in the log by the caller
            failures.append(Failure(name, worker.key, e))
        else:
            if finding is not None:
                findings.append(finding)
    return findings, failures


class Judged(NamedTuple):
    """What is wrong with a run, the worst first; and whether it is over, so that nothing more will come of it."""

    found: list[Found]
    is_over: bool = False


def judge(found: Sequence[tuple[Worker, Sequence[Finding]]], now: float = math.inf) -> Judged:
    """What is wrong with a run of these workers; nothing for ``running``.

    A crash of one worker is told at once, the earliest first; the run is over when all have ended. A rank that was
    started anew stands for the one before. A run that ``epochwatch run`` wraps is over when the command has ended.
    """
    ends = {w.key: f for w, findings in found for f in findings if f.kind in ENDS}
    workers = _present(w for w, _ in found if w.body.command_pid is None)
    command = next((w for w, _ in reversed(found) if _speaks_for_run(w, workers)), None)
    if command is not None and not _all_is_done(workers, ends):
        falls = _falls([w for w, _ in found if w.body.command_pid is None], ends)
        outlived_by = [w for w in workers if w.key not in ends and w.exit is None]
        if command.key in ends and not outlived_by:
            return Judged([_command_end(command, workers, ends, falls)], is_over=True)
        if command.key in ends:
            crashed = _outlived(command, ends[command.key], outlived_by, now)
        else:  # a shell may be about to try again; then it is no fall
            told = [fall for fall in falls if fall.is_last and now - fall.end.since >= RETRY_WITHIN_S]
            crashed = [(fall.end, fall.worker) for fall in told[:1]]
    else:
        has_ended = bool(workers) and all(w.key in ends for w in workers)
        bad = [(ends[w.key], w) for w in workers if _is_bad_end(ends.get(w.key))]
        crashed = _first_to_fall(bad, math.inf if has_ended else now)
        if has_ended:
            last = crashed or [max(((ends[w.key], w) for w in workers), key=_is_noted_and_when)]
            return Judged(_with_others(last, workers, found, ends), is_over=True)
    # Of a command its output is judged, where nobody inside beats.
    living = {w.key for w in workers or [w for w, _ in found]} - ends.keys()
    others = [(f, w) for w, findings in found if w.key in living for f in findings]
    company = Counter(_place(finding) for finding, _ in others)
    others.sort(key=lambda one: _rank(one, company))
    others[:1] = [_waited_for(one, company) for one in others[:1]]
    return Judged(_with_others(crashed + others, workers, found, ends))


def _first_to_fall(bad: Iterable[Found], now: float) -> list[Found]:
    """The earliest bad end. One that another rank's may have brought on gives way to that, and waits for it."""
    ends = sorted(bad, key=_since)
    if not ends or not _may_follow(ends[0]):
        return ends[:1]
    crash = next((end for end in ends if not _may_follow(end) and _since(end) - _since(ends[0]) <= SETTLES_S), None)
    if crash is None and now - _since(ends[0]) < SETTLES_S:
        return []
    return [crash or ends[0]]


def _may_follow(one: Found) -> bool:
    """Whether it was only told to go, or fell because another rank was gone."""
    cause = one[0].cause
    return cause is not None and (cause.code == "terminated" or cause.details.get("failure") in ECHOES)


def _outlived(command: Worker, end: Finding, living: Sequence[Worker], now: float) -> list[Found]:
    """What is wrong where a wrapped launcher has ended and those inside live on: its bad end, once they surely do."""
    if not _is_bad_end(end) or now - end.since < OUTLIVED_S:
        return []
    pids = ", ".join(str(w.body.pid) for w in living[:PIDS_NAMED]) + (", …" if len(living) > PIDS_NAMED else "")
    told = Phrase("{count} processes of the run live on: {pids}", count=len(living), pids=pids)
    cause = end.cause or Cause("unknown")
    return [(replace(end, cause=replace(cause, evidence=(*cause.evidence, told))), command)]


def _falls(inside: Sequence[Worker], ends: Mapping[str, Finding]) -> list[Fall]:
    """The bad ends of those inside a command, the earliest first."""
    latest = max((w.started_at for w in inside), default=-math.inf)
    bad = [(end, w) for w in inside if (end := ends.get(w.key)) is not None and _is_bad_end(end)]
    return sorted((Fall(end, w, latest <= end.since) for end, w in bad), key=lambda fall: fall.end.since)


def _speaks_for_run(worker: Worker, inside: Sequence[Worker]) -> bool:
    """Whether a worker is a wrapper; one that was itself killed, and said nothing, leaves that to those inside."""
    was_killed = worker.exit is not None and worker.head.state == RUNNING
    return worker.body.command_pid is not None and not (was_killed and inside)


def _all_is_done(workers: Sequence[Worker], ends: Mapping[str, Finding]) -> bool:
    """Whether all of these have ended, one of them by doing nothing any more: whoever wraps it waits for it."""
    causes = [ends[w.key].cause for w in workers if w.key in ends]
    return len(causes) == len(workers) and any(cause is not None and cause.code == "still_there" for cause in causes)


def _present(workers: Iterable[Worker]) -> list[Worker]:
    """The workers, without those whose rank was started anew, or is no longer needed in a launch of another size."""
    latest: dict[object, Worker] = {}
    for worker in sorted(workers, key=lambda w: w.started_at):
        latest[worker.key if worker.body.rank is None else worker.body.rank] = worker
    size = worker.body.world_size if latest else None
    return [w for w in latest.values() if w.exit is None or w.body.world_size == size]


def _is_bad_end(finding: Finding | None) -> bool:
    return finding is not None and finding.kind in ("crashed", "interrupted")


def _since(one: Found) -> float:
    return one[0].since


def _is_noted_and_when(one: Found) -> tuple[bool, float]:
    finding, _ = one
    return finding.cause is not None, finding.since


def _place(finding: Finding) -> str:
    """Where a silent worker stands, if that is known."""
    return str((finding.cause and finding.cause.details.get("at")) or "")


def _waited_for(one: Found, company: Mapping[str, int]) -> Found:
    """One for whom the many wait does not itself wait for a rank."""
    finding, worker = one
    cause = finding.cause
    if cause is None or cause.code != "peer_wait" or company[_place(finding)] == max(company.values()):
        return one
    return replace(finding, cause=replace(cause, code="deadlock")), worker


def _rank(one: Found, company: Mapping[str, int]) -> tuple[int, int, float, bool, int, float]:
    """The worst first; of ranks alike the one that is furthest behind, or does not just wait as the others do.

    company: how many stand at one place: it is the few for whom the many wait.
    """
    finding, worker = one
    step = math.inf if worker.body.rank is None or worker.head.step is None else worker.head.step
    waits = finding.cause is None or finding.cause.code in _WAITING
    few = company.get(_place(finding), 0)
    return -SEVERITIES.index(finding.severity), RANK[finding.kind], step, waits, few, finding.since


def _with_others(
    said: list[Found],
    workers: Sequence[Worker],
    found: Sequence[tuple[Worker, Sequence[Finding]]],
    ends: Mapping[str, Finding],
) -> list[Found]:
    """What is said, with a line on how the other ranks look, where there are several."""
    if not said or len(workers) < 2:  # noqa: PLR2004 - the others
        return said
    worst = {
        w.key: ends.get(w.key) or min(findings, key=lambda f: _rank((f, w), {}), default=None) for w, findings in found
    }
    finding, worker = said[0]
    looks: dict[Phrase, list[Worker]] = defaultdict(list)
    for other in workers:
        if other.key != worker.key:
            looks[_look(worst[other.key], other)].append(other)
    by_number = sorted(looks.items(), key=lambda look: -len(look[1]))
    said_of = [_of_others(who, look) for look, who in by_number]
    line = Phrase("the other processes of the run: {looks}", looks=said_of)
    cause = finding.cause or Cause("unknown")
    if finding.kind == "finished":
        return said
    return [(replace(finding, cause=replace(cause, evidence=(*cause.evidence, line))), worker), *said[1:]]


def _of_others(workers: Sequence[Worker], look: Phrase) -> Phrase:
    """How many look so, and which ranks they are, where they are few and not just running."""
    ranks = [str(w.body.rank) for w in workers if w.body.rank is not None]
    if look == _RUNNING or not 0 < len(ranks) <= RANKS_NAMED:
        return Phrase("{count} {look}", count=len(workers), look=look)
    return Phrase("{count} {look} (rank {ranks})", count=len(workers), look=look, ranks=ranks)


def _look(finding: Finding | None, worker: Worker) -> Phrase:
    if finding is None:
        return _RUNNING
    kind, place = Phrase(finding.kind), _place(finding)
    told = Phrase("{kind} ({code})", kind=kind, code=finding.cause.code) if finding.cause and not place else kind
    if finding.kind != "silent":
        return told
    if worker.head.step is not None:
        told = Phrase("{look} at step {step}", look=told, step=worker.head.step)
    return Phrase("{look}, in {at}", look=told, at=place) if place else told


def _command_end(
    command: Worker, inside: Sequence[Worker], ends: Mapping[str, Finding], falls: Sequence[Fall]
) -> Found:
    """The end of a wrapped command, told with the exception of the worker inside if it left one.

    Where a pipe or a shell hides how the training inside ended, that is the run's end.
    """
    end = ends[command.key]
    if not inside:
        return end, command
    if end.kind == "finished" and falls:
        return _hidden_end(command, inside, end, falls)
    told = [w for w in inside if w.key in ends and _says_why(ends[w.key], end)]
    speaker = min(told, key=lambda w: ends[w.key].since) if told else max(inside, key=lambda w: w.beat_at)
    return replace(end, cause=ends[speaker.key].cause if told else end.cause), speaker


def _hidden_end(command: Worker, inside: Sequence[Worker], end: Finding, falls: Sequence[Fall]) -> Found:
    """What became of the last training inside a command that left with 0."""
    last = next((fall for fall in falls if fall.is_last), None)
    if last is None:
        cause = Cause("retried", {"times": len(falls)}, tuple(_fell_before(fall) for fall in falls[-RANKS_NAMED:]))
        return replace(end, cause=cause), max(inside, key=lambda w: w.started_at)
    told = Phrase("the command around it left with 0: {argv}", argv=" ".join(command.body.argv)[:LINE_MAX])
    cause = last.end.cause or Cause("unknown")
    return replace(last.end, cause=replace(cause, evidence=(*cause.evidence, told))), last.worker


def _fell_before(fall: Fall) -> str:
    code = fall.end.cause.code if fall.end.cause else "unknown"
    return Phrase(
        "process {pid} {kind} before ({code})", pid=fall.worker.body.pid, kind=Phrase(fall.end.kind), code=code
    )


def _says_why(inside: Finding, end: Finding) -> bool:
    """Whether the end of a worker tells more than the status with which its command left: a shell says 128 + n."""
    if inside.kind != end.kind or inside.cause is None:
        return False
    is_status = end.cause is not None and end.cause.code == "exit_code"
    return inside.cause.code in _SAID or (
        is_status and (inside.cause.code == "oom_kill" or _is_passed_on(inside.cause, end.cause))
    )


def _is_passed_on(inside: Cause, end: Cause | None) -> bool:
    """Whether a command left with the status that shells have for the signal that ended a worker inside."""
    number = getattr(signal, str(inside.details.get("signal")), None)
    return number is not None and end is not None and end.details.get("status") == SHELL_SIGNAL + number
