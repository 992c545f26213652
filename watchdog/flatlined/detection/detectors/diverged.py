"""``diverged``: the loss is NaN or infinite."""

from __future__ import annotations

import math

from flatlined.model import Cause, Facts, Finding, Policy, Worker


def detect(worker: Worker, facts: Facts, policy: Policy, now: float) -> Finding | None:
    """A warning as long as the last loss is not a finite number."""
    loss = worker.head.loss
    if worker.not_finite_at is None or loss is None:
        return None
    code = "loss_nan" if math.isnan(loss) else "loss_inf"
    return Finding("diverged", "warning", worker.not_finite_at, Cause(code, {}, (f"loss = {loss}",)))
