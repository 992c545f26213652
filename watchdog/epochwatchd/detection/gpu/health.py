"""What a GPU's figures mean: whether it works, spins or idles for longer than usual, and how that is written down."""

from __future__ import annotations

from collections.abc import Iterator

from epochwatchd.detection.gpu.baseline import LATELY_LOOKS
from epochwatchd.detection.gpu.xids import XIDS
from epochwatchd.model import Gpu, GpuFault, GpuLoad
from epochwatchd.phrase import Phrase

ENOUGH_LOOKS = 24
"""Two minutes of looks while beats came: what was usual is known."""
SPIN_UTILIZATION_PCT = 95.0
"""A kernel that waits in a loop occupies the GPU all the time, so that the driver calls it 100 % used."""
SPIN_POWER = 0.5
"""But draws far less power: 70 to 150 W, of 700, on an H100 that waits in NCCL (NVIDIA/nccl issues 968 and 1550)."""
SPIN_MEMORY = 0.25
"""And leaves its memory alone."""
MEMORY_FLOOR_PCT = 4.0
"""A training that hardly uses the memory controller itself cannot be told from a spin."""
USUAL_POWER = 0.75
USUAL_MEMORY = 0.5
"""A GPU with so much of its usual power and memory traffic works as it did."""
IDLE_HABIT = 1.5
IDLE_HABIT_MOST = 6.0
"""The longest pause that ended with work may come again, half as long again; but one long night must blind nobody."""


def label(gpu: Gpu) -> int | str:
    """What the GPU is called: its index, or ``0:1`` for a MIG instance, as CUDA_VISIBLE_DEVICES has it."""
    return gpu.index if gpu.instance is None else f"{gpu.index}:{gpu.instance}"


def spins(gpu: Gpu) -> bool:
    """Whether it is fully busy on paper, with much less power and memory traffic than while its run beat.

    That is how a kernel looks that waits for another rank. It may be an ordinary wait: only a silence makes it a fault.
    """
    loads = _known_loads(gpu)
    if loads is None:
        return False
    usual, lately = loads
    return (
        lately.utilization_pct >= SPIN_UTILIZATION_PCT
        and lately.power_w <= SPIN_POWER * usual.power_w
        and lately.memory_pct <= SPIN_MEMORY * usual.memory_pct
    )


def works_as_usual(gpu: Gpu) -> bool:
    """Whether it has worked about as hard as usual for the last half minute; False where that is not known."""
    loads = _known_loads(gpu)
    if loads is None:
        return False
    usual, lately = loads
    return lately.power_w >= USUAL_POWER * usual.power_w and lately.memory_pct >= USUAL_MEMORY * usual.memory_pct


def _known_loads(gpu: Gpu) -> tuple[GpuLoad, GpuLoad] | None:
    """What is usual and what was lately, if both rest on enough looks and a spin would differ in memory traffic."""
    usual, lately = gpu.usual, gpu.lately
    if usual is None or lately is None or usual.looks < ENOUGH_LOOKS or lately.looks < LATELY_LOOKS:
        return None
    return (usual, lately) if usual.memory_pct >= MEMORY_FLOOR_PCT else None


def idle_limit_s(gpu: Gpu, floor_s: float) -> float:
    """How long it may do no work: what is configured, or longer if it often does none for longer."""
    return max(floor_s, min(IDLE_HABIT * gpu.longest_idle_s, IDLE_HABIT_MOST * floor_s))


def lines(gpu: Gpu) -> Iterator[str]:
    """The GPU as measured, ``GPU 0 NVIDIA H100: 0 % used, 40000 MiB held, 71 W``, and a line for each of its faults."""
    figures = [
        Phrase("lost") if gpu.lost else None,
        None if gpu.utilization_pct is None or gpu.lost else Phrase("{pct:.0f} % used", pct=gpu.utilization_pct),
        None if gpu.memory_mib is None else Phrase("{mib:.0f} MiB held", mib=gpu.memory_mib),
        None if gpu.power_w is None or gpu.lost else _power(gpu, gpu.power_w),
        *gpu.notes,
    ]
    known = [figure for figure in figures if figure]
    yield Phrase("GPU {gpu} {name}: {figures}", gpu=label(gpu), name=gpu.name, figures=known)
    for fault in gpu.faults:
        yield Phrase("GPU {gpu}: {meaning}", gpu=label(gpu), meaning=meaning(fault))


def _power(gpu: Gpu, power_w: float) -> Phrase:
    usual = gpu.usual
    if usual is None or usual.looks < ENOUGH_LOOKS:
        return Phrase("{power_w:.0f} W", power_w=power_w)
    return Phrase("{power_w:.0f} W (usually {usual_w:.0f} W)", power_w=power_w, usual_w=usual.power_w)


def meaning(fault: GpuFault) -> Phrase:
    """A fault in words: ``Xid 79: the GPU has fallen off the bus``."""
    if fault.what == "ecc":
        if fault.number == 1:
            return Phrase("1 more memory error that ECC could not correct")
        return Phrase("{count} more memory errors that ECC could not correct", count=fault.number)
    if fault.what == "remap":
        return Phrase("a bad memory row could not be replaced")
    known = XIDS.get(fault.number)
    told = Phrase(known.meaning) if known else Phrase("see the Xid catalogue of NVIDIA")
    return Phrase("Xid {number}: {meaning}", number=fault.number, meaning=told)
