"""The daemon in this process, on real files and a real store, without a loop: a test calls ``tick`` and the events.

with watching(folder) as watch:
    watch.beat("a", job="digits")
    watch.tick()
    assert watch.told() == [("digits", "started")]
"""

import os
import zlib
from contextlib import ExitStack, contextmanager

from epochwatch import wire
from epochwatch.wire import Body, Head
from epochwatchd.alerting.rendering import render
from epochwatchd.config import Config, Heartbeats, Route, StoreConfig
from epochwatchd.inputs.heartbeats.files import BeatFiles, Folder
from epochwatchd.inputs.process import procfs
from epochwatchd.model import Moment, Policy
from epochwatchd.service.daemon import Daemon, read_clocks
from epochwatchd.store import Store, read_runs
from epochwatchd.store.ledger import Ledger

CONFIG = Config(Heartbeats(), Policy(), (), {}, (Route(to=("team",)),), StoreConfig(), "en")


class Watching:
    """A daemon, its ledger, and the folder of heartbeats that it watches."""

    def __init__(self, daemon, ledger, beats, path):
        self.daemon = daemon
        self.ledger = ledger
        self.bulkheads = daemon.bulkheads
        self.beats = beats
        self.path = path
        self._ahead_s = 0.0
        daemon.clock = self.clock

    def clock(self):
        """Both clocks, as far ahead as ``wait`` has set them."""
        now = read_clocks()
        return Moment(now.mono + self._ahead_s, now.wall + self._ahead_s)

    def tick(self):
        """What the loop does in a second."""
        self.daemon.event("heartbeat files", self.daemon.files_appeared)()
        return self.daemon.tick()

    def wait(self, seconds):
        """Let time pass as the daemon sees it, with a tick each second."""
        for _ in range(round(seconds)):
            self._ahead_s += 1.0
            self.tick()

    def jump(self, seconds):
        """Let time pass without a tick; the daemon is told that it had one."""
        self._ahead_s += seconds
        self.daemon._last_tick_at += seconds

    def beat(self, name, **fields):
        """Write the heartbeat ``name`` of this very process; gives its path."""
        return write(self.beats / f"{name}.beat", **fields)

    def messages(self, channel="team"):
        """What is to be sent over a channel and was not yet, in words, the oldest first."""
        store = self.ledger._store
        return [render(store.notification(d.id), "en") for d in store.pending(channel)]

    def told(self):
        """The same, in short."""
        return [(m.job, m.kind) for m in self.messages()]

    def rows(self):
        """The runs as ``status`` shows them."""
        return read_runs(self.path)


def write(path, *, job="digits", seq=1, pid=None, state=wire.RUNNING, body=None, **head):
    """A heartbeat at ``path``, of this very process unless said otherwise."""
    pid = pid or os.getpid()
    body = body or Body(job, run=path.stem, pid=pid, start=procfs.read_stat(pid).start, boot=procfs.boot_id())
    data = wire.encode_body(body)
    made = Head(seq=seq, state=state, body_at=wire.HEAD_SIZE, body_len=len(data), body_crc=zlib.crc32(data), **head)
    path.write_bytes(wire.encode_head(made) + data)
    return path


@contextmanager
def watching(folder, config=CONFIG, sockets=(), *, restored=True):
    """A daemon that watches ``folder/beats`` and stores in ``folder/epochwatch.db``; ``restored`` from there."""
    beats, path = folder / "beats", folder / "epochwatch.db"
    beats.mkdir(exist_ok=True)
    with ExitStack() as stack:
        ledger = Ledger(Store(path, procfs.boot_id()))
        stack.callback(ledger.close)
        files = BeatFiles()
        stack.callback(files.close)
        daemon = Daemon(config, ledger, files, sockets, lambda: [Folder(beats)])
        stack.callback(daemon.close)
        watch = Watching(daemon, ledger, beats, path)
        if restored:
            daemon.restore(watch.clock())
        yield watch
