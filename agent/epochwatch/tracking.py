"""``epochwatch.track``: a loop that beats by itself, with a progress bar where tqdm is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Iterator, Optional, TypeVar

from epochwatch import agent
from epochwatch.guard import guarded

if TYPE_CHECKING:
    from typing import List

T = TypeVar("T")
_open: List[object] = []


def track(iterable: Iterable[T], name: Optional[str] = None, *, total: Optional[int] = None, **bar: Any) -> Iterator[T]:
    """The same elements; each turn of the loop is a beat, and its number the step.

    name: the job's name.
    total: how many there will be, where the iterable has no length.
    bar: for tqdm, where that is installed; as ``disable=True``.

    Within another such loop it only beats: the outer one has the plan. What the loop raises goes on its way.
    """
    is_outermost = not _open
    if is_outermost:
        with guarded():
            agent.start(name, steps=_length(iterable) if total is None else total)
    mark = object()
    _open.append(mark)
    try:
        for step, element in enumerate(_shown(iterable, name, total, bar), 1):
            yield element
            agent.beat(step=step if is_outermost else None)
    finally:
        _open.remove(mark)


def _length(iterable: Any) -> Optional[int]:
    try:
        return len(iterable)
    except Exception:  # it has none, or only says so when asked
        return None


def _shown(iterable: Iterable[T], name: Optional[str], total: Optional[int], bar: Any) -> Iterable[T]:
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped]  # noqa: PLC0415 - where it is installed
    except ImportError:
        return iterable
    shown: Iterable[T] = tqdm(iterable, **{"desc": name, "total": total, **bar})
    return shown
