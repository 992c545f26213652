"""Who may have ended a process from outside: the scheduler, container or service it ran in, or a shutdown.

A cgroup's path says it. It has to be read while the process lives, and it is evidence, not proof: the kernel does not
tell who sent a signal.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from epochwatchd.inputs.oom import cgroups

_GOING_DOWN = (Path("/run/systemd/shutdown/scheduled"), Path("/run/nologin"))
"""``shutdown`` with a time; what systemd makes when a shutdown begins, or five minutes before a scheduled one."""

_SUPERVISORS = (
    (
        r"/slurm.*/job_(\d+)(?:/|$)",
        "it ran in Slurm's job {0}: `sacct -j {0}` tells of a time limit, preemption or scancel",
    ),
    (r"/kubepods.*[/-]pod([0-9a-f_-]{36})", "it ran in Kubernetes' pod {0}: `kubectl get events` tells of an eviction"),
    (r"/docker[-/]([0-9a-f]{12})", "it ran in Docker's container {0}: `docker inspect {0}`"),
    (r"/libpod-([0-9a-f]{12})", "it ran in Podman's container {0}: `podman inspect {0}`"),
    (r"/session-(\w+)\.scope(?:/|$)", "it ran in login session {0}, with which systemd may end it"),
    (r".*/(?!user@)([^/\n]+\.service)(?:/|$)", "it ran in systemd's unit {0}: `systemctl status {0}`"),
    (r".*/([^/\n]+\.scope)(?:/|$)", "it ran in systemd's unit {0}: `systemctl status {0}`"),
)
"""Slurm's cgroups of both versions; kubelet's, with the cgroupfs driver or systemd's; the innermost unit of systemd."""


def supervisor_of(pid: int) -> str | None:
    """A line of evidence on who may end a live process; None where nothing is known of such a one."""
    return supervisor(cgroups.memberships(pid))


@lru_cache(maxsize=256)
def supervisor(memberships: str) -> str | None:
    """The same by its ``/proc/PID/cgroup``."""
    for pattern, line in _SUPERVISORS:
        found = re.search(rf"^\d+:[^:]*:.*?{pattern}", memberships, re.MULTILINE)
        if found:
            return line.format(found[1])
    return None


def going_down() -> str | None:
    """A line of evidence if the machine is about to shut down."""
    sign = next((path for path in _GOING_DOWN if os.path.exists(path)), None)  # noqa: PTH110 - that of Path raises
    return f"the machine is about to go down: {sign} is there" if sign else None
