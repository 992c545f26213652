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

PYTHON = Path(sys.prefix) / os.environ.get("EPOCHWATCH_FRAMEWORKS", "launchers") / "bin/python"
VISION = Path(sys.prefix) / "vision/bin/python"
SAY = """
import os, sys
from epochwatch import agent
how = sys.argv[-1]
def phase(): return agent._run().recorder.phase[0]
"""
LIGHTNING = """
import logging, time, torch
from {package} import LightningModule, Trainer
from epochwatch.integrations.lightning import Epochwatch
class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
    def training_step(self, batch, _):
        if how == "SIGKILL": time.sleep(0.2)  # as long as a step takes: both ranks are known when one falls
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
KERAS = """
os.environ["KERAS_BACKEND"] = "{backend}"
import keras, numpy
from epochwatch.integrations.keras import Epochwatch
class Say(keras.callbacks.Callback):
    calls = 0
    def on_train_batch_begin(self, batch, logs=None):
        self.calls += 1
        if how == "exception" and self.calls == 6: raise ValueError("bad batch")
        if how == "Ctrl-C" and self.calls == 6: raise KeyboardInterrupt
        if how == "early stop" and self.calls == 6: self.model.stop_training = True
        print("train in", phase())
    def on_test_batch_begin(self, batch, logs=None): print("evaluate in", phase())
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
x, y = numpy.ones((8, 1)), numpy.ones((8, 1))
model.fit(x, y, 2, 3, verbose=0, validation_data=(x, y), callbacks=[Epochwatch("fit"), Say()])
"""
FASTAI = """
import torch
from fastai.basics import *
from epochwatch.integrations.fastai import Epochwatch
class Say(Callback):
    order = 70
    def before_batch(self):
        if self.learn.training and self.learn.epoch == 1 and self.learn.iter == 1:
            if how == "exception": raise ValueError("bad batch")
            if how == "Ctrl-C": raise KeyboardInterrupt
            if how == "early stop": raise CancelFitException
        print("train in" if self.learn.training else "evaluate in", phase())
data = [(torch.ones(1), torch.ones(1))] * 8
loaders = DataLoaders.from_dsets(data, data, bs=2, drop_last=False, device="cpu")
cbs = [Epochwatch("fit"), Say()]
learner = Learner(loaders, torch.nn.Linear(1, 1), MSELossFlat(), lr=0.1, cbs=cbs, path=sys.path[0])
learner.fit(3)
"""
MMENGINE = """
import logging, torch
from mmengine.model import BaseModel
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.runner import Runner
import epochwatch.integrations.mmengine
class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer, self.calls = torch.nn.Linear(1, 1), 0
    def forward(self, *x, mode="tensor", **_):
        self.calls += mode == "loss"
        if self.calls == 6 and how == "exception": raise ValueError("bad batch")
        if self.calls == 6 and how == "Ctrl-C": raise KeyboardInterrupt
        if self.calls == 6 and how == "early stop": runner.train_loop.stop_training = True
        print("train in" if mode == "loss" else "evaluate in", phase())
        made = self.layer(torch.stack(x[0]) if isinstance(x[0], list) else x[0])
        return {"loss": made.mean()} if mode == "loss" else [made]
class Nothing(BaseMetric):
    def process(self, batch, samples): self.results.append(1)
    def compute_metrics(self, results): return {"acc": 1.0}
data = dict(batch_size=2, sampler=dict(type="DefaultSampler", shuffle=True), dataset=[torch.ones(1)] * 8)
runner = Runner(
    Line(), sys.path[0] + "/mm", train_dataloader=data, train_cfg=dict(by_epoch=True, max_epochs=3, val_interval=1),
    optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)), val_dataloader=data, val_cfg=dict(),
    val_evaluator=dict(type=Nothing), custom_hooks=[dict(type="Epochwatch", job="fit")], log_level="ERROR")
runner.train()
"""
IGNITE = """
from ignite.engine import Engine, Events
from epochwatch.integrations.ignite import Epochwatch
def step(engine, batch):
    if engine.state.iteration == 6 and how == "exception": raise ValueError("bad batch")
    if engine.state.iteration == 6 and how == "Ctrl-C": raise KeyboardInterrupt
    if engine.state.iteration == 6 and how == "early stop": engine.terminate()
    print("train in", phase())
    return {"loss": 0.5}
