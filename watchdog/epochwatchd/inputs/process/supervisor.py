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
from epochwatchd.phrase import Phrase

_GOING_DOWN = (Path("/run/systemd/shutdown/scheduled"), Path("/run/nologin"))
"""``shutdown`` with a time; what systemd makes when a shutdown begins, or five minutes before a scheduled one."""

_SUPERVISORS = (
    (
        r"/slurm.*/job_(\d+)(?:/|$)",
        "it ran in Slurm's job {id}: `sacct -j {id}` tells of a time limit, preemption or scancel",
    ),
    (
        r"/kubepods.*[/-]pod([0-9a-f_-]{36})",
        "it ran in Kubernetes' pod {id}: `kubectl get events` tells of an eviction",
    ),
    (r"/docker[-/]([0-9a-f]{12})", "it ran in Docker's container {id}: `docker inspect {id}`"),
    (r"/libpod-([0-9a-f]{12})", "it ran in Podman's container {id}: `podman inspect {id}`"),
    (r"/session-(\w+)\.scope(?:/|$)", "it ran in login session {id}, with which systemd may end it"),
    (r".*/(?!user@)([^/\n]+\.service)(?:/|$)", "it ran in systemd's unit {id}: `systemctl status {id}`"),
    (r".*/([^/\n]+\.scope)(?:/|$)", "it ran in systemd's unit {id}: `systemctl status {id}`"),
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
            return Phrase(line, id=found[1])
    return None


def going_down() -> str | None:
    """A line of evidence if the machine is about to shut down."""
    sign = next((path for path in _GOING_DOWN if os.path.exists(path)), None)  # noqa: PTH110 - that of Path raises
    return Phrase("the machine is about to go down: {sign} is there", sign=str(sign)) if sign else None
