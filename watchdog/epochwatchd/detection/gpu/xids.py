"""What the errors mean that NVIDIA's driver reports as Xids, and whose fault they mostly are. Data only.

Sources: NVIDIA's Xid catalogue (docs.nvidia.com/deploy/xid-errors) and, for the program's own, the list that NVIDIA's
Kubernetes device plugin holds against no GPU. The texts are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

Blame: TypeAlias = Literal["program", "hardware", "driver", "noted"]
"""``noted``: hardware that has mended itself for now, so that the program may go on."""


class Xid(NamedTuple):
    """One kind of error."""

    blame: Blame
    meaning: str


XIDS: Mapping[int, Xid] = {
    8: Xid("program", "the GPU stopped processing: a kernel ran for too long"),
    11: Xid("program", "invalid commands were sent to the GPU"),
    13: Xid("program", "graphics engine exception: a kernel left its array, or an illegal instruction"),
    31: Xid("program", "memory page fault: a kernel touched memory that is not its own"),
    32: Xid("program", "invalid or corrupted commands were sent to the GPU"),
    38: Xid("driver", "the driver's firmware failed"),
    43: Xid("program", "the GPU stopped processing for the program, after an error of its own"),
    45: Xid("program", "the program's channels were cleaned up, after an earlier error or a kill"),
    46: Xid("driver", "the GPU stopped processing: it did not answer in time"),
    48: Xid("hardware", "double-bit ECC error: memory that cannot be corrected"),
    61: Xid("driver", "the GPU's internal controller stopped at a breakpoint"),
    62: Xid("driver", "the GPU's internal controller halted"),
    63: Xid("noted", "a bad memory row or page was recorded, to be replaced at the next reset"),
    64: Xid("hardware", "a bad memory row or page could not be recorded for replacement"),
    68: Xid("program", "the video decoder had an exception"),
    69: Xid("program", "graphics engine class error: a wrong command"),
    74: Xid("hardware", "NVLink error: the link to another GPU or switch"),
    79: Xid("hardware", "the GPU has fallen off the bus"),
    92: Xid("noted", "a high rate of single-bit ECC errors, which were corrected"),
    94: Xid("hardware", "contained memory error: the program that met it is ended, others go on"),
    95: Xid("hardware", "uncontained memory error: every program on the GPU is affected"),
    109: Xid("program", "context switch time-out: a kernel did not give way"),
    110: Xid("hardware", "security fault: the GPU has to be reset"),
    119: Xid("driver", "the GPU's system processor (GSP) did not answer in time"),
    120: Xid("driver", "the GPU's system processor (GSP) failed"),
    136: Xid("hardware", "NVLink could not be set up"),
    137: Xid("program", "NVLink privilege error: a kernel touched another GPU's memory that is not its own"),
    140: Xid("hardware", "memory error that could not be corrected, found in the GPU's own memory"),
    143: Xid("driver", "the GPU could not be initialised"),
}
