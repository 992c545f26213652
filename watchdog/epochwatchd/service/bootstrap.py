"""Putting the daemon together and running it: the one place that knows every concrete part."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

from epochwatchd.alerting.delivery import Deliverer
from epochwatchd.config import Config, ConfigError
from epochwatchd.control.requests import Control, ready
from epochwatchd.control.server import Server
from epochwatchd.inputs.heartbeats.files import BeatFiles
from epochwatchd.inputs.heartbeats.sockets import BeatSocket, bind_udp, bind_unix
from epochwatchd.inputs.process import procfs
from epochwatchd.model import EpochwatchError
from epochwatchd.service.buttons import Buttons
from epochwatchd.service.connecting import connected, listeners
from epochwatchd.service.daemon import INTERVAL_S, Daemon, read_clocks
from epochwatchd.service.fd_store import FdStore
from epochwatchd.service.gpu_watch import GpuWatch
from epochwatchd.service.last_resort import untold
from epochwatchd.service.paths import Places, control_path, make_own_directories, socket_path, store_path, watched_uid
from epochwatchd.service.schedule import Timetable
from epochwatchd.service.sd_notify import notify
from epochwatchd.store import Store
from epochwatchd.store.ledger import Ledger

log = logging.getLogger("epochwatchd")

GPU_INTERVAL_S = 5.0
STATUS_INTERVAL_S = 10.0
CHECKPOINT_INTERVAL_S = 20.0
PRUNE_INTERVAL_S = 3600.0
GARBAGE = (20_000, 20, 20)
"""Beats and verdicts die with their last reference, and to look through ten thousand runs for cycles takes a tenth of a
second. So it is seldom done, but it is done: whatever may make cycles takes some MiB and no more."""
PRUNE_ROWS, PRUNE_PAUSE_S = 100, 0.05
"""What is old is forgotten a few milliseconds' worth at a time: deaths and ticks come in between."""
STOP_S = 1.0
"""Messages on their way get so long when the daemon stops; the others are sent by the next one."""

Load = Callable[[], Config]


class StartError(EpochwatchError):
    """The daemon cannot start; the text says why and what to do."""


def serve(load: Load, env: Mapping[str, str] = os.environ) -> None:
    """Run the daemon until SIGTERM or SIGINT. ``load`` reads the configuration, now and upon SIGHUP.

    Raises ConfigError, StoreRefused or StartError if it cannot begin.
    """
    config = load()
    os.umask(0o027)
    _raise_file_limit()
    gc.set_threshold(*GARBAGE)
    with ExitStack() as stack:
        ledger = Ledger(Store(store_path(config.store.path, env), procfs.boot_id()))
        stack.callback(ledger.close)
        asyncio.run(_run(load, config, ledger, env))


async def _run(load: Load, config: Config, ledger: Ledger, env: Mapping[str, str]) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    with ExitStack() as stack:
        make_own_directories(env)
        uid = watched_uid()
        files = BeatFiles(uid)
        stack.callback(files.close)
        kept = FdStore(env)
        stack.callback(kept.close)
        sockets = _bind(config, env, kept)
        for socket in sockets:
            stack.callback(socket.close)
        deliverer = Deliverer(ledger, connected(config, env), mutes=lambda: ready(ledger.mutes(time.time())))
        daemon = Daemon(config, ledger, files, sockets, Places(config, env, uid).folders, kept=kept)
        stack.callback(daemon.close)
        daemon.on_notice = deliverer.wake
        daemon.parked_channels, daemon.ending_logins = deliverer.parked, deliverer.last_days
        daemon.bad_end = untold(config.store.path, env)
        service = _Service(daemon, deliverer, ledger, load, env)
        loop.add_signal_handler(signal.SIGHUP, service.reload)
        loop.add_signal_handler(signal.SIGUSR1, service.log_state)
        service.revive_dead_letters()
        daemon.restore(read_clocks())
        kept.close()
        deliverer.start()
        control = Control(ledger, time.time, runs=daemon.shown, changed=deliverer.decide_again)
        await _obey(config, env, control, stack)
        service.buttons = Buttons(control.pressed)
        service.buttons.reconfigure(listeners(config, env))
        stack.callback(service.buttons.stop)
        stack.enter_context(_listening(loop, daemon, files, sockets))
        timetable = service.timetable(loop)
        timetable.start()
        stack.callback(timetable.stop)
        service.ready()
        log.info("%s; %s", service.watching(), config.shown(_where(files, sockets, config)))
        await stopping.wait()
        notify("STOPPING=1", env)
        daemon.save()
        await deliverer.stop(STOP_S)


