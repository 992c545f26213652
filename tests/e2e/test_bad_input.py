"""Bad heartbeats, bad datagrams and bad neighbours: each is named once, and no other job notices."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zlib
from pathlib import Path

import pytest
from harness import Daemon, eventually, free_udp_port

from epochwatch import wire

SYSTEM_PYTHON = "/usr/bin/python3"
TRAINING = "from epochwatch import agent; agent.beat(1, 0.5); input()"


@pytest.fixture
def port():
    return free_udp_port()


@pytest.fixture
def daemon(port):
    with Daemon({"heartbeats": {"udp": f"127.0.0.1:{port}"}}) as daemon:
        yield daemon


@pytest.fixture
def send(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        yield sock.send


def proceed(training):
    """Let a training's ``input()`` return."""
    training.stdin.write(b"\n")
    training.stdin.flush()


def logged(daemon, text):
    return [line for line in daemon.log if text in line]


BAD_FILES = {
    "empty": lambda p: p.touch(),
    "zeros": lambda p: p.write_bytes(b"\0" * 4096),
    "future": lambda p: p.write_bytes(b"EPWT\x63" + b"\0" * 4096),
    "link": lambda p: p.symlink_to("/etc/passwd"),
    "fifo": os.mkfifo,
    "directory": lambda p: p.mkdir(),
    "gigabyte": lambda p: (p.touch(), os.truncate(p, 2**30)),
}


def test_bad_files_are_named_and_the_others_are_watched(daemon):
    for name, make in BAD_FILES.items():
        make(daemon.beats / f"{name}.beat")
    training = daemon.train(TRAINING, job="good")
    daemon.wait_until_watched("good")
    training.kill()
    daemon.wait_for(job="good", kind="crashed")
    # A FIFO, a link and a directory are of one kind: it is logged once, and counted from then on.
    for name in ("empty", "zeros", "future"):
        eventually(lambda name=name: logged(daemon, f"{name}.beat"))
    assert daemon.told() == [("good", "crashed", "firing")]


def test_bad_datagrams_are_named_and_the_others_are_heard(daemon, send):
    rubbish = random.Random(7)
    for _ in range(2000):
        send(rubbish.randbytes(rubbish.randrange(1, 1200)))
    send(b'{"job": "typo", "epch": 3}')
    send(b'{"job": "digits", "epoch": 3, "loss": 0.21, "event": "failed", "reason": "no data"}')
    told = daemon.wait_for(job="digits", kind="crashed")
    assert (told["cause"]["code"], told["progress"]["epoch"]) == ("reported", 3)
    eventually(lambda: logged(daemon, "unknown key 'epch'"))
    assert len(daemon.log) < 20


def test_a_flood_from_one_job_delays_no_other(daemon, send):
    training = daemon.train(TRAINING, job="quiet")
    daemon.wait_until_watched("quiet")
    for i in range(20_000):
        send(b'{"job": "loud", "step": %d}' % i)
    training.kill()
    daemon.wait_for(job="quiet", kind="crashed")
    assert daemon.told() == [("quiet", "crashed", "firing")]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to be somebody else")
def test_one_user_cannot_speak_for_another(daemon):
    """Nobody's heartbeat file names root's process: it is refused, and not believed when it says NaN."""
    victim = daemon.train(TRAINING, job="victim")
    daemon.wait_until_watched("victim")
    [real] = daemon.beats.glob("victim.*.beat")
    forged = daemon.folder / "forged.0123456789ab.beat"
    forged.write_bytes(real.read_bytes())
    os.chown(forged, 65534, 65534)
    forged.rename(daemon.beats / forged.name)
    eventually(lambda: logged(daemon, "belongs to nobody"))
    victim.kill()
    daemon.wait_for(job="victim", kind="crashed")
    daemon.settle()
    assert daemon.told("victim") == [("victim", "crashed", "firing")]
    assert len(daemon.about(pid=victim.pid)) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to be somebody else")
def test_another_users_training_is_watched_and_told_under_its_owners_name(daemon):
    if not Path(SYSTEM_PYTHON).exists():
        pytest.skip(f"no {SYSTEM_PYTHON} that anybody may run")
    daemon.beats.chmod(0o1777)
    daemon.folder.chmod(0o755)
    with tempfile.TemporaryDirectory(prefix="e2e-public-") as public:
        Path(public).chmod(0o755)
        shutil.copytree(Path(wire.__file__).parent, Path(public) / "epochwatch")
        env = {**daemon.env, "PYTHONPATH": public, "EPOCHWATCH_JOB": "theirs"}
        line = [SYSTEM_PYTHON, "-c", TRAINING]
        with subprocess.Popen(line, env=env, stdin=subprocess.PIPE, user=65534, group=65534) as training:
            daemon.wait_until_watched("theirs")
            training.kill()
        assert daemon.wait_for(job="theirs", kind="crashed")["user"] == "nobody"


