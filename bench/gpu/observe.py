"""What an NVIDIA driver shows of a process that holds memory idly, works, trains or spins, and what epochwatchd says.

On a machine with a GPU: ``PYTHONPATH=agent:watchdog python bench/gpu/observe.py [SECONDS]``. It needs CUDA PyTorch and
nvidia-ml-py and nothing else, and takes four times SECONDS. Each load is a process of its own on GPU 0, which must have
no other. Every second the driver is asked, as epochwatchd asks it; at the end there is a table for docs/gpu.md. With
``--raw`` the last raw answers of each load are printed too.

It has not been run on a real GPU yet.
"""

import argparse
import multiprocessing
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec

from epochwatchd.detection.gpu.health import spins, works_as_usual
from epochwatchd.inputs.gpu.history import Owner, fold, gpus_of
from epochwatchd.inputs.gpu.nvml import open_driver, sample
from epochwatchd.inputs.gpu.xid_events import XidEvents

HELD_MIB = 4096
SPIN_CYCLES = 2_000_000_000
"""About a second on one multiprocessor, which is how a collective operation waits for another rank."""
LEAST_S = 30
"""In less time epochwatchd does not yet call anything usual."""
START_S = 120
COLUMNS = ("load", "GPU %", "memory %", "W", "°C", "use of the process %", "idle s", "epochwatchd says")


