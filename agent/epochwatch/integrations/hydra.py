"""Hydra: ``hydra.callbacks.epochwatch._target_: epochwatch.integrations.hydra.Epochwatch``; each job is a run."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Optional

from epochwatch import agent
from epochwatch.guard import guarded

try:
    from hydra.experimental.callback import Callback
except ImportError:
    raise ImportError("epochwatch.integrations.hydra needs Hydra 1.1 or newer: pip install hydra-core") from None


class Epochwatch(Callback):
    """Names the run after the job, tags it with the overrides, and ends it with the job.

    job: the run's name instead.
    """

    def __init__(self, job: Optional[str] = None) -> None:
        self._job = job
        self._open = ExitStack()

    @guarded()
    def on_job_start(self, config: Any, **_: Any) -> None:  # noqa: D102 - the framework says what it is
        overrides = (override.lstrip("+~").partition("=") for override in config.hydra.overrides.task)
        tags = {name: value for name, _, value in overrides}
        run = agent.run(self._job or config.hydra.job.name, tags=tags or None)
        self._run = self._open.enter_context(run.open())

    @guarded()
    def on_job_end(self, *, job_return: Any, **_: Any) -> None:
        """Hydra keeps what the job raised, and raises it where the result is asked for: so it is not asked for."""
        if job_return.status.name == "FAILED":
            self._run.fail(job_return._return_value)  # noqa: SLF001 - see above
        self._open.close()
