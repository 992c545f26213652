"""What the kernel log says of out-of-memory kills, in the words of old and new kernels; and what only looks like it."""

import pytest

from epochwatchd.inputs.oom.kernel_log import chosen_pid, kernel_message, killed_pid, remarked_pid


@pytest.mark.parametrize(
    "message",
    [
        "Killed process 42 (python3) total-vm:426176kB, anon-rss:55808kB, file-rss:6636kB, shmem-rss:0kB",
        "Out of memory: Killed process 42 (python3) total-vm:426176kB, anon-rss:55808kB, UID:0 oom_score_adj:0",
        "Memory cgroup out of memory: Killed process 42 (python3) total-vm:426176kB, anon-rss:55808kB, UID:0",
        "Out of memory (oom_kill_allocating_task): Killed process 42 (a) b) Killed process 7 (c) total-vm:1kB",
    ],
)
def test_a_kill_names_its_victim(message):
    assert killed_pid(message) == 42


@pytest.mark.parametrize(
    "message",
    [
        "Out of memory: Kill process 42 (python3) score 900 or sacrifice child",
        "Memory cgroup out of memory: OOM victim 42 (python3) is already exiting. Skip killing the task",
        "oom_reaper: reaped process 42 (python3), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
        "python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
        "python3[42]: segfault at 0 ip 000055d1 sp 00007ffd error 4 in python3.11",
        "[     42]     0    42   106544    15611    13952     1659         0   176128        0             0 python3",
    ],
)
def test_other_messages_are_no_kill(message):
    assert killed_pid(message) is None


@pytest.mark.parametrize(
    "message",
    [
        "python3[42]: segfault at 0 ip 000055d1 sp 00007ffd error 4 in libtorch_cpu.so[7f00+100000] likely on CPU 0",
        "traps: python3[42] general protection fault ip:7f00 sp:7ffd error:0 in libc.so.6[7f00+100000]",
        "traps: a [7]: b[42] trap invalid opcode ip:7f00 sp:7ffd error:0 in libx.so[7f00+100000]",
        "NVRM: Xid (PCI:0000:3b:00): 31, pid=42, name=python3, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS",
        "NVRM: Xid (PCI:0000:3b:00): 13, pid='42', name=python3, Graphics SM Warp Exception",
    ],
)
def test_a_fault_of_its_own_names_the_process(message):
    assert remarked_pid(message) == 42


@pytest.mark.parametrize(
    "message",
    [
        "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.",
        "NVRM: Xid (PCI:0000:3b:00): 45, pid='<unknown>', name=<unknown>, Ch 00000001",
        "Killed process 42 (python3) total-vm:426176kB",
        "python3[42]: hello",
    ],
)
def test_other_messages_are_no_fault_of_a_process(message):
    assert remarked_pid(message) is None


@pytest.mark.parametrize("task", ["python3", ",pid=7,uid=0", "a) (b", "나"])
def test_the_choice_before_a_kill_names_its_victim(task):
    message = (
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/train,"
        f"task_memcg=/train,task={task},pid=42,uid=1000"
    )
    assert chosen_pid(message) == 42


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("3,420,3564061788,-;Killed process 42 (python3)\n", "Killed process 42 (python3)"),
        ("6,1,0,-,caller=T1;a; b\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:01.0\n", "a; b"),
        ("11,421,3564061788,-;Killed process 42 (python3)\n", None),
        ("30,421,3564061788,-;systemd[1]: Started.\n", None),
        ("no record at all", None),
        ("", None),
    ],
)
def test_only_the_kernels_own_records_are_heard(record, message):
    assert kernel_message(record) == message


def test_a_message_is_one_line_that_prints():
    assert kernel_message("3,1,2,-;Killed process 42 (a\x1b[2J\u202eb)\n SUBSYSTEM=x") == (
        "Killed process 42 (a\ufffd[2J\ufffdb)"
    )