trainer, evaluator = Engine(step), Engine(lambda *_: print("evaluate in", phase()))
Epochwatch("fit").attach(trainer, evaluator)
trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda _: evaluator.run(range(2)))
trainer.run(range(4), max_epochs=3)
"""
SB3 = """
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from epochwatch.integrations.sb3 import Epochwatch
class Say(BaseCallback):
    def _on_step(self):
        if self.num_timesteps == 6 and how == "exception": raise ValueError("bad batch")
        if self.num_timesteps == 6 and how == "Ctrl-C": raise KeyboardInterrupt
        print("train in", phase())
        return not (self.num_timesteps == 6 and how == "early stop")
PPO("MlpPolicy", "CartPole-v1", n_steps=4, batch_size=4, n_epochs=1, device="cpu").learn(12, [Epochwatch("fit"), Say()])
"""
ACCELERATE = """
import time, torch
from accelerate import Accelerator
from epochwatch.integrations.accelerate import Epochwatch
accelerator = Accelerator(cpu=True, log_with=Epochwatch("fit", steps=12))
accelerator.init_trackers("any")
layer = torch.nn.Linear(1, 1)
layer, optimizer = accelerator.prepare(layer, torch.optim.SGD(layer.parameters(), 0.1))
for step in range(12):
    if how == "SIGKILL": time.sleep(0.2)  # as long as a step takes: both ranks are known when one falls
    if how == "SIGKILL" and step == 5 and accelerator.process_index == 1: os.kill(os.getpid(), 9)
    if how == "exception" and step == 5: raise ValueError("bad batch")
    if how == "Ctrl-C" and step == 5: raise KeyboardInterrupt
    if how == "early stop" and step == 5: break
    loss = layer(torch.ones(1, 1)).mean()
    accelerator.backward(loss)
    optimizer.step()
    accelerator.log({"loss": loss.item(), "note": "a word"}, step=step + 1)
accelerator.end_training()
"""
HYDRA = """
import hydra
sys.argv[1:] = ["+lr=0.1", "hydra.run.dir=" + sys.path[0], "+hydra.callbacks.it.job=fit",
                "+hydra.callbacks.it._target_=epochwatch.integrations.hydra.Epochwatch"]
@hydra.main(version_base=None, config_path=None)
def main(config):
    agent.start(steps=12)
    for step in range(12):
        if how == "exception" and step == 5: raise ValueError("bad batch")
        if how == "Ctrl-C" and step == 5: raise KeyboardInterrupt
        if how == "early stop" and step == 5: return
        agent.beat(loss=0.5, step=step + 1)
main()
"""
TUNE = """
os.environ.update(RAY_TRAIN_V2_ENABLED="1", RAY_USAGE_STATS_ENABLED="0")
import ray
from ray import tune
from epochwatch.integrations.ray import Epochwatch
def search(config):
    for step in range(3):
        if config["lr"] == 0.2 and step == 1: raise ValueError("bad batch")
        tune.report({"loss": 0.5})
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
tuner = tune.Tuner(
    search, param_space={"lr": tune.grid_search([0.1, 0.2])},
    run_config=tune.RunConfig(callbacks=[Epochwatch("search")], storage_path=sys.path[0] + "/ray"))
tuner.fit()
"""
ULTRALYTICS = """
os.environ.update(YOLO_OFFLINE="1", YOLO_CONFIG_DIR=sys.path[0], YOLO_AUTOINSTALL="0")
import numpy
from PIL import Image
from ultralytics import YOLO
from epochwatch.integrations.ultralytics import Epochwatch
data = sys.path[0] + "/data"
for kind in "images", "labels": os.makedirs(f"{data}/{kind}/train")
for n in range(8):
    Image.fromarray(numpy.zeros((64, 64, 3), numpy.uint8)).save(f"{data}/images/train/{n}.png")
    open(f"{data}/labels/train/{n}.txt", "w").write("0 0.5 0.5 0.5 0.5")
