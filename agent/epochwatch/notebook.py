"""In a notebook, or at IPython's prompt, a run ends with its cell. The kernel lives on, and waits for a person."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Iterator

from epochwatch import endings
from epochwatch.guard import guarded

if TYPE_CHECKING:
    from typing import List, Optional

_attended: Any = None
_shown_before: Optional[int] = None


def shell() -> Any:
    """IPython's shell in this process; None if there is none."""
    get = getattr(sys.modules.get("IPython"), "get_ipython", None)  # none while it is still loaded
    return get() if get else None


def attend() -> None:
    """From now on the end of a cell is the end of the runs that beat in it. Called again, it changes nothing."""
    global _attended  # noqa: PLW0603 - there is one shell
    here = shell()
    if here is None or here is _attended:
        return
    _attended = here
    _note_shown()
    here.events.register("pre_run_cell", _begin_cell)
    here.events.register("post_run_cell", _end_cell)


def _note_shown() -> None:
    """Remember the exception that was shown last, by its id: itself it would keep tensors alive."""
    global _shown_before  # noqa: PLW0603 - that of the one shell
    _shown_before = id(getattr(sys, "last_value", None))


def _begin_cell(_info: Any) -> None:
    with guarded():
        _note_shown()
        endings.cell_begins()


def _end_cell(result: Any) -> None:
    with guarded():
        shown = getattr(sys, "last_value", None)  # ``%run`` shows an exception, and does not pass it on
        error = result.error_before_exec or result.error_in_exec or (shown if id(shown) != _shown_before else None)
        endings.cell_ends(error)


def path() -> str:
    """The notebook's file, as Jupyter, VS Code, papermill or nbconvert tell it; empty where nobody does."""
    here = shell()
    if here is None or "ipykernel" not in sys.modules:
        return ""
    given = os.environ.get("JPY_SESSION_NAME") or here.user_ns.get("__vsc_ipynb_file__")
    return str(given or next(_named_by_parent(), ""))


def _named_by_parent() -> Iterator[str]:
    """The notebook in the command line of whoever started the kernel, if only one can be meant."""
    try:
        with open(f"/proc/{os.getppid()}/cmdline", "rb") as file:
            words: List[str] = file.read().decode("utf-8", "replace").split("\0")
    except OSError:  # no /proc
        return
    notebooks = [word for word in words if word.endswith(".ipynb")]
    if len(notebooks) == 1 or any(os.path.basename(word) == "papermill" for word in words):
        yield from notebooks[:1]  # papermill's second one is what it writes


def add_magic(here: Any) -> None:
    """``%%epochwatch NAME``: the cell is a run of that name, also if nothing in it beats."""
    from epochwatch.agent import watched  # noqa: PLC0415 - it imports this module

    def epochwatch(line: str, cell: str) -> None:
        watched(line.strip() or None)(_run)(here, cell)

    attend()
    here.register_magic_function(epochwatch, "cell")


def _run(here: Any, cell: str) -> None:
    """Run a cell as IPython does: the value of a last expression is shown."""
    import ast  # noqa: PLC0415 - only with the magic

    source = here.transform_cell(cell)
    name = here.compile.cache(source, here.execution_count, raw_code=cell)
    statements = ast.parse(source, name).body
    last = [statements.pop()] if statements and isinstance(statements[-1], ast.Expr) else []
    exec(compile(ast.Module(statements, []), name, "exec"), here.user_ns)  # noqa: S102 - what the user typed
    if last:
        exec(compile(ast.Interactive(last), name, "single"), here.user_ns)  # noqa: S102