class _Service:
    """The running parts together, as systemd and its administrator see them."""

    def __init__(
        self, daemon: Daemon, deliverer: Deliverer, ledger: Ledger, load: Load, env: Mapping[str, str]
    ) -> None:
        self._daemon = daemon
        self._deliverer = deliverer
        self._ledger = ledger
        self._load = load
        self._env = env
        self.buttons: Buttons | None = None
        self._gpus = GpuWatch(asyncio.get_running_loop(), daemon)

    def timetable(self, loop: asyncio.AbstractEventLoop) -> Timetable:
        """What happens regularly."""
        timetable = Timetable()
        timetable.every(INTERVAL_S, self.tick)
        timetable.every(GPU_INTERVAL_S, self._daemon.event("GPUs", self._gpus.look))
        timetable.every(STATUS_INTERVAL_S, self.tell_systemd, self._daemon.remind, self._daemon.digest)
        timetable.every(CHECKPOINT_INTERVAL_S, lambda: loop.run_in_executor(None, self._ledger.checkpoint))
        timetable.every(PRUNE_INTERVAL_S, self.prune)
        return timetable

    def tick(self) -> None:
        """One look at everything. Only after a good one, and with every channel at work, systemd is told so."""
        is_well = self._daemon.tick()
        if is_well and not self._deliverer.problems():
            notify("WATCHDOG=1", self._env)

    async def prune(self) -> None:
        """Give up what was not taken for a day, and forget what is old, in slices."""
        expired = self._ledger.expire(read_clocks().wall)
        if expired:
            log.error("%d messages were not taken for a day and are dead letters; see `epochwatchd status`", expired)
        before_wall = read_clocks().wall - self._daemon.config.store.keep_s
        while self._ledger.prune(before_wall, PRUNE_ROWS):  # noqa: ASYNC110 - a pause between slices of work, nothing is awaited
            await asyncio.sleep(PRUNE_PAUSE_S)

    def reload(self) -> None:
        """SIGHUP: take up the configuration as it is now; a bad one is named line by line and the old one stays."""
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}", self._env)
        try:
            config = self._load()
        except ConfigError as e:
            log.error("the new configuration is refused, and the old one stays")  # noqa: TRY400 - what follows says why
            for line in str(e).splitlines():
                log.error("%s", line)  # noqa: TRY400
            self._daemon.refused_config = str(e)
        else:
            if (config.heartbeats, config.control) != (
                self._daemon.config.heartbeats,
                self._daemon.config.control,
            ) or config.store.path != self._daemon.config.store.path:
                log.warning(
                    "heartbeats, control and store.path are as they were: they change when the daemon is started anew"
                )
            self._daemon.reconfigure(config)
            self._deliverer.reconfigure(connected(config, self._env))
            if self.buttons is not None:
                self.buttons.reconfigure(listeners(config, self._env))
            self.revive_dead_letters()
            self._deliverer.decide_again()
            self._daemon.refused_config = None
            log.info("the configuration was read again; alerts to %s", _names(config))
        self.ready()

    def revive_dead_letters(self) -> None:
        """A channel may have been mended: what it refused for good in the last days is tried again."""
        revived = self._ledger.revive_dead(read_clocks().wall)
        if revived:
            log.info("%d dead letters are tried again", revived)

    def ready(self) -> None:
        """Tell systemd that the daemon works, and on what."""
        notify(f"READY=1\nSTATUS={self.state()}", self._env)

    def tell_systemd(self) -> None:
        """What ``systemctl status`` shows."""
        notify(f"STATUS={self.state()}", self._env)

    def watching(self) -> str:
        """How much is watched."""
        count = len(self._daemon.registry.runs)
        return f"watching {count} run{'' if count == 1 else 's'}"

    def state(self) -> str:
        """In one line: how much is watched, and everything that is wrong."""
        waiting = sum(n for (_, state), n in self._ledger.pending_counts().items() if state == "pending")
        bad = sum(self._daemon.input_errors.counts.values())
        return "; ".join([f"{self.watching()}, {waiting} undelivered, {bad} bad inputs", *self._problems()])

    def _problems(self) -> list[str]:
        gpu = self._gpus.problem()
        dead = [f"channel {name} has stopped by a fault of the watchdog" for name in self._deliverer.problems()]
        return [*self._daemon.problems(), *dead, *([gpu] if gpu else [])]

    def log_state(self) -> None:
        """SIGUSR1: everything that an administrator may want to know goes into the log."""
        log.info("state: %s", self.state())
        verdicts: Counter[str] = Counter(
            w.finding.kind if (w := run.worst()) else "running" for run in self._daemon.registry.runs.values()
        )
        log.info("verdicts: %s", _counted(verdicts))
        log.info("bad inputs: %s", _counted(self._daemon.input_errors.counts))
        log.info("deliveries: %s", _counted({" ".join(k): n for k, n in self._ledger.pending_counts().items()}))


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def _names(config: Config) -> str:
    return ", ".join(config.channels) or "nobody"