def test_a_run_of_another_boot_is_told_as_a_reboot(daemon):
    training = daemon.train(TRAINING, job="before")
    daemon.wait_until_watched("before")
    daemon.stop()
    [beat] = daemon.beats.glob("before.*.beat")
    rewrite(beat, boot="0" * 36, host=socket.gethostname())
    daemon.store.unlink()
    daemon.start()
    told = daemon.wait_for(job="before", kind="crashed")
    assert told["cause"]["code"] == "reboot"
    training.kill()


def rewrite(path, **changes):
    """Change what a heartbeat says of its sender: a stand-in for an earlier boot, or for a liar."""
    data = path.read_bytes()
    head = wire.decode_head(data)
    body = wire.decode_body(data[head.body_at : head.body_at + head.body_len])
    raw = wire.encode_body(body._replace(**changes))
    head = head._replace(body_at=wire.BODY_SLOTS[0], body_len=len(raw), body_crc=zlib.crc32(raw))
    path.write_bytes(wire.encode_head(head) + raw)


def test_a_watchdog_that_slept_holds_it_against_nobody(daemon):
    """Frozen itself for longer than the jobs' limit, then thawed: no job is called silent."""
    daemon.stop()
    daemon.configure({"defaults": {"silent_after": "2s"}})
    daemon.start()
    code = "import time\nfrom epochwatch import agent\nfor i in range(10**6): agent.beat(i, 0.5); time.sleep(0.05)"
    training = daemon.train(code, job="steady")
    daemon.wait_until_watched("steady")
    daemon.process.send_signal(signal.SIGSTOP)
    training.send_signal(signal.SIGSTOP)
    time.sleep(4.0)  # the whole machine sleeps, as far as these two can tell
    training.send_signal(signal.SIGCONT)
    daemon.process.send_signal(signal.SIGCONT)
    eventually(lambda: logged(daemon, "the watchdog could not look"))
    daemon.settle()
    assert daemon.told("steady") == []
    training.kill()


def test_a_freeze_is_told_soon_also_after_the_watchdog_slept(daemon):
    code = "import time\nfrom epochwatch import agent\nfor i in range(10**6): agent.beat(i, 0.5); time.sleep(0.05)"
    training = daemon.train(code, job="steady")
    daemon.wait_until_watched("steady")
    daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(5.0)  # longer than the limit for a late tick
    daemon.process.send_signal(signal.SIGCONT)
    eventually(lambda: logged(daemon, "the watchdog could not look"))
    training.send_signal(signal.SIGSTOP)
    assert daemon.wait_for(job="steady", kind="silent", timeout=12.0)["cause"]["code"] == "stopped"


def test_another_run_under_the_same_file_name_is_another_run(daemon):
    code = """
import os
from epochwatch import wire
import zlib
stat = open("/proc/self/stat").read().rpartition(")")[2].split()
body = wire.encode_body(wire.Body("by hand", run=os.urandom(6).hex(), pid=os.getpid(), start=int(stat[19])))
head = wire.Head(seq=1, body_at=128, body_len=len(body), body_crc=zlib.crc32(body))
path = os.environ["EPOCHWATCH_DIR"] + "/by-hand.beat"
open(path + ".new", "wb").write(wire.encode_head(head) + body)
os.rename(path + ".new", path)
input()
"""
    for _ in range(3):
        training = daemon.train(code)
        told = len(daemon.about(job="by hand"))
        eventually(lambda told=told: len([m for m in daemon.messages if m["kind"] == "started"]) > told)
        proceed(training)
        eventually(lambda told=told: len(daemon.about(job="by hand", kind="finished")) > told)
    assert len({m["run"] for m in daemon.about(job="by hand")}) == 3


def test_a_daemon_without_descriptors_left_calls_nobody_dead(daemon):
    daemon.stop()
    daemon.start(prefix=("prlimit", "--nofile=40:40"))
    trainings = [daemon.train(TRAINING, job=f"job {i}") for i in range(30)]
    eventually(lambda: logged(daemon, "cannot be watched"))
    assert daemon.told() == []
    for training in trainings:
        proceed(training)
    eventually(lambda: len(daemon.about(kind="finished")) + len(daemon.about(kind="crashed")) >= 30)
    assert not [m for m in daemon.about(kind="crashed") if m["cause"]["code"] != "unknown"]
