"""A crowd of one user's messages, and one of another's: how long does that wait?"""

import time

import common
from common import Goal
from siege_lib.besieged import besieged
from siege_lib.jobs import neighbour

CROWD, QUICK_CROWD = 2000, 300
POST_S = 0.05
GOAL_S = 1.0


def measure(*, quick: bool) -> list[Goal]:
    """The delay of one user's crash behind a crowd of ends of another."""
    with besieged(routes=[{"match": {"kind": "started"}, "to": []}, {"to": ["hook"]}]) as daemon:
        daemon.start()
        daemon.hook.answer = _slow
        crowd = [daemon.job(f"crowd{number}") for number in range(QUICK_CROWD if quick else CROWD)]
        one = daemon.job("one", uid=neighbour())
        common.wait_until(lambda: daemon.is_well(4.0), "daemon that has seen them all")
        for job in crowd:
            job.end("failed")
        common.wait_until(lambda: daemon.hook.about(kind="crashed"), "first message of the crowd")
        one.end("killed")
        said = daemon.hook.wait(120.0, job="one", kind="crashed")
    delay_s = said.came - one.ended_at if said else float("inf")
    rows = [[len(crowd), f"{POST_S * 1000:.0f} ms", f"{delay_s:.2f} s"]]
    common.print_table(
        "Another user's crash behind a crowd", ["ends of one user", "a message takes", "it came after"], rows
    )
    if neighbour() is None:
        print("not as root: both were the same user, whose critical messages go first")
    return [Goal("another's crash behind a crowd", f"≤ {GOAL_S:g} s", f"{delay_s:.2f} s", delay_s <= GOAL_S)]


def _slow() -> int:
    time.sleep(POST_S)
    return 200
