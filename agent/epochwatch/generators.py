"""``@agent.watched`` on a generator: its run lasts until it is exhausted, closed or raises."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable

from epochwatch.run import Run, current

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterator


@contextmanager
def _speaking(run: Run) -> Iterator[None]:
    """Within the block ``agent.beat`` speaks of ``run``: only while the generator itself is at work."""
    outer = current.get()
    current.set(run)
    try:
        yield
    finally:
        current.set(outer)


def driven(run: Run, generator: Generator[Any, Any, Any], finished: Callable[[Run, Any], Any]) -> Any:
    """The same generator, watched."""
    run.open()
    step, given = generator.send, None
    while True:
        try:
            with _speaking(run):
                item = step(given)
        except StopIteration as end:
            return finished(run, end.value)
        except BaseException as error:
            run.end_with(error)
            raise
        try:
            step, given = generator.send, (yield item)
        except GeneratorExit:
            generator.close()
            run.finish()
            raise
        except BaseException as error:
            step, given = generator.throw, error


async def driven_async(run: Run, generator: AsyncGenerator[Any, Any]) -> Any:
    """The same asynchronous generator, watched."""
    run.open()
    step, given = generator.asend, None
    while True:
        try:
            with _speaking(run):
                item = await step(given)
        except StopAsyncIteration:
            run.finish()
            return
        except BaseException as error:
            run.end_with(error)
            raise
        try:
            step, given = generator.asend, (yield item)
        except GeneratorExit:
            await generator.aclose()
            run.finish()
            raise
        except BaseException as error:
            step, given = generator.athrow, error
