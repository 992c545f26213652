"""What ``epochwatch run`` reads in the output of popular training scripts: the right numbers, or nothing.

The outputs are cut from real ones, or written as the format strings of the scripts' sources write them.
"""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epochwatch.follow import Follower
from epochwatch.printed import read as read_line
from epochwatch.progress import Progress, Reading

KERAS_BAR = (
    "\r\x1b[1m {0}/16\x1b[0m \x1b[32m━━━\x1b[0m\x1b[37m━━━━━━━━━━━━━━━━━\x1b[0m \x1b[1m0s\x1b[0m "
    "20ms/step - loss: {1} - mae: 2.24"
)
OUTPUTS = {
    # name: (output, epoch from 0, epochs, step, steps, loss)
    "Keras 3": (
        (
            f"Epoch 1/3\n{KERAS_BAR.format(1, 5.5)}{chr(8) * 40}{KERAS_BAR.format(16, 3.2)} - val_loss: 1.8\n"
            f"Epoch 2/3\n{KERAS_BAR.format(4, 1.5)}\n"
        ),
        (1, 3, 20, 48, 1.5),
    ),
    "Keras, and an evaluation after it": (
        f"Epoch 1/1\n{KERAS_BAR.format(16, 3.2)}\n" + "\r 5/20 ━━━━━━━━━━━━━━━━━━━━ 0s 5ms/step - loss: 0.13\n",
        (0, 1, 16, 16, 3.2),
    ),
    "Keras 2": ("Epoch 1/5\n 30/235 [==>...........................] - ETA: 2s - loss: 0.31\n", (0, 5, 30, 1175, 0.31)),
    "Lightning": (
        (
            "Sanity Checking DataLoader 0: 100%|██████████| 2/2 [00:00<00:00, 57.27it/s]\r"
            "Epoch 0: 100%|██████████| 16/16 [00:00<00:00, 198.03it/s, train_loss=0.0499]\r"
            "Validation DataLoader 0:  75%|███████▌  | 12/16 [00:00<00:00, 334.50it/s]\r"
            "Epoch 1:  44%|████▍     | 7/16 [00:00<00:00, 27.30it/s, v_num=0, train_loss=0.0316, val_loss=0.0218]\r"
        ),
        (1, None, 23, None, 0.0316),
    ),
    "Lightning, rich": (
        (
            "Epoch 0/2  ━━━━━━━╸━━━━━━━━━━━━━━ 3/16 0:00:00 • 0:00:01 228.04it/s train_loss: 0.013\r\n"
            "Validation ━━━━━━━━━━━━━━━━╸━━━━━━ 11/16 0:00:00 • 0:00:01 787.68it/s\r\n"
            "Epoch 1/2  ━━━━━━━━━━━╺━━━━━━━━━━ 8/16 0:00:00 • 0:00:01 406.77it/s train_loss: 0.004 val_loss: 0.004\r\n"
        ),
        (1, None, 24, None, 0.004),
    ),
    "Hugging Face's Trainer": (
        (
            "\r  0%|          | 0/60 [00:00<?, ?it/s]{'loss': '1.101', 'grad_norm': '1.038', 'epoch': '0.35'}\n"
            "\r 33%|███▎      | 20/60 [00:00<00:00, 131.99it/s]\n  0%|          | 0/10 [00:00<?, ?it/s]\r"
            "100%|██████████| 10/10 [00:00<00:00, 401.43it/s]\n"
            "{'eval_loss': '0.9', 'eval_steps_per_second': '377.8', 'epoch': '1'}\n"
            "\r 35%|███▌      | 21/60 [00:00<00:00, 173.97it/s]\r{'loss': 0.7, 'learning_rate': 3e-05, 'epoch': 1.05}\n"
        ),
        (1.05, None, 21, 60, 0.7),
    ),
    "Transformers logging": (
        "***** Running training *****\n  Num examples = 1,000\n  Num Epochs = 3\n  Total optimization steps = 375\n",
        None,
    ),
    "MMEngine": (
        (
            "11/28 09:07 - mmengine - INFO - Epoch(train) [2][10/20]  lr: 1.0e-01  eta: 0:00:00  loss: 4.8\n"
            "11/28 09:07 - mmengine - INFO - Epoch(val) [3][20/20]    acc: 1.0000  data_time: 0.0001  time: 0.0003\n"
        ),
        (1, None, None, None, 4.8),
    ),
    "MMEngine by iterations": (
        "11/28 09:07 - mmengine - INFO - Iter(train) [ 50/1000]  lr: 1.0e-01  time: 0.001  loss: 4.8\n",
        (None, None, 50, 1000, 4.8),
    ),
    "Ultralytics": (
        (
            "\r\x1b[K train: Scanning labels... 8 images, 0 corrupt: 100% ━━━━━━━━━━━━ 8/8 2.3Kit/s 0.0s\n"
            "      Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size\n"
            "\r\x1b[K        2/3         0G      5.379     3.086     3.413    2    64: 50% ━━━━━━────── 2/4 4.7it/s\r"
            "\x1b[K     Class     Images  Instances      Box(P          R      mAP50): 100% ━━━━━━━━━━━━ 2/2 30.1it/s\n"
        ),
        (1, 3, None, None, None),
    ),
    "YOLOv5": (
        "        0/2      1.2G   0.0512   0.0343   0.0181    31    640: 100%|██████████| 8/8 [00:05<00:00,  1.5it/s]\n",
        (0, None, None, None, None),
    ),
    "XGBoost": ("[0]\ttrain-rmse:0.19561\n[3]\ttrain-rmse:0.10572\n", (None, None, 3, None, None)),
    "LightGBM": (
        "[LightGBM] [Info] Number of data points in the train set: 50\n[2]\ttraining's l2: 0.0892\n",
        (None, None, 2, None, None),
    ),
    "Stable-Baselines3": (
        (
            "| time/                |              |\n|    iterations        | 4            |\n"
            "|    total_timesteps   | 256          |\n|    entropy_loss      | -0.69        |\n"
            "|    loss              | 34.2         |\n|    value_loss        | 68.9         |\n"
        ),
        (None, None, 256, None, 34.2),
    ),
    "Ignite": ("\rEpoch [2/3]: [8/20]  40%|████      , loss=4 [00:00<00:00]\r", (1, 3, None, None, 4.0)),
    "fastprogress without a terminal": ("[1, 1.8927128314971924, 1.1566171646118164, '00:00']\n", None),
    "tqdm": ("\r 45%|████▌     | 45/100 [00:04<00:05, 10.0it/s, loss=0.21]", (None, None, 45, 100, 0.21)),
    "tqdm of epochs": ("\rEpochs:  30%|███       | 27/90 [00:04<00:05, 10.0s/it]", (27, 90, None, None, None)),
    "tqdm, one bar an epoch": (
        "\r100%|██████████| 100/100 [00:04<00:05, 10.0it/s]\n\r 45%|████▌     | 45/100 [00:04<00:05, 10.0it/s]\n",
        (None, None, 100, None, None),
    ),
    "tqdm, one bar an epoch that is told below it": (
        "\r100%|██████████| 100/100 [00:04<00:05, 10.0it/s]\nEpoch 1: loss 0.3\n",
        (0, None, 100, None, 0.3),
    ),
    "ranks, one a little behind the other": (
        "".join(f"step {n}/5000 loss 0.2\n" for n in (100, 100, 200, 100, 200, 300, 200)),
        (None, None, 300, 5000, 0.2),
    ),
    "one training after another": (
        "".join(f"step {n}/500 loss 0.2\n" for n in (100, 400, 500, 100, 200)),
        (None, None, 500, None, 0.2),
    ),
    "tqdm, one bar an epoch that says its epoch": (
        (
            "\rEpoch 1/5: 100%|██████████| 100/100 [00:04<00:05, 10.0it/s]\n"
            "\rEpoch 2/5:  45%|████▌     | 45/100 [00:04<00:05, 10.0it/s]\n"
        ),
        (1, 5, 145, 500, None),
    ),
    "tqdm of a download": ("\rmodel.safetensors:  45%|████▌     | 121M/268M [00:04<00:05, 25.0MB/s]\r", None),
    "tqdm of a data set": ("\rMap:  45%|████▌     | 450/1000 [00:04<00:05, 900.0 examples/s]\r", None),
    "rich": (
        (
            "Epoch 1/3 ━━━━━━━━━━━━━━━━━━━━ 20/20 0:00:00\r\nEpoch 2/3 ━━━━━━━━━╺━━━━━━━━━━ 9/20 0:00:01\r\n"
            "Epoch 1/3 ━━━━━━━━━━━━━━━━━━━━ 20/20 0:00:00\r\nEpoch 2/3 ━━━━━━━━━━╺━━━━━━━━━ 10/20 0:00:01\r\n"
        ),
        (1, 3, 30, 60, None),
    ),
    "pip": ("     ━━━━━━━━━━━━━━━━━━━━━━━━━━ 12.3/45.6 MB 10.1 MB/s eta 0:00:03\n", None),
    "PyTorch's MNIST": (
        "Train Epoch: 2 [640/60000 (1%)]\tLoss: 0.305400\n\nTest set: Average loss: 0.0480, Accuracy: 9843/10000\n",
        (1, None, None, None, 0.3054),
    ),
    "PyTorch's ImageNet": (
        (
            "Epoch: [1][ 10/5005]\tTime  0.5 ( 1.1)\tData  0.1 (0.2)\tLoss 6.9532e+00 (6.9e+00)\tAcc@1   0.0 (  0.0)\n"
            "Test: [ 10/196]\tTime  5.5 (  5.5)\tLoss 7.7000e+00 (7.0e+00)\tAcc@1   0.00 (  0.00)\n"
        ),
        (0, None, None, None, 6.9532),
    ),
    "PyTorch's word language model": (
        (
            "| epoch   1 |   200/ 2983 batches | lr 20.00 | ms/batch 10.50 | loss  7.63 | ppl  2055.10\n"
            "| end of epoch   1 | time: 35.20s | valid loss  5.87 | valid ppl   354.60\n"
        ),
        (0, None, None, None, 7.63),
    ),
    "PyTorch's quickstart": (
        (
            "Epoch 2\n-------------------------------\nloss: 2.303494  [   64/60000]\n"
            "Test Error: \n Accuracy: 65.6%, Avg loss: 1.070556 \n"
        ),
        (1, None, None, None, 2.303494),
    ),
    "PyTorch's transfer learning": (
        "Epoch 0/24\n----------\ntrain Loss: 0.6201 Acc: 0.7021\nval Loss: 0.2012 Acc: 0.9300\n",
        (0, None, None, None, 0.6201),
    ),
    "a common tutorial": (
        "Epoch [1/5], Step [600/600], Loss: 0.2\nEpoch [2/5], Step [100/600], Loss: 0.1\n",
        (1, 5, 700, 3000, 0.1),
    ),
    "steps that go on over the epochs": (
        "Epoch [1/5], Step [600/3000], Loss: 0.2\nEpoch [2/5], Step [700/3000], Loss: 0.1\n",
        (1, 5, 700, 3000, 0.1),
    ),
    "nanoGPT": (
        "step 0: train loss 10.9886, val loss 10.9785\niter 100: loss 2.3412, time 35.02ms, mfu 17.31%\n",
        (None, None, 100, None, 2.3412),
    ),
    "llm.c": (
        "step    1/18865 | loss 11.01 (+nanz)| norm 15.33 (+nanz)| lr 2.14e-06 | 3000 ms\n",
        (None, None, 1, 18865, 11.01),
    ),
    "Megatron-LM": (
        (
            " iteration       10/   50000 | consumed samples:          160 | elapsed time per iteration (ms): 1234.5 | "
            "learning rate: 1.000E-05 | global batch size:    16 | lm loss: 1.051E+01 | grad norm: 5.0 |\n"
        ),
        (None, None, 10, 50000, 10.51),
    ),
    "fairseq": (
        (
            "2026-01-01 00:00:00 | INFO | train_inner | epoch 001:    100 / 1102 loss=8.745, nll_loss=8.1, ppl=281.9\n"
            "2026-01-01 00:00:00 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 7.2 | nll_loss 6.5\n"
        ),
        (0, None, None, None, 8.745),
    ),
    "Detectron2": (
        "[01/01 00:00:00 d2.utils.events]:  eta: 0:10:00  iter: 19  total_loss: 2.345  loss_cls: 1.2  lr: 0.00025\n",
        (None, None, 19, None, 2.345),
    ),
    "torchvision": (
        (
            "Epoch: [3]  [  10/1251]  eta: 0:10:00  lr: 0.1  img/s: 100  loss: 6.9 (6.95)  acc1: 0.0 (0.1)\n"
            "Test:  [ 0/10]  eta: 0:00:05  loss: 7.2 (7.2)  acc1: 0.0\n"
        ),
        (2, None, None, None, 6.9),
    ),
    "Diffusers": (
        "\rSteps:   1%|          | 10/1000 [00:10<16:30,  1.00s/it, lr=0.0001, step_loss=0.123]\r",
        (None, None, 10, 1000, 0.123),
    ),
    "DeepSpeed": (
        "[2026-01-01 00:00:00] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=0, lr=[0.001], mom=[[0.9]]\n",
        (None, None, 10, None, None),
    ),
    "timm": ("Train: 0 [  50/1251 (  4%)]  Loss: 6.94 (6.94)  Time: 1.234s,  830/s  LR: 1.000e-05\n", None),
    "of a configuration": (
        (
            "epochs: 90\nnum_epochs=90\nmax_steps: 5000\nloss: CrossEntropyLoss\nloss_weight: 0.5\nbest epoch 7\n"
            "total epochs 90\nStep 1: load the data\nStep 2/3 of the plan.ckpt\nwarmup epochs 5/90 done?\n"
        ),
        None,
    ),
    "of checkpoints": (
        "Resuming from runs/epoch=9-step=100.ckpt\nsaved epoch_3.pt, loss: 0.2\nEpoch 3: saved best model to a.pth\n",
        None,
    ),
    "of a loss that is none of the training's": (
        "val loss: 0.3\ndice loss: 0.2\nbest loss 0.1\nloss took 3 s\nloss: 234.00ms\nfinal test loss = 0.4\n",
        None,
    ),
    "a loss that is no number any more": ("epoch 3/90, loss nan\n", (2, 90, None, None, float("nan"))),
    "a tensor": ("Epoch 3: loss tensor(0.2534, grad_fn=<MeanBackward0>)\n", (2, None, None, None, 0.2534)),
    "of numbers that no heartbeat can say": (
        "epoch 9999999999999999999/9999999999999999999 loss 1\nstep 9/9999999999999999999 loss\nepoch 1e300: loss 2\n",
        None,
    ),
    "in Korean": ("에폭 3/90 손실 0.2\n", None),
}


