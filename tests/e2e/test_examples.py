"""The examples, run as they are under a daemon."""

import sys
from pathlib import Path

import pytest
from harness import DEADLINE_S, Daemon

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def daemon():
    with Daemon() as daemon:
        yield daemon


def finish_of(daemon, name, **env):
    """Run an example to its end; gives what the daemon told of it, which must be its finish alone."""
    process = daemon.train(EXAMPLES / f"{name}.py", **env)
    assert process.wait(DEADLINE_S) == 0
    finish = daemon.wait_for(job=name)
    daemon.settle()
    assert daemon.told(name) == [(name, "finished", "notice")]
    assert finish["pid"] == process.pid
    return finish


def test_plain_python(daemon):
    progress = finish_of(daemon, "plain_python")["progress"]
    assert progress["epoch"] == 199
    assert 0 < progress["loss"] < 0.1


def test_pytorch(daemon):
    pytest.importorskip("torch")
    # One thread: beside other tests, several would only wait for one another.
    progress = finish_of(daemon, "pytorch_digits", OMP_NUM_THREADS="1")["progress"]
    assert progress["epoch"] == 9
    assert 0 < progress["loss"] < 1


def test_pytorch_on_several_ranks_is_one_run(daemon):
    pytest.importorskip("torch")
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = daemon.run(*torchrun, EXAMPLES / "pytorch_ddp.py", env={**daemon.env, "OMP_NUM_THREADS": "1"}, timeout=120)
    assert done.returncode == 0, done.stderr
    progress = daemon.wait_for(job="pytorch-ddp")["progress"]
    daemon.settle()
    assert daemon.told("pytorch-ddp") == [("pytorch-ddp", "finished", "notice")]
    assert (progress["step"], progress["fraction"]) == (20, 1.0)


def test_shell_loop(daemon):
    result = daemon.run("sh", EXAMPLES / "shell_loop.sh")
    assert (result.returncode, result.stdout, result.stderr) == (0, "accuracy 0.97\n", "")
    loop = daemon.wait_for(job="shell-loop")
    daemon.wait_for(job="shell-evaluate")
    daemon.settle()
    assert daemon.told("shell-loop") == [("shell-loop", "finished", "notice")]
    assert daemon.told("shell-evaluate") == [("shell-evaluate", "finished", "notice")]
    assert (loop["progress"]["epoch"], loop["progress"]["epochs"], loop["progress"]["loss"]) == (4, 5, 0.2)


def test_the_examples_add_nothing_but_the_import_and_the_beat():
    for name in ("plain_python", "pytorch_digits"):
        code = (EXAMPLES / f"{name}.py").read_text().partition('"""\n\n')[2]
        ours = [line.strip() for line in code.splitlines() if "epochwatch" in line or "agent" in line]
        assert ours == ["from epochwatch import agent", "agent.beat(epoch, loss)"]
