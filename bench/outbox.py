"""The outbox under load: ten thousand incidents in a minute, and a sender that is killed a thousand times.

python bench/outbox.py --quick         # a thousand in ten seconds, fifty kills
"""

import asyncio
import contextlib
import http.server
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import common
import psutil
import requests
from alerting import CRASH, ROW, Receiver, options
from common import Goal

from epochwatchd.alerting import together
from epochwatchd.alerting.channels import KINDS as MODULES
from epochwatchd.alerting.delivery import Deliverer
from epochwatchd.config import Config, load
from epochwatchd.model import Finding, Incident, Moment, Notice
from epochwatchd.service.connecting import connected
from epochwatchd.store import Record, Store
from epochwatchd.store.ledger import Ledger

RECORDED = "SELECT DISTINCT incident FROM notification"
INCIDENTS, USERS = 10_000, 20
ALERTMANAGER, FIRING = "prometheus-alertmanager", "/firing"
GOAL_HOOK_MS, GOAL_MIB, GOAL_LAG_MS = 200.0, 60.0, 100.0


def configuration(place: Path, channels: dict[str, Any], interval: str) -> Config:
    path = place / "config.yaml"
    store = {"path": str(place / "epochwatch.db")}
    path.write_text(json.dumps({"channels": channels, "store": store, "group_interval": interval}))
    return load(path, kinds={c["kind"]: MODULES[c["kind"]].Options for c in channels.values()}, env={})


def crash(name: str, user: str, code: str, now: float) -> Record:
    """A run of a user has crashed."""
    row = replace(ROW, key=name, user=user, ended_wall=now)
    told = replace(CRASH, id=name, job=name, run=name, user=user, cause={"code": code, "details": {}, "evidence": []})
    incident = Incident(name, name, Finding("crashed", "critical", 0.0), now)
    return Record(row, opened=[incident], closed=[incident], notices=[Notice(told, ["team", "phone", "hook"])])


# Ten thousand in a minute


class Storm(NamedTuple):
    """How late each was at the webhook, and the loop, in ms; messages by channel; MiB that memory grew."""

    took: list[float]
    lags: list[float]
    sent: Counter[str]
    grown_mib: float


async def storm(receiver: Receiver, seconds: float, count: int) -> Storm:
    """Record crashes at an even rate, and deliver them."""
    channels = {
        "team": options("slack", receiver.url), "phone": options("ntfy", receiver.url),
        "hook": options("webhook", receiver.url),
    }  # fmt: skip
    lags: list[float] = []
    sent: Counter[str] = Counter()
    with common.folder() as place:
        config = configuration(place, channels, "30s")
        ledger = Ledger(Store(place / "epochwatch.db", "this boot"))
        made = {name: replace(c, send=counted(name, c.send, sent)) for name, c in connected(config, {}).items()}
        deliverer = Deliverer(ledger, made)
        deliverer.start()
        before, took, began = psutil.Process().memory_info().rss, [], time.monotonic()
        posted: list[float] = []
        for number in range(count):
            due = began + seconds * number / count
            while (left := due - time.monotonic()) > 0:
                slept = time.monotonic()
                await asyncio.sleep(min(left, 0.005))
                lags.append(1000 * (time.monotonic() - slept - min(left, 0.005)))
            now = time.time()
            posted.append(time.perf_counter())
            user, code = f"user{number % USERS}", random.choice(("signal", "oom_kill", "exception"))
            ledger.record([crash(f"n{number}", user, code, now)], Moment(time.monotonic(), now))
            deliverer.wake()
            while receiver.came.poll():  # else the receiver waits for us
                took.append(receiver.came.recv())
        while len(took) < count:
            if receiver.came.poll():
                took.append(receiver.came.recv())
            else:
                await asyncio.sleep(0.005)
        grown = (psutil.Process().memory_info().rss - before) / 2**20
        while ledger.pending_counts():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.1)
        await deliverer.stop(1.0)
        ledger.close()
    return Storm([1000 * (there - here) for here, there in zip(posted, took, strict=True)], lags, sent, grown)


def counted(name: str, send: Any, sent: Counter[str]) -> Any:
    def call(message: Any) -> Any:
        sent[name] += 1
        return send(message)

    return call