open(data + "/data.yaml", "w").write(f"path: {data}\\ntrain: images/train\\nval: images/train\\nnames: {{0: a}}")
model = YOLO("yolov8n.yaml")
Epochwatch("fit").attach(model)
def say(trainer):
    say.calls += 1
    if how == "exception" and say.calls == 6: raise ValueError("bad batch")
    if how == "Ctrl-C" and say.calls == 6: raise KeyboardInterrupt
    if how == "early stop" and say.calls == 6: trainer.stop = trainer.stopper.possible_stop = True; trainer.epochs = 2
    print("train in", phase())
say.calls = 0
model.add_callback("on_train_batch_start", say)
model.add_callback("on_val_batch_start", lambda _: print("evaluate in", phase()))
model.train(data=data + "/data.yaml", epochs=3, imgsz=64, batch=2, workers=0, plots=False, device="cpu", amp=False,
            project=sys.path[0] + "/runs", verbose=False)
"""
LIGHTNING_ON = """
Trainer(max_epochs=1, accelerator="cpu", devices=1, callbacks=[Epochwatch("fit")], **quiet).fit(Line(), data, data)
import inspect
from pathlib import Path
[saved] = Path(sys.path[0]).rglob("*.ckpt")
new = dict(weights_only=False) if "weights_only" in inspect.signature(trainer.fit).parameters else dict()
trainer.fit(Line(), data, data, ckpt_path=saved, **new)"""
TRANSFORMERS_ON = """
def trainer():
    return Trainer(Line(), arguments, train_dataset=Data(), eval_dataset=Data(), callbacks=[Epochwatch("fit")])
arguments.num_train_epochs = 1
trainer().train()
arguments.num_train_epochs = 3
trainer().train(resume_from_checkpoint=True)"""
KERAS_ON = """
model.fit(x, y, 2, 1, verbose=0, callbacks=[Epochwatch("fit")])
model.fit(x, y, 2, 3, verbose=0, initial_epoch=1, callbacks=[Epochwatch("fit")])"""
SB3_ON = """
model = PPO("MlpPolicy", "CartPole-v1", n_steps=4, batch_size=4, n_epochs=1, device="cpu")
model.learn(4, Epochwatch("fit"))
model.learn(8, Epochwatch("fit"), reset_num_timesteps=False)"""
XGBOOST_ON = """
model = xgboost.train({}, data, 4, callbacks=[Epochwatch("fit", total=4)])
xgboost.train({}, data, 8, xgb_model=model, callbacks=[Epochwatch("fit", total=8)])"""
LIGHTGBM_ON = """
go_on = Epochwatch("fit")
model = lightgbm.train({"verbose": -1}, data, 4, callbacks=[go_on])
lightgbm.train({"verbose": -1}, lightgbm.Dataset(numpy.random.rand(50, 2), numpy.random.rand(50)), 8,
               init_model=model, callbacks=[go_on])"""
MMENGINE_ON = """
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # MMEngine saves more than torch loads by default since 2.6
def runner(epochs):
    return Runner(
        Line(), sys.path[0] + "/mm", train_dataloader=data, train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)), custom_hooks=[dict(type="Epochwatch", job="fit")],
        experiment_name=f"to {epochs}", resume=epochs == 3, log_level="ERROR")
runner(1).train()
runner(3).train()"""
RESUMED = {
    "xgboost": ("model = xgboost", XGBOOST_ON),
    "lightgbm": ("lightgbm.train(", LIGHTGBM_ON),
    "mmengine": ("runner = Runner(", MMENGINE_ON),
    "lightning": ("trainer.fit(", LIGHTNING_ON),
    "transformers": ("Trainer(Line(),", TRANSFORMERS_ON),
    "keras": ("model.fit(", KERAS_ON),
    "ignite": ("trainer.run(", "trainer.run(range(4), max_epochs=1)\ntrainer.run(range(4), max_epochs=3)"),
    "sb3": ("PPO(", SB3_ON),
    "fastai": ("learner.fit(", "learner.fit(1)\nlearner.fit(2)"),
}
"""With what a program's last line begins, and what stands there instead: a third of it, and then the rest."""
FRAMEWORKS = {
    "lightning": LIGHTNING.replace("{package}", "lightning.pytorch"),
    "pytorch_lightning": LIGHTNING.replace("{package}", "pytorch_lightning"),
    "transformers": TRANSFORMERS,
    "xgboost": XGBOOST,
    "lightgbm": LIGHTGBM,
    "optuna": OPTUNA,
    "keras": KERAS.replace("{backend}", "torch"),
    "keras on JAX": KERAS.replace("{backend}", "jax"),
    "fastai": FASTAI,
    "mmengine": MMENGINE,
    "ignite": IGNITE,
    "sb3": SB3,
    "accelerate": ACCELERATE,
    "hydra": HYDRA,
}
MODULES = (
    "lightning",
    "transformers",
    "xgboost",
    "lightgbm",
    "optuna",
    "keras",
    "fastai",
    "mmengine",
    "ignite",
    "sb3",
    "accelerate",
    "hydra",
    "ray",
    "ultralytics",
)
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

        def train(program, how, *launcher, before=SAY):
            script = daemon.folder / "train.py"
            script.write_text(before + textwrap.dedent(program))
            done = daemon.run(*(launcher or [PYTHON]), script, how, cwd=daemon.folder, timeout=150)
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