def hold(ready, _):
    import torch  # noqa: PLC0415 - imported in the load's own process only

    held = torch.zeros(HELD_MIB, 2**20, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    ready.set()
    while held.nbytes:
        time.sleep(60)


def busy(ready, _):
    import torch  # noqa: PLC0415

    a = torch.randn(8192, 8192, device="cuda")
    ready.set()
    while True:
        a = torch.tanh(a @ a)
        torch.cuda.synchronize()


def train(ready, until):
    """A small convolutional network on made-up pictures from the CPU, until it is told to stop."""
    import torch  # noqa: PLC0415

    shapes = [(3, 64), (64, 128), (128, 256)]
    layers = [
        m for a, b in shapes for m in (torch.nn.Conv2d(a, b, 3, padding=1), torch.nn.BatchNorm2d(b), torch.nn.ReLU())
    ]
    model = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(256, 10))
    model = model.cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    pictures, labels = torch.randn(256, 3, 64, 64).pin_memory(), torch.randint(10, (256,)).pin_memory()
    ready.set()
    while not until.is_set():
        loss = torch.nn.functional.cross_entropy(
            model(pictures.cuda(non_blocking=True)), labels.cuda(non_blocking=True)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()


def train_then_spin(ready, until):
    import torch  # noqa: PLC0415

    train(ready, until)
    while True:
        torch.cuda._sleep(SPIN_CYCLES)  # noqa: SLF001 - the only kernel in PyTorch that just waits
        torch.cuda.synchronize()


LOADS = {"idle hold": hold, "busy loop": busy, "training": train, "spin after training": train_then_spin}


def observe(nvml, process, seconds, until=None):
    """The looks at GPU 0 for so many seconds, and what epochwatchd knows in the end.

    The process is taken for one that beats; with ``until`` only for the first half of the time, at the end of which
    that event is set.
    """
    events, looks, state = XidEvents(nvml), (), {}
    seen = []
    try:
        for second in range(seconds):
            beats = second if until is None else min(second, seconds // 2)
            if until is not None and second == seconds // 2:
                until.set()
                seen = []
            time.sleep(1)
            looks = sample(nvml, looks, events.drain())
            state = fold(state, looks, time.monotonic(), {process.pid: Owner(process.pid, beats)})
            seen.append(looks[0])
            if not process.is_alive():
                raise SystemExit(f"the load ended by itself with status {process.exitcode}")
    finally:
        events.close()
    return seen, gpus_of(state, {process.pid}, time.monotonic())


@contextmanager
def running(load):
    """The load's process, once it holds memory on the GPU, and the event that it may wait for."""
    context = multiprocessing.get_context("spawn")
    ready, until = context.Event(), context.Event()
    process = context.Process(target=load, args=(ready, until), daemon=True)
    process.start()
    try:
        deadline = time.monotonic() + START_S
        while not ready.wait(1):
            if not process.is_alive() or time.monotonic() > deadline:
                raise SystemExit(f"{load.__name__} did not start (status {process.exitcode})")
        yield process, until
    finally:
        process.kill()
        process.join()


def row(name, pid, seen, facts, now):
    """A line of the table: medians over the looks, and what is to be said of the GPU in the end."""

    def median(figures):
        known = sorted(figure for figure in figures if figure is not None)
        return f"{known[len(known) // 2]:.0f}" if known else "not told"

    uses = [p.use_pct for gpu in seen for p in gpu.processes or () if p.pid == pid]
    said = ["spins"] * any(map(spins, facts)) + ["works as usual"] * any(map(works_as_usual, facts))
    idle_s = [now - gpu.busy_at for gpu in facts]
    return (
        name,
        median(gpu.utilization_pct for gpu in seen),
        median(gpu.memory_utilization_pct for gpu in seen),
        median(gpu.power_w for gpu in seen),
        median(gpu.temperature_c for gpu in seen),
        median(uses),
        median(idle_s),
        ", ".join(said) or ("nothing" if facts else "the process is not listed"),
    )


def print_table(rows):
    """A table in Markdown."""
    for line in (COLUMNS, ("---",) * len(COLUMNS), *rows):
        print("| " + " | ".join(line) + " |")


def print_raw(nvml):
    """The driver's own words for GPU 0, errors included."""
    handle = nvml.nvmlDeviceGetHandleByIndex(0)
    for call, args in (
        (nvml.nvmlDeviceGetUtilizationRates, ()),
        (nvml.nvmlDeviceGetPowerUsage, ()),
        (nvml.nvmlDeviceGetCurrentClocksEventReasons, ()),
        (nvml.nvmlDeviceGetRemappedRows, ()),
        (nvml.nvmlDeviceGetSupportedEventTypes, ()),
        (nvml.nvmlDeviceGetComputeRunningProcesses_v3, ()),
        (nvml.nvmlDeviceGetProcessUtilization, (0,)),
    ):
        try:
            answer = call(handle, *args)
            shown = [str(entry) for entry in answer] if isinstance(answer, list) else str(answer)
        except nvml.NVMLError as error:
            shown = f"{type(error).__name__}: {error}"
        print(f"    {call.__name__}: {shown}")


def missing():
    """What is not there that it takes; None if all is."""
    nvml = open_driver()
    if nvml is None or not nvml.nvmlDeviceGetCount():
        return "no NVIDIA GPU here: nothing to observe"
    if find_spec("torch"):
        import torch  # noqa: PLC0415

        if torch.version.cuda:
            return None
    return "there is a GPU, but no PyTorch with CUDA to make it work"


def at_least(text):
    """The seconds for each load, of an argument."""
    if not text.isdecimal() or int(text) < LEAST_S:
        raise argparse.ArgumentTypeError(f"a whole number of seconds, at least {LEAST_S}")
    return int(text)


def main():
    """Every load in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", nargs="?", type=at_least, default=60, help="how long each load is watched (60)")
    parser.add_argument("--raw", action="store_true", help="print what the driver answered, too")
    arguments = parser.parse_args()
    problem = missing()
    if problem:
        print(problem)
        return 0
    nvml = open_driver()
    print(f"{nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(0))}, driver {nvml.nvmlSystemGetDriverVersion()}")
    rows = []
    for name, load in LOADS.items():
        spinning = load is train_then_spin
        with running(load) as (process, until):
            seconds = arguments.seconds * (2 if spinning else 1)
            seen, facts = observe(nvml, process, seconds, until if spinning else None)
            rows.append(row(name, process.pid, seen, facts, time.monotonic()))
            if arguments.raw:
                print(f"{name}, pid {process.pid}")
                print_raw(nvml)
    print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
