"""What a message says of a real run: its last checkpoint, its memory, our own lines in the reader's language."""

import pytest
from harness import Daemon, eventually

SAVES = """
import os, sys
from epochwatch import agent
hoard = b"x" * (64 * 2**20)
agent.start(epochs=9)
if os.environ.get("RANK") == "0":
    agent.checkpoint("runs/ckpt-2.pt")
agent.beat(2, 0.7)
open(os.environ["SAVED"], "w").close()
input()
"""


@pytest.fixture(scope="module")
def daemon():
    with Daemon({"language": "ko"}) as daemon:
        yield daemon


@pytest.fixture
def start(daemon, tmp_path):
    """What starts a training that has saved when this returns."""

    def begin(job, rank, **env):
        mark = tmp_path / f"saved-{rank}"
        training = daemon.train(SAVES, job=job, RANK=str(rank), SAVED=str(mark), **env)
        eventually(mark.exists)
        return training

    return begin


def test_a_killed_run_says_how_old_its_checkpoint_is_and_how_much_it_held(daemon, start):
    training = start("saves", 0, WORLD_SIZE="1")
    daemon.wait_until_watched("saves")
    training.kill()
    crash = daemon.wait_for(job="saves", kind="crashed")
    assert crash["checkpoint"]["path"] == "runs/ckpt-2.pt"
    assert crash["memory"]["peak_mib"] > 64.0
    lines = crash["text"].splitlines()
    assert any(line.startswith("체크포인트: ") and line.endswith("초 전 · runs/ckpt-2.pt") for line in lines)
    assert any(line.startswith("메모리: 최대 ") for line in lines)
    assert "  시그널 9 SIGKILL(으)로 종료됨" in lines


def test_the_checkpoint_of_one_rank_is_the_runs(daemon, start):
    ranks = [start("two", rank, WORLD_SIZE="2", EPOCHWATCH_RUN="r2") for rank in range(2)]
    daemon.wait_until_watched("two")
    ranks[0].communicate(b"\n")  # its last words are read at once, what it says before once a second
    ranks[1].kill()
    crash = daemon.wait_for(job="two", kind="crashed")
    assert (crash["rank"], crash["checkpoint"]["path"]) == (1, "runs/ckpt-2.pt")