@pytest.mark.parametrize("name", ["lightning", "transformers", "keras", "fastai", "mmengine", "ignite"])
def test_evaluation_and_checkpoints_are_phases_and_training_is_none(run, name):
    said, message = run(FRAMEWORKS[name], "finish")
    assert set(re.findall("train in (.*)", said)) == {"None"}
    assert set(re.findall("evaluate in (.*)", said)) == {"eval"}
    if name in ("lightning", "transformers"):
        assert re.search(r"\.ckpt|checkpoint-12", message["checkpoint"]["path"])


PICKLED = """
import cloudpickle
from ultralytics import YOLO
from epochwatch.integrations.ultralytics import Epochwatch
model = YOLO("yolov8n.yaml")
Epochwatch("fit").attach(model)
there = cloudpickle.loads(cloudpickle.dumps(dict(model.callbacks)))
print(there["on_train_start"][-1].__self__._job)
"""


def test_the_callbacks_of_ultralytics_go_to_its_ranks_by_pickle(tmp_path):
    if not VISION.exists():
        pytest.skip("it needs torchvision, and so another torch: make frameworks gets both")
    env = {"PATH": os.environ["PATH"], "YOLO_CONFIG_DIR": str(tmp_path), "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0"}
    done = subprocess.run([VISION, "-c", PICKLED], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "fit"


@pytest.mark.parametrize("name", RESUMED)
def test_what_goes_on_where_it_was_counts_on(run, name):
    program, (last, instead) = FRAMEWORKS[name], RESUMED[name]
    _, message = run(program[: program.rindex("\n" + last)] + "\n" + instead, "finish")
    progress = message["progress"]
    assert (message["kind"], message["cause"]) == ("finished", None)
    assert (progress["step"], progress["steps"], progress["fraction"]) == (12, 12, 1.0)


def test_a_trial_of_ray_tune_that_only_reports_is_a_run():
    if not PYTHON.exists():
        pytest.skip("the frameworks are not there: tests/launchers.sh gets them")
    with Daemon() as daemon:
        script = daemon.folder / "search.py"
        script.write_text(SAY + TUNE)
        daemon.run(PYTHON, script, "any", cwd=daemon.folder, timeout=150)
        daemon.settle()
        told = sorted((m["kind"], m["tags"]["lr"], m["progress"]["step"]) for m in daemon.about(job="search"))
        assert told == [("crashed", "0.2", 1), ("finished", "0.1", 3)]
        assert "error.txt" in daemon.about(kind="crashed")[0]["text"]


def test_a_killed_rank_of_accelerate_is_one_alert_that_names_it(run):
    launcher = [PYTHON.parent / "accelerate", "launch", "--multi_gpu", "--num_processes", "2"]
    _, message = run(FRAMEWORKS["accelerate"], "SIGKILL", *launcher)
    assert (message["kind"], message["cause"]["code"], message["rank"]) == ("crashed", "signal", 1)


@pytest.mark.parametrize("end", ENDS)
def test_ultralytics(run, end):
    if not VISION.exists():
        pytest.skip("it needs torchvision, and so another torch: make frameworks gets both")
    said, message = run(ULTRALYTICS, end, VISION)
    assert (message["kind"], (message["cause"] or {}).get("code")) == ENDS[end]
    assert message["progress"]["steps"] == 12
    assert message["progress"]["loss"] is not None
    assert set(re.findall("train in (.*)", said)) == {"None"}
    assert set(re.findall("evaluate in (.*)", said)) == {"eval"}
    assert "last.pt" in message["checkpoint"]["path"]


def test_keras_on_jax_stays_asynchronous(run):
    program = FRAMEWORKS["keras on JAX"].replace(", Say()]", "]").replace("class Say", "class Unused")
    said, _ = run(
        program.replace(
            "model.fit(",
            """
from keras.src.callbacks import callback_list
original = callback_list.CallbackList._configure_async_dispatch
def configure(self, callbacks):
    original(self, callbacks)
    print("asynchronous", self._async_train)
callback_list.CallbackList._configure_async_dispatch = configure
model.fit(""",
        ),
        "finish",
    )
    assert "asynchronous True" in said


def test_a_killed_rank_of_lightnings_ddp_is_one_alert_that_names_it(run):
    _, message = run(FRAMEWORKS["lightning"].replace("devices=1", "devices=2, strategy='ddp'"), "SIGKILL")
    assert (message["kind"], message["cause"]["code"], message["rank"]) == ("crashed", "signal", 1)


@pytest.mark.parametrize("name", MODULES)
def test_where_the_framework_is_missing_that_is_said(name):
    code = (
        "import sys\nclass No:\n def find_spec(_, name, *__):\n  if name.split('.')[0] in {missing}: raise ImportError"
    )
    missing = {"lightning", "pytorch_lightning", "stable_baselines3", *MODULES}
    code = code.format(missing=missing) + "\nsys.meta_path.insert(0, No())"
    line = [sys.executable, "-c", f"{code}\nimport epochwatch.integrations.{name}"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.search(rf"ImportError: epochwatch.integrations.{name} needs .*: pip install", done.stderr)


FUZZ = """
import importlib, inspect, itertools, sys, types
class Wrong:
    def __getattr__(self, name): raise RuntimeError(name)
class Strange:
    def __getattr__(self, name): return {"a": "b"}
anything = [None, 3, "x", [], {}, types.SimpleNamespace(), Wrong(), Strange()]
kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
BARE = dict(before_training=lambda x: x, after_iteration=lambda x: False, _on_step=lambda x: True)
for name in sys.argv[1:]:
    hooks = importlib.import_module("epochwatch.integrations." + name).Epochwatch
    ours = [n for n, f in vars(hooks).items() if callable(f) and hasattr(f, "__wrapped__") or n in BARE]
    assert ours
    for hook, thing in itertools.product(ours, anything):
        takes = [p for p in inspect.signature(getattr(hooks, hook)).parameters.values() if p.kind in kinds][1:]
        due = [p for p in takes if p.default is p.empty]
        by_name = {p.name: thing for p in due if p.kind == p.KEYWORD_ONLY}
        it = hooks()
        if name == "sb3": it.model = thing
        if name == "fastai": it.learn = thing
        if name == "keras": it.set_params({}), it.on_epoch_begin(0)
        told = getattr(it, hook)(*[thing] * (len(due) - len(by_name)), **by_name)
        assert told is BARE.get(hook, lambda thing: None)(thing), (hook, told)
    print(name, len(ours))
"""


def test_whatever_a_framework_hands_over_no_fault_of_ours_reaches_it(tmp_path):
    if not PYTHON.exists():
        pytest.skip("the frameworks are not there: tests/launchers.sh gets them")
    env = {"PATH": os.environ["PATH"], "EPOCHWATCH_DIR": str(tmp_path)}
    env["KERAS_BACKEND"] = "torch"
    names = [name for name in MODULES if name != "ultralytics"]
    done = subprocess.run([PYTHON, "-c", FUZZ, *names], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(done.stdout.splitlines()) == len(names)
    assert "Traceback" not in done.stderr


TORCH = """
import sys, torch
how = sys.argv[-1]
layer = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(layer.parameters(), 0.1)
for step in range(12):
    if how == "exception" and step == 5: raise ValueError("bad batch")
    layer(torch.ones(1, 1)).sum().backward()
    optimizer.step()
print(__import__("sitecustomize").__doc__)
"""
AUTO = ["epochwatch", "run", "--auto", "--job", "fit", "--"]


def without_us(program):
    """The same program as somebody writes it who has never heard of epochwatch."""
    program = SAY.replace("from epochwatch import agent", "") + program
    for word in ('[Epochwatch("fit"), ', '[Epochwatch("fit")'):
        program = program.replace(word, "[")
    program = program.replace('Epochwatch("fit").attach(model)', "").replace("agent._run().recorder.phase[0]", "None")
    return "\n".join(line for line in program.splitlines() if "epochwatch" not in line)


@pytest.mark.parametrize("end", ["finish", "exception"])
@pytest.mark.parametrize("name", ["lightning", "pytorch_lightning", "transformers", "fastai", "ultralytics"])
def test_with_auto_the_framework_is_attached_to_without_a_line_of_code(run, name, end):
    python = VISION if name == "ultralytics" else PYTHON
    if not python.exists():
        pytest.skip("it needs torchvision, and so another torch: make frameworks gets both")
    program = without_us(ULTRALYTICS if name == "ultralytics" else FRAMEWORKS[name])
    assert "epochwatch" not in program.lower()
    _, message = run(program, end, *AUTO, python, before="")
    assert (message["kind"], (message["cause"] or {}).get("code")) == ENDS[end]
    assert message["progress"]["steps"] == 12
    assert message["progress"]["loss"] is not None


@pytest.mark.parametrize("end", ["finish", "exception"])
def test_with_auto_a_plain_loop_of_torch_is_counted_and_another_sitecustomize_is_loaded(run, end, tmp_path):
    (tmp_path / "sitecustomize.py").write_text('"""another\'s"""')
    said, message = run(TORCH, end, "env", f"PYTHONPATH={tmp_path}", *AUTO, PYTHON, before="")
    assert (message["kind"], (message["cause"] or {}).get("code")) == ENDS[end]
    assert message["progress"]["step"] == (12 if end == "finish" else 5)
    assert "another's" in said or end == "exception"


def test_with_auto_a_python_without_epochwatch_is_attached_to_and_helpers_are_no_runs(run):
    folders = [folder for folder in sys.path if folder.endswith("site-packages")]
    workers = "list(torch.utils.data.DataLoader([1.0] * 4, num_workers=2))\nfor step"
    program = f"import sys\nsys.path += {folders!r}{TORCH.replace('for step', workers)}"
    said, message = run(program, "finish", *AUTO, sys._base_executable, "-s", before="")
    assert "Loaded at the start of every Python" in said
    assert (message["kind"], message["progress"]["step"]) == ("finished", 12)


FRACTION = {"Ray Tune": None}
"""Its trials plan nothing."""


def snippets():
    """The programs of docs/frameworks.md, by what stands over them."""
    page = (Path(__file__).parents[2] / "docs/frameworks.md").read_text()
    return dict(re.findall(r"^### (.*?)\n\n```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize("name", snippets())
def test_what_the_page_shows_runs_and_is_told(name):
    python = VISION if name == "Ultralytics" else PYTHON
    if not python.exists():
        pytest.skip("it needs torchvision, and so another torch: make frameworks gets both")
    code = snippets()[name].replace("yolo11n.pt", "yolo11n.yaml").replace("coco8.yaml", "data/data.yaml")
    made = re.search(r"import numpy\n.*?(?=model = )", ULTRALYTICS, re.DOTALL)[0] if name == "Ultralytics" else ""
    with Daemon() as daemon:
        (daemon.folder / "train.py").write_text(f"import os, sys\n{made}{code}")
        quiet = {"KERAS_BACKEND": "torch", "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "RAY_AUTH_MODE": "disabled"}
        done = daemon.run(python, "train.py", cwd=daemon.folder, env={**daemon.env, **quiet}, timeout=150)
        assert done.returncode == 0, done.stderr[-3000:]
        told = daemon.wait_for(predicate=lambda m: m["job"].startswith("my-"))
        assert (told["kind"], told["cause"], told["progress"]["fraction"]) == (
            "finished",
            None,
            FRACTION.get(name, 1.0),
        )
