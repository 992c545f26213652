"""What the demo shows: how the trainings go, every alert as it comes, and the reckoning."""

from __future__ import annotations

import io
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from epochwatchd.demo.scenarios import Message, Row, Scenario, cause_of
from epochwatchd.verdicts import VERDICTS

PIPE_WIDTH = 110
NEXT_STEPS = """\
Next:
  1. In your training:  from epochwatch import agent   and, in the loop,   agent.beat(epoch, loss)
  2. On its machine:    epochwatchd serve   or, to keep it running, the systemd service of the README
"""


@dataclass
class Screen:
    """A console with one bar for each training that is under way; there are no bars in a pipe."""

    console: Console
    progress: Progress
    bars: dict[str, TaskID]

    def start(self, scenarios: Collection[Scenario]) -> None:
        """The trainings begin."""
        self.say(f"training {len(scenarios)} jobs (softmax regression on Iris, in plain Python) …\n")
        for s in scenarios:
            self.bars[s.job] = self.progress.add_task(s.job, total=s.epochs, now="")

    def show_epoch(self, job: str, epoch: int, now: str) -> None:
        """A training has come so far; ``now`` is a word about it."""
        self.progress.update(self.bars[job], completed=epoch + 1, now=now)

    def show_signal(self, job: str, name: str) -> None:
        """A signal was sent to a training."""
        self.progress.update(self.bars[job], now=name)

    def say(self, text: str) -> None:
        """A quiet line."""
        self.console.print(Text(text, style="dim"))

    def tell(self, elapsed_s: float, message: Message, delay_s: float | None) -> None:
        """An alert has come, ``delay_s`` after what it tells of if that is known."""
        headline = message["text"].partition("\n")[0]
        colour = "green" if message["status"] == "resolved" else VERDICTS[message["kind"]].colour
        delay = "" if delay_s is None else f"   told {duration(delay_s)} later"
        line = Text.assemble((f"{elapsed_s:6.1f} s  ", "dim"), (headline, colour), (delay, "bold"))
        self.console.print(line, soft_wrap=True)

    def conclude(self, rows: Sequence[Row], elapsed_s: float) -> None:
        """The reckoning, and what to do next."""
        self.console.print()
        self.console.print(_table(rows))
        wrong = sum(not row.is_right for row in rows)
        verdict = (f"{wrong} of {len(rows)} are wrong", "bold red") if wrong else ("all as expected", "bold green")
        self.console.print(Text.assemble("\n", verdict, (f", {elapsed_s:.0f} s in all\n", "dim")))
        self.console.print(Text(NEXT_STEPS))


@contextmanager
def screen() -> Iterator[Screen]:
    """The screen, with its bars alive as long as the block lasts."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a locale without such signs is no reason to fail
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    columns = (TextColumn("  {task.description}"), BarColumn(), TextColumn("{task.fields[now]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Screen(console, progress, {})


def duration(seconds: float) -> str:
    """A delay for people: ``4 ms``, ``3.9 s``."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("", "JOB", "WHAT WAS DONE", "EXPECTED", "SEEN"):
        table.add_column(heading)
    table.add_column("DELAY", justify="right")
    for row in rows:
        table.add_row(*map(Text, _cells(row)), style="" if row.is_right else "red")
    return table


def _cells(row: Row) -> tuple[str, ...]:
    expected = row.expected
    return (
        "ok" if row.is_right else "WRONG",
        row.job,
        expected.did if expected else "",
        _verdict(expected.kind, expected.status, expected.cause) if expected else "nothing more",
        _verdict(row.seen["kind"], row.seen["status"], cause_of(row.seen)) if row.seen else "nothing",
        "" if row.delay_s is None else duration(row.delay_s),
    )


def _verdict(kind: str, status: str, cause: str | None) -> str:
    what = f"{kind} ({cause})" if cause else kind
    return f"{kind}, resolved" if status == "resolved" else what
