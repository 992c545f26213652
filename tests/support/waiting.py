"""Kinds of pause and of hang, each on a real process: what a training does after some ordinary beats, and what that is.

``tests/integration/inputs/test_waits.py`` looks at them at once, ``bench/waits.py`` as long as they last.
"""

import textwrap
from typing import NamedTuple

PROGRAM = """
import fcntl, multiprocessing, os, queue, signal, socket, subprocess, sys, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor
from epochwatch import agent
PAUSE_S = float(os.environ["PAUSE_S"])
fork = multiprocessing.get_context("fork")

def accept(server):
    while True: server.accept()
def wake():
    while True: time.sleep(0.05)
for target, *arguments in (wake,), (accept, socket.create_server(("127.0.0.1", 0))):  # as bars and exporters have
    threading.Thread(target=target, args=arguments, daemon=True).start()

def elsewhere(work):  # in a process that is none of the training's
    if os.fork() == 0:
        if os.fork() == 0: work()
        os._exit(0)
    os.wait()
def compute(seconds=PAUSE_S):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends: pass
def poll(every_s):
    ends = time.monotonic() + PAUSE_S
    while time.monotonic() < ends: time.sleep(every_s)
def served(piece, every_s):  # a connection with somebody who sends a piece now and then, for PAUSE_S seconds
    server = socket.create_server(("127.0.0.1", 0))
    def serve():
        other, _ = server.accept()
        ends = time.monotonic() + PAUSE_S
        while time.monotonic() < ends:
            other.sendall(piece)
            time.sleep(every_s)
    elsewhere(serve)
    return socket.create_connection(server.getsockname())
def drain(connection):
    while connection.recv(65536): pass
def hang(*_):
    lock = threading.Lock(); lock.acquire(); lock.acquire()
BEFORE
for step in range(int(os.environ["BEATS"])):
    agent.beat(step=step, loss=1.0)
    time.sleep(0.2)
print("now", flush=True)
KIND
agent.beat(step=100_000, loss=1.0)
"""


class Kind(NamedTuple):
    """One kind of pause or hang.

    wait: what it is seen to wait for; None where it works, or is stopped.
    cause: as what it is told, if it lasts for ever; None: it is a pause that ends well.
    within_s: so soon it is told.
    """

    name: str
    code: str
    wait: str | None
    cause: str | None = None
    within_s: float = 50.0
    before: str = ""

    @property
    def program(self) -> str:
        """The training."""
        return PROGRAM.replace("BEFORE", textwrap.dedent(self.before)).replace("KIND", textwrap.dedent(self.code))


PAUSES = (
    Kind("a poll, 20 times a second", "poll(0.05)", "polls"),
    Kind("a poll, each 30 s", "poll(30)", "polls"),
    Kind("a download of 40 kB/s", "drain(served(bytes(4_000), 0.1))", "network"),
    Kind("a download in bursts", "drain(served(bytes(1_000_000), PAUSE_S / 3))", "network"),
    Kind("a child that sleeps", "subprocess.run(['sleep', str(PAUSE_S)])", "polls"),
    Kind("a child that computes", "child = fork.Process(target=compute); child.start(); child.join()", None),
    Kind(
        "requests in 16 threads",
        """
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(drain, [served(b"x", PAUSE_S / 3) for _ in range(16)]))
        """,
        "network",
    ),
    Kind(
        "requests in threads that were there before",
        "list(pool.map(drain, [served(b'x', PAUSE_S / 3) for _ in range(4)]))",
        "network",
        before="pool = ThreadPoolExecutor(4); list(pool.map(time.sleep, [0.1] * 4))",
    ),
    Kind(
        "a lock of a file that somebody else holds",
        """
        file = tempfile.NamedTemporaryFile()
        def hold():
            with open(file.name) as other:
                fcntl.flock(other, fcntl.LOCK_EX)
                time.sleep(PAUSE_S)
        elsewhere(hold)
        time.sleep(0.2)
        fcntl.flock(file, fcntl.LOCK_EX)
        """,
        "polls",
    ),
    Kind("a slow pipe", "subprocess.run(f'(sleep {PAUSE_S}; echo) | cat', shell=True, stdout=-1)", "polls"),
    Kind("a pool of processes that compute", "fork.Pool(2).map(compute, [PAUSE_S] * 2)", None),
    Kind("a pool of processes that sleep", "fork.Pool(2).map(time.sleep, [PAUSE_S] * 2)", "polls"),
    Kind("a thread that computes", "t = threading.Thread(target=compute); t.start(); t.join()", None),
    Kind("a thread that sleeps", "t = threading.Thread(target=poll, args=(PAUSE_S,)); t.start(); t.join()", "polls"),
    Kind("a wait with a time-out", "threading.Event().wait(PAUSE_S)", "polls"),
    Kind("a gzip child", "subprocess.run(f'timeout {PAUSE_S} cat /dev/zero | gzip > /dev/null', shell=True)", None),
)
HANGS = (
    Kind("a lock that is taken twice", "hang()", "closed", "deadlock"),
    Kind("an empty queue", "queue.Queue().get()", "closed", "deadlock"),
    Kind("a queue between processes, whose writer is dead", "fork.Queue().get()", "closed", "deadlock"),
    Kind("a pipe that nobody writes to", "reader, writer = os.pipe(); os.read(reader, 1)", "closed", "deadlock"),
    Kind("a child that hangs", "child = fork.Process(target=hang); child.start(); child.join()", "closed", "deadlock"),
    Kind(
        "a pool whose worker hangs",
        "pool.map(hang, [0])",
        "closed",
        "deadlock",
        before="pool = fork.Pool(1); pool.map(abs, [0])",
    ),
    Kind(
        "two threads that wait for each other",
        """
        a, b, both = threading.Lock(), threading.Lock(), threading.Barrier(2)
        def take(first, second):
            with first:
                both.wait()
                second.acquire()
        threading.Thread(target=take, args=(a, b), daemon=True).start()
        take(b, a)
        """,
        "closed",
        "deadlock",
    ),
    Kind("an exit that is stuck", "threading.Thread(target=hang).start(); sys.exit()", "closed", "deadlock"),
    Kind("stopped", "os.kill(os.getpid(), signal.SIGSTOP)", None, "stopped", within_s=10.0),
    Kind("a peer that says nothing", "drain(served(b'', 1e9))", "network", "network_wait", within_s=1e9),
    Kind("a retry without end", "while True: time.sleep(0.05)", "polls", "polling", within_s=1e9),
    Kind("a spin", "while True: pass", None, "busy", within_s=1e9),
)
