"""The daemon is killed again and again, at the worst of times, while jobs begin and end. Is every end told, once?"""

import random
import threading
import time
from collections import Counter, defaultdict
from typing import Any

import common
from common import Goal
from siege_lib.besieged import ENDS, EXITS, Besieged, Job, besieged

MOMENTS = ("at random", "in its start", "right after a death", "in mid-POST")
LATE_S = 10.0
LIVES_S = (0.05, 2.5)
SETTLE_S = 90.0
BATCH = 25


class Jobs(threading.Thread):
    """Begins jobs, and ends each at its time, until there were enough."""

    def __init__(self, daemon: Besieged, count: int, per_s: float, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.all: list[Job] = []
        self.stopping = threading.Event()
        self._daemon, self._count, self._pause_s, self._chance = daemon, count, 1 / per_s, chance

    def run(self) -> None:
        """Until all have ended."""
        alive: list[tuple[float, Job, str]] = []
        while (len(self.all) < self._count and not self.stopping.is_set()) or alive:
            if len(self.all) < self._count and not self.stopping.is_set():
                how = self._chance.choice(list(ENDS))
                job = Job(self._daemon, f"job{len(self.all)}", EXITS if how == "exited" else ("sleep", "600"))
                self.all.append(job)
                alive.append((time.monotonic() + self._chance.uniform(*LIVES_S), job, how))
            for due in [one for one in alive if one[0] <= time.monotonic()]:
                alive.remove(due)
                due[1].end(due[2])
            time.sleep(self._pause_s)


def measure(kills: int, jobs: int, seed: int) -> list[Goal]:
    """Kill so many times while so many jobs come and go; print what was lost, doubled or late."""
    chance = random.Random(seed)
    routes = [{"match": {"kind": "started"}, "to": []}, {"to": ["hook", "bad"]}]
    done: Counter[str] = Counter()
    with besieged() as first:  # only for a port on which nothing listens once it is closed
        dead = first.hook.url
    channels: dict[str, Any] = {"bad": {"kind": "webhook", "url": dead}}
    with besieged(routes=[{"match": {"kind": "started"}, "to": []}]) as daemon:
        _configure(daemon, channels, routes)
        crowd = Jobs(daemon, jobs, per_s=max(20.0, jobs / max(1.0, kills * 0.9)), chance=random.Random(seed + 1))
        ready = [time.time()]
        crowd.start()
        for number in range(kills):
            moment = MOMENTS[number % len(MOMENTS)]
            _kill(daemon, moment, crowd, chance)
            done[moment] += 1
            daemon.start(wait=moment != "in its start")
            ready.append(time.time())
        crowd.join()
        daemon.kill()
        daemon.start()
        ready.append(time.time())
        _settle(daemon, crowd)
        return _report(daemon, crowd, done, ready)


def _configure(daemon: Besieged, channels: dict[str, Any], routes: list[Any]) -> None:
    import yaml

    path = daemon.place / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["channels"].update(channels)
    config["routes"] = routes
    path.write_text(yaml.safe_dump(config))
    daemon.kill()
    daemon.start()


def _kill(daemon: Besieged, moment: str, crowd: Jobs, chance: random.Random) -> None:
    if moment == "at random":
        time.sleep(chance.uniform(0.0, 0.6))
    elif moment == "in its start":
        daemon.kill()
        daemon.start(wait=False)
        time.sleep(chance.uniform(0.0, 0.7))
    elif moment == "right after a death":
        ended = sum(1 for job in crowd.all if job.ended_at)
        deadline = time.monotonic() + 1.0
        while sum(1 for job in crowd.all if job.ended_at) == ended and time.monotonic() < deadline:
            time.sleep(0.001)
    else:
        posting = threading.Event()
        daemon.hook.before_answer = posting.set
        posting.wait(1.0)
        daemon.hook.before_answer = lambda: None
    daemon.kill()


def _settle(daemon: Besieged, crowd: Jobs) -> None:
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline and len(_ends(daemon)) < len(crowd.all):
        time.sleep(0.1)


def _ends(daemon: Besieged) -> dict[str, list[Any]]:
    told: dict[str, list[Any]] = defaultdict(list)
    for said in list(daemon.hook.said):
        if said.message["kind"] in ("finished", "crashed"):
            told[said.message["job"]].append(said)
    return told


def _report(daemon: Besieged, crowd: Jobs, done: Counter[str], ready: list[float]) -> list[Goal]:
    told = _ends(daemon)
    lost = [job.name for job in crowd.all if job.name not in told]
    wrong = [j.name for j in crowd.all if j.name in told and {s.message["kind"] for s in told[j.name]} != {j.kind}]
    once: dict[tuple[str, str], list[str]] = defaultdict(list)
    for said in daemon.hook.said:
        m = said.message
        once[m["job"], f"{m['kind']} {m['status']} {m['reason']}"].append(said.key)
    same = sum(len(keys) - len(set(keys)) for keys in once.values())
    other = sum(len(set(keys)) - 1 for keys in once.values())
    late = [j.name for j in crowd.all if j.name in told and _delay_s(j, told[j.name][0].came, ready) > LATE_S]
    print()
    common.print_table(
        "Killed again and again (another channel is dead all the time)",
        [
            "kills",
            "jobs",
            "told",
            "lost",
            "wrong kind",
            "twice, same key",
            "twice, another key",
            f"late (> {LATE_S:g} s)",
        ],
        [[sum(done.values()), len(crowd.all), len(told), len(lost), len(wrong), same, other, len(late)]],
    )
    print(", ".join(f"{n} {moment}" for moment, n in done.items()))
    for name, jobs in (("lost", lost), ("wrong", wrong), ("late", late)):
        if jobs:
            print(f"{name}: {' '.join(jobs[:10])}")
    return [
        Goal("ends lost over all kills", "0", str(len(lost)), not lost),
        Goal("ends told wrong", "0", str(len(wrong)), not wrong),
        Goal("told twice under another key", "0", str(other), not other),
        Goal("told late", "0", str(len(late)), not late),
    ]


def _delay_s(job: Job, came: float, ready: list[float]) -> float:
    """From the end, or from when a daemon next stood ready for good, to the message."""
    up = [at for at in ready if at <= came]
    return came - max(job.ended_at, up[-1] if up else 0.0)
