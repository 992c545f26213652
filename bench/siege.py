"""The siege: proof that nothing silences the watchdog. Kills, hostile neighbours, broken stores, churn, and unfair crowds.

    python bench/siege.py --quick                     # a first impression, in some minutes
    python bench/siege.py --kills 1000 --jobs 5000    # the whole of it
    python bench/siege.py --only hostile              # one topic: kills, hostile, store, churn, fair

Everything runs on this machine, over loopback, in folders of its own. It exits with 1 if anything was not held. As root
the hostile neighbour is another user, and disks are filled up for real; else the rows say what they could not try.
"""

import argparse
import sys

import common
from siege_lib import churn, hostile, kills, store

TOPICS = ("kills", "hostile", "store", "churn", "fair")


def main() -> int:
    """Besiege; 1 if anything was not held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few kills and jobs, a minute of churn")
    parser.add_argument("--kills", type=int, default=None, metavar="N", help="default 1000, with --quick 20")
    parser.add_argument("--jobs", type=int, default=None, metavar="N", help="default 5000, with --quick 150")
    parser.add_argument(
        "--minutes", type=float, default=None, metavar="M", help="of churn; default 30, with --quick 0.5"
    )
    parser.add_argument("--only", nargs="+", choices=TOPICS, default=TOPICS, metavar="TOPIC", help=", ".join(TOPICS))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chosen = (20, 150, 0.5) if options.quick else (1000, 5000, 30.0)
    given = (options.kills, options.jobs, options.minutes)
    count, jobs, minutes = (default if value is None else value for value, default in zip(given, chosen, strict=True))
    print(common.machine())
    topics = {
        "kills": lambda: kills.measure(count, jobs, options.seed),
        "hostile": hostile.measure,
        "store": store.measure,
        "churn": lambda: churn.measure(minutes),
        "fair": churn.fair,
    }
    goals = [goal for name in TOPICS if name in options.only for goal in topics[name]()]
    common.print_goals(goals)
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
