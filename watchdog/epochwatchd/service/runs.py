"""The runs being watched, as the daemon holds them in memory, and their rows in the store."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from epochwatch.wire import RUNNING, Body, clean
from epochwatchd.alerting.composing import Checkpoint, Named, progress, stamp, tags_of
from epochwatchd.detection.pending import pending
from epochwatchd.detection.telling_apart import differs, words_of
from epochwatchd.model import FLAPS, SEVERITIES, Finding, Incident, Kind, Moment, Pending, Policy, Worker
from epochwatchd.service.bulkheads import Compartment
from epochwatchd.service.watch import Watch
from epochwatchd.store.records import RunRow

PENDING_KINDS = ("silent", "stalled", "slow")
"""The worst first."""


@dataclass(slots=True)
class Run:
    """One run: its workers, its open incidents, and what the store knows of it.

    watches: those of its workers, by key.
    is_new: it is not in the store yet.
    stored_beats, stored_at: how many beats the last snapshot had, and when it was taken.
    suspected: of what, as the store has it.
    others: gives the words of the other runs of its job.
    openings: when its latest incidents of each kind were opened, by the wall clock.
    """

    key: str
    run: str
    policy: Policy
    watches: dict[str, Watch] = field(default_factory=dict)
    incidents: dict[Kind, Incident] = field(default_factory=dict)
    is_new: bool = True
    stored_beats: int = 0
    stored_at: float = -math.inf
    suspected: str | None = None
    others: Callable[[], Iterable[Iterable[str]]] = tuple
    openings: dict[Kind, tuple[float, ...]] = field(default_factory=dict)

    def opened(self, kind: Kind, wall: float) -> None:
        """An incident of this kind was opened then."""
        known = self.openings.get(kind, ())
        if wall not in known:
            self.openings[kind] = (*known, wall)[-FLAPS:]

    @property
    def named(self) -> Named:
        """Its name, what tells it from the others of its job, and how far it is safe."""
        body, bodies = self.speaker.body, [watch.worker.body for watch in self.watches.values()]
        saved = [Checkpoint(b.checkpoint_ns, b.checkpoint or "") for b in bodies if b.checkpoint_ns is not None]
        others = differs(words_of(body.argv, body.tags), self.others())
        return Named(self.run, others, self.job, max(saved, default=None))

    @property
    def job(self) -> str:
        """Its job: what ``epochwatch run --job`` says, before what the training inside does."""
        bodies = [watch.worker.body for watch in self.watches.values()]
        return next((body.job for body in bodies if body.names_run), self.speaker.body.job)

    @property
    def workers(self) -> list[Worker]:
        """Its workers."""
        return [watch.worker for watch in self.watches.values()]

    @property
    def beating(self) -> list[Watch]:
        """Those whose beats count: the output of a command only where nobody inside beats."""
        watches = list(self.watches.values())
        return [watch for watch in watches if watch.worker.body.command_pid is None] or watches

    def stand_in(self, worker: Worker) -> None:
        """No process is meant: this worker stands for what is."""
        self.watches = {worker.key: Watch(worker)}

    @property
    def title(self) -> str:
        """What people call it."""
        worker = self.speaker
        return clean(f"{self.job or self.key} (run {self.run}, user {worker.user or 'unknown'})")

    @property
    def user(self) -> str | None:
        """Whose run it is."""
        return self.speaker.user or None

    @property
    def is_ending(self) -> bool:
        """Whether a worker has said an end or is gone."""
        return any(w.head.state != RUNNING or w.exit is not None for w in self.workers)

    @property
    def beats(self) -> int:
        """Beats seen of all workers."""
        return sum(w.beats for w in self.workers)

    @property
    def speaker(self) -> Worker:
        """The worker that stands for the run: not a mere wrapper if there is another, and the latest to beat."""
        return max(self.workers, key=lambda w: (w.body.command_pid is None, w.beat_at))

    def worst(self) -> Incident | None:
        """The open incident that gives the run its verdict."""
        return max(self.incidents.values(), key=lambda i: SEVERITIES.index(i.finding.severity), default=None)


def wished(policy: Policy, body: Body) -> Policy:
    """What a job asks for, with what its user wishes for this run: it is theirs, and concerns nobody else."""
    names = ("silent_after_s", "first_beat_within_s")
    return replace(policy, **{name: value for name in names if (value := getattr(body, name)) is not None})


def compartment(run: Run, step: str) -> Compartment:
    """The bulkhead round one step of a run."""
    return (run.key, step, run)


def row(run: Run, worker: Worker, finding: Finding | None, moment: Moment, *, is_over: bool = False) -> RunRow:
    """The run's row with this verdict (None: running), told by ``worker``."""
    since = worker.started_at if finding is None else finding.since
    body = worker.body
    return RunRow(
        key=run.key,
        job=run.job,
        run=run.run,
        host=body.host or "",
        user=worker.user,
        pid=body.command_pid or body.pid,
        verdict="running" if finding is None else finding.kind,
        since_wall=moment.wall_of(since),
        cause=finding.cause.code if finding and finding.cause else None,
        started_wall=moment.wall_of(min(w.started_at for w in run.workers)),
        seen_wall=moment.wall_of(worker.heard_at),
        ended_wall=moment.wall if is_over else None,
        progress=progress(worker),
        about={"argv": list(body.argv), "cwd": body.cwd, "tags": tags_of(worker, run.job)},
        suspected=_shown(pending_of(run, moment.mono), moment) if finding is None else None,
    )


def pending_of(run: Run, now: float) -> Pending | None:
    """What a run that is called running is suspected of: the worst of its workers' suspicions, the earliest first."""
    worst = None
    for watch in run.beating:
        found = pending(watch.worker, now)
        if found is not None and (worst is None or _rank(found) < _rank(worst)):
            worst = found
    return worst


def _rank(suspected: Pending) -> tuple[int, float]:
    return PENDING_KINDS.index(suspected.code), suspected.since


def pending_changed(run: Run, now: float) -> bool:
    """Whether a suspicion has begun or ended since the run's row was stored."""
    suspected = pending_of(run, now)
    return run.suspected != (suspected.code if suspected is not None else None)


def _shown(suspected: Pending | None, moment: Moment) -> dict[str, str] | None:
    if suspected is None:
        return None
    return {"code": suspected.code, "since": stamp(moment.wall_of(suspected.since)), "text": suspected.text}


def current_row(run: Run, moment: Moment) -> RunRow:
    """The run's row as it stands now."""
    incident = run.worst()
    return row(run, run.speaker, incident.finding if incident else None, moment)
