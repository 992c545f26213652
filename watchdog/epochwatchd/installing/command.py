"""The command ``epochwatchd service``: install, uninstall, status."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from epochwatchd.installing import health, layout, trust, wheel
from epochwatchd.installing.layout import Layout
from epochwatchd.installing.steps import Step, StepError, done, shown
from epochwatchd.service.paths import user_state

OK, FAILURE, MISTAKE = 0, 1, 2
SYSTEMD = Path("/run/systemd/system")
SEEN_WITHIN_S = 20.0
PROOF = """
import os, sys
from epochwatch import agent
agent.start(sys.argv[1])
agent.beat()
agent.finish("the watchdog saw this test run")
"""
PROOF_JOB = "epochwatchd-service-install"


def run(arguments: argparse.Namespace) -> int:
    """Do it; gives the exit status. Raises StepError."""
    chosen = layout.of_user(Path.home(), user_state(os.environ)) if arguments.user else layout.system()
    if not (SYSTEMD.is_dir() or arguments.dry_run):
        print(
            "epochwatchd: no systemd runs here; let whatever starts services run `epochwatchd serve`", file=sys.stderr
        )
        return FAILURE
    if arguments.action == "status":
        return health.tell(chosen)
    if chosen.is_system and os.geteuid() != 0 and not arguments.dry_run:
        print("epochwatchd: sudo is needed; or for your own trainings only: add --user", file=sys.stderr)
        return MISTAKE
    if arguments.user and os.geteuid() == 0 and not arguments.dry_run:
        print("epochwatchd: root's own service would watch root's trainings only; leave out --user", file=sys.stderr)
        return MISTAKE
    if arguments.action == "install":
        return _install(chosen, dry_run=arguments.dry_run)
    return _uninstall(chosen, dry_run=arguments.dry_run, purge=arguments.purge)


def _install(chosen: Layout, *, dry_run: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="epochwatchd-") as folder:
        program = Path(sys.argv[0]).absolute()
        steps: list[Step] = []
        why = trust.distrusted_code(program) if chosen.is_system else None
        if why is not None:
            print(f"The service must run only what root alone can change: {why}. So {layout.OPT} gets a copy.")
            python = trust.python_of_root()
            if python is None:
                raise StepError("no Python 3.10 or newer belongs to root here: sudo apt install python3-venv")
            steps += layout.environment(python, wheel.pack(Path(folder)))
            program = layout.OPT / "bin/epochwatchd"
        steps += layout.installing(chosen, program)
        _do(steps, dry_run=dry_run)
    if dry_run:
        return OK
    if not _is_seen(chosen, program):
        print("FAILED: the service runs, and has not seen a test run within 20 s:", file=sys.stderr)
        health.tell(chosen)
        return FAILURE
    print("ok      a test run was seen, and its end is told to your channels")
    print(f"\nNext: {chosen.setup(program)}     chooses where alerts go")
    return OK


def _uninstall(chosen: Layout, *, dry_run: bool, purge: bool) -> int:
    has_environment = chosen.is_system and layout.MARK.exists()
    _do(layout.removing(chosen, purge=purge, has_environment=has_environment), dry_run=dry_run)
    left = [path for path in layout.kept(chosen) if path.exists()]
    if left and not (dry_run or purge):
        print(f"Left, with your words and its history: {', '.join(map(str, left))} (--purge removes them)")
    return OK


def _do(steps: Iterable[Step], *, dry_run: bool) -> None:
    for step in steps:
        if not dry_run:
            done(step)
        print(shown(step) if dry_run else f"ok      {shown(step)}", flush=True)


def _is_seen(chosen: Layout, program: Path) -> bool:
    """Whether the service records the end of a run of our own, which begins now."""
    python, began_wall = program.with_name("python"), time.time()
    own = {} if chosen.beats is None else {"EPOCHWATCH_DIR": str(chosen.beats)}
    env = {**{name: value for name, value in os.environ.items() if not name.startswith("EPOCHWATCH_")}, **own}
    line = [str(python if python.exists() else sys.executable), "-c", PROOF, PROOF_JOB]
    subprocess.run(line, env=env, check=False)  # noqa: S603 - our own program
    ends = time.monotonic() + SEEN_WITHIN_S
    while time.monotonic() < ends:
        if health.has_recorded(chosen, PROOF_JOB, began_wall):
            return True
        time.sleep(0.1)
    return False