def read(output, size=1 << 16):
    """What is known after an output that came in chunks of ``size`` bytes."""
    data, follower, known = output.encode(), Follower(), {}
    for at in range(0, len(data), size):
        for reading in follower.feed(1, data[at : at + size]):
            known.update({name: value for name, value in reading._asdict().items() if value is not None})
    names = ("epoch", "epochs", "step", "steps", "loss")
    known["steps"] = known.get("steps") or None
    return tuple(map(known.get, names)) if len(known) > 1 or known["steps"] else None


@pytest.mark.parametrize("size", [1 << 16, 7])
@pytest.mark.parametrize("name", OUTPUTS)
def test_the_right_numbers_or_none(name, size):
    output, expected = OUTPUTS[name]
    assert plain(read(output, size)) == plain(expected)


def plain(numbers):
    """Numbers to compare: NaN is as NaN."""
    return numbers and [None if number is None else str(float(number)) for number in numbers]


def test_metrics_come_by_their_names():
    said = Progress().read(
        "Epoch 3/90 - loss: 0.2 - accuracy: 0.91 - val_loss: 0.3 - val_acc=0.88, lr: 1e-3 - depth: 7"
    )
    assert said.metrics == {"accuracy": 0.91, "val_loss": 0.3, "val_acc": 0.88, "lr": 0.001}


