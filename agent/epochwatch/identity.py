"""Who am I: the job, the run, the process, its rank, host and GPUs. No resolver and no directory service is asked."""

from __future__ import annotations

import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

from epochwatch import checks, scalars, wire
from epochwatch.guard import report
from epochwatch.masking import masked
from epochwatch.processes import start_ticks

if TYPE_CHECKING:
    from epochwatch.ray_worker import Trial

_RANKS = (
    ("RANK", "WORLD_SIZE"),  # torchrun
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),  # MVAPICH
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI
    ("PMIX_RANK", "PMIX_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
)
"""Where launchers say a process's rank and how many there are."""
PLAN = ("epochs", "steps", "tags", "rank", "world_size")
"""What a forked child has of its parent's run."""
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
_claimed: Dict[str, int] = {}


def describe(job: Optional[str] = None, **fields: Any) -> wire.Body:
    """This process as the body of a heartbeat; ``fields`` are laid over it (``epochs``, ``steps``, ``tags``, …)."""
    rank, world_size = _rank(os.environ)
    rank, world_size = fields.get("rank", rank), fields.get("world_size", world_size)
    body = wire.Body(
        job=job_name(job),
        run=_run_id(job_name(job), world_size),
        pid=os.getpid(),
        start=start_ticks("self"),
        boot=_boot_id(),
        pidns=_pid_namespace(),
        host=_host()[:256],
        user=_user()[:256],
        rank=rank,
        world_size=world_size,
        argv=masked([str(word)[: wire.BODY_MAX // 2] for word in _argv()]),
        python="{}.{}.{}".format(*sys.version_info),
        gpus=os.environ.get("CUDA_VISIBLE_DEVICES", "")[:1024] or None,
        announces_end=True,
        cwd=_cwd(),
        began_ns=time.time_ns(),
        interactive=is_interactive() and _notebook() is None,
    )
    return body._replace(**fields)


def jobs_file(env: Mapping[str, str]) -> Optional[str]:
    """The user's own file of wishes for jobs; None where there is none. See ``epochwatch.wishes``."""
    home = env.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    path = env.get("EPOCHWATCH_JOBS") or os.path.join(home, "epochwatch", "jobs.yaml")
    return path if os.path.exists(path) else None


def with_wishes(job: str, fields: Dict[str, Any]) -> Dict[str, Any]:
    """Fields of a body, laid over what the user wishes for the job."""
    path = jobs_file(os.environ)
    if path is None:
        return fields
    from epochwatch import wishes  # noqa: PLC0415 - few have such a file

    return wishes.laid_under(job, fields, path)


def job_name(job: Optional[str] = None) -> str:
    """The job's name: ``job``, ``EPOCHWATCH_JOB``, or what the interpreter was started with (``python`` if by hand)."""
    name = scalars.text(job, wire.JOB_MAX) if job is not None else ""
    name = name or os.environ.get("EPOCHWATCH_JOB", "")[: wire.JOB_MAX] or _program()[: wire.JOB_MAX] or "python"
    return wire.clean(name)  # as it will be read: a later beat of the same job must know it again


def is_interactive() -> bool:
    """Whether somebody types: an exception is then no end."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive)


def _notebook() -> Optional[str]:
    """The file of the notebook that this is the kernel of, empty if not known; None if it is none."""
    if "ipykernel" not in sys.modules or "IPython" not in sys.modules:
        return None
    from epochwatch import notebook  # noqa: PLC0415 - few are in one

    return notebook.path() if notebook.shell() is not None else None


def _trial() -> Optional[Trial]:
    if "ray" not in sys.modules:
        return None
    from epochwatch import ray_worker  # noqa: PLC0415 - few are one

    return ray_worker.trial() if ray_worker.is_one() else None


def _argv() -> List[str]:
    path, trial = _notebook(), _trial()
    if trial is not None:
        return [word for word in trial if word]
    if path is not None:  # a kernel's own arguments say nothing
        return [path] if path else []
    return list(getattr(sys, "argv", ()))


def _program() -> str:
    path, trial = _notebook(), _trial()
    if path is not None:
        return os.path.splitext(os.path.basename(path))[0] or "notebook"
    if trial is not None:
        return trial.job
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and "loky" in str(spec.name).split("."):  # a worker of joblib, with its parent's argv
        return os.path.splitext(os.path.basename(sys.argv[0]))[0]
    if spec is not None:  # python -m package.module
        package, main_of_package, _ = str(spec.name).rpartition(".__main__")
        return package if main_of_package else str(spec.name)
    stem, extension = os.path.splitext(os.path.basename(str(getattr(main, "__file__", None) or "")))
    return stem if extension == ".py" else stem + extension


def plan(**said: Any) -> Dict[str, Any]:
    """The body's fields for what a user said of a run (PLAN); what makes no sense is reported and left out."""
    fields: Dict[str, Any] = {}
    for name, value in said.items():
        most = checks.RANK_MAX if name in ("rank", "world_size") else checks.COUNT_MAX
        try:
            if value is not None:
                fields[name] = _tags(value) if name == "tags" else scalars.whole(name, value, 0, most)
        except ValueError as error:
            report(error)
    return fields


def _tags(tags: Any) -> Dict[str, str]:
    items = scalars.of_user(lambda given: list(dict(given).items()), tags, "tags")
    return {scalars.text(name, checks.NAME_MAX): scalars.text(value, checks.TAG_MAX) for name, value in items}


def _run_id(job: str, world_size: Optional[int]) -> str:
    """A new run's id. One that is shared, by processes started together, goes to the first run of each."""
    given = given_run_id() or _launched(job, world_size)
    if given and _claimed.get(given) != os.getpid():
        _claimed[given] = os.getpid()
        return given
    return os.urandom(6).hex()


def is_shared(body: wire.Body, env: Mapping[str, str]) -> bool:
    """Whether other processes may be of the same run."""
    is_rank = (body.world_size or 1) > 1 or multiprocessing_parent() is not None
    return is_rank or body.run == env.get("EPOCHWATCH_RUN")


def _launched(job: str, world_size: Optional[int]) -> Optional[str]:
    """The run id that the processes of one launch share; None for one that was started alone."""
    if world_size and world_size > 1:
        return _launch_id(job, os.environ)
    parent = multiprocessing_parent()
    return None if parent is None else _digest(job, [_boot_id(), str(parent), str(start_ticks(parent))])


def _launch_id(job: str, env: Mapping[str, str]) -> Optional[str]:
    """The run id of the ranks that one launch started: the same in each of them, also after a restart of some.

    On one machine they are children of one launcher. Across machines they have the scheduler's names, or the address
    where they meet.
    """
    if env.get("SLURM_JOB_ID") and "SLURM_STEP_ID" in env:
        launch = [env.get(name) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT")]
    elif env.get("PMIX_NAMESPACE"):
        launch = [env["PMIX_NAMESPACE"]]
    elif (env.get("LOCAL_WORLD_SIZE") == env.get("WORLD_SIZE") and _trial() is None) or "MASTER_ADDR" not in env:
        launch = [_boot_id(), str(os.getppid()), str(start_ticks(os.getppid()))]
    else:
        launch = [env.get(name) for name in ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID")]
    return _digest(job, launch)


def _digest(job: str, launch: List[Optional[str]]) -> str:
    import hashlib  # noqa: PLC0415 - only ranks need it

    return hashlib.blake2b(repr((job, launch)).encode("utf-8", "replace"), digest_size=6).hexdigest()


def given_run_id() -> Optional[str]:
    """The run id of ``EPOCHWATCH_RUN``, which several processes may share."""
    given = os.environ.get("EPOCHWATCH_RUN", "")
    return given if _RUN_ID.match(given) else None


def _rank(env: Mapping[str, str]) -> Tuple[Optional[int], Optional[int]]:
    for rank, size in _RANKS:
        if env.get(rank, "").isdecimal():
            return _up_to_rank_max(env[rank]), _up_to_rank_max(env.get(size, ""))
    if env.get("LOCAL_RANK", "").isdecimal() and env.get("WORLD_SIZE", "").isdecimal():  # Lightning starts ranks so
        before = int(env["LOCAL_WORLD_SIZE"]) if env.get("LOCAL_WORLD_SIZE", "").isdecimal() else 0
        node = int(env["NODE_RANK"]) if env.get("NODE_RANK", "").isdecimal() else 0
        if before or not node:
            return _up_to_rank_max(str(node * before + int(env["LOCAL_RANK"]))), _up_to_rank_max(env["WORLD_SIZE"])
    return None, None


def multiprocessing_parent() -> Optional[int]:
    """The process of which this one is a child by ``multiprocessing``; None if it is none."""
    process = sys.modules.get("multiprocessing.process")
    parent = process.parent_process() if process is not None else None
    return None if parent is None else parent.pid


def _up_to_rank_max(digits: str) -> Optional[int]:
    short = digits.isdecimal() and len(digits) <= len(str(checks.RANK_MAX))
    return int(digits) if short and int(digits) <= checks.RANK_MAX else None


def _boot_id() -> Optional[str]:
    return _read("/proc/sys/kernel/random/boot_id").strip()[:64] or None


def _pid_namespace() -> Optional[int]:
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:  # no /proc
        return None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:  # no /proc
        return ""


def _cwd() -> Optional[str]:
    try:
        return os.getcwd()[-1024:]
    except OSError:  # it was removed
        return None


def _host() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


def _user() -> str:
    """For people only: the watchdog goes by the file's owner. The password database may lie behind a network."""
    names = (os.environ.get(name) for name in ("LOGNAME", "USER", "USERNAME"))
    return next(filter(None, names), str(os.getuid()) if hasattr(os, "getuid") else "")
