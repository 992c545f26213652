"""``diverged``: the loss is NaN or infinite, or has exploded."""

from __future__ import annotations

import math

from epochwatchd.model import Cause, CauseCode, Facts, Finding, Policy, Worker
from epochwatchd.phrase import Phrase

ABOVE = 3
"""Losses in a row that must be far above the usual: a single bad batch is no divergence."""


def detect(worker: Worker, facts: Facts, policy: Policy, now: float) -> Finding | None:
    """A warning as long as the last loss is not a finite number, or far above what is usual for the run."""
    loss, spread = worker.head.loss, worker.spread
    if loss is None:
        return None
    if worker.not_finite_at is not None:
        code: CauseCode = "loss_nan" if math.isnan(loss) else "loss_inf"
        return Finding(
            "diverged", "warning", worker.not_finite_at, Cause(code, {}, (Phrase("loss = {loss}", loss=str(loss)),))
        )
    if spread.above < ABOVE:
        return None
    usual = {"mean": spread.mean, "deviation": math.sqrt(spread.variance)}
    evidence = (Phrase("loss = {loss:.4g}; usual is {mean:.4g} ± {deviation:.2g}", loss=loss, **usual),)
    return Finding("diverged", "warning", spread.above_at, Cause("loss_exploded", {}, evidence))