def test_what_is_left_of_a_plan_after_the_last_line_is_done_if_all_went_well():
    follower = Follower()
    for step in range(0, 5000, 100):
        follower.feed(1, b"step %d/5000 loss 0.2\n" % step)
    assert follower.end((), is_well=True) == [Reading(step=5000)]
    assert follower.end((), is_well=False) == []


def test_a_run_that_ends_far_before_its_plan_has_not_done_it():
    follower = Follower()
    follower.feed(1, b"step 100/5000 loss 0.2\nstep 200/5000 loss 0.2\n")
    assert follower.end((), is_well=True) == []


@given(st.lists(st.text("\r\n Epoch123/%|━[]<:,.=losstepiNa\x1b{}'")))
def test_nothing_that_is_printed_makes_it_raise_and_what_is_kept_is_bounded(chunks):
    follower = Follower()
    for chunk in chunks:
        for reading in follower.feed(1, chunk.encode()):
            assert reading.epochs is None or reading.epochs >= (reading.epoch or 0)
    assert all(len(rest) <= 8192 for rest in follower._rest.values())


def test_of_a_flood_a_share_is_read_and_its_end_at_the_end():
    follower, line = Follower(), "epoch {}/90 loss 0.21 acc 0.3 step 3 lr 0.1\n"
    follower._credit_s = 0.0
    flood = "".join(line.format(n % 80 + 1) for n in range(50_000)).encode()
    read = sum(len(follower.feed(1, flood[at : at + 65536])) for at in range(0, len(flood), 65536))
    assert read < 25_000
    [*_, last] = follower.end([line.format(90)], is_well=True)
    assert (last.epoch, last.epochs) == (89, 90)


@pytest.mark.parametrize(
    "unit", [" ", "\t ", "━", "epoch ", "1", "0:00<", "loss: ", "train ", "100%|█| 1/1 [", "[", "a_"]
)
def test_no_line_is_long_to_read(unit):
    for line in ((unit * 1000)[:1000], (unit * 500)[:500] + "%|" * 250):
        began = time.process_time()
        read_line(line)
        assert time.process_time() - began < 1.0  # some milliseconds; what grows with the square takes seconds
