"""One row for each thing that bad luck or a hostile neighbour does.

A row is held if two good trainings, before and after a restart, are told as ever, and the daemon goes on telling
systemd that it is well.
"""

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import common
from common import Goal
from siege_lib.besieged import Besieged, besieged, rss_kib
from siege_lib.jobs import STRANGER, Job, body_of, heartbeat, neighbour
from siege_lib.jobs import write as write_file

from epochwatch import wire

TOLD_WITHIN_S = 10.0
MEMORY_MIB = 256
"""Half of what the unit allows."""
STORE_MIB = 256
AT_ONCE = 3
ME = os.getpid()
NAMES = ("before", "after")
PYTHON = "/usr/bin/python3"
"""One that others may run, too."""


class Row(NamedTuple):
    """What happens, and by which calls; ``prefix`` begins the daemon's command. ``shared``: with users' folders."""

    name: str
    happen: Callable[[Besieged, Job], None]
    prefix: tuple[str, ...] = ()
    shared: bool = False


def measure(words: str = "") -> list[Goal]:
    """Try every row, or those whose names have these words, and print the table."""
    chosen = [row for row in ROWS if words in row.name]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(_try, chosen))
    said = [f"NOT HELD: {fault}" if fault else "held" for fault in results]
    rows = [[row.name, what] for row, what in zip(chosen, said, strict=True)]
    common.print_table("Bad luck and hostile neighbours", ["what happens", ""], rows)
    if os.geteuid() != 0:
        print("not as root: the neighbour was the same user")
    held = sum(1 for fault in results if not fault)
    return [Goal("hostile rows held", f"{len(chosen)}", str(held), held == len(chosen))]


def _try(row: Row) -> str:  # noqa: PLR0911 - as many ways to fail
    """What went wrong; empty if it was held."""
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(besieged())
        daemon.prefix = row.prefix
        if row.shared:
            del daemon.environment["EPOCHWATCH_DIR"]
            udp = "{}:{}".format(*daemon.udp)
            daemon.configure(heartbeats={"udp": udp, "socket": str(daemon.socket), "directories": [str(daemon.beats)]})
        daemon.start()
        before = daemon.job("before")
        if daemon.hook.wait(TOLD_WITHIN_S, job="before", kind="started") is None:
            return "a good training was not seen"
        try:
            row.happen(daemon, before)
        except OSError as e:
            return f"could not be tried: {e}"
        if not daemon.is_well(15.0):
            return "it no longer says that it is well"
        daemon.end()
        daemon.start()
        after = daemon.job("after")
        for job in (before, after):
            if daemon.hook.wait(TOLD_WITHIN_S, job=job.name, kind="started") is None:
                return f"{job.name}: its start was not told"
            assert daemon.process is not None
            memory_mib = rss_kib(daemon.process.pid) // 1024
            if memory_mib > MEMORY_MIB:
                return f"it has grown to {memory_mib} MiB"
            job.end("killed")
            said = daemon.hook.wait(TOLD_WITHIN_S, job=job.name, kind="crashed", pid=job.process.pid)
            if said is None:
                return f"{job.name}: its death was not told"
            if said.message["cause"]["code"] != "signal":
                return f"{job.name}: told as {said.message['cause']}"
        pids = (before.process.pid, after.process.pid)
        told = [
            s.message
            for s in daemon.hook.about(verified=True)
            if s.message["pid"] in pids and s.message["job"] in NAMES
        ]
        false = [m["kind"] for m in told if m["kind"] not in ("started", "crashed")]
        return f"told of a good one: {false[0]}" if false else "" if daemon.is_well() else "not well at the end"


# What happens


def write(path: Path, data: bytes, *, uid: int | None = None, **head: Any) -> None:
    """Have a heartbeat around this body appear whole; ``uid``: whose it is."""
    write_file(path, heartbeat(data, **head), uid=uid)


def _file(data: bytes, name: str = "bad", **head: object) -> Callable[[Besieged, Job], None]:
    return lambda daemon, _: write(daemon.beats / f"{name}.beat", data, uid=neighbour(), **head)


