"""How people start trainings, by how these end: what is told of each, and whether it is right.

    python bench/idioms.py [ROW ...]

The cells are those of ``tests/e2e/test_idioms.py``. torchrun is the real one; other ranks are started by us, with the
environment of each launcher.
"""

import sys
from pathlib import Path

import common

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "e2e")]

import idioms  # noqa: E402
from harness import Daemon  # noqa: E402


def main() -> int:
    """Play all cells, row by row, and print the table; 1 if any is wrong."""
    rows, wrong, played = [], [], 0
    for row in sys.argv[1:] or idioms.ROWS:
        ends = idioms.ends_of(row)
        with Daemon(idioms.CONFIG) as daemon, idioms.playing(daemon, row):
            said = {end: idioms.told_of(daemon.messages, row, end) for end in ends}
        daemon.log.clear()
        kinds = {end: ", ".join(told.kind for told in said[end]) or "nothing" for end in ends}
        rows.append([row, *(kinds.get(end, "-") for end in idioms.ENDS)])
        wrong += [f"{row}: {end}: {said[end]}" for end in ends if said[end] != idioms.expected(row, end)]
        played += len(ends)
    common.print_table("Told of a training that ends so", ["started by", *idioms.ENDS], rows)
    print(f"{played - len(wrong)} of {played} are right", *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
