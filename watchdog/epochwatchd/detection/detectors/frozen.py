"""``stalled`` for a frozen step: beats come, but the work they tell of does not go on."""

from __future__ import annotations

from epochwatch.wire import RUNNING
from epochwatchd.detection import silence
from epochwatchd.detection.observing import life_of
from epochwatchd.detection.silence import PAUSE_S
from epochwatchd.model import Cause, Facts, Finding, Policy, Worker
from epochwatchd.phrase import Phrase

STEP_FACTOR = 3.0
"""``silent_after`` is a word about beats. A step is given more: an evaluation that beats is no silence."""
NEWS_FACTOR = 10.0
"""While the loss or a metric changes, something is computed: a stage that counts no steps, a long evaluation."""


def detect(worker: Worker, facts: Facts, policy: Policy, now: float) -> Finding | None:
    """A critical finding when a step that used to advance has stood for too long, by the beats that came meanwhile."""
    pace, head, stood_at = worker.pace, worker.head, worker.pace.stood_at
    if stood_at is None or not pace.advances or worker.beat_at - stood_at < PAUSE_S:
        return None
    if head.state != RUNNING or worker.exit is not None or not _is_frozen(worker, stood_at, policy):
        return None
    stood_s = worker.beat_at - stood_at
    before = _longest(worker)
    evidence = (
        Phrase(
            "step {step} for {stood_s:,.0f} s, and beats came; {before}", step=head.step, stood_s=stood_s, before=before
        ),
        Phrase("loss and metrics did not change for {calm_s:,.0f} s", calm_s=_calm_s(worker, stood_at)),
    )
    cause = Cause("step_frozen", {"step": head.step, "stood_s": stood_s}, evidence)
    return Finding("stalled", "critical", stood_at, cause)


def _is_frozen(worker: Worker, stood_at: float, policy: Policy) -> bool:
    """Whether the step has stood for too long; a phase is its own reason to, and what was before it does not count."""
    head, phase_at = worker.head, worker.phase_at
    if head.phase is not None:
        grace_s = policy.first_beat_within_s
        budget_s = silence.phase_limit_s(worker.history, head.phase, head.within_s, grace_s)
        if worker.beat_at < phase_at + budget_s:
            return False
    limit_s = _limit_s(worker, policy)
    stood_s = worker.beat_at - max(stood_at, phase_at)
    return _calm_s(worker, stood_at) >= limit_s or stood_s >= NEWS_FACTOR * limit_s


def _calm_s(worker: Worker, stood_at: float) -> float:
    """How long no number changed: the longest time, so that one that changes once more does not call it over."""
    calm_s = worker.beat_at - max(worker.pace.news_at, worker.phase_at)
    return calm_s if worker.phase_at > stood_at else max(calm_s, worker.pace.calm_s)


def _limit_s(worker: Worker, policy: Policy) -> float:
    """How long the step may stand: where nothing is configured, as long as a silence here, and as a first beat."""
    if policy.silent_after_s is not None:
        return silence.stand_limit_s(worker.history, STEP_FACTOR * policy.silent_after_s)
    grace_s = policy.first_beat_within_s
    silence_s = silence.limit_s(worker.history, worker.head, life_of(worker, grace_s))
    return silence.stand_limit_s(worker.history, max(grace_s, silence_s))


def _longest(worker: Worker) -> str:
    stands = worker.history.stands
    if not stands.seen:
        return Phrase("never {pause_s:.0f} s before", pause_s=PAUSE_S)
    return Phrase("the longest before was {longest_s:,.0f} s", longest_s=stands.longest_s)