def _bind(config: Config, env: Mapping[str, str], kept: FdStore) -> list[BeatSocket]:
    """The sockets for datagrams. The usual ones may be another daemon's; those that were asked for must be free.

    Those that the last daemon left are taken up, and all are left to the next.
    """
    heartbeats, sockets, left = config.heartbeats, [], kept.sockets()
    if heartbeats.udp is not None:
        address = heartbeats.udp
        bind: Callable[[], BeatSocket] = partial(bind_udp, address.host, address.port, heartbeats.key, [*left.values()])
        sockets.append(_bound(bind, str(address), "udp", must=not heartbeats.udp_is_default))
    path = socket_path(config, env)
    if path is not None:
        sockets.append(
            _bound(partial(bind_unix, path, [*left.values()]), str(path), "socket", must=heartbeats.socket != "auto")
        )
    bound = [socket for socket in sockets if socket is not None]
    taken = {socket.fileno() for socket in bound}
    for name, sock in left.items():
        if sock.fileno() not in taken:
            sock.close()
            kept.drop(name)
    for socket in bound:
        if kept.keep(f"beats.{socket.name.replace(':', '.')}", socket.fileno()):
            socket.leave()
    return bound


def _bound(bind: Callable[[], BeatSocket], name: str, key: str, *, must: bool) -> BeatSocket | None:
    try:
        return bind()
    except OSError as e:
        if must:
            raise StartError(f"cannot listen on {name} ({e.strerror}); free it or change heartbeats.{key}") from e
        log.warning("no datagrams: cannot listen on %s (%s); set heartbeats.%s", name, e.strerror, key)
        return None


async def _obey(config: Config, env: Mapping[str, str], control: Control, stack: ExitStack) -> None:
    """Take commands until the stack is closed. The usual socket may be another daemon's; one asked for must be free."""
    path = control_path(config, env)
    if path is None:
        return
    server = Server(path, control.answer)
    try:
        await server.start()
    except OSError as e:
        if config.control != "auto":
            raise StartError(f"cannot listen on {path} ({e.strerror}); free it or change control.path") from e
        log.warning("no commands: cannot listen on %s (%s); set control.path", path, e.strerror)
    stack.callback(server.close)


@contextmanager
def _listening(
    loop: asyncio.AbstractEventLoop, daemon: Daemon, files: BeatFiles, sockets: list[BeatSocket]
) -> Iterator[None]:
    """Within the block the daemon hears of what happens. After it nothing reads a descriptor that is closed by then."""
    readers = [
        (files.fileno(), daemon.event("heartbeat files", daemon.files_appeared)),
        (daemon.exits.fileno(), daemon.event("deaths", daemon.processes_died)),
        *((socket.fileno(), daemon.event("datagrams", daemon.receive)) for socket in sockets),
    ]
    for descriptor, call in readers:
        loop.add_reader(descriptor, call)
    try:
        yield
    finally:
        for descriptor, _ in readers:
            loop.remove_reader(descriptor)  # what was queued for it is cancelled, too


def _where(files: BeatFiles, sockets: list[BeatSocket], config: Config) -> str:
    places = ", ".join(map(str, files.directories)) or "no directory yet"
    listening = "".join(f"; datagrams on {socket.name}" for socket in sockets)
    return f"heartbeats from {places}{listening}; alerts to {_names(config)}"


def _raise_file_limit() -> None:
    """Every watched process needs a descriptor: take as many as we may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
