"""What each integration's callback costs over a plain beat, in the frameworks' own environment.

python bench/callbacks.py: in the environment that tests/launchers.sh makes. The frameworks' objects are stood in for by
plain ones with the same attributes: what the framework itself does round the call is not measured.
"""

import os
import tempfile
import time
from types import SimpleNamespace as Like

os.environ.update(EPOCHWATCH_DIR=tempfile.mkdtemp(), KERAS_BACKEND="torch")

import torch

from epochwatch import agent
from epochwatch.integrations import (
    accelerate,
    fastai,
    ignite,
    keras,
    lightgbm,
    lightning,
    mmengine,
    optuna,
    sb3,
    transformers,
    xgboost,
)

CALLS, ROUNDS = 2_000, 7


def cost_us(call):
    """The best of some rounds, in microseconds a call."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            call()
        best = min(best, time.perf_counter() - began)
    return best / CALLS * 1e6


def keras_call():
    callback = keras.Epochwatch()
    callback.set_params({"epochs": 3, "steps": 100})
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    logs = {"loss": 0.5}
    return lambda: callback.on_train_batch_end(5, logs)


def lightning_call():
    trainer = Like(current_epoch=0, fit_loop=Like(total_batch_idx=3))
    callback, outputs = lightning.Epochwatch(), {"loss": torch.tensor(0.5)}
    return lambda: callback.on_train_batch_end(trainer, None, outputs, None, 0)


def transformers_call():
    callback = transformers.Epochwatch()
    state, control = Like(epoch=0.5, global_step=3), Like(should_evaluate=False, should_save=False)
    return lambda: callback.on_step_end(None, state, control)


def fastai_call():
    callback, loss = fastai.Epochwatch(), torch.tensor(0.5)
    callback.learn = Like(training=True, epoch=0, n_iter=10, iter=3, loss=loss)
    return callback.after_batch


def sb3_call():
    callback = sb3.Epochwatch()
    return callback._on_step  # noqa: SLF001 - the framework's own name for it


def calls():
    tensor, env = torch.tensor(0.5), Like(iteration=3, begin_iteration=0, end_iteration=10, evaluation_result_list=[])
    engine = Like(state=Like(epoch=1, iteration=3, output=0.5))
    runner, log = Like(epoch=0, iter=3), {"train": {"rmse": [0.5]}}
    stepped, boost, hook, trial = (
        accelerate.Epochwatch(),
        xgboost.Epochwatch(),
        mmengine.Epochwatch(),
        Like(values=[0.5]),
    )
    light, study, attached, optimizer = lightgbm.Epochwatch(), optuna.Epochwatch(), ignite.Epochwatch(), object()
    yield "keras", keras_call()
    yield "lightning", lightning_call()
    yield "transformers", transformers_call()
    yield "fastai", fastai_call()
    yield "sb3", sb3_call()
    yield "mmengine", lambda: hook.after_train_iter(runner, batch_idx=0, data_batch=None, outputs={"loss": tensor})
    yield "ignite", lambda: attached.iteration_completed(engine)
    yield "accelerate", lambda: stepped.stepped(optimizer, (), {})
    yield "xgboost", lambda: boost.after_iteration(None, 3, log)
    yield "lightgbm", lambda: light(env)
    yield "optuna", lambda: study(None, trial)


def main():
    tensor = torch.tensor(0.5)
    plain = cost_us(lambda: agent.beat(1, 0.5, step=3))
    with_tensor = cost_us(lambda: agent.beat(1, tensor, step=3))
    print(f"{'plain beat':14} {plain:6.2f} us   of a tensor {with_tensor:6.2f} us")
    for name, call in calls():
        call()
        cost = cost_us(call)
        over = cost - (with_tensor if name in ("lightning", "fastai", "mmengine") else plain)
        print(f"{name:14} {cost:6.2f} us   {over:+6.2f} us over the same beat")


if __name__ == "__main__":
    main()
