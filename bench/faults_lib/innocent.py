"""The rows in which nothing is wrong: a finish is told once, and nothing else."""

from faults_lib.acts import debug, sibling_then_tell, stop_watchdog, suspend
from faults_lib.case import Case, Told
from faults_lib.deaths import JOIN
from faults_lib.surroundings import little_memory

FINISHED = (Told("finished", status="notice"),)
SHIFTED_CLOCK = """
import time
shift_ns, real_time_ns = [0], time.time_ns
time.time_ns = lambda: real_time_ns() + shift_ns[0]
"""
"""A stand-in for a wall clock that is set: only the training sees it move."""
CLOCK_SET = """
for hours in (1, -1, 0):
    shift_ns[0] = hours * 3600 * 10**9
    train(int(2 / PACE_S))
"""
EPOCHS_WITH_GAPS = "for _ in range(2): train(20); time.sleep(8)\ntrain(3)"
ONCE_MORE = "train() if 'again' in os.environ else train_until_told()"
EXEC_ITSELF = """
if "again" not in os.environ:
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "again": "1"})
"""

INNOCENT = (
    Case("clean finish", FINISHED),
    Case("early stop", FINISHED, begins="agent.start(epochs=90); train_until_told()"),
    Case("long compile: first beat after 40 s", FINISHED, begins="agent.start(); time.sleep(40)\ntrain_until_told()",
         patience_s=70.0),
    Case("evaluation announced, 8 s of 20", FINISHED, "with agent.phase('eval', within='20s'): time.sleep(8)\ntrain()",
         impatient=True),
    Case("checkpoint announced, no budget, 8 s", FINISHED, "with agent.phase('checkpoint'): time.sleep(8)\ntrain()",
         impatient=True),
    Case("epoch gaps of 8 s, not announced", FINISHED, EPOCHS_WITH_GAPS, patience_s=60.0),
    Case("debugger attached for 3 s", FINISHED, act=debug, impatient=True),
    Case("a sibling's OOM kill in its cgroup", FINISHED, before=JOIN, within=little_memory, act=sibling_then_tell),
    Case("watchdog stopped for 10 s", FINISHED, act=stop_watchdog, impatient=True, own_watchdog=True),
    Case("wall clock +1 h, -1 h (stand-in)", FINISHED, CLOCK_SET, before=SHIFTED_CLOCK, impatient=True),
    Case("machine suspended for 10 s (simulated)", FINISHED, act=suspend, impatient=True, own_watchdog=True),
    Case("exec of itself, as launchers do", FINISHED, EXEC_ITSELF, begins=ONCE_MORE),
)  # fmt: skip
