"""The errors that the NVIDIA driver reports of its GPUs as they happen (Xids); hearing of them needs no privilege."""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import c_void_p, cast
from typing import Any, NamedTuple

_EVERY_INSTANCE = 0xFFFFFFFF
_EVENTS_MAX = 64
"""A GPU in trouble can report without end: the rest waits for the next look."""


class XidEvent(NamedTuple):
    """An Xid, by number, of a GPU, by index; ``instance``: of that GPU instance of a divided one, None for all."""

    gpu: int
    number: int
    instance: int | None = None


class XidEvents:
    """The Xids from now on. Where the driver cannot report them, on one GPU or on all, none come."""

    def __init__(self, nvml: Any) -> None:
        """``nvml`` is the initialised ``pynvml``, and has to outlive this."""
        self._nvml = nvml
        self._index: dict[int | None, int] = {}
        self._set: Any = None
        try:
            self._set = nvml.nvmlEventSetCreate()
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError:
            return
        for index in range(count):
            self._register(index)

    def _register(self, index: int) -> None:
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, self._set)
        except nvml.NVMLError:  # not supported there, or the GPU is lost already
            return
        self._index[cast(handle, c_void_p).value] = index

    def drain(self) -> tuple[XidEvent, ...]:
        """What was reported since the last call."""
        return tuple(self._waiting()) if self._index else ()

    def _waiting(self) -> Iterator[XidEvent]:
        for _ in range(_EVENTS_MAX):
            try:
                event = self._nvml.nvmlEventSetWait_v2(self._set, 0)
            except self._nvml.NVMLError:  # a time-out: no more are waiting
                return
            index = self._index.get(cast(event.device, c_void_p).value)
            if index is not None and event.eventType == self._nvml.nvmlEventTypeXidCriticalError:
                instance = event.gpuInstanceId
                yield XidEvent(index, event.eventData, None if instance == _EVERY_INSTANCE else instance)

    def close(self) -> None:
        """Hear no more."""
        if self._set is not None:
            self._nvml.nvmlEventSetFree(self._set)
            self._set = None
            self._index = {}
