"""The daemon is killed again and again, at the worst of times, while jobs begin and end. Is every end told, once?"""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import common
from common import Goal
from siege_lib.besieged import Besieged, besieged
from siege_lib.hook import Hook, Said
from siege_lib.jobs import ENDS, EXITS, SLEEPS, Job

LATE_S = 10.0
LIFE_S = (0.05, 2.5)
SETTLE_S = 120.0
MOMENT_S = 1.0
"""So long is waited for a death, or for a message, to kill the daemon upon it."""
HANG_S = 2.0
NO_STARTS = {"match": {"kind": "started"}, "to": []}


class Up(NamedTuple):
    """When a daemon stood ready, and when it was killed."""

    since: float
    until: float


class Crowd(threading.Thread):
    """Begins jobs, as many as are ``allowed`` so far, and ends each at its time."""

    def __init__(self, daemon: Besieged, count: int, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.all: list[Job] = []
        self.allowed = 0
        self.ended = 0
        self._daemon, self._count, self._chance = daemon, count, chance
        self._alive: list[tuple[float, Job, str]] = []

    def run(self) -> None:
        """Until all have ended."""
        while len(self.all) < self._count or self._alive:
            if len(self.all) < min(self.allowed, self._count):
                self._begin()
            for due in [one for one in self._alive if one[0] <= time.monotonic()]:
                self._alive.remove(due)
                due[1].end(due[2])
                self.ended += 1
            time.sleep(0.002)

    def _begin(self) -> None:
        how = self._chance.choice(list(ENDS))
        job = self._daemon.job(f"job{len(self.all)}", command=EXITS if how == "exited" else SLEEPS)
        self.all.append(job)
        self._alive.append((time.monotonic() + self._chance.uniform(*LIFE_S), job, how))


def _at_random(daemon: Besieged, _: Crowd, chance: random.Random) -> None:
    time.sleep(chance.uniform(0.0, 0.6))
    daemon.end()


def _in_its_start(daemon: Besieged, _: Crowd, chance: random.Random) -> None:
    time.sleep(chance.uniform(0.0, 0.8))
    daemon.end()


def _after_a_death(daemon: Besieged, crowd: Crowd, _: random.Random) -> None:
    ended, deadline = crowd.ended, time.monotonic() + MOMENT_S
    while crowd.ended == ended and time.monotonic() < deadline:
        time.sleep(0.0005)
    daemon.end()


def _in_mid_post(daemon: Besieged, _: Crowd, __: random.Random) -> None:
    process, posted = daemon.process, threading.Event()

    def kill() -> int:
        if process is not None:
            process.kill()
        posted.set()
        return 200

    daemon.hook.answer = kill
    posted.wait(MOMENT_S)
    daemon.hook.answer = lambda: 200
    daemon.end()


MOMENTS: dict[str, Callable[[Besieged, Crowd, random.Random], None]] = {
    "at random": _at_random,
    "in its start": _in_its_start,
    "right after a death": _after_a_death,
    "in mid-POST": _in_mid_post,
}


def measure(kills: int, jobs: int, seed: int) -> list[Goal]:
    """Kill so many times while so many jobs come and go; print what was lost, doubled or late."""
    chance = random.Random(seed)
    moods = random.Random(seed + 1)
    with besieged(routes=[NO_STARTS, {"to": ["hook", "moody"]}]) as daemon:
        moody = Hook(lambda: _mood(moods))
        daemon.stack.callback(moody.close)
        daemon.configure(
            routes=[NO_STARTS, {"to": ["hook", "moody"]}], channels={"moody": {"kind": "webhook", "url": moody.url}}
        )
        crowd = Crowd(daemon, jobs, random.Random(seed + 2))
        crowd.start()
        done, ups = _besiege(daemon, crowd, kills, chance)
        daemon.start()
        ups.append(Up(time.time(), float("inf")))
        crowd.join()
        told = _settled(daemon, crowd)
        return _report(daemon, crowd.all, told, done, ups)


def _mood(chance: random.Random) -> int:
    """The other channel: well, out of order, or hanging."""
    mood = chance.random()
    if mood < 0.1:
        time.sleep(HANG_S)
    return 503 if mood < 0.4 else 200


def _besiege(daemon: Besieged, crowd: Crowd, kills: int, chance: random.Random) -> tuple[Counter[str], list[Up]]:
    done: Counter[str] = Counter()
    ups: list[Up] = []
    for number in range(kills):
        moment = list(MOMENTS)[number % len(MOMENTS)]
        daemon.start(wait=moment != "in its start")
        since = time.time()
        crowd.allowed = (number + 1) * crowd._count // kills  # noqa: SLF001 - ours
        MOMENTS[moment](daemon, crowd, chance)
        done[moment] += 1
        if moment != "in its start":
            ups.append(Up(since, time.time()))
    return done, ups


def _settled(daemon: Besieged, crowd: Crowd) -> dict[str, list[Said]]:
    """What was told of each job, once something was of all of them, or the time for it is over."""
    deadline = time.monotonic() + SETTLE_S
    while len(told := _ends(daemon.hook)) < len(crowd.all) and time.monotonic() < deadline:
        time.sleep(0.2)
    daemon.is_well(times=3)  # what may come twice comes now
    return _ends(daemon.hook) or told


def _ends(hook: Hook) -> dict[str, list[Said]]:
    told: dict[str, list[Said]] = defaultdict(list)
    for said in hook.about():
        told[said.message["job"]].append(said)
    return told


def _report(
    daemon: Besieged, jobs: Sequence[Job], told: dict[str, list[Said]], done: Counter[str], ups: Sequence[Up]
) -> list[Goal]:
    lost = [job.name for job in jobs if job.name not in told]
    wrong = [j.name for j in jobs if j.name in told and {s.message["kind"] for s in told[j.name]} != {j.kind}]
    late = [j.name for j in jobs if j.name in told and _waited_s(j, told[j.name][0].came, ups) > LATE_S]
    same, other = _twice(daemon.hook.about())
    common.print_table(
        "kills: SIGKILL at the worst of times (another channel fails and hangs now and then)",
        [
            "",
            "kills",
            "jobs",
            "told",
            "lost",
            "wrong kind",
            "twice, same key",
            "twice, another",
            f"late (> {LATE_S:g} s)",
        ],
        [["all", sum(done.values()), len(jobs), len(told), len(lost), len(wrong), same, len(other), len(late)]],
    )
    print(", ".join(f"{count} {moment}" for moment, count in done.items()))
    goals = [("lost", lost), ("told wrongly", wrong), ("told twice under another key", other), ("told late", late)]
    for name, found in [(name, found) for name, found in goals if found]:
        print(f"{name}: {' '.join(found[:10])}")
    for fault in daemon.faults:
        print(f"the daemon's own fault: {fault}")
    return [Goal(f"kills: ends {name}", "0", str(len(found)), not found) for name, found in goals]


def _twice(all_said: Sequence[Said]) -> tuple[int, list[str]]:
    """How often a message came again under its key, and the jobs of which one came again under another."""
    keys: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for said in all_said:
        message = said.message
        keys[message["job"], message["id"], f"{message['status']} {message['reason']}"].append(said.key)
    again = sum(len(found) - len(set(found)) for found in keys.values())
    incidents = Counter(job for job, _ in {(job, incident) for job, incident, _ in keys})
    return again, sorted({job for (job, _, _), found in keys.items() if len(set(found)) > 1 or incidents[job] > 1})


def _waited_s(job: Job, came: float, ups: Sequence[Up]) -> float:
    """For how long a daemon was up between the end of a job and the message."""
    return sum(max(0.0, min(came, up.until) - max(job.ended_at, up.since)) for up in ups)