def _raw(content: bytes, name: bytes = b"bad") -> Callable[[Besieged, Job], None]:
    def happen(daemon: Besieged, _: Job) -> None:
        path = os.path.join(os.fsencode(daemon.beats), name + b".beat")
        with open(path, "wb") as file:
            file.write(content)

    return happen


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode("utf-8", "surrogatepass")


def _then_again(happen: Callable[[Besieged, Job], None], times: int) -> Callable[[Besieged, Job], None]:
    def repeated(daemon: Besieged, job: Job) -> None:
        for _ in range(times):
            happen(daemon, job)

    return repeated


def _many_files(daemon: Besieged, _: Job) -> None:
    chance = random.Random(7)
    for number in range(3000):
        (daemon.beats / f"junk{number}.beat").write_bytes(chance.randbytes(chance.randrange(300)))


def _odd_file(make: Callable[[str], object]) -> Callable[[Besieged, Job], None]:
    return lambda daemon, _: make(str(daemon.beats / "odd.beat"))


def _sparse(path: str) -> None:
    with open(path, "wb") as file:
        file.truncate(1 << 40)


def _torn(daemon: Besieged, _: Job) -> None:
    good = heartbeat(body_of("torn", ME), seq=1)
    for cut in range(0, len(good), 3):
        (daemon.beats / "torn.beat").write_bytes(good[:cut])


def _names_the_victim(**more: object) -> Callable[[Besieged, Job], None]:
    """A neighbour's file that speaks of the victim's process, in her run's name."""

    def happen(daemon: Besieged, job: Job) -> None:
        body = body_of(job.name, job.process.pid)
        write(daemon.beats / "evil.beat", body, uid=neighbour(), seq=9, **more)
        _pause(daemon)

    return happen


def _rewritten_to_the_victim(daemon: Besieged, job: Job) -> None:
    with subprocess.Popen(["sleep", "600"], **({"user": neighbour()} if neighbour() else {})) as own:
        try:
            write(daemon.beats / "evil.beat", body_of("evil", own.pid), uid=neighbour(), seq=1)
            daemon.hook.wait(5.0, job="evil", kind="started")
            write(
                daemon.beats / "evil.beat",
                body_of("evil", job.process.pid),
                uid=neighbour(),
                seq=2,
                state=wire.FINISHED,
            )
            _pause(daemon)
        finally:
            own.kill()


def _pause(daemon: Besieged) -> None:
    """Until two more ticks have seen it."""
    daemon.is_well(10.0)


def _datagram(*datagrams: bytes, unix: bool = False, times: int = 1) -> Callable[[Besieged, Job], None]:
    def happen(daemon: Besieged, _: Job) -> None:
        for _ in range(times):
            for data in datagrams:
                daemon.send(data, unix=unix)
        _pause(daemon)

    return happen


def _speaks_for_the_victim(*, unix: bool) -> Callable[[Besieged, Job], None]:
    """Somebody says over a socket that the victim's run has ended; over the Unix socket it is another user."""

    def happen(daemon: Besieged, job: Job) -> None:
        said = [
            _json(job=job.name, run=job.name, pid=job.process.pid, event="finished"),
            _json(job=job.name, run=job.name, event="failed", reason="x"),
            heartbeat(body_of(job.name, job.process.pid), seq=99, state=wire.FINISHED),
        ]
        if unix and os.geteuid() == 0:
            send = (
                "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                "for h in sys.argv[2:]: s.sendto(bytes.fromhex(h), sys.argv[1])"
            )
            subprocess.run(
                [PYTHON, "-c", send, str(daemon.socket), *(d.hex() for d in said)], user=neighbour(), check=False
            )
        else:
            for data in said:
                daemon.send(data, unix=unix)
        _pause(daemon)

    return happen


def _invented_runs(daemon: Besieged, _: Job) -> None:
    for number in range(5000):
        daemon.send(_json(job=f"invented{number}", run="r", loss="NaN"))
    _pause(daemon)


