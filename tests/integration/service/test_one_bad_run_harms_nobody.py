"""The law of the bulkheads: a good run beside any number of bad ones is told exactly what it would be told alone.

The daemon is whole, but for its loop: real files, sockets, processes, store and restarts. What is bad comes from
hypothesis: files that are no heartbeats, heartbeats that lie, names and numbers that nobody thought of, datagrams.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import zlib
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from watching import CONFIG, watching, write

from epochwatch import wire
from epochwatch.wire import Head
from epochwatchd.inputs.gpu.nvml import GpuSample, ProcessSample
from epochwatchd.inputs.heartbeats.sockets import bind_udp, bind_unix
from epochwatchd.inputs.process import procfs

STRANGER = 54321
"""The uid of a hostile neighbour, where the test may give files away."""

# What is bad

TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", "good", "a\nb", "\x1b[31mred", "\u202eevil", "\udcff", "../../etc", "x" * 5000, "{job}", "%s", "'; --"]
    ),
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -1, 1, 2**22, 2**31, 2**53, 2**63 - 1, 2**63, os.getpid(), 1e308, -0.0, 0.5]),
    st.floats(),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "1"]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), TEXTS, NUMBERS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    "job", "run", "pid", "start", "boot", "pidns", "host", "user", "rank", "world_size", "argv", "epochs", "steps",
    "tags", "python", "gpus", "command_pid", "announces_end", "metrics", "reason", "exception", "traceback",
    "exit_status", "tail", "began_ns", "stack_signal", "stack_fd", "a_field_of_tomorrow",
)  # fmt: skip
PLAUSIBLE = {
    "job": st.sampled_from(["bad", "good", "b\nad", "\x1b]0;x\x07"]),
    "run": st.sampled_from(["b1", "good", "\u202e"]),
    "pid": st.sampled_from([os.getpid(), 1, 2**22 - 1]),
    "start": st.sampled_from([0, 1, procfs.read_stat(os.getpid()).start]),
    "boot": st.sampled_from([procfs.boot_id(), "another"]),
    "epochs": st.sampled_from([1, 3, 2**53]),
    "stack_signal": st.sampled_from([0, 1, 9, 34, 64, 65]),
    "metrics": st.dictionaries(TEXTS, NUMBERS, max_size=4),
    "tags": st.dictionaries(TEXTS, TEXTS, max_size=4),
    "tail": st.lists(TEXTS, max_size=4),
    "exit_status": st.integers(-70, 300),
}
BODIES = st.fixed_dictionaries(
    {"job": st.one_of(PLAUSIBLE["job"], TEXTS)},
    optional={field: st.one_of(PLAUSIBLE.get(field, VALUES), VALUES) for field in FIELDS if field != "job"},
)
INT64 = st.integers(-(2**63), 2**63 - 1)
HEADS = st.fixed_dictionaries(
    {
        "state": st.sampled_from([wire.RUNNING, wire.FINISHED, wire.FAILED, wire.EXITING, 4, 255]),
        "seq": st.integers(0, 2**64 - 1),
        "time_ns": INT64,
        "epoch": st.one_of(st.none(), st.floats()),
        "step": st.one_of(st.none(), INT64),
        "loss": st.one_of(st.none(), st.floats()),
        "phase": st.one_of(st.none(), TEXTS),
        "phase_time_ns": INT64,
        "within_s": st.one_of(st.none(), st.floats()),
    }
)


def heartbeat(head, body):
    """A heartbeat of whatever fields, with checksums that are right."""
    data = json.dumps(body).encode("utf-8", "surrogatepass")[: wire.BODY_MAX]
    placed = Head(**head, body_at=wire.HEAD_SIZE, body_len=len(data), body_crc=zlib.crc32(data))
    return wire.encode_head(placed) + data


CONTENTS = st.one_of(st.binary(max_size=400), st.builds(heartbeat, HEADS, BODIES))
NAMES = st.one_of(
    st.binary(min_size=1, max_size=40).filter(
        lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
    ),
    st.sampled_from([b"bad1", b"bad2", b"caf\xe9", b"a\nb", b"\x1b[31m", b"good.copy", b"x" * 240]),
)


class File:
    """A file in the folder of heartbeats; ``give_away``: it belongs to a hostile neighbour."""

    def __init__(self, name, content, kind, *, give_away):
        self.name, self.content, self.kind, self.give_away = name, content, kind, give_away

    def __repr__(self):
        return f"File({self.name!r}, {self.content!r}, {self.kind!r}, give_away={self.give_away})"

    def happen(self, world):
        path = os.path.join(os.fsencode(world.watch.beats), self.name + b".beat")
        with contextlib.suppress(FileNotFoundError):
            (os.rmdir if os.path.isdir(path) and not os.path.islink(path) else os.remove)(path)
        if self.kind == "file":
            Path(os.fsdecode(path)).write_bytes(self.content)
        elif self.kind == "link":
            os.symlink(world.watch.beats / "good.beat", path)
        elif self.kind == "fifo":
            os.mkfifo(path)
        else:
            os.mkdir(path)
        if self.give_away and os.geteuid() == 0:
            os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


class Sent:
    """A datagram: over UDP, or over the socket that knows its sender."""

    def __init__(self, payload, *, known):
        self.payload, self.known = payload, known

    def __repr__(self):
        return f"Sent({self.payload!r}, known={self.known})"

    def happen(self, world):
        kind, address = world.addresses[self.known]
        with socket.socket(kind, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):  # too long to be sent
            sender.sendto(self.payload, address)


class Gpus:
    """The driver says something strange."""

    def __init__(self, pid, memory, use):
        self.pid, self.memory, self.use = pid, memory, use

    def __repr__(self):
        return f"Gpus({self.pid}, {self.memory}, {self.use})"

    def happen(self, world):
        holder = ProcessSample(pid=self.pid, memory_mib=self.memory, use_pct=self.use, stamp_us=1)
        world.watch.daemon.gpus_seen(
            [GpuSample(index=0, uuid="G", name="H\n100", utilization_pct=self.use, processes=(holder,))]
        )


JSON = st.builds(
    lambda fields: json.dumps(fields).encode("utf-8", "surrogatepass"),
    BODIES | st.dictionaries(TEXTS, VALUES, max_size=5),
)
BAD = st.one_of(
    st.builds(
        File, NAMES, CONTENTS, st.sampled_from(["file"] * 6 + ["link", "fifo", "folder"]), give_away=st.booleans()
    ),
    st.builds(Sent, st.one_of(CONTENTS, JSON), known=st.booleans()),
    st.builds(Gpus, st.integers(-1, 2**31), st.none() | st.floats(), st.none() | st.integers(-5, 2**40)),
)

# What is good


class World:
    """A daemon, a good run in its own folder, and the end of the story when it is to be told."""

    def __init__(self, stack, folder):
        self.folder, self.stack, self.told = folder, stack, []
        self.process = stack.enter_context(subprocess.Popen(["sleep", "600"]))
        stack.callback(self.process.kill)
        self.seq = 0
        self.begin()

    def begin(self):
        self.stack_of_daemon = contextlib.ExitStack()
        udp, unix = bind_udp("127.0.0.1", 0, None), bind_unix(self.folder / "beats.socket")
        self.stack_of_daemon.callback(udp.close)
        self.stack_of_daemon.callback(unix.close)
        self.addresses = {
            False: (socket.AF_INET, ("127.0.0.1", udp.port)),
            True: (socket.AF_UNIX, str(self.folder / "beats.socket")),
        }
        self.watch = self.stack_of_daemon.enter_context(watching(self.folder, CONFIG, [udp, unix]))

    def end(self):
        """Stop the daemon; what it has told of the good run is kept."""
        self.told = [m for m in self.watch.messages() if m.job == "good" and m.pid == self.process.pid]
        self.watch.daemon.save()
        self.stack_of_daemon.close()

    def beat(self, **head):
        self.seq += 1
        write(self.watch.beats / "good.beat", job="good", pid=self.process.pid, seq=self.seq, **head)


GOOD = {
    "beat": lambda world: world.beat(epoch=float(world.seq), loss=0.5),
    "not a number": lambda world: world.beat(epoch=float(world.seq), loss=float("nan")),
    "restart": lambda world: (world.end(), world.begin()),
    "a minute": lambda world: world.watch.wait(6),
}
ENDS = {
    "finishes": lambda world: world.beat(state=wire.FINISHED),
    "fails": lambda world: world.beat(state=wire.FAILED),
    "is killed": lambda world: (world.process.send_signal(signal.SIGKILL), world.process.wait()),
}


def told_of_the_good_run(story, end, bad):
    """What is told of the good run when its story goes so, and what is bad happens in between (by the step)."""
    with tempfile.TemporaryDirectory(prefix="law-") as folder, contextlib.ExitStack() as stack:
        world = World(stack, Path(folder))
        stack.callback(lambda: world.stack_of_daemon.close())  # noqa: PLW0108 - the one that is open then
        world.beat()
        world.watch.tick()
        for number, step in enumerate([*story, end]):
            for event in bad.get(number, ()):
                event.happen(world)
            world.watch.daemon.event("datagrams", world.watch.daemon.receive)()
            {**GOOD, **ENDS}[step](world)
            world.watch.daemon.event("deaths", world.watch.daemon.processes_died)()
            assert world.watch.tick(), world.watch.daemon.problems()
        world.watch.wait(3)
        world.end()
        return [
            (
                m.kind,
                m.status,
                m.reason,
                m.severity,
                m.cause and (m.cause["code"], m.cause["text"]),
                m.progress,
                m.verified,
                m.stored,
            )
            for m in world.told
        ]


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    story=st.lists(st.sampled_from(sorted(GOOD)), max_size=5),
    end=st.sampled_from(sorted(ENDS)),
    bad=st.dictionaries(st.integers(0, 5), st.lists(BAD, min_size=1, max_size=6), min_size=1, max_size=4),
)
def test_a_good_run_beside_bad_ones_is_told_what_it_would_be_told_alone(story, end, bad):
    alone = told_of_the_good_run(story, end, {})
    assert alone[0][0] == "started"
    assert alone[-1][0] in ("finished", "crashed")
    assert told_of_the_good_run(story, end, bad) == alone
