"""In a worker process of Ray a run is a trial's, and ends with the thread of its function. Ray kills the process later.

Only threads that Ray starts for a user's function are meant. What is read of Ray beyond its contexts may be missing.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Callable, List, NamedTuple, Optional

from epochwatch.guard import guarded

if TYPE_CHECKING:
    from typing import Protocol

    class Ending(Protocol):
        """What ends with its thread."""

        def end_with(self, error: Optional[BaseException]) -> None:
            """End as finished, or as failed."""


_of_thread = threading.local()


def is_one() -> bool:
    """Whether this process is a worker of Ray."""
    return "ray" in sys.modules and os.path.basename(sys.argv[0] if sys.argv else "") == "default_worker.py"


class Trial(NamedTuple):
    """What a worker works at: the name of the function or experiment, and what tells the trial from others, if any."""

    job: str
    words: str = ""


def trial() -> Optional[Trial]:
    """The trial, or the training, that this thread is of; None if Ray does not say."""
    tune: Any = sys.modules.get("ray.tune")
    train: Any = sys.modules.get("ray.train")
    with contextlib.suppress(Exception):  # it was loaded, and is not used here
        context: Any = tune and tune.get_context()
        name = context and context.get_trial_name()
        if name:
            job, _, _ = str(name).partition(f"_{context.get_trial_id()}")
            return Trial(job, os.path.basename(str(context.get_trial_dir())))
    with contextlib.suppress(Exception):
        name = train and train.get_context().get_experiment_name()
        if name:
            return Trial(str(name))
    return None


class _Last:
    """Lives as long as its thread."""

    def __init__(self, run: Ending, error: Callable[[], Optional[BaseException]]) -> None:
        self._run, self._error = run, error

    def __del__(self) -> None:
        with guarded():
            error = None
            with guarded():
                error = self._error()
            self._run.end_with(error)


def end_with_thread(run: Ending) -> None:
    """See to it that ``run`` ends when this thread does, if that is one in which Ray runs a trial."""
    thread: Any = threading.current_thread()
    if is_one() and trial() is not None and thread is not threading.main_thread():
        _of_thread.__dict__.setdefault("lasts", []).append(_Last(run, _error_of(thread)))


def _error_of(thread: Any) -> Callable[[], Optional[BaseException]]:
    """What gives the exception by which a user's function was left: Tune's thread notes it, or Train's worker."""
    seen: List[BaseException] = []
    tell = getattr(thread, "_propagate_exception", None)
    if tell is not None:

        def note(error: BaseException) -> None:
            seen.append(error.__cause__ or error)
            tell(error)

        thread._propagate_exception = note  # noqa: SLF001 - of this one thread; there is no other door

    def error() -> Optional[BaseException]:
        if seen:
            return seen[0]
        context: Any = sys.modules.get("ray.train.v2._internal.execution.context")
        if context is None:
            return None
        told = context.get_train_context().execution_context.training_thread_runner.get_error()
        base: Optional[BaseException] = getattr(told, "_base_exc", told)
        return base

    return error
