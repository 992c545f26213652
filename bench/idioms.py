"""How people start trainings, by how these end: what is told of each, and whether it is right.

    python bench/idioms.py

The cells are those of ``tests/e2e/test_idioms.py``. Ranks are started by us, with the environment of each launcher.
"""

import sys
from pathlib import Path

import common

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "e2e")]

import idioms  # noqa: E402
from harness import Daemon  # noqa: E402


def main() -> int:
    """Play all cells and print the table; 1 if any is wrong."""
    with Daemon(idioms.CONFIG) as daemon:
        with idioms.playing(daemon):
            messages = list(daemon.messages)
        daemon.log.clear()
    cells = {cell: idioms.told_of(messages, *cell) for cell in idioms.CELLS}
    right = {cell: idioms.is_right(said, *cell) for cell, said in cells.items()}
    rows = [[row, *(_shown(cells[row, end], is_right=right[row, end]) for end in idioms.ENDS)] for row in idioms.ROWS]
    common.print_table("Told of a training that ends so", ["started by", *idioms.ENDS], rows)
    print(f"{sum(right.values())} of {len(right)} are right")
    return 0 if all(right.values()) else 1


def _shown(said: list[dict[str, object]], *, is_right: bool) -> str:
    what = ", ".join(str(message["kind"]) for message in said) or "nothing"
    return what if is_right else f"WRONG: {what}"


if __name__ == "__main__":
    sys.exit(main())
