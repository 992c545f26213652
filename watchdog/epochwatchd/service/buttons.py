"""The buttons under a channel's messages: asked for one after another, in a thread of each channel's own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import NamedTuple, TypeVar

from epochwatchd.alerting.delivery import retry_after
from epochwatchd.alerting.hand import Hand
from epochwatchd.model import ChannelError, Pressed

log = logging.getLogger("epochwatchd")

_T = TypeVar("_T")


class Listener(NamedTuple):
    """What asks a peer for presses: given the last known, it waits for the next; and what answers one."""

    listen: Callable[[int | None], tuple[list[Pressed], int | None]]
    answer: Callable[[Pressed, str], None]


class Buttons:
    """Listens over channels, from ``reconfigure`` to ``stop``. ``pressed``: gives what to say to a press."""

    def __init__(self, pressed: Callable[[str, Pressed], str]) -> None:
        self._pressed = pressed
        self._tasks: list[asyncio.Task[None]] = []

    def reconfigure(self, listeners: Mapping[str, Listener]) -> None:
        """Listen over these from now on."""
        self.stop()
        self._tasks = [
            asyncio.create_task(self._listen(name, listener), name=f"buttons of {name}")
            for name, listener in listeners.items()
        ]

    def stop(self) -> None:
        """Listen no longer."""
        for task in self._tasks:
            task.cancel()

    async def _listen(self, name: str, listener: Listener) -> None:
        last: int | None = None
        failures = 0
        with closing(Hand(f"buttons of {name}")) as hand:
            while True:
                found = await hand.do(partial(_tried, partial(listener.listen, last)))
                if isinstance(found, Exception):
                    failures += 1
                    if failures == 1:
                        log.warning("channel %s: its buttons do nothing for now: %s", name, found)
                    await asyncio.sleep(retry_after(failures))
                    continue
                if failures:
                    log.info("channel %s: its buttons work again", name)
                failures = 0
                pressed, last = found
                for press in pressed:
                    text = self._pressed(name, press)
                    await hand.do(partial(_tried, partial(listener.answer, press, text)))


def _tried(call: Callable[[], _T]) -> _T | Exception:
    """What it gives, or the fault: a peer that sends nonsense must not end the listening."""
    try:
        return call()
    except ChannelError as e:
        return e
    except Exception as e:  # noqa: BLE001 - said by the caller, by its class: its text may quote a secret
        return ChannelError(f"a bug in this channel: {type(e).__name__}")