def _rubbish(daemon: Besieged, _: Job) -> None:
    chance = random.Random(3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(30_000):
            sender.sendto(chance.randbytes(20), daemon.udp)
    _pause(daemon)


def _folders(daemon: Besieged, _: Job) -> None:
    """In the shared temporary folder: links to others' files, and folders under others' numbers."""
    victim = daemon.place / "victim"
    victim.mkdir()
    (victim / "dear.beat").write_bytes(b"dear")
    for number in range(500):
        (daemon.place / f"epochwatch-{number + 60000}").symlink_to(victim)
        (daemon.place / f"epochwatch-{number + 70000}").mkdir()
    _pause(daemon)
    if not (victim / "dear.beat").exists():
        raise OSError("a file of the victim was removed")


def _made_anew(daemon: Besieged, job: Job) -> None:
    shutil.rmtree(daemon.beats)
    _pause(daemon)
    daemon.beats.mkdir()
    job.beat()
    _pause(daemon)


def _short_of_descriptors(daemon: Besieged, _: Job) -> None:
    crowd = [daemon.job(f"crowd{number}") for number in range(60)]
    _pause(daemon)
    for job in crowd:
        job.end("killed")
    _pause(daemon)


def _crowd_of_files(count: int, body_bytes: int) -> Callable[[Besieged, Job], None]:
    """So many runs of one user, by file, in the name of one process of his."""

    def happen(daemon: Besieged, _: Job) -> None:
        own = daemon.stack.enter_context(_own_process())
        tail = ["x" * 100] * (body_bytes // 103)
        for number in range(count):
            data = heartbeat(body_of(f"crowd{number}", own.pid, tail=tail), seq=1)
            write_file(daemon.beats / f"crowd{number}.beat", data, uid=neighbour())
        _pause(daemon)

    return happen


@contextlib.contextmanager
def _own_process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the neighbour's; it is gone afterwards."""
    who: dict[str, Any] = {"user": neighbour()} if neighbour() else {}
    with subprocess.Popen(command or ("sleep", "600"), stdin=subprocess.PIPE, start_new_session=True, **who) as own:
        try:
            yield own
        finally:
            own.kill()


def _silent_files_of_a_thousand_children(daemon: Besieged, _: Job) -> None:
    script = "for i in $(seq 1000); do sleep 600 & done; trap 'kill $(jobs -p)' EXIT; read x"
    own = daemon.stack.enter_context(_own_process("bash", "-c", script))
    daemon.stack.callback(lambda: own.communicate(b"\n"))
    for number in range(60):
        data = heartbeat(body_of(f"silent{number}", own.pid), seq=1, within_s=1.0, phase="x")
        write_file(daemon.beats / f"silent{number}.beat", data, uid=neighbour())
    for _ in range(10):
        _pause(daemon)


def _names(daemon: Besieged, _: Job) -> None:
    """More names than are looked at, all of them before the victim's is listed again."""
    for number in range(60_000):
        os.close(os.open(daemon.beats / f"n{number}.beat", os.O_CREAT | os.O_WRONLY, 0o644))
    if neighbour():
        for entry in os.scandir(daemon.beats):
            if entry.name.startswith("n"):
                os.chown(entry.path, STRANGER, STRANGER)
    _pause(daemon)


def _crowd_by_udp(daemon: Besieged, _: Job) -> None:
    """Twenty thousand runs that go on, three seconds long."""
    crowd = [body_of(f"far{number}", 1, host="far", boot="x") for number in range(20_000)]
    for seq in range(1, 4):
        for body in crowd:
            daemon.send(heartbeat(body, seq=seq))
    _pause(daemon)


def _ended_at_once(daemon: Besieged, _: Job) -> None:
    """Twenty thousand runs that begin and fail at once, with all that a datagram holds."""
    for number in range(20_000):
        daemon.send(_json(job=f"f{number}", run="r", event="failed", reason="x" * 6000), unix=True)
    _pause(daemon)
    size_mib = sum(file.stat().st_size for file in daemon.store.parent.iterdir()) / 2**20
    if size_mib > STORE_MIB:
        raise OSError(f"the store has grown to {size_mib:.0f} MiB")


def _asleep(daemon: Besieged, _: Job) -> None:
    assert daemon.process is not None
    daemon.process.send_signal(19)
    time.sleep(3.5)
    daemon.process.send_signal(18)


def _strange_name(daemon: Besieged, _: Job) -> None:
    """A process whose name forges lines dies, and so does its child of the same name."""
    name = (
        "import ctypes, os, time; ctypes.CDLL(None).prctl(15, b'a\\n\\x1b[31m)x(', 0, 0, 0); "
        "print(os.fork(), flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", name], stdout=subprocess.PIPE) as odd:
        assert odd.stdout is not None
        child = max(int(odd.stdout.readline()), int(odd.stdout.readline()))
        write(daemon.beats / "odd.beat", body_of("odd\nWhere: nowhere", odd.pid), seq=1)
        _pause(daemon)
        odd.kill()
        os.kill(child, 9)
    _pause(daemon)


def _a_crowd_of_one_user(daemon: Besieged, _: Job) -> None:
    for job in [daemon.job(f"c{number}") for number in range(200)]:
        job.end("killed")
    _pause(daemon)


NAN, INF = float("nan"), float("inf")
WITHIN = {"pid": ME, "start": 1}
ROWS = (
    Row(
        "C1: a loss and a metric that are NaN",
        lambda d, _: (
            write(d.beats / "bad.beat", body_of("bad", ME, metrics={"m": NAN, "n": INF}), seq=1, loss=NAN),
            _pause(d),
        ),
    ),
    Row("C2: a file name that is not UTF-8", _raw(heartbeat(body_of("bad", ME), seq=1), b"caf\xe9\xff")),
    Row("a file name with a line end and an escape", _raw(heartbeat(body_of("bad", ME), seq=1), b"a\n\x1b[31m")),
    Row("C3: stack_signal 0, by file", _file(_json(job="z", run="z", stack_signal=0, **WITHIN))),
    Row(
        "C3: stack_signal 0, by datagram",
        _datagram(
            _json(job="z", run="z1", pid=1, start=1, boot="x", stack_signal=0),
            heartbeat(_json(job="z", stack_signal=0)),
        ),
    ),
    Row("C6: 30,000 datagrams of rubbish", _rubbish),
    Row("C8: forty descriptors and sixty trainings", _short_of_descriptors, ("prlimit", "--nofile=40:40")),
    Row("C9: a body of a newer agent", _file(_json(job="new", run="n", mood={"a": [1]}, **WITHIN), seq=1)),
    Row(
        "H3: control characters in every text",
        _file(
            _json(
                job="a\nb\x1b[2J",
                run="r\nx",
                host="\u202eh",
                user="root\n",
                reason="\x07",
                exception="E\nWhere: x",
                tail=["\x1b]0;x"],
            ),
            state=wire.FAILED,
        ),
    ),
    Row("H4: a body rewritten to the victim's process", _rewritten_to_the_victim),
    Row("H5: UDP speaks of the victim", _speaks_for_the_victim(unix=False)),
    Row("another user speaks of the victim over the socket", _speaks_for_the_victim(unix=True)),
    Row("another user's file speaks of the victim", _names_the_victim()),
    Row("… and says that she has finished", _names_the_victim(state=wire.FINISHED)),
    Row("… and says that she leaves", _names_the_victim(state=wire.EXITING)),
    Row("links and strange folders in the shared folder", _folders, shared=True),
    Row("the folder of heartbeats is removed and made anew", _made_anew),
    Row("3,000 files of rubbish", _many_files),
    Row("a file of 1 TiB that is all hole", _odd_file(_sparse)),
    Row("a pipe", _odd_file(os.mkfifo)),
    Row("a folder called .beat", _odd_file(os.mkdir)),
    Row("a link to /etc/shadow", _odd_file(lambda path: os.symlink("/etc/shadow", path))),
    Row("a link to the victim's file", lambda d, j: os.symlink(j.path, d.beats / "odd.beat")),
    Row("a heartbeat that grows byte by byte", _torn),
    Row("a body at an impossible place", _file(b"", body_at=2**31, body_len=2**31)),
    Row("32 KiB of brackets", _file(b"[" * 32768)),
    Row(
        "integers beyond 64 bits, and of 10,000 digits",
        _then_again(_file(b'{"job":"b","epochs":' + b"9" * 10_000 + b"}"), 1),
    ),
    Row(
        "all numbers at their ends",
        _file(
            _json(job="b", run="b", epochs=2**53, steps=2**53, rank=10**7, world_size=10**7, began_ns=2**62, **WITHIN),
            seq=2**64 - 1,
            epoch=1e300,
            step=2**63 - 1,
            loss=-1e308,
        ),
    ),
    Row(
        "times before 1970 and after 2200",
        _file(_json(job="b", run="b"), seq=1, time_ns=-(2**63), phase="x", phase_time_ns=2**63 - 1, within_s=1e308),
    ),
    Row("an epoch that is NaN", _file(_json(job="b"), seq=1, epoch=NAN)),
    Row(
        "an output made to stall patterns",
        _file(_json(job="b", run="b", tail=["a" * 3000 + "!"] * 9, exception="E" * 20000), seq=1, state=wire.FAILED),
    ),
    Row(
        "markup, SQL and templates in a job's name",
        _file(_json(job="<!channel> {0} %s '; DROP TABLE run; -- [red]", run="x", **WITHIN), seq=1),
    ),
    Row("a beat of init", _file(_json(job="init", run="i", pid=1, start=1))),
    Row(
        "a beat of the daemon itself",
        lambda d, _: (
            write(d.beats / "self.beat", body_of("self", d.process.pid), seq=1, state=wire.FINISHED),
            _pause(d),
        ),
    ),
    Row(
        "a wrapper that claims the victim's process",
        lambda d, j: (
            write(
                d.beats / "w.beat",
                body_of("w", ME, command_pid=j.process.pid),
                uid=neighbour(),
                seq=1,
                state=wire.FAILED,
            ),
            _pause(d),
        ),
    ),
    Row(
        "300 metrics and 300 tags",
        _file(
            _json(job="b", run="b", metrics={f"m{i}": i for i in range(300)}, tags={f"t{i}": "x" for i in range(300)})
        ),
    ),
    Row(
        "a file that changes its owner",
        lambda d, _: (
            write(d.beats / "o.beat", body_of("o", ME), seq=1),
            _pause(d),
            write(d.beats / "o.beat", body_of("o", ME), seq=2, uid=neighbour()),
            _pause(d),
        ),
    ),
    Row(
        "a file that comes and goes 2,000 times",
        _then_again(lambda d, _: (_raw(b"EPWT")(d, _), os.unlink(d.beats / "bad.beat")), 2000),
    ),
    Row(
        "datagrams: empty, 64 KB, JSON of wrong keys, sealed",
        _datagram(
            b"",
            b"x" * 65000,
            _json(job="a", nonsense=1),
            wire.seal(b"x", b"k", 1),
            _json(job=""),
            b"{}",
            b"null",
            times=200,
        ),
    ),
    Row(
        "the same over the socket",
        _datagram(b"", b"x" * 65000, _json(job="a", nonsense=1), _json(job="a\n", epoch=1e999), times=200, unix=True),
    ),
    Row("5,000 invented runs by UDP", _invented_runs),
    Row("a process with a name that forges lines dies", _strange_name),
    Row("200 deaths of one user", _a_crowd_of_one_user),
    Row("the watchdog sleeps for 3.5 s", _asleep),
    Row("12,000 files with bodies of 28 KB, of one user", _crowd_of_files(12_000, 28_000)),
    Row("20,000 small files of one user, by one process", _crowd_of_files(20_000, 0)),
    Row("sixty silent files of a process with a thousand children", _silent_files_of_a_thousand_children),
    Row("60,000 names in the folder", _names),
    Row("20,000 runs by UDP that go on", _crowd_by_udp),
    Row("20,000 runs over the socket that fail at once", _ended_at_once),
)
