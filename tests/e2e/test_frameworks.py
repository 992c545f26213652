"""The integrations in the real frameworks, on tiny data: plan, steps, loss, phases, checkpoints, and every end.

The frameworks come by ``tests/launchers.sh``.
"""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from harness import Daemon

PYTHON = Path(sys.prefix) / "launchers/bin/python"
SAY = """
import os, sys
from epochwatch import agent
how = sys.argv[-1]
def phase(): return agent._run().recorder.phase[0]
"""
LIGHTNING = """
import logging, torch
from {package} import LightningModule, Trainer
from epochwatch.integrations.lightning import Epochwatch
class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
    def training_step(self, batch, _):
        if how == "SIGKILL" and self.global_step == 3 and self.global_rank == 1: os.kill(os.getpid(), 9)
        if how == "exception" and self.global_step == 5: raise ValueError("bad batch")
        if how == "Ctrl-C" and self.global_step == 5: raise KeyboardInterrupt
        if how == "early stop" and self.global_step == 5: self.trainer.should_stop = True
        print("train in", phase())
        return self.layer(batch).sum()
    def validation_step(self, batch, _): print("evaluate in", phase())
    def configure_optimizers(self): return torch.optim.SGD(self.parameters(), 0.1)
data = torch.utils.data.DataLoader(torch.ones(8, 1), batch_size=2)
quiet = dict(logger=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=sys.path[0])
trainer = Trainer(max_epochs=3, min_epochs=1, accelerator="cpu", devices=1, callbacks=[Epochwatch("fit")], **quiet)
trainer.fit(Line(), data, data)
"""
TRANSFORMERS = """
import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
from epochwatch.integrations.transformers import Epochwatch
class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.calls = torch.nn.Linear(1, 1), 0
    def forward(self, x, labels=None):
        self.calls += self.training
        if how == "exception" and self.calls == 5: raise ValueError("bad batch")
        if how == "Ctrl-C" and self.calls == 5: raise KeyboardInterrupt
        print("train in" if self.training else "evaluate in", phase())
        return dict(loss=self.layer(x).mean(), logits=self.layer(x))
class Data(torch.utils.data.Dataset):
    def __len__(self): return 8
    def __getitem__(self, n): return dict(x=torch.ones(1), labels=torch.ones(1))
arguments = TrainingArguments(
    sys.path[0] + "/out", num_train_epochs=3, per_device_train_batch_size=2, eval_strategy="epoch",
    save_strategy="epoch", logging_steps=1, report_to="none", use_cpu=True, disable_tqdm=True,
)
class Stop(TrainerCallback):
    def on_step_end(self, args, state, control, **_):
        control.should_training_stop = how == "early stop" and state.global_step == 5
Trainer(Line(), arguments, train_dataset=Data(), eval_dataset=Data(), callbacks=[Epochwatch("fit"), Stop()]).train()
"""
XGBOOST = """
import numpy, xgboost
from epochwatch.integrations.xgboost import Epochwatch
data = xgboost.DMatrix(numpy.random.rand(20, 2), numpy.random.rand(20))
def score(prediction, data):
    score.calls += 1
    if how == "exception" and score.calls == 5: raise ValueError("bad batch")
    if how == "Ctrl-C" and score.calls == 5: raise KeyboardInterrupt
    return "score", -float(score.calls) if how != "early stop" else float(score.calls)
score.calls = 0
model = xgboost.train({}, data, 12, evals=[(data, "train")], custom_metric=score, verbose_eval=False,
                      callbacks=[Epochwatch("fit", total=12), xgboost.callback.EarlyStopping(4, metric_name="score")])
assert model.num_boosted_rounds() > 0
"""
LIGHTGBM = """
import lightgbm, numpy
from epochwatch.integrations.lightgbm import Epochwatch
data = lightgbm.Dataset(numpy.random.rand(50, 2), numpy.random.rand(50))
def score(prediction, data):
    score.calls += 1
    if how == "exception" and score.calls == 5: raise ValueError("bad batch")
    if how == "Ctrl-C" and score.calls == 5: raise KeyboardInterrupt
    return "score", float(score.calls), how != "early stop"
score.calls = 0
valid = data.create_valid(numpy.ones((5, 2)), numpy.ones(5))
lightgbm.train({"verbose": -1, "metric": "none"}, data, 12, valid_sets=[valid], feval=score,
               callbacks=[Epochwatch("fit"), lightgbm.early_stopping(2, verbose=False)])
"""
OPTUNA = """
import optuna
from epochwatch.integrations.optuna import Epochwatch
optuna.logging.set_verbosity(optuna.logging.ERROR)
def objective(trial):
    if trial.number == 4 and how == "exception": raise ValueError("bad batch")
    if trial.number == 4 and how == "Ctrl-C": raise KeyboardInterrupt
    if trial.number == 4 and how == "early stop": trial.study.stop()
    return trial.suggest_float("x", 0, 1)
optuna.create_study().optimize(objective, n_trials=12, callbacks=[Epochwatch("fit", n_trials=12)])
"""
FRAMEWORKS = {
    "lightning": LIGHTNING.replace("{package}", "lightning.pytorch"),
    "pytorch_lightning": LIGHTNING.replace("{package}", "pytorch_lightning"),
    "transformers": TRANSFORMERS,
    "xgboost": XGBOOST,
    "lightgbm": LIGHTGBM,
    "optuna": OPTUNA,
}
ENDS = {
    "finish": ("finished", None),
    "early stop": ("finished", "stopped_early"),
    "exception": ("crashed", "exception"),
    "Ctrl-C": ("interrupted", "keyboard_interrupt"),
}


