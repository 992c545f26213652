"""Putting the daemon together and running it: the one place that knows every concrete part."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from functools import partial

from epochwatchd.alerting import channels
from epochwatchd.alerting.delivery import Deliverer
from epochwatchd.config import Config
from epochwatchd.inputs import processes
from epochwatchd.inputs.beat_files import BeatFiles
from epochwatchd.inputs.beat_socket import BeatSocket
from epochwatchd.model import EpochwatchError
from epochwatchd.service.daemon import INTERVAL_S, Daemon, read_clocks
from epochwatchd.service.gpu_watch import GpuWatch
from epochwatchd.service.places import beat_directories, make_own_directory, store_path
from epochwatchd.service.schedule import Timetable
from epochwatchd.service.sd_notify import notify
from epochwatchd.store import Store, StoreError

log = logging.getLogger("epochwatchd")

GPU_INTERVAL_S = 5.0
STATUS_INTERVAL_S = 10.0
CHECKPOINT_INTERVAL_S = 20.0
PRUNE_INTERVAL_S = 6 * 3600.0
PRUNED_AT_ONCE = 100
"""Rows that are forgotten in one slice of a few milliseconds."""
PRUNE_PAUSE_S = 0.05
STOP_S = 10.0


class StartError(EpochwatchError):
    """The daemon cannot start; the text says why and what to do."""


def serve(config: Config, env: Mapping[str, str] = os.environ) -> None:
    """Run the daemon until SIGTERM or SIGINT. Raises StoreError or StartError if it cannot begin."""
    _raise_file_limit()
    # Beats and verdicts are trees that die with their last reference; looking through ten thousand runs for cycles
    # would stop everything for a tenth of a second now and then.
    gc.disable()
    with ExitStack() as stack:
        store = Store(store_path(config, env), processes.boot_id())
        stack.callback(store.close)
        store.open()
        asyncio.run(_run(config, store, env))


async def _run(config: Config, store: Store, env: Mapping[str, str]) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    deliverer = Deliverer(store, {name: channels.sender(c.kind, c.options) for name, c in config.channels.items()})
    with ExitStack() as stack:
        make_own_directory(env)
        files = BeatFiles()
        stack.callback(files.close)
        socket = _bind(config)
        if socket is not None:
            stack.callback(socket.close)
        daemon = Daemon(
            config,
            store,
            files,
            socket,
            directories=lambda: beat_directories(config, env),
            committed=deliverer.wake,
        )
        stack.callback(daemon.close)
        revived = store.revive_dead(read_clocks().wall)
        if revived:
            log.info("%d dead letters are tried again", revived)
        daemon.restore(read_clocks())
        deliverer.start()
        _listen(loop, daemon, files, socket)
        timetable = _timetable(loop, daemon, store, env)
        timetable.start()
        stack.callback(timetable.stop)
        for every_s, chore in (
            (CHECKPOINT_INTERVAL_S, lambda: asyncio.to_thread(store.checkpoint)),
            (PRUNE_INTERVAL_S, lambda: _forget_what_is_old(store, config.store.keep_s)),
        ):
            stack.callback(loop.create_task(_now_and_then(every_s, chore)).cancel)
        notify(f"READY=1\nSTATUS={_watching(daemon)}", env)
        log.info("%s; %s", _watching(daemon), _where(files, socket, config))
        await stopping.wait()
        notify("STOPPING=1", env)
        daemon.save()
        await deliverer.stop(STOP_S)


def _bind(config: Config) -> BeatSocket | None:
    """The datagram socket. The default port may be another daemon's; one that was asked for must be free."""
    address = config.heartbeats.udp
    if address is None:
        return None
    try:
        return BeatSocket(address.host, address.port, config.heartbeats.key)
    except OSError as e:
        if not config.heartbeats.udp_is_default:
            raise StartError(f"cannot listen on {address} ({e.strerror}); free it or change heartbeats.udp") from e
        log.warning("no datagrams: cannot listen on %s (%s); set heartbeats.udp", address, e.strerror)
        return None


def _listen(loop: asyncio.AbstractEventLoop, daemon: Daemon, files: BeatFiles, socket: BeatSocket | None) -> None:
    loop.add_reader(files.fileno(), daemon.files_appeared)
    loop.add_reader(daemon.deaths.fileno(), daemon.processes_died)
    if socket is not None:
        loop.add_reader(socket.fileno(), daemon.receive)


def _timetable(loop: asyncio.AbstractEventLoop, daemon: Daemon, store: Store, env: Mapping[str, str]) -> Timetable:
    gpus = GpuWatch(loop, daemon)

    def tell_systemd() -> None:
        problem = gpus.problem()
        waiting = sum(n for (_, state), n in store.pending_counts().items() if state == "pending")
        bad = sum(daemon.complaints.counts.values())
        notify(
            f"STATUS={_watching(daemon)}, {waiting} undelivered, {bad} bad inputs"
            + (f"; {problem}" if problem else ""),
            env,
        )

    timetable = Timetable()
    timetable.every(INTERVAL_S, daemon.tick, partial(notify, "WATCHDOG=1", env))
    timetable.every(GPU_INTERVAL_S, gpus.look)
    timetable.every(STATUS_INTERVAL_S, tell_systemd, daemon.remind)
    timetable.every(PRUNE_INTERVAL_S, gc.collect)
    return timetable


async def _now_and_then(every_s: float, chore: Callable[[], Awaitable[None]]) -> None:
    """Do a chore, again and again; one that fails is told and done again."""
    while True:
        try:
            await chore()
        except StoreError as e:
            log.warning("%s; it is tried again in %.0f s", e, every_s)
        except Exception:
            log.exception("a chore failed; it is tried again in %.0f s", every_s)
        await asyncio.sleep(every_s)


async def _forget_what_is_old(store: Store, keep_s: float) -> None:
    """Prune the store slice by slice: what is urgent comes in between."""
    while store.prune(read_clocks().wall - keep_s, PRUNED_AT_ONCE):  # noqa: ASYNC110 - there is no event to await
        await asyncio.sleep(PRUNE_PAUSE_S)


def _watching(daemon: Daemon) -> str:
    count = len(daemon.roster.runs)
    return f"watching {count} run{'' if count == 1 else 's'}"


def _where(files: BeatFiles, socket: BeatSocket | None, config: Config) -> str:
    places = ", ".join(map(str, files.directories)) or "no directory yet"
    port = f"; datagrams on {config.heartbeats.udp}" if socket else ""
    return f"heartbeats from {places}{port}; alerts to {', '.join(config.channels) or 'nobody'}"


def _raise_file_limit() -> None:
    """Every watched process needs a descriptor: take as many as we may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
