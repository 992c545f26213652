"""From a verdict to a message taken: one channel, then twelve of which two hang; threads and memory meanwhile."""

import asyncio
import contextlib
import http.server
import json
import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import common
import psutil
from common import Goal

from epochwatchd.alerting.channels import KINDS as MODULES
from epochwatchd.alerting.delivery import Deliverer
from epochwatchd.config import load
from epochwatchd.model import Moment, Notice, Notification
from epochwatchd.service.connecting import connected
from epochwatchd.store import Record, RunRow, Store
from epochwatchd.store.ledger import Ledger

NOW = Moment(100.0, 1.8e9)
ROW = RunRow("r", "digits", "r", "gpu01", "mina", 42, "crashed", 1.8e9, "signal", 1.8e9, 1.8e9, None, {})
CRASH = Notification(
    id="n", kind="crashed", status="firing", reason="first", severity="critical", job="digits", run="r", host="gpu01",
    user="mina", pid=42, rank=None, since="2026-11-20T12:00:00.120Z", detected_at="2026-11-20T12:00:00.121Z",
    cause={"code": "signal", "details": {"signal": "SIGKILL"}, "evidence": ["exit status -9"] * 10},
    progress={"epoch": 12, "epochs": 90, "loss": 0.3}, elapsed_s=5123.4,
)  # fmt: skip

GOAL_ONE_MS, GOAL_TWELVE_MS, GOAL_RSS_MIB = 15.0, 30.0, 60.0
KINDS = ("slack", "discord", "telegram", "line", "naverworks", "teams", "ntfy", "webhook", "alertmanager", "command")
"""With the two that hang these are twelve."""
HOOK = "/hook"


class Receiver:
    """A process that takes whatever is posted, as every service here would say it does; when the webhook's came."""

    def __init__(self) -> None:
        spawning = multiprocessing.get_context("spawn")
        self.came, saying = spawning.Pipe(duplex=False)
        self._process = spawning.Process(target=receive, args=(saying,), daemon=True)
        self._process.start()
        self.url = self.came.recv()

    def close(self) -> None:
        """Stop."""
        self._process.kill()
        self._process.join()


def receive(saying: Connection) -> None:
    """What the receiver does: it says its URL, and then when each message of the webhook came."""
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == HOOK:
                with lock:
                    saying.send(time.perf_counter())  # one clock for all processes of the machine
            answer = json.dumps({"ok": True, "id": "1", "result": {"message_id": 1}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    saying.send("http://{}:{}".format(*server.server_address))
    server.serve_forever()


@contextlib.contextmanager
def hanging() -> Iterator[str]:
    """The URL of one that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield "http://{}:{}/".format(*server.getsockname())


def options(kind: str, url: str) -> dict[str, Any]:
    return {
        "slack": {"url": url}, "discord": {"url": url}, "naverworks": {"url": url}, "teams": {"url": url},
        "telegram": {"token": "1:token", "chat": 1, "api": url}, "line": {"token": "token", "to": "U1", "api": url},
        "ntfy": {"topic": "topic", "url": url}, "webhook": {"url": url + HOOK}, "alertmanager": {"url": [url]},
        "command": {"run": ["/bin/true"]},
    }[kind] | {"kind": kind}  # fmt: skip


def measure(*, quick: bool) -> list[Goal]:
    count = 50 if quick else 300
    with contextlib.closing(Receiver()) as receiver, hanging() as hung:
        one = {"hook": options("webhook", receiver.url)}
        twelve = {kind: options(kind, receiver.url) for kind in KINDS}
        twelve |= {f"hangs-{n}": options("webhook", hung) for n in range(2)}
        alone, _ = asyncio.run(sent(one, receiver, count))
        among, threads = asyncio.run(sent(twelve, receiver, count))
        rss_mib, idle_mib = resident(twelve), resident({"out": {"kind": "console"}})
    rows = [
        [name, *(f"{common.quantile(ms, q):.2f}" for q in (0.5, 0.99, 1))]
        for name, ms in (("one channel", alone), ("twelve, two hang: the webhook's", among))
    ]
    common.print_table(f"{count} messages, ms from the outbox to the receiver", ["channels", "p50", "p99", "max"], rows)
    print(f"threads with twelve channels: {threads}; RSS of the daemon: {rss_mib:.1f} MiB, with console {idle_mib:.1f}")
    return [
        _goal("verdict to message taken, one channel, p99", GOAL_ONE_MS, common.quantile(alone, 0.99), "ms"),
        _goal("the same among twelve, two hang, p99", GOAL_TWELVE_MS, common.quantile(among, 0.99), "ms"),
        _goal("RSS with twelve channels", GOAL_RSS_MIB, rss_mib, "MiB"),
        Goal("threads with twelve channels", "≤ 14", str(threads), threads <= 14),
    ]


def _goal(what: str, goal: float, seen: float, unit: str) -> Goal:
    return Goal(what, f"≤ {goal:g} {unit}", f"{seen:.1f} {unit}", seen <= goal)


async def sent(channels: dict[str, Any], receiver: Receiver, count: int) -> tuple[list[float], int]:
    """How long each message took from the store to the webhook, and how many threads there were at most."""
    took, most = [], 0
    with common.folder() as place:
        path = place / "config.yaml"
        path.write_text(json.dumps({"channels": channels, "store": {"path": str(place / "epochwatch.db")}}))
        config = load(path, kinds={c["kind"]: MODULES[c["kind"]].Options for c in channels.values()}, env={})
        ledger = Ledger(Store(place / "epochwatch.db", "this boot"))
        deliverer = Deliverer(ledger, connected(config, {}))
        deliverer.start()
        before = threading.active_count()
        for number in range(count):
            message = replace(CRASH, id=f"n{number}")
            began = time.perf_counter()
            ledger.record([Record(ROW, notices=[Notice(message, list(channels))])], NOW)
            deliverer.wake()
            while not receiver.came.poll():  # noqa: ASYNC110 - it is another process that says so
                await asyncio.sleep(0.0005)
            took.append((receiver.came.recv() - began) * 1000)
            most = max(most, threading.active_count() - before)
        await deliverer.stop(0.1)
        ledger.close()
    return took, most


def resident(channels: dict[str, Any]) -> float:
    """MiB of a daemon with these channels, a second after it began."""
    with common.folder() as place, common.serving(place, channels=channels) as served:
        time.sleep(1.0)
        return psutil.Process(served.process.pid).memory_info().rss / 2**20


if __name__ == "__main__":
    common.main(measure)
