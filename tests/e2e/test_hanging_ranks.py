"""Where a run of several processes hangs: all are asked at once, and the one that the others wait for is named."""

import sys

import pytest
from harness import Daemon
from idioms import TORCHRUN

RANKS = """
import os, sys, threading, time
import torch, torch.distributed as dist
from epochwatch import agent

def save_checkpoint():
    {save}

def train_step():
    dist.all_reduce(torch.ones(1))

dist.init_process_group("gloo")
for step in range(30):
    agent.beat(0, 1.0, step=step)
    train_step()
    time.sleep(0.1)
if dist.get_rank() == 2:
    {rank_2}
train_step()
for step in range(30, 35):
    agent.beat(0, 1.0, step=step)
dist.destroy_process_group()
"""
LOADER = """
import threading, time
from torch.utils.data import DataLoader, Dataset
from epochwatch import agent

lock = threading.Lock()
lock.acquire()

class Images(Dataset):
    def __len__(self): return 64
    def __getitem__(self, index):
        if index == 40: self.decode()
        return index
    def decode(self):
        lock.acquire()

for step, batch in enumerate(DataLoader(Images(), batch_size=2, num_workers=2)):
    agent.beat(0, 1.0, step=step)
    time.sleep(0.05)
"""


@pytest.fixture
def daemon():
    with Daemon({"defaults": {"silent_after": "4s", "first_beat_within": "60s"}}) as daemon:
        yield daemon


def ranks(daemon, *, save="pass", rank_2):
    (daemon.folder / "train.py").write_text(RANKS.format(save=save, rank_2=rank_2))
    launch = [sys.executable, *TORCHRUN, str(daemon.folder / "train.py")]
    daemon.train("import os, sys; os.execvp(sys.argv[1], sys.argv[1:])", *launch, job="llm")


@pytest.mark.parametrize(
    ("save", "cause"),
    [
        pytest.param("time.sleep(600)", "polling", id="it sleeps"),
        pytest.param("lock = threading.Lock(); lock.acquire(); lock.acquire()", "deadlock", id="it waits, too"),
    ],
)
def test_of_ranks_that_wait_for_one_that_one_is_told_with_where_the_others_stand(daemon, save, cause):
    ranks(daemon, save=save, rank_2="save_checkpoint()")
    hang = daemon.wait_for(job="llm", kind="silent")
    assert (hang["rank"], hang["cause"]["code"]) == (2, cause)
    assert "in save_checkpoint" in hang["text"]
    others = next(line for line in hang["cause"]["evidence"] if line.startswith("the other processes of the run"))
    assert "2 silent at step 29" in others
    assert "all_reduce" in others
    daemon.settle()
    assert daemon.told("llm") == [("llm", "silent", "firing")]


def test_ranks_that_wait_while_one_evaluates_as_it_announced_are_not_told(daemon):
    ranks(daemon, save="time.sleep(8)", rank_2="with agent.phase('eval', within='1m'): save_checkpoint()")
    assert daemon.wait_for(job="llm")["kind"] == "finished"
    daemon.settle()
    assert daemon.told("llm") == [("llm", "finished", "notice")]


def test_a_stuck_worker_of_a_loader_is_told_with_its_line(daemon):
    (daemon.folder / "train.py").write_text(LOADER)
    daemon.train(daemon.folder / "train.py")
    hang = daemon.wait_for(job="train", kind="silent")
    assert hang["cause"]["code"] == "polling"  # it looks every five seconds whether its workers live
    [line] = [line for line in hang["cause"]["evidence"] if line.startswith("worker process") and "decode" in line]
    assert "train.py:15 in Images.decode" in line


POOL = """
import sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Pool
from epochwatch import agent

def work(_):
    for step in range(10):
        agent.beat(step=step)
        time.sleep(0.05)

if __name__ == "__main__":
    pool = ProcessPoolExecutor(2) if sys.argv[1] == "futures" else Pool(2)
    list(pool.map(work, range(2)))
    print("idle", flush=True)
    ends = time.monotonic() + 8
    while time.monotonic() < ends: pass
"""


@pytest.mark.parametrize("kind", ["futures", "multiprocessing"])
def test_a_pools_worker_that_waits_for_its_next_task_is_no_hang(daemon, kind):
    (daemon.folder / "train.py").write_text(POOL)
    daemon.train(daemon.folder / "train.py", kind, job=kind)
    daemon.wait_for(lambda m: m["kind"] in ("finished", "interrupted"), job=kind)  # a Pool ends its workers by SIGTERM
    daemon.settle()
    assert "silent" not in [told[1] for told in daemon.told(kind)]
