"""Ranks as real launchers start them: one run, one message of its end, and the rank that fell by its number.

The launchers come by ``tests/launchers.sh``.
"""

import shutil
import sys
from pathlib import Path

import pytest
from harness import Daemon, eventually

LAUNCHERS = Path(sys.prefix) / "launchers/bin"
TRAINING = """
import os, signal, sys, time
from epochwatch import agent
rank = [os.environ[name] for name in ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK") if name in os.environ]
how = sys.argv[-1]
agent.start(epochs=4)
for epoch in range(4):
    agent.beat(epoch, 1.0)
    time.sleep(0.3)
    if epoch == 2 and rank == ["1"]:
        if how == "once" and not os.path.exists("fell"):
            open("fell", "w").close()
            raise ValueError("bad batch")
        if how == "exception": raise ValueError("bad batch")
        if how == "SIGKILL": os.kill(os.getpid(), signal.SIGKILL)
"""
LIGHTNING = """
import logging, os, signal, sys
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from epochwatch import agent
class Beats(Callback):
    def on_train_start(self, trainer, module):
        agent.start(epochs=4)
    def on_train_epoch_end(self, trainer, module):
        agent.beat(trainer.current_epoch, trainer.callback_metrics.get("loss", 1.0))
        if trainer.current_epoch == 2 and trainer.global_rank == 1:
            if sys.argv[-1] == "exception": raise ValueError("bad batch")
            if sys.argv[-1] == "SIGKILL": os.kill(os.getpid(), signal.SIGKILL)
class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
    def training_step(self, batch, _): return self.layer(batch).sum()
    def configure_optimizers(self): return torch.optim.SGD(self.parameters(), 0.1)
data = torch.utils.data.DataLoader(torch.ones(8, 1))
quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
Trainer(max_epochs=4, accelerator="cpu", devices=2, strategy="ddp", callbacks=[Beats()], **quiet).fit(Line(), data)
"""
RAY = """
import sys, time
import ray
from epochwatch import agent
def beat(bad):
    for epoch in range(3):
        agent.beat(epoch, 1.0)
        time.sleep(0.2)
    if bad: raise ValueError("bad batch")
is_bad = sys.argv[-1] == "exception"
ray.init(num_cpus=2, include_dashboard=False)
"""
TUNE = """
from ray import tune
def search(config): beat(config["bad"] and config["lr"] == 0.2)
space = {"lr": tune.grid_search([0.1, 0.2, 0.3]), "bad": is_bad}
tune.Tuner(search, param_space=space, run_config=tune.RunConfig(storage_path=sys.path[0])).fit()
"""
TRAIN = """
import ray.train
from ray.train.torch import TorchTrainer
def loop(config): beat(config["bad"] and ray.train.get_context().get_world_rank() == 1)
settings = dict(scaling_config=ray.train.ScalingConfig(num_workers=2),
                run_config=ray.train.RunConfig(name="mnist", storage_path=sys.path[0]))
TorchTrainer(loop, train_loop_config={"bad": is_bad}, **settings).fit()
"""
TORCHRUN = [str(LAUNCHERS / "python"), "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ROOT = ["--allow-run-as-root", "--oversubscribe"]
LAUNCHES = {
    "mpiexec of MPICH": (["mpiexec.mpich", "-n", "2", sys.executable], TRAINING),
    "mpiexec of Open MPI": (["mpiexec.openmpi", *ROOT, "-n", "2", sys.executable], TRAINING),
    "torchrun": (TORCHRUN, TRAINING),
    "accelerate launch": ([str(LAUNCHERS / "accelerate"), "launch", "--multi_gpu", "--num_processes", "2"], TRAINING),
    "Lightning's ddp": ([str(LAUNCHERS / "python")], LIGHTNING),
}
ENDS = {
    "finish": ("finished", None, None),
    "exception": ("crashed", "exception", 1),
    "SIGKILL": ("crashed", "signal", 1),
}


@pytest.fixture
def launch():
    """Starts a training in a daemon's world, by a launcher."""

    def start(daemon, line, training, how, job="llm"):
        programs = [word for word in line if Path(word).is_absolute()] or line[:1]
        missing = [word for word in programs if shutil.which(word, path=daemon.env["PATH"]) is None]
        if missing:
            pytest.skip(f"{Path(missing[0]).name} is not there: tests/launchers.sh gets it")
        script = daemon.folder / "train.py"
        script.write_text(training)
        code = "import os, sys; os.chdir(sys.argv[1]); os.execvp(sys.argv[2], sys.argv[2:])"
        quiet = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
        daemon.train(code, daemon.folder, *line, script, how, job=job, **quiet)

    return start


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", LAUNCHES)
def test_the_end_is_told_once_with_the_rank_that_fell(launch, name, end):
    with Daemon() as daemon:
        launch(daemon, *LAUNCHES[name], end)
        message = daemon.wait_for(job="llm", timeout=60)
        daemon.settle()
        rank = message["rank"] if end != "finish" else None
        assert (message["kind"], (message["cause"] or {}).get("code"), rank) == ENDS[end]
        assert message["progress"]["epoch_shown"] == (4 if end == "finish" else 3)
        assert len(daemon.told("llm")) == 1


def test_a_run_that_torchrun_starts_anew_goes_on_and_its_fall_is_over(launch):
    with Daemon() as daemon:
        launch(daemon, [*TORCHRUN, "--max-restarts", "1"], TRAINING, "once")
        daemon.wait_for(job="llm", kind="finished", timeout=60)
        daemon.settle()
        assert daemon.told("llm") == [
            ("llm", "crashed", "firing"),
            ("llm", "crashed", "resolved"),
            ("llm", "finished", "notice"),
        ]


def settled(daemon, job, count):
    eventually(lambda: len(daemon.about(job=job)) >= count, timeout=150)
    daemon.settle()
    told = [(m["kind"], (m["cause"] or {}).get("code"), m["differs"]) for m in daemon.about(job=job)]
    return sorted(told, key=repr)  # what differs is None for one that ends before the others begin


def test_each_trial_of_ray_tune_is_told_by_its_name_and_that_ray_kills_it_afterwards_is_no_crash(launch):
    with Daemon() as daemon:
        launch(daemon, [str(LAUNCHERS / "python")], RAY + TUNE, "exception", job=None)
        told = settled(daemon, "search", 3)
        assert [(kind, cause) for kind, cause, _ in told] == [("crashed", "exception"), *[("finished", None)] * 2]
        assert "lr=0.2" in told[0][2]


@pytest.mark.parametrize("end", ["finish", "exception"])
def test_the_ranks_of_ray_train_are_one_run(launch, end):
    with Daemon() as daemon:
        launch(daemon, [str(LAUNCHERS / "python")], RAY + TRAIN, end, job=None)
        [told] = settled(daemon, "mnist", 1)
        assert told[:2] == ENDS[end][:2]


def test_of_a_wrapped_torchrun_whose_rank_0_alone_beats_the_rank_that_fell_is_told(launch):
    only_0 = TRAINING.replace("agent.start(epochs=4)", "agent.beat = agent.beat if rank == ['0'] else lambda *_: None")
    with Daemon() as daemon:
        launch(daemon, ["epochwatch", "run", "--", *TORCHRUN], only_0, "exception")
        crash = daemon.wait_for(job="llm", kind="crashed", timeout=60)
        daemon.settle()
        assert len(daemon.told("llm")) == 1
        assert "the launcher says: rank 1 fell first" in crash["text"]
