"""The siege: proof that nothing silences the watchdog. Kills, hostile neighbours, broken stores, churn, unfair crowds.

    python bench/siege.py --quick                        # a first impression, in two minutes
    python bench/siege.py --kills 1000 --jobs 5000       # the whole of it
    python bench/siege.py --only hostile                 # topics: kills, hostile, store, churn, fair

Everything runs on this machine, over loopback, in folders of its own. It exits with 1 if anything was not held. As root
the hostile neighbour is another user and disks are filled up for real; else the rows say what they could not try.
"""

import argparse
import signal
import sys

import common
from siege_lib import churn, fair, hostile, kills, store

TOPICS = ("kills", "hostile", "store", "churn", "fair")
QUICK, FULL = (24, 200, 0.4), (1000, 5000, 30.0)


def main() -> int:
    """Besiege; 1 if anything was not held."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that it leaves nothing behind
    print(common.machine(), flush=True)
    topics = {
        "kills": lambda: kills.measure(options.kills, options.jobs, options.seed),
        "hostile": lambda: hostile.measure(options.rows),
        "store": store.measure,
        "churn": lambda: churn.measure(options.minutes, options.seed, quick=options.quick),
        "fair": lambda: fair.measure(quick=options.quick),
    }
    goals = [goal for name in TOPICS if name in options.only for goal in topics[name]()]
    common.print_goals(goals)
    return 0 if all(goal.met for goal in goals) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few kills and jobs, half a minute of churn")
    parser.add_argument("--kills", type=int, metavar="N", help=f"default {FULL[0]}, with --quick {QUICK[0]}")
    parser.add_argument("--jobs", type=int, metavar="N", help=f"default {FULL[1]}, with --quick {QUICK[1]}")
    parser.add_argument(
        "--minutes", type=float, metavar="M", help=f"of churn; default {FULL[2]:g}, with --quick {QUICK[2]}"
    )
    parser.add_argument("--only", nargs="+", choices=TOPICS, default=TOPICS, metavar="TOPIC", help=", ".join(TOPICS))
    parser.add_argument("--rows", default="", metavar="WORDS", help="of the hostile rows, those with these words")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    options = parser.parse_args()
    for name, default in zip(("kills", "jobs", "minutes"), QUICK if options.quick else FULL, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, default)
    return options


if __name__ == "__main__":
    sys.exit(main())
