"""One run: its beats, its phases, its end."""

from __future__ import annotations

import contextlib
import os
import time
from _thread import get_ident
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Dict, Optional, Union, final

from epochwatch import checks, endings, identity, scalars, stacks, wire
from epochwatch.guard import guarded, report
from epochwatch.recorder import NO_PHASE, Phase, Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Callable, List, Type

    from epochwatch.transport import Transport

NOTE_MAX = 2000
PATH_MAX = 1000
AT_PROMPT = "prompt"
"""The phase of a notebook's run between two cells."""
_DRAIN_S = 0.5

current: ContextVar[Optional[Run]] = ContextVar("epochwatch_run", default=None)
"""The run whose ``with`` block this is."""
entered: List[Run] = []
"""The runs that have a ``with`` block open: a thread that was started in one speaks of the last."""


@final
class Run:
    """One run of a job in this process. It is registered by its first call, or by ``open``; no call ever raises.

    As a context manager it makes itself the run that ``agent.beat`` speaks of, and ends with the block: as finished,
    or as failed with the exception, which goes on its way.
    """

    def __init__(
        self,
        job: Optional[str] = None,
        *,
        epochs: Optional[int] = None,
        steps: Optional[int] = None,
        tags: Optional[Dict[str, str]] = None,
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
        body: Optional[wire.Body] = None,
        transport: Optional[Transport] = None,
    ) -> None:
        self.ended = False
        self.job = ""
        self.record: Callable[[Any, Any, Any, Dict[str, Any]], None] = self._record_first
        self.recorder = Recorder(lambda: body or self._describe(), transport)
        self._is_registered = False
        self._is_parents = False
        self._thread = 0
        self._outside: List[Phase] = []
        self._outer: Optional[Run] = None
        self._heir: Dict[str, Run] = {}
        if os.environ.get("EPOCHWATCH_OFF") == "1" or endings.has_left():
            self.record = _ignore
        with guarded():
            self.job = body.job if body else identity.job_name(job)
            plan = identity.plan(epochs=epochs, steps=steps, tags=tags, rank=rank, world_size=world_size)
            self.recorder.update(plan)

    def _describe(self) -> wire.Body:
        given = {name: value for name, value in self.recorder.fields.items() if name in ("rank", "world_size", "tags")}
        given = identity.with_wishes(self.job, given)
        if "tags" in given:
            self.recorder.fields["tags"] = given["tags"]
        return identity.describe(self.job, **stacks.offer(), **given)

    def open(self) -> Run:
        """Register the run now, and give it back."""
        with guarded():
            if self._register():
                self.recorder.flush()
        return self

    def _register(self) -> bool:
        """Be known to the watchdog from now on, unless the run has ended or is not wanted: then False."""
        if self.ended or self.record is _ignore:
            return False
        if not self._is_registered:
            self._is_registered, self._is_parents, self._thread = True, False, get_ident()
            endings.watch(self)
            self.record = self.recorder.beat
        return True

    def _may_speak(self) -> bool:
        """Whether a call that is no beat is told: in a forked child, not before the child has beaten itself."""
        return not self._is_parents and self._register()

    def _record_first(self, epoch: Any, loss: Any, step: Any, metrics: Dict[str, Any]) -> None:
        if self._register():
            self.recorder.beat(epoch, loss, step, metrics)

    def beat(self, epoch: Any = None, loss: Any = None, *, step: Any = None, **metrics: Any) -> None:
        """One heartbeat, as ``agent.beat``."""
        try:
            self.record(epoch, loss, step, metrics)
        except Exception as error:
            report(error)

    @contextlib.contextmanager
    def phase(self, name: str, within: Union[float, str, None] = None) -> Iterator[None]:
        """Announce a stretch without beats, as ``agent.phase``."""
        self.enter(name, within)
        try:
            yield
        finally:
            self.leave_phase()

    def enter(self, name: str, within: Union[float, str, None] = None) -> None:
        """Begin a stretch without beats, as ``agent.enter``."""
        self._outside.append(self.recorder.phase)
        within_s = None
        with guarded():
            within_s = None if within is None else scalars.seconds(within)
        with guarded():
            self._enter((scalars.text(name, wire.PHASE_MAX), time.time_ns(), within_s))

    def leave_phase(self) -> None:
        """End it, as ``agent.leave``."""
        with guarded():
            self._enter(self._outside.pop() if self._outside else NO_PHASE)

    def _enter(self, phase: Phase) -> None:
        self.recorder.enter(phase)
        if self._may_speak():
            self.recorder.flush()

    def update(self, **fields: Any) -> None:
        """Change fields of the heartbeat's body."""
        with guarded():
            self.recorder.update(fields)
            if self._may_speak():
                self.recorder.flush()

    def checkpoint(self, path: Any = None) -> None:
        """Say that a checkpoint was saved just now, as ``agent.checkpoint``."""
        with guarded():
            where = "" if path is None else scalars.text(os.fspath(path), PATH_MAX)
            self.update(checkpoint=where, checkpoint_ns=time.time_ns())

    def finish(self, note: Any = None) -> None:
        """End the run by word."""
        with guarded():
            self.end(wire.FINISHED, reason=None if note is None else scalars.text(note, NOTE_MAX))

    def fail(self, reason: Any) -> None:
        """End the run as failed, for a reason in words or an exception."""
        with guarded():
            if isinstance(reason, BaseException):
                self.fail_with(reason)
            else:
                self.end(wire.FAILED, reason=scalars.text(reason, NOTE_MAX))

    def fail_with(self, error: BaseException) -> None:
        """End the run as failed with an exception and its traceback."""
        with guarded():
            self.end(wire.FAILED, **endings.told_by(error))

    def end(self, state: int, **fields: Any) -> None:
        """End the run in ``state``; ``fields`` of the body say more. A run ends once."""
        with guarded():
            may_speak = self._may_speak()
            self.record, self.ended = _ignore, True
            if may_speak:
                with guarded():
                    self.recorder.conclude(state, fields)
                self.recorder.stop()
            if not may_speak or self.recorder.is_sent(within_s=0.0):
                self.recorder.close()
                endings.forget(self)

    def leave(self, signal: Optional[int] = None) -> None:
        """Say that the interpreter is about to exit, if no end was told, and see that all is sent."""
        with guarded():
            if self._is_parents:
                return
            if not self.ended:
                self.recorder.conclude(wire.EXITING, {"signal": signal} if signal else {})
            self.recorder.is_sent(within_s=_DRAIN_S)

    def begin_cell(self) -> None:
        """A cell of a notebook begins: what comes now is work."""
        if self.recorder.phase[0] == AT_PROMPT:
            self._enter(NO_PHASE)

    def end_cell(self, error: Optional[BaseException]) -> None:
        """The cell is over, and so is the run, if it has beaten; one of another thread goes on by itself.

        One that has only been named waits for its first beat in another cell, however long nobody types.
        """
        if self.ended or self._is_parents or self._thread != get_ident():
            return
        if self.recorder.has_beaten():
            self.end_with(error)
        else:
            self._enter((AT_PROMPT, time.time_ns(), checks.BUDGET_MAX_S))

    def inherit(self) -> None:
        """Forget, in a forked child, all but the plan: the run is the parent's. A beat makes one for the child."""
        with guarded():
            plan = {name: value for name, value in self.recorder.fields.items() if name in identity.PLAN}
            self.recorder.close()
            self.recorder = Recorder(self._describe)
            self.recorder.update(plan)
            self._is_registered, self._is_parents = False, True
            if not self.ended:
                self.record = self._record_first

    def heir(self, run: Run) -> Run:
        """The run that comes after this one: ``run``, unless another thread was faster."""
        return self._heir.setdefault("", run)

    def __enter__(self) -> Run:
        self._outer = current.get()
        current.set(self)
        entered.append(self)
        return self.open()

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        current.set(self._outer)
        with guarded():
            entered.remove(self)
        self.end_with(error)

    def end_with(self, error: Optional[BaseException]) -> None:
        """End as finished, or as failed with the exception by which it was left."""
        if error is None or isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and not error.code):
            self.finish()
        else:
            self.fail_with(error)


def _ignore(epoch: Any, loss: Any, step: Any, metrics: Dict[str, Any]) -> None:
    """Record nothing: the run has ended, or is not wanted."""
