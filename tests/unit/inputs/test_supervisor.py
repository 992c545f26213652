"""Who may have ended a process: by what /proc/PID/cgroup says on machines of several kinds."""

import pytest

from epochwatchd.inputs.process.supervisor import supervisor

POD = "1f2e3d4c-5b6a-7988-9a0b-1c2d3e4f5a6b"
ID = "0123456789ab" + "c" * 52


@pytest.mark.parametrize(
    ("memberships", "named"),
    [
        ("0::/system.slice/slurmstepd.scope/job_4711/step_0/user/task_0", "Slurm's job 4711"),
        ("5:cpu:/x\n4:memory:/slurm/uid_1000/job_4711/step_batch\n0::/", "Slurm's job 4711"),
        ("4:memory:/slurm_gpu01/uid_1000/job_12", "Slurm's job 12"),
        (f"0::/kubepods/burstable/pod{POD}/{ID}", f"Kubernetes' pod {POD}"),
        (
            f"0::/kubepods.slice/kubepods-pod{POD.replace('-', '_')}.slice/cri-containerd-{ID}.scope",
            f"Kubernetes' pod {POD.replace('-', '_')}",
        ),
        (f"4:memory:/docker/{ID}", "Docker's container 0123456789ab"),
        (f"0::/system.slice/docker-{ID}.scope", "Docker's container 0123456789ab"),
        (f"0::/machine.slice/libpod-{ID}.scope/container", "Podman's container 0123456789ab"),
        ("0::/user.slice/user-1000.slice/session-12.scope", "login session 12"),
        ("0::/system.slice/train.service", "systemd's unit train.service"),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/train.service/inner",
            "systemd's unit train.service",
        ),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1f.scope",
            "systemd's unit run-r1f.scope",
        ),
    ],
)
def test_the_cgroup_names_who_may_end_it(memberships, named):
    assert supervisor(memberships).startswith(f"it ran in {named}")


@pytest.mark.parametrize(
    "memberships",
    [
        "",
        "0::/",
        "9:name=systemd:/\n4:memory:/train\n0::/",
        "0::/user.slice/user-1000.slice/user@1000.service",
        "0::/my-slurm-notes/jobs",
    ],
)
def test_nothing_is_said_where_nothing_is_known(memberships):
    assert supervisor(memberships) is None
