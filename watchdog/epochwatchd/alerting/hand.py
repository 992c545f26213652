"""A thread that does what a channel's lane asks for, one thing after another: sending blocks, and the loop must not."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")
_Job = tuple[Callable[[], Any], Callable[[Any], None]]


class Hand:
    """One daemonic thread, begun with the first call: one that hangs holds up no shutdown, and no other lane."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._has_begun = False

    async def do(self, call: Callable[[], _T]) -> _T:
        """What ``call``, which must not raise, gives. Raises RuntimeError where no thread is to be had."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()

        def finish(result: _T) -> None:
            if not done.done():
                done.set_result(result)

        def report(result: _T) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(finish, result)

        if not self._has_begun:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
            self._has_begun = True
        self._jobs.put((call, report))
        return await done

    def close(self) -> None:
        """Nothing more is to be done."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            call, report = job
            report(call())
            del job, call, report  # what was sent is not kept until the next is
