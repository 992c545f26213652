"""Where a process's memory cgroup lies: by what /proc says on machines and in containers of several kinds."""

from pathlib import Path

import pytest

from epochwatchd.inputs.oom.cgroups import folders, parse_mounts

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = """\
33 31 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"""
HYBRID = f"{V1}\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
DOCKER_V1 = "97 90 0:32 /docker/c0ffee /sys/fs/cgroup/memory ro - cgroup memory rw,memory"
NESTED_NAMESPACE = "97 90 0:26 /../.. /host/cgroup ro - cgroup2 cgroup rw"
ODD_PLACE = r"30 23 0:26 / /mnt/my\040groups rw - cgroup2 none rw"
TWICE = "30 23 0:26 /elsewhere /mnt rw - cgroup2 cgroup2 rw\n31 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"


@pytest.mark.parametrize(
    ("mountinfo", "memberships", "folder"),
    [
        (V2, "0::/user.slice/train.scope", "/sys/fs/cgroup/user.slice/train.scope"),
        (V2, "0::/", "/sys/fs/cgroup"),
        (V1, "5:cpu:/x\n4:memory:/slurm/job_1", "/sys/fs/cgroup/memory/slurm/job_1"),
        (V1, "4:cpu,memory:/a:b", "/sys/fs/cgroup/memory/a:b"),
        (HYBRID, "4:memory:/train\n0::/train.scope", "/sys/fs/cgroup/memory/train"),
        (HYBRID, "1:name=systemd:/x\n0::/train.scope", "/sys/fs/cgroup/unified/train.scope"),
        (DOCKER_V1, "4:memory:/docker/c0ffee", "/sys/fs/cgroup/memory"),
        (DOCKER_V1, "4:memory:/docker/c0ffee/inner", "/sys/fs/cgroup/memory/inner"),
        (NESTED_NAMESPACE, "0::/../../train", "/host/cgroup/train"),
        (ODD_PLACE, "0::/train", "/mnt/my groups/train"),
        (TWICE, "0::/train", "/sys/fs/cgroup/train"),
    ],
)
def test_the_folder_of_a_memory_cgroup(mountinfo, memberships, folder):
    [(found, top)] = folders(memberships, parse_mounts(mountinfo))
    assert found == Path(folder)
    assert found.is_relative_to(top)


@pytest.mark.parametrize(
    ("mountinfo", "memberships"),
    [
        (V2, "0::/../another-container"),
        (DOCKER_V1, "4:memory:/docker/another"),
        (DOCKER_V1, "4:memory:/docker/c0ffee-and-more"),
        (V1, "5:cpu:/x\n0::/x"),
        ("", "0::/x"),
        (V2, ""),
    ],
    ids=["outside", "another container", "a longer name", "memory in no hierarchy", "nothing mounted", "no membership"],
)
def test_a_cgroup_that_cannot_be_seen_from_here(mountinfo, memberships):
    assert list(folders(memberships, parse_mounts(mountinfo))) == []


@pytest.mark.parametrize("separator", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_no_sign_in_a_name_makes_two_lines_of_one(separator):
    mounted = f"{V2}\n31 23 0:27 / /home/mina/a{separator}b rw - fuse.sshfs mina rw"
    listed = f"3:cpu:/a{separator}b\n0::/a{separator}c"
    [(place, _)] = folders(listed, parse_mounts(mounted))
    assert place == Path(f"/sys/fs/cgroup/a{separator}c")
