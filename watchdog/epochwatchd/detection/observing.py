"""What a beat adds to what is known of a worker."""

from __future__ import annotations

import math

from epochwatch.wire import EXITING, FINISHED, RUNNING, Beat, Body, Head
from epochwatchd.detection import loss_baseline, silence
from epochwatchd.detection import throughput as paces
from epochwatchd.detection.progress import begin, learn, progress, progress_of
from epochwatchd.detection.silence import SilenceHistory
from epochwatchd.model import Best, Counting, Pace, Rhythm, Wait, Worker

ENOUGH_BEATS = 3
"""A run that was seen to beat less often has taught nothing."""
UNKNOWN_S = 600.0
"""Where nothing is known yet of a job's pauses, a silence may get so long at first."""
PACE_UNITS, PACE_SHARE = 3.0, 0.2
"""So many epochs or steps, and so much of what was left when it was first seen, tell how long a run will take."""


def meet(
    key: str,
    beat: Beat,
    now: float,
    *,
    user: str,
    local: bool,
    started_at: float,
    keeps_alive: bool = False,
    uid: int | None = None,
) -> Worker:
    """A worker from its first beat."""
    head, body = beat
    return Worker(
        key=key,
        head=head,
        body=body,
        user=user,
        local=local,
        started_at=started_at,
        beat_at=now,
        heard_at=now,
        phase_at=now,
        keeps_alive=keeps_alive,
        pace_from=_pace_from(begin(head), head, body, now),
        not_finite_at=_not_finite_at(None, head, now),
        met_at=now,
        history=SilenceHistory(),
        pace=paces.begin(beat, now),
        uid=uid,
        counting=begin(head),
        best=_best(None, head),
    )


def observe(worker: Worker, beat: Beat, now: float) -> Worker:
    """The worker after ``beat``; one without progress (a keep-alive) says that it was heard, an older one nothing."""
    head, body = beat
    old = worker.head
    if head.seq < old.seq or (head.seq == old.seq and head.state < old.state):  # overtaken on its way
        return worker
    phase_changed = head.phase != old.phase or head.phase_time_ns != old.phase_time_ns
    progress = head.seq != old.seq or head.state != old.state or phase_changed
    pace = paces.learn(worker, beat, now)
    if not progress:
        not_finite_at = _not_finite_at(worker.not_finite_at, head, now)
        return worker._replace(head=head, body=body, heard_at=now, not_finite_at=not_finite_at, pace=pace)
    is_gap = old.phase is None and old.seq != 0 and head.state == RUNNING
    rhythm = _rhythm(worker.rhythm, now - worker.beat_at) if is_gap else worker.rhythm
    known = _history(worker, head, now, is_gap=is_gap)
    pace_from, estimate_s, counting = worker.pace_from, worker.estimate_s, worker.counting
    if body.epochs or body.steps or head.step is not None:
        counting = learn(worker.counting, old, head, body)
        pace_from, estimate_s = _timed(worker, counting, head, body, now)
    return Worker(
        worker.key,
        head,
        body,
        worker.user,
        worker.local,
        worker.started_at,
        now,
        now,
        now if phase_changed else worker.phase_at,
        worker.keeps_alive,
        worker.beats + 1,
        rhythm,
        pace_from,
        _not_finite_at(worker.not_finite_at, head, now),
        worker.exit,
        worker.spread if head.loss is None else loss_baseline.learn(worker.spread, head.loss, now),
        worker.met_at,
        known if pace is worker.pace else _after_stand(known, worker, pace),
        estimate_s,
        pace,
        worker.uid,
        counting,
        worker.best if head.loss is None else _best(worker.best, head),
    )


def _rhythm(rhythm: Rhythm, gap_s: float) -> Rhythm:
    return Rhythm(gap_s) if gap_s > rhythm.longest_s else rhythm


def life_of(worker: Worker, grace_s: float = silence.Life(0.0, 0).grace_s) -> silence.Life:
    """How old the worker was at its last beat, and how often it was seen to beat."""
    stride = max(1, math.ceil(worker.counting.stride))
    return silence.Life(worker.beat_at - worker.met_at, worker.beats + 1, min(grace_s, UNKNOWN_S), stride)


def _after_stand(known: SilenceHistory, worker: Worker, pace: Pace) -> SilenceHistory:
    """What is known, with what a step that stood still and now went on has taught."""
    stood_at = worker.pace.stood_at
    if stood_at is None or pace.stood_at is not None:
        return known
    return silence.learn_stand(known, worker.beat_at - max(stood_at, worker.phase_at), worker.head)


