"""What an NVIDIA driver shows of a process that holds memory idly, spins, or trains, and what flatlined makes of it.

Run it on a machine with a GPU: ``python bench/gpu/observe.py [SECONDS]``. Each load is a process of its own; every
second the raw answers of NVML are printed beside the sample and the facts that flatlined takes from them. With CUDA
PyTorch the training is a small network; without it the loads are driven through libcuda alone.

It has not been run on a real GPU yet: so far the reading was only tested against a stand-in for the driver.
"""

import argparse
import ctypes
import multiprocessing
import sys
import time
from importlib.util import find_spec

from flatlined.inputs.gpus import fold, gpus_of
from flatlined.inputs.nvml import open_driver, sample

MIB = 2**20
HELD_MIB = 1024
SQUARE = 4096


def hold_with_torch(ready):
    import torch  # noqa: PLC0415 - imported in the load's own process only

    held = torch.zeros(HELD_MIB * MIB, dtype=torch.uint8, device="cuda")
    ready.set()
    while held.nbytes:
        time.sleep(60)


def spin_with_torch(ready):
    import torch  # noqa: PLC0415

    a = torch.randn(SQUARE, SQUARE, device="cuda")
    ready.set()
    while True:
        a = torch.tanh(a @ a)
        torch.cuda.synchronize()


def train_with_torch(ready):
    import torch  # noqa: PLC0415

    layers = [torch.nn.Linear(1024, 1024), torch.nn.ReLU(), torch.nn.Linear(1024, 10)]
    model = torch.nn.Sequential(*layers).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    ready.set()
    while True:
        inputs = torch.randn(256, 1024)  # made on the CPU, as a data loader would
        loss = torch.nn.functional.cross_entropy(model(inputs.cuda()), torch.randint(10, (256,)).cuda())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def cuda_with_memory():
    """``(call, memory)``: a caller of libcuda's functions, with a context made, and the memory it holds."""
    library = ctypes.CDLL("libcuda.so.1")

    def call(name, *args):
        result = getattr(library, name)(*args)
        if result:
            raise OSError(f"{name} returned {result}")

    device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuCtxCreate_v2", ctypes.byref(context), 0, device)
    call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(HELD_MIB * MIB))
    return call, memory


def hold_with_cuda(ready):
    cuda_with_memory()
    ready.set()
    time.sleep(3600)


def spin_with_cuda(ready):
    work_with_cuda(ready, pause_s=0.0)


def train_with_cuda(ready):
    work_with_cuda(ready, pause_s=0.02)  # the share of a step in which the GPU waits for its data


def work_with_cuda(ready, pause_s):
    call, memory = cuda_with_memory()
    ready.set()
    while True:
        call("cuMemsetD32_v2", memory, 1, ctypes.c_size_t(HELD_MIB * MIB // 4))
        call("cuCtxSynchronize")
        time.sleep(pause_s)


def loads():
    if find_spec("torch"):
        import torch  # noqa: PLC0415

        if torch.version.cuda:
            return {"idle hold": hold_with_torch, "busy loop": spin_with_torch, "training": train_with_torch}
    return {"idle hold": hold_with_cuda, "busy loop": spin_with_cuda, "training": train_with_cuda}


def raw_answers(nvml, index):
    """The driver's own words for one GPU, errors included."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    for call, args in (
        (nvml.nvmlDeviceGetUtilizationRates, ()),
        (nvml.nvmlDeviceGetPowerUsage, ()),
        (nvml.nvmlDeviceGetComputeRunningProcesses, ()),
        (nvml.nvmlDeviceGetProcessUtilization, (0,)),
    ):
        try:
            answer = call(handle, *args)
            shown = [str(entry) for entry in answer] if isinstance(answer, list) else str(answer)
        except nvml.NVMLError as error:
            shown = f"{type(error).__name__}: {error}"
        print(f"    {call.__name__}: {shown}")


def observe(nvml, pid, seconds):
    samples, state = (), {}
    for _ in range(seconds):
        time.sleep(1)
        now = time.monotonic()
        samples = sample(nvml, samples)
        state = fold(state, samples, now)
        raw_answers(nvml, 0)
        print(f"    sample: {samples[0]}")
        for gpu in gpus_of(state, {pid}, now):
            print(f"  idle for {now - gpu.busy_at:4.1f} s: {gpu}")


def run_load(nvml, name, load, seconds):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=load, args=(ready,), daemon=True)
    process.start()
    try:
        print(f"{name}, pid {process.pid}")
        while not ready.wait(1):
            if not process.is_alive():
                raise SystemExit(f"{name}: the load ended with {process.exitcode}")
        observe(nvml, process.pid, seconds)
    finally:
        process.kill()
        process.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", nargs="?", type=int, default=10, help="how long each load is observed (default 10)")
    arguments = parser.parse_args()
    nvml = open_driver()
    if nvml is None or not nvml.nvmlDeviceGetCount():
        print("no NVIDIA GPU here: nothing to observe")
        return 0
    for name, load in loads().items():
        run_load(nvml, name, load, arguments.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
