"""How a run ends without a word from its user: the interpreter exits, an exception goes uncaught, a child is forked."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # built in: always there, and it costs nothing to load
import os
import sys
from typing import TYPE_CHECKING, Any, Callable, Dict

from epochwatch import stacks
from epochwatch.descriptors import lifted
from epochwatch.guard import guarded
from epochwatch.identity import is_interactive, multiprocessing_parent

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Optional, Protocol, Type

    class Ending(Protocol):
        """What can be ended here."""

        def fail_with(self, error: BaseException) -> None:
            """End as failed because of ``error``."""

        def leave(self, signal: Optional[int] = None) -> None:
            """The interpreter is about to exit, with a status that we cannot know; upon a signal that was handled."""

        def end_with(self, error: Optional[BaseException]) -> None:
            """End as finished, or as failed with the exception by which it was left."""

        def begin_cell(self) -> None:
            """A cell of a notebook begins."""

        def end_cell(self, error: Optional[BaseException]) -> None:
            """It is over, with an exception or without."""

        def inherit(self) -> None:
            """This process is a new child; the run is its parent's."""


TRACEBACK_MAX = 16 * 1024
_MESSAGE_MAX = 500
_ASK_TO_END = (1, 2, 15)
"""SIGHUP, SIGINT, SIGTERM: the same numbers everywhere."""
_runs: Dict[int, Ending] = {}
_installed = False
_child_installed = False
_left = False
_hook: Any = None
_hooked: Any = None


class Signals:
    """Which signals had a handler run in this interpreter, without touching any handler.

    The interpreter writes each number to a pipe of ours. Somebody else's pipe (asyncio has one) is left alone, and then
    we know nothing.
    """

    def __init__(self) -> None:
        self._reader = -1

    def listen(self) -> None:
        """Begin; only the main thread may."""
        if self._reader >= 0:
            return
        reader, writer = os.pipe()
        for descriptor in (reader, writer):
            os.set_blocking(descriptor, False)
        reader, writer = lifted(reader), lifted(writer)
        try:
            before = _signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        except ValueError:  # not the main thread
            before = None
        if before == -1:
            self._reader = reader
            return
        if before is not None:
            _signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)

    def last(self) -> Optional[int]:
        """The last of those that ask a program to end; None: there was none."""
        if self._reader < 0:
            return None
        try:
            numbers = os.read(self._reader, 65536)
        except OSError:  # nothing came
            return None
        return next((number for number in reversed(numbers) if number in _ASK_TO_END), None)

    def inherit(self) -> None:
        """In a forked child: its signals are not its parent's."""
        if self._reader >= 0:
            self._reader = -1
            _signal.set_wakeup_fd(-1)


_signals = Signals()


def has_left() -> bool:
    """Whether the interpreter has begun to exit: no new run begins then."""
    return _left


def watch(run: Ending) -> None:
    """See to it that ``run`` learns of its end."""
    _install()
    if not _runs:
        _hook_up()
        with guarded():
            _signals.listen()
    if "IPython" in sys.modules:
        with guarded():
            from epochwatch import notebook  # noqa: PLC0415 - few are in one

            notebook.attend()
    if "ray" in sys.modules:
        with guarded():
            from epochwatch import ray_worker  # noqa: PLC0415 - as above

            ray_worker.end_with_thread(run)
    _runs[id(run)] = run


def forget(run: Ending) -> None:
    """``run`` has ended and been recorded. With the last one, ``sys.excepthook`` is again what it was before."""
    _runs.pop(id(run), None)
    if not _runs:
        _unhook()


def _install() -> None:
    global _installed, _child_installed  # noqa: PLW0603 - once an interpreter, once a child
    if not _installed:
        import atexit  # noqa: PLC0415 - with the first run

        atexit.register(_leave)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_inherit)
        _installed = True
    if not _child_installed and multiprocessing_parent() is not None:
        from multiprocessing.util import Finalize  # noqa: PLC0415 - loaded already

        # Such a child leaves by os._exit, without atexit, and keeps its exceptions from sys.excepthook. (From Python
        # 3.13 on it forgets them before it comes here: the watchdog then has the exit status to go by.)
        Finalize(None, _leave_child, exitpriority=0)
        _child_installed = True


def _hook_up() -> None:
    """Put a hook on top of ``sys.excepthook``: always a new one, since what is on top may be chained to an old one."""
    global _hook, _hooked  # noqa: PLW0603 - there is one sys.excepthook
    _hooked = sys.excepthook
    _hook = sys.excepthook = _chained_to(_hooked)


def _unhook() -> None:
    if sys.excepthook is _hook:
        sys.excepthook = _hooked


def _chained_to(previous: Callable[..., Any]) -> Callable[..., Any]:
    def epochwatch_excepthook(kind: Type[BaseException], value: BaseException, trace: Optional[TracebackType]) -> None:
        global _left  # noqa: PLW0603 - once an interpreter
        with guarded():
            if not is_interactive():
                # Nobody of Python calls us: the program is over. Else somebody only shows an exception, and goes on.
                is_uncaught = sys._getframe().f_back is None  # noqa: SLF001 - of CPython and PyPy alike
                _left = _left or (is_uncaught and _is_main_thread())
                _fail(value)
        previous(kind, value, trace)

    return epochwatch_excepthook


def _is_main_thread() -> bool:
    threading = sys.modules.get("threading")
    return threading is None or threading.current_thread() is threading.main_thread()


def _fail(error: BaseException) -> None:
    for run in list(_runs.values()):
        run.fail_with(error)


def cell_begins() -> None:
    """A cell of a notebook begins, or a line at IPython's prompt."""
    for run in list(_runs.values()):
        run.begin_cell()


def cell_ends(error: Optional[BaseException]) -> None:
    """It is over: with an exception or without."""
    for run in list(_runs.values()):
        run.end_cell(error)


def _leave() -> None:
    global _left  # noqa: PLW0603 - once an interpreter
    _left = True
    stacks.withdraw()
    number = None
    with guarded():
        number = _signals.last()
    for run in list(_runs.values()):
        run.leave(number)


def _leave_child() -> None:
    error = sys.exc_info()[1]
    if error is not None and not isinstance(error, SystemExit):
        _fail(error)
    _leave()


def _inherit() -> None:
    global _child_installed  # noqa: PLW0603 - once a child
    _child_installed = False
    with guarded():
        _signals.inherit()
    for run in _runs.values():
        run.inherit()


def told_by(error: BaseException) -> Dict[str, Any]:
    """The body's fields for an exception that ended a run."""
    if isinstance(error, KeyboardInterrupt):
        # Without a traceback: loading what formats it runs eval, upon which Python forgets to exit as interrupted.
        return {"exception": "KeyboardInterrupt", "reason": "interrupted"}
    fields = {"exception": _headline(error)}
    with guarded():  # with no descriptor left, neither the module nor the source lines can be read
        from traceback import format_exception  # noqa: PLC0415 - only at an end

        fields["traceback"] = "".join(format_exception(type(error), error, error.__traceback__))[-TRACEBACK_MAX:]
    return fields


def _headline(error: BaseException) -> str:
    kind = type(error)
    name = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    try:
        message = str(error)[:_MESSAGE_MAX]
    except Exception:
        message = "(its message cannot be read)"
    return f"{name}: {message}" if message else name
