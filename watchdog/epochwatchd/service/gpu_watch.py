"""Having the GPUs looked at regularly, and saying once when that fails and once when it works again."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from epochwatchd.inputs.gpu.nvml import GpuSample
from epochwatchd.inputs.gpu.reader import GpuReader
from epochwatchd.service.daemon import Daemon, read_clocks

log = logging.getLogger("epochwatchd")


class GpuWatch:
    """Looks at the GPUs for a daemon, as long as it watches anybody. Call ``look`` regularly, on the daemon's loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, daemon: Daemon) -> None:
        self._loop = loop
        self._daemon = daemon
        self._reader = GpuReader(self._hand_over)
        self._is_well = True

    def look(self) -> None:
        """Begin a look, and note whether the driver answers."""
        now = read_clocks().mono
        if self._daemon.registry.runs:
            self._reader.poll(now)
        self._daemon.gpus_unanswered(self._reader.unanswered_since(now))
        problem = self._reader.problem(now)
        if problem and self._is_well:
            log.warning("%s; the GPUs are not watched meanwhile, all else is", problem)
        elif not problem and not self._is_well:
            log.info("the NVIDIA driver answers again")
        self._is_well = problem is None

    def problem(self) -> str | None:
        """Why no looks come although there is a driver; None if they do."""
        return self._reader.problem(read_clocks().mono)

    def _hand_over(self, samples: tuple[GpuSample, ...]) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody wants to know any more
            self._loop.call_soon_threadsafe(self._daemon.gpus_seen, samples)
