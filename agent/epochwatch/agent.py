"""The calls that training code makes. None of them raises, blocks or keeps what it was given; see ``guard``.

    from epochwatch import agent

    for epoch in range(90):
        loss = train_one_epoch()
        agent.beat(epoch, loss)

Only a wrong call, such as a misspelt argument of ``start``, is a normal Python error.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, TypeVar, Union, overload

from epochwatch import identity, scalars, wire
from epochwatch.guard import guarded, report
from epochwatch.run import Run, current, entered

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["Run", "beat", "checkpoint", "enter", "fail", "finish", "leave", "phase", "run", "start", "watched"]

F = TypeVar("F", bound=Callable[..., Any])

RESULT_MAX = 200

_latest = Run(body=wire.Body(job=""))  # what was before the first run
_latest.ended = True


def beat(epoch: Any = None, loss: Any = None, *, step: Any = None, **metrics: Any) -> None:
    """One heartbeat; the first registers the run. What is left out, or is no number, stays as it was.

    Numbers may be Python's, NumPy's, or tensors of one element. A tensor on a device is converted at most once a
    second, after the beat itself was recorded, and is never kept.
    """
    try:
        run = current.get() or (entered[-1] if entered else _latest)  # _run(), at half the cost
        (_begin() if run.ended else run).record(epoch, loss, step, metrics)
    except Exception as error:
        report(error)


def start(
    job: Optional[str] = None,
    *,
    epochs: Optional[int] = None,
    steps: Optional[int] = None,
    tags: Optional[Dict[str, str]] = None,
    rank: Optional[int] = None,
    world_size: Optional[int] = None,
) -> None:
    """Name the run and say how long it is going to be.

    ``rank`` of ``world_size`` processes that are one run, where no launcher says it in the environment.

    Called again for the same job, or for none, it changes the plan of the run; for another job, it ends the run as
    finished and begins one of that job.
    """
    with guarded():
        run = _spoken_of()
        plan = {"epochs": epochs, "steps": steps, "tags": tags, "rank": rank, "world_size": world_size}
        if run.ended:
            run = _begin(job, **plan)
        elif job is None or identity.job_name(job) == run.job:
            run.update(**identity.plan(**plan))
        else:
            run.finish()
            run = _begin(job, **plan)
        run.open()


def phase(name: str, within: Union[float, str, None] = None) -> AbstractContextManager[None]:
    """Announce a stretch without beats for a ``with`` block, and how long it may take: seconds, or ``10m``, ``1h30m``.

    A phase in a phase interrupts it.
    """
    return _run().phase(name, within)


def enter(name: str, within: Union[float, str, None] = None) -> None:
    """The same as ``phase`` where its begin and its end are two calls, as in callbacks; ``leave`` ends it."""
    _run().enter(name, within)


def leave() -> None:
    """End the phase that ``enter`` began."""
    _run().leave_phase()


def last_step() -> Optional[int]:
    """The step that was told last, by whomever; None if there was none. For ``epochwatch.auto``."""
    run = _spoken_of()
    return None if run.ended else run.recorder.step


def checkpoint(path: Any = None) -> None:
    """Say that a checkpoint was saved just now: messages tell how old the last one is, and where it lies."""
    _run().checkpoint(path)


def finish(note: Any = None) -> None:
    """End the run by word. The next beat begins another run of the same job."""
    _spoken_of().finish(note)


def fail(reason: Any) -> None:
    """End the run as failed. ``reason`` may be an exception: then its traceback is told too."""
    (_spoken_of() if _latest.job else _run()).fail(reason)


def run(
    job: Optional[str] = None,
    *,
    epochs: Optional[int] = None,
    steps: Optional[int] = None,
    tags: Optional[Dict[str, str]] = None,
) -> Run:
    """A run of its own, with the same calls as methods: several runs in one process.

    As a context manager it ends with the block: finished, or failed with the exception. Within the block, this module's
    calls speak of it.
    """
    return Run(job, epochs=epochs, steps=steps, tags=tags)


@overload
def watched(job: F) -> F: ...
@overload
def watched(
    job: Optional[str] = None,
    *,
    epochs: Optional[int] = None,
    steps: Optional[int] = None,
    tags: Optional[Dict[str, str]] = None,
) -> Callable[[F], F]: ...
def watched(job: Any = None, **plan: Any) -> Any:
    """Decorator, with or without parentheses: each call of the function is a run.

    Of a generator, until it is exhausted, closed or raises. Coroutines are runs of their own, too.

    What it returns becomes the note of the finish; what it raises, the failure, and goes on its way.
    """
    if callable(job):
        return watched()(job)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with _watched_run(job, plan) as this:
                return _finished(this, function(*args, **kwargs))

        @wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with _watched_run(job, plan) as this:
                return _finished(this, await function(*args, **kwargs))

        @wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Any:
            from epochwatch.generators import driven  # noqa: PLC0415 - few are generators

            return driven(_watched_run(job, plan), function(*args, **kwargs), _finished)

        @wraps(function)
        def generate_async(*args: Any, **kwargs: Any) -> Any:
            from epochwatch.generators import driven_async  # noqa: PLC0415 - as above

            return driven_async(_watched_run(job, plan), function(*args, **kwargs))

        import inspect  # noqa: PLC0415 - dear to load, and not everybody decorates

        kinds = (
            (inspect.iscoroutinefunction, call_async),
            (inspect.isgeneratorfunction, generate),
            (inspect.isasyncgenfunction, generate_async),
        )
        return next((wrapper for is_such, wrapper in kinds if is_such(function)), call)

    return decorate


def _watched_run(job: Optional[str], plan: Dict[str, Any]) -> Run:
    """A run that promises no beats: a function may train for hours inside a library."""
    this = run(job, **plan)
    with guarded():
        this.recorder.update({"watched": True})
    return this


def _finished(this: Run, result: Any) -> Any:
    with guarded():
        this.finish(None if result is None else scalars.of_user(repr, result, "the result")[:RESULT_MAX])
    return result


def _spoken_of() -> Run:
    """The run that a call speaks of; it may have ended."""
    return current.get() or (entered[-1] if entered else _latest)


def _run() -> Run:
    run = _spoken_of()
    return _begin() if run.ended else run


def _begin(job: Optional[str] = None, **plan: Any) -> Run:
    """A run after the latest one. Threads that come here at once all get the same."""
    global _latest  # noqa: PLW0603 - the one run that the module's calls speak of
    _latest = _latest.heir(Run(job or _latest.job or None, **plan))
    return _latest
