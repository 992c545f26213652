"""Looking at the GPUs from a thread, because a sick driver can hang in any call."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable
from typing import Any

from epochwatchd.inputs.gpu.nvml import GpuSample, open_driver, sample
from epochwatchd.inputs.gpu.xid_events import XidEvents

NO_DRIVER_RETRY_S = 600.0
FAULT_RETRY_S = 60.0
HUNG_AFTER_S = 30.0


class GpuReader:
    """Looks at the GPUs from a thread, one look at a time, so that a driver that hangs holds up one thread at most.

    ``deliver`` is called from that thread with each look. A machine without a driver is nothing to report: no look
    comes, and the driver is tried again every ten minutes.
    """

    def __init__(self, deliver: Callable[[tuple[GpuSample, ...]], None]) -> None:
        self._deliver = deliver
        self._nvml: Any = None
        self._events: XidEvents | None = None
        self._last: tuple[GpuSample, ...] = ()
        self._fault: str | None = None
        self._not_before = -math.inf
        self._look_began_at = 0.0
        self._look: threading.Thread | None = None

    def poll(self, now: float) -> None:
        """Begins a look, unless one is under way or it is too early to try again. Does not block."""
        if self._is_looking() or now < self._not_before:
            return
        self._look_began_at = now
        self._look = threading.Thread(target=self._look_once, args=(now,), name="gpus", daemon=True)
        self._look.start()

    def problem(self, now: float) -> str | None:
        """Why no looks come although there is a driver: it has not answered for 30 s, or fails; else None."""
        since = self.unanswered_since(now)
        return self._fault if since is None else f"the NVIDIA driver has not answered for {now - since:.0f} s"

    def unanswered_since(self, now: float) -> float | None:
        """Since when the driver hangs in a call, if that is for more than 30 s."""
        return self._look_began_at if self._is_looking() and now - self._look_began_at > HUNG_AFTER_S else None

    def _is_looking(self) -> bool:
        return self._look is not None and self._look.is_alive()

    def _look_once(self, now: float) -> None:
        try:
            self._nvml = self._nvml or open_driver()
            if self._nvml is None:
                self._fault, self._not_before = None, now + NO_DRIVER_RETRY_S
                return
            self._events = self._events or XidEvents(self._nvml)
            self._last = sample(self._nvml, self._last, self._events.drain())
        except Exception as error:  # noqa: BLE001 - whatever a sick driver makes of it is reported, not fatal
            self._fault, self._not_before = f"the NVIDIA driver fails: {error}", now + FAULT_RETRY_S
            self._close()
            return
        self._fault = None
        self._deliver(self._last)

    def _close(self) -> None:
        nvml, self._nvml = self._nvml, None
        events, self._events = self._events, None
        if nvml is None:
            return
        with contextlib.suppress(nvml.NVMLError):  # it has just failed: the next look begins afresh anyway
            if events is not None:
                events.close()
            nvml.nvmlShutdown()
