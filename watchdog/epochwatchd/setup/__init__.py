"""``epochwatchd setup``: asks which channels one wants, tries each, and writes the configuration."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from epochwatchd import config as configuration
from epochwatchd.service.connecting import OPTIONS
from epochwatchd.setup.draft import Draft
from epochwatchd.setup.saving import SERVICE_CONFIG, save, see_that_it_can_be_written, target
from epochwatchd.setup.talk import Talk, example
from epochwatchd.setup.terminal import Terminal
from epochwatchd.setup.texts import TEXTS

OK, FAILURE, MISTAKE = 0, 1, 2


def run(arguments: argparse.Namespace) -> int:
    """Ask and write; gives the exit status. Raises EpochwatchError, ConfigError where what is there is faulty."""
    named = Path(arguments.config) if arguments.config else None
    found = named or configuration.find(os.environ, Path.home())
    path = named or target(found, Path.home(), os.geteuid())
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(example(path, os.environ))
        return MISTAKE
    see_that_it_can_be_written(path)
    if path.exists():
        configuration.load(path, kinds=OPTIONS, env=os.environ)  # what is faulty is to be mended by hand first
    draft = Draft(path.read_text(encoding="utf-8-sig") if path.exists() else "")
    talk = Talk(Terminal(), draft, path, os.environ)
    if found is not None and found != path:
        print(TEXTS[talk.language]["others"].format(path=found))
    try:
        is_wanted = talk.begin()
    except (KeyboardInterrupt, EOFError):
        print()  # below the question, or a ^C
        is_wanted = False
    texts = TEXTS[talk.language]
    if not is_wanted:
        print(texts["unchanged"])
        return FAILURE
    save(draft, path)
    print(texts["saved"].format(path=path))
    is_service = path == SERVICE_CONFIG
    if _is_taken_up(() if is_service else ("--user",)):
        print(texts["taken_up"])
    else:
        print(texts["next_service" if is_service else "next_user"])
    return OK


def _is_taken_up(of: Sequence[str]) -> bool:
    """Whether a service that runs reads it again now."""
    try:
        for action in (("is-active", "--quiet"), ("reload",)):
            subprocess.run(["systemctl", *of, *action, "epochwatchd"], check=True, capture_output=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
