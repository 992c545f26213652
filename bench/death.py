"""From SIGKILL to the stored verdict and to the webhook: real processes that beat, killed one after the other."""

import contextlib
import http.server
import json
import os
import select
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import common
import psutil
from common import Goal, Served

TRAINING = "import time; from epochwatch import agent; agent.beat(0, 0.5); print(flush=True); time.sleep(86400)"
GOAL_STORED_MS, GOAL_WEBHOOK_MS = 10.0, 50.0
BATCH = 20
"""Processes started at once: more would only wait for each other."""
REST_S = 0.02
POLL_S = 0.0001
"""How often the database is asked for the verdict: the most by which the figure may be too high."""


class Died(NamedTuple):
    """Milliseconds after the kill of one process."""

    gone: float
    detected: float
    stored: float
    webhook: float


class Receiver:
    """A webhook's other end: when the first message about each process came, in Unix seconds."""

    def __init__(self) -> None:
        self.came: dict[int, float] = {}
        came = self.came

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                at = time.time()
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                came.setdefault(message["pid"], at)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://{}:{}/".format(*self._server.server_address)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def measure(*, quick: bool) -> list[Goal]:
    count = BATCH if quick else 10 * BATCH
    died = deaths(count)
    figures = {
        "a pidfd tells (the floor)": [by_pidfd() for _ in range(count)],
        "psutil.Process.wait of a child": [by_psutil() for _ in range(count)],
        "epochwatchd: gone, and reaped by its parent": [d.gone for d in died],
        "epochwatchd: noticed": [d.detected for d in died],
        "epochwatchd: verdict stored, seen in the database": [d.stored for d in died],
        "epochwatchd: webhook received": [d.webhook for d in died],
    }
    floor = common.quantile(next(iter(figures.values())), 0.5)
    common.print_table(
        f"{count} SIGKILLs, in ms from the call of kill",
        ["what", "p50", "p99", "max", "ratio of p50"],
        [
            [
                name,
                *(f"{common.quantile(ms, q):.2f}" for q in (0.5, 0.99, 1)),
                f"{common.quantile(ms, 0.5) / floor:.1f}",
            ]
            for name, ms in figures.items()
        ],
    )
    return [
        _goal("SIGKILL to the stored verdict, p99", GOAL_STORED_MS, [d.stored for d in died]),
        _goal("SIGKILL to the webhook, p99", GOAL_WEBHOOK_MS, [d.webhook for d in died]),
    ]


def _goal(what: str, goal_ms: float, seen_ms: Sequence[float]) -> Goal:
    p99 = common.quantile(seen_ms, 0.99)
    return Goal(what, f"≤ {goal_ms:g} ms", f"{p99:.1f} ms", p99 <= goal_ms)


def deaths(count: int) -> list[Died]:
    """Kill so many trainings that a daemon watches, one after the other."""
    with common.folder() as place, contextlib.closing(Receiver()) as receiver:
        channels = {"hook": {"kind": "webhook", "url": receiver.url}}
        routes = [{"match": {"severity": "critical"}, "to": ["hook"]}, {"to": []}]
        with common.serving(place, channels=channels, routes=routes) as served, trainings(count, served) as processes:
            return [_death(process, served, receiver) for process in processes]


@contextlib.contextmanager
def trainings(count: int, served: Served) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many processes that have beaten and that the daemon watches."""
    environment = {**os.environ, "EPOCHWATCH_DIR": str(served.beats)}
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for started in range(BATCH, count + 1, BATCH):
            processes += [
                subprocess.Popen([sys.executable, "-c", TRAINING], env=environment, stdout=subprocess.DEVNULL)
                for _ in range(BATCH)
            ]
            common.wait_until(lambda n=started: served.query("SELECT count(*) FROM run") == [(n,)], "run in the store")
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _death(process: subprocess.Popen[bytes], served: Served, receiver: Receiver) -> Died:
    time.sleep(REST_S)
    with contextlib.closing(sqlite3.connect(served.store)) as db:
        opened = "SELECT opened_wall FROM incident JOIN run ON run.key = run_key WHERE pid = ?"
        killed = time.time()
        process.kill()
        process.wait()
        gone = time.time()
        while (verdict := db.execute(opened, (process.pid,)).fetchone()) is None:
            time.sleep(POLL_S)
        stored = time.time()
    common.wait_until(lambda: process.pid in receiver.came, "webhook")
    return Died(*(1e3 * (at - killed) for at in (gone, verdict[0], stored, receiver.came[process.pid])))


def by_pidfd() -> float:
    """Milliseconds until a pidfd tells of a death: what the kernel needs."""
    process = idle()
    pidfd = os.pidfd_open(process.pid)
    begun = time.perf_counter()
    process.kill()
    select.select([pidfd], [], [])
    seen = time.perf_counter()
    os.close(pidfd)
    process.wait()
    return 1e3 * (seen - begun)


def by_psutil() -> float:
    """Milliseconds until psutil has waited for a process of ours."""
    process = idle(psutil.Popen)
    begun = time.perf_counter()
    process.kill()
    process.wait()
    return 1e3 * (time.perf_counter() - begun)


def idle(start: Callable[..., Any] = subprocess.Popen) -> Any:
    """A process like the trainings that nobody watches."""
    environment = {**os.environ, "EPOCHWATCH_OFF": "1"}
    process = start([sys.executable, "-c", TRAINING], env=environment, stdout=subprocess.PIPE)
    with process.stdout as out:
        out.readline()
    return process


if __name__ == "__main__":
    common.main(measure)