# A thousand kills


class Peers:
    """Slack, which takes everything, and LINE, which takes a key once: what was taken by each, in this process.

    And what a real Alertmanager, where there is one, tells its receiver.
    """

    def __init__(self) -> None:
        self.taken: dict[str, Counter[str]] = {"slack": Counter(), "line": Counter(), "alertmanager": Counter()}
        self.bodies: Counter[str] = Counter()
        self._keys: set[str] = set()
        self._lock = threading.Lock()
        peers = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # whoever asked was killed as it spoke
                    return
                if self.path == FIRING:
                    peers.firing(json.loads(body)["alerts"])
                    status = 200
                else:
                    status = peers.judge(self.headers.get("X-Line-Retry-Key"), body.decode())
                answer = b'{"ok": true}'
                with contextlib.suppress(OSError):  # whoever asked was killed
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = "http://{}:{}".format(*self._server.server_address)

    def judge(self, key: str | None, body: str) -> int:
        """The status with which a message is answered."""
        with self._lock:
            if key is not None and key in self._keys:
                return 409
            if key is not None:
                self._keys.add(key)
            self.taken["slack" if key is None else "line"].update(set(re.findall(r"run\d+x", body)))
            self.bodies.update([body] if key is None else [])
        return 200

    def firing(self, alerts: Sequence[dict[str, Any]]) -> None:
        """What an Alertmanager tells its receiver."""
        with self._lock:
            self.taken["alertmanager"].update(alert["labels"]["run"] for alert in alerts)

    def close(self) -> None:
        """Take nothing more."""
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def alertmanager(place: Path, receiver: str) -> Iterator[str]:
    """A real Alertmanager that tells this receiver of each alert by itself: its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "{}:{}".format(*free.getsockname())
    hook = {"url": receiver + FIRING, "send_resolved": False}
    route = {"receiver": "hook", "group_by": ["..."], "group_wait": "0s"}
    config, receivers = place / "alertmanager.yml", [{"name": "hook", "webhook_configs": [hook]}]
    config.write_text(json.dumps({"route": route, "receivers": receivers}))
    command = [
        ALERTMANAGER, f"--config.file={config}", f"--storage.path={place / 'alertmanager'}",
        f"--web.listen-address={address}", "--cluster.listen-address=",
    ]  # fmt: skip
    with (place / "alertmanager.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        common.wait_until(lambda: _answers(f"http://{address}/-/ready"), "Alertmanager")
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(url, timeout=5.0).ok
    return False


def life(place: Path, channels: dict[str, Any], first: int, seed: int, *, is_last: bool) -> None:
    """A sender that records crashes and delivers them until it is killed; the last one ends when all is delivered.

    Every run is named in its message, so that each can be counted.
    """
    together.NAMED = 10_000

    async def run() -> None:
        chance = random.Random(seed)
        config = (
            configuration(place, channels, "1s")
            if not (place / "config.yaml").exists()
            else load(
                place / "config.yaml", kinds={c["kind"]: MODULES[c["kind"]].Options for c in channels.values()}, env={}
            )
        )
        ledger = Ledger(Store(place / "epochwatch.db", "this boot"))
        made = {
            name: replace(channel, group_interval_s=0.05) if channel.limits.people else channel
            for name, channel in connected(config, {}).items()
        }
        deliverer = Deliverer(ledger, made)
        deliverer.start()
        number = first
        while not is_last:
            now, user = time.time(), f"user{chance.randrange(3)}"
            records = [
                replace(one, notices=[Notice(n.notification, list(channels)) for n in one.notices])
                for one in (crash(f"run{number + at}x", user, "signal", now) for at in range(chance.randrange(1, 5)))
            ]
            ledger.record(records, Moment(time.monotonic(), now))
            number += len(records)
            deliverer.wake()
            await asyncio.sleep(chance.random() * 0.03)
        while ledger.pending_counts():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.05)
        await deliverer.stop(1.0)

    asyncio.run(run())


def killed(kills: int, seed: int) -> tuple[int, dict[str, Counter[int]], int]:
    """How many crashes were recorded; of each peer how many were told how often; how many messages came again."""
    chance, peers = random.Random(seed), Peers()
    channels: dict[str, Any] = {
        "slack": {"kind": "slack", "url": peers.url},
        "line": {"kind": "line", "token": "t", "to": "U", "api": peers.url},
    }
    forking = multiprocessing.get_context("fork")
    with common.folder() as place, contextlib.ExitStack() as stack:
        if shutil.which(ALERTMANAGER):
            url = stack.enter_context(alertmanager(place, peers.url))
            channels["alertmanager"] = {"kind": "alertmanager", "url": [url]}
        for number in range(kills + 1):
            is_last = number == kills
            arguments = (place, channels, number * 100_000, seed + number)
            process = forking.Process(target=life, args=arguments, kwargs={"is_last": is_last})
            process.start()
            if is_last:
                process.join(120)
                continue
            time.sleep(0.05 + chance.random() * 0.25)
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
        store = Store(place / "epochwatch.db", "this boot")
        recorded = {row[0] for row in store._db.execute(RECORDED)}  # noqa: SLF001 - nobody else asks
        left = store.pending_counts()
        store.close()
        if "alertmanager" in channels:
            with contextlib.suppress(TimeoutError):  # what is missing then is counted below
                common.wait_until(lambda: recorded <= peers.taken["alertmanager"].keys(), "news of each crash")
    peers.close()
    assert not left, left
    told = {name: Counter(peers.taken[name][one] for one in recorded) for name in channels}
    return len(recorded), told, sum(times - 1 for times in peers.bodies.values())


def measure(*, quick: bool) -> list[Goal]:
    return [*_storm(10.0 if quick else 60.0, INCIDENTS // 10 if quick else INCIDENTS), *_kills(50 if quick else 1000)]


def _storm(seconds: float, count: int) -> list[Goal]:
    with contextlib.closing(Receiver()) as receiver:
        took, lags, sent, grown = asyncio.run(storm(receiver, seconds, count))
    late, lag = common.quantile(took, 0.99), common.quantile(lags, 0.99)
    common.print_table(
        f"{count:,} crashes of {USERS} users in {seconds:.0f} s",
        ["", "p50", "p99", "max"],
        [
            ["ms from the verdict to the webhook", *(f"{common.quantile(took, q):.1f}" for q in (0.5, 0.99, 1))],
            ["ms that the loop was late", *(f"{common.quantile(lags, q):.1f}" for q in (0.5, 0.99, 1))],
        ],
    )
    print(f"messages: {dict(sent)}; memory grew by {grown:.1f} MiB")
    most = 3 * USERS * (2 + 2 * seconds / 30)
    return [
        Goal("webhook in the storm, p99", f"≤ {GOAL_HOOK_MS:g} ms", f"{late:.1f} ms", late <= GOAL_HOOK_MS),
        Goal("the loop in the storm, p99", f"≤ {GOAL_LAG_MS:g} ms", f"{lag:.1f} ms", lag <= GOAL_LAG_MS),
        Goal("memory in the storm", f"≤ {GOAL_MIB:g} MiB", f"{grown:.1f} MiB", grown <= GOAL_MIB),
        Goal("messages to people", f"≤ {most:.0f} a channel", str(sent["team"]), sent["team"] <= most),
    ]


def _kills(kills: int) -> list[Goal]:
    recorded, told, again = killed(kills, 1)
    rows = [[name, *(f"{told[name][times]:,}" for times in range(4))] for name in told]
    common.print_table(
        f"{kills:,} kills of a sender, {recorded:,} crashes: how many were told how often",
        ["peer", "never", "once", "twice", "three times"],
        rows,
    )
    twice = {name: sum(n for times, n in told[name].items() if times > 1) for name in told if name != "slack"}
    lost = sum(times[0] for times in told.values())
    return [
        Goal(f"lost after {kills:,} kills", "0", str(lost), not lost),
        Goal("messages that Slack got again", f"≤ {kills}, one a kill", str(again), again <= kills),
        *(Goal(f"told twice at {name}", "0", str(count), not count) for name, count in twice.items()),
    ]


if __name__ == "__main__":
    common.main(measure)
