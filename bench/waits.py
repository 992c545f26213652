"""What honest pauses and hangs are told as, and how soon: each kind on a real process, in one daemon, with no setting.

    python bench/waits.py [--pause S]

Pauses end well after so many seconds; hangs are waited for a little longer. Each training beats for 20 s before.
"""

import argparse
import sys
import time
from pathlib import Path

import common

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "e2e")]

from harness import Daemon  # noqa: E402
from waiting import HANGS, PAUSES  # noqa: E402

BEATS_EVERY_S, BEATS_FOR_S = 0.2, 20.0
PAUSE_S = 100.0
"""Longer than any evidence needs, and shorter than the least limit of time alone."""
MARGIN_S = 15.0


def main() -> int:
    """Play all kinds at once, and print what was told of each; 1 if a pause was told, or a hang not or late."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pause", type=float, default=PAUSE_S, metavar="S", help="how long a pause takes")
    pause_s = parser.parse_args().pause
    print(common.machine())
    rows, wrong = [], 0
    env = {"PAUSE_S": str(pause_s), "BEATS": str(int(BEATS_FOR_S / BEATS_EVERY_S))}
    with Daemon() as daemon:
        began = time.time()
        for kind in (*PAUSES, *HANGS):
            daemon.train(kind.program, job=kind.name, **env)
        time.sleep(BEATS_FOR_S + pause_s + MARGIN_S)
        for kind in (*PAUSES, *HANGS):
            told = [m for m in daemon.about(job=kind.name) if m["status"] == "firing"]
            is_due = kind.cause is not None and kind.within_s < pause_s
            causes = [m["cause"]["code"] for m in told]
            late_s = _seconds(told[0]["detected_at"]) - _seconds(told[0]["since"]) if told else 0.0
            is_right = causes == ([kind.cause] if is_due else []) and late_s <= kind.within_s
            wrong += not is_right
            rows.append(
                [
                    kind.name,
                    "hang" if kind.cause else "pause",
                    ", ".join(causes) or "-",
                    f"{late_s:.0f}" if told else "-",
                    "" if is_right else "WRONG",
                ]
            )
        daemon.log.clear()
    common.print_table(f"Told within {time.time() - began:.0f} s", ["kind", "is a", "told as", "after s", ""], rows)
    print(f"{len(rows) - wrong} of {len(rows)} are right")
    return 1 if wrong else 0


def _seconds(stamp: str) -> float:
    return time.mktime(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))


if __name__ == "__main__":
    sys.exit(main())