def _history(worker: Worker, head: Head, now: float, *, is_gap: bool) -> SilenceHistory:
    """What the silence that ends now, or the phase, has taught."""
    known: SilenceHistory = worker.history
    old, gap_s = worker.head, now - worker.beat_at
    if is_gap:
        after = head if head.seq != old.seq else old  # a phase begins: no epoch has ended yet
        return silence.learn(known, gap_s, old, after, life_of(worker)) if silence.teaches(gap_s, old, after) else known
    if old.phase is not None and head.phase != old.phase:
        return silence.learn_phase(
            known, old.phase, now - worker.phase_at, in_mid_run=old.seq > 0, within_s=old.within_s
        )
    return known


def learn_wait(worker: Worker, wait: Wait) -> Worker:
    """The worker after a closed wait that its latest beat has ended."""
    known: SilenceHistory = worker.history
    return worker._replace(history=silence.learn_wait(known, worker.beat_at - wait.since))


def lesson_of(worker: Worker, now: float) -> SilenceHistory | None:
    """What the next run of the job begins with, after this one; None if it has hardly beaten."""
    if worker.beats < ENOUGH_BEATS:
        return None
    known: SilenceHistory = worker.history
    if worker.head.state in (FINISHED, EXITING):
        known = silence.learn_end(known, now - worker.beat_at, worker.head, life_of(worker))
    return silence.next_run(known, worker.beat_at - worker.met_at)


def resume(worker: Worker, now: float) -> Worker:
    """The worker as if it had just beaten: nobody was there to hear it."""
    return worker._replace(beat_at=now, heard_at=now, pace=paces.shifted(worker.pace, now - worker.beat_at, now))


def excuse_pause(worker: Worker, pause_s: float, now: float) -> Worker:
    """The worker as if ``pause_s`` had not passed: the watchdog was itself away and may hold nothing against it."""
    return worker._replace(
        beat_at=min(now, worker.beat_at + pause_s),
        heard_at=min(now, worker.heard_at + pause_s),
        phase_at=min(now, worker.phase_at + pause_s),
        met_at=min(now, worker.met_at + pause_s),
        pace=paces.shifted(worker.pace, pause_s, now),
    )


def eta_s(worker: Worker) -> float | None:
    """Seconds left at the worker's own pace since it was first seen; None where that cannot be said yet."""
    progress = progress_of(worker)
    if progress is None or worker.pace_from is None:
        return None
    done_at_first, first_at = worker.pace_from
    if progress.done <= done_at_first or worker.beat_at <= first_at:
        return 0.0 if progress.done >= progress.planned else None
    left = progress.planned - progress.done
    return max(0.0, left * (worker.beat_at - first_at) / (progress.done - done_at_first))


def plan_is_reached(worker: Worker) -> bool:
    """Whether the last planned epoch or step has been beaten for."""
    progress = progress_of(worker)
    return progress is not None and progress.is_reached


def _timed(
    worker: Worker, counting: Counting, head: Head, body: Body, now: float
) -> tuple[tuple[float, float] | None, float | None]:
    """``pace_from`` and ``estimate_s`` after a beat of a run with a plan."""
    pace_from = worker.pace_from
    if pace_from is None or _begins_anew(worker, head, body):
        return _pace_from(counting, head, body, now), None
    done = progress(counting, head, body) if worker.estimate_s is None else None
    if done is None:
        return pace_from, worker.estimate_s
    worked, all_of_it = done.done - pace_from[0], done.planned - pace_from[0]
    if worked < PACE_UNITS or worked < PACE_SHARE * all_of_it or all_of_it <= 0:
        return pace_from, None
    return pace_from, (now - pace_from[1]) * all_of_it / worked


def _begins_anew(worker: Worker, head: Head, body: Body) -> bool:
    """Whether the plan is another, or what was done is done again, as in a search: that is timed anew."""
    old, was = worker.head, worker.body
    if body is not was and (body.epochs, body.steps) != (was.epochs, was.steps):
        return True
    done, before = (head.epoch, old.epoch) if body.epochs else (head.step, old.step)
    return done is not None and before is not None and done < before


def _pace_from(counting: Counting, head: Head, body: Body, now: float) -> tuple[float, float] | None:
    done = progress(counting, head, body)
    return None if done is None else (done.done, now)


def _best(known: Best | None, head: Head) -> Best | None:
    loss = head.loss
    if loss is None or not math.isfinite(loss) or (known is not None and loss >= known.loss):
        return known
    return Best(loss, head.epoch, head.step)


def _not_finite_at(known: float | None, head: Head, now: float) -> float | None:
    if head.loss is None:
        return known
    return None if math.isfinite(head.loss) else (now if known is None else known)