@pytest.fixture
def run():
    """Trains in a daemon's world; gives what was printed and the message of the end."""
    if not PYTHON.exists():
        pytest.skip("the frameworks are not there: tests/launchers.sh gets them")
    with Daemon() as daemon:

        def train(program, how):
            script = daemon.folder / "train.py"
            script.write_text(SAY + textwrap.dedent(program))
            done = daemon.run(PYTHON, script, how, cwd=daemon.folder, timeout=120)
            sys.stderr.write(done.stderr[-3000:])  # pytest shows it where the test failed
            message = daemon.wait_for(job="fit", timeout=60)
            daemon.settle()
            assert len(daemon.told("fit")) == 1
            return done.stdout, message

        yield train


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_plan_step_loss_and_end_come_by_themselves(run, name, end):
    _, message = run(FRAMEWORKS[name], end)
    assert (message["kind"], (message["cause"] or {}).get("code")) == ENDS[end]
    progress = message["progress"]
    assert progress["steps"] == 12
    assert (progress["fraction"] == 1.0) is (end == "finish")
    assert 3 <= progress["step"] <= 12
    assert progress["loss"] is not None


@pytest.mark.parametrize("name", ["lightning", "transformers"])
def test_evaluation_and_checkpoints_are_phases_and_training_is_none(run, name):
    said, message = run(FRAMEWORKS[name], "finish")
    assert set(re.findall("train in (.*)", said)) == {"None"}
    assert set(re.findall("evaluate in (.*)", said)) == {"eval"}
    assert ".ckpt" in message["checkpoint"]["path"] or "checkpoint-12" in message["checkpoint"]["path"]


def test_a_killed_rank_of_lightnings_ddp_is_one_alert_that_names_it(run):
    _, message = run(FRAMEWORKS["lightning"].replace("devices=1", "devices=2, strategy='ddp'"), "SIGKILL")
    assert (message["kind"], message["cause"]["code"], message["rank"]) == ("crashed", "signal", 1)


@pytest.mark.parametrize("name", ["lightning", "transformers", "xgboost", "lightgbm", "optuna"])
def test_where_the_framework_is_missing_that_is_said(name):
    code = f"import sys; sys.modules.update(dict.fromkeys(['{name}', 'pytorch_lightning', 'xgboost.callback']))"
    line = [sys.executable, "-c", f"{code}\nimport epochwatch.integrations.{name}"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.search(rf"ImportError: epochwatch.integrations.{name} needs .*: pip install", done.stderr)


FUZZ = """
import importlib, inspect, itertools, types
class Wrong:
    def __getattr__(self, name): raise RuntimeError(name)
class Strange:
    def __getattr__(self, name): return {"a": "b"}
anything = [None, 3, "x", [], {}, types.SimpleNamespace(), Wrong(), Strange()]
for name in "lightning", "transformers", "xgboost", "lightgbm", "optuna":
    hooks = importlib.import_module("epochwatch.integrations." + name).Epochwatch
    ours = [n for n, f in vars(hooks).items() if callable(f) and not n.startswith("_") or n == "__call__"]
    for hook, thing in itertools.product(ours, anything):
        takes = inspect.signature(getattr(hooks, hook)).parameters.values()
        count = sum(p.kind == p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in takes) - 1
        told = getattr(hooks(), hook)(*[thing] * count)
        due = {"before_training": thing, "after_iteration": False}.get(hook)
        assert told is due, (hook, told)
    print(name, len(ours))
"""


def test_whatever_a_framework_hands_over_no_fault_of_ours_reaches_it(tmp_path):
    if not PYTHON.exists():
        pytest.skip("the frameworks are not there: tests/launchers.sh gets them")
    env = {"PATH": os.environ["PATH"], "EPOCHWATCH_DIR": str(tmp_path)}
    done = subprocess.run([PYTHON, "-c", FUZZ], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(done.stdout.splitlines()) == 5
    assert "Traceback" not in done.stderr
