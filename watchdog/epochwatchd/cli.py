"""The command ``epochwatchd``. This file is read by any Python, so that a wrong one is told what to do."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable
from datetime import datetime, time

EXTRA_MISSING = "epochwatchd: {name} is missing: install the watchdog in its source's folder: `pip install '.[daemon]'`"
DESCRIPTION = (
    "The watchdog: watches the trainings of this machine and alerts when one dies, hangs, starves or finishes."
)
COMMANDS = {
    "setup": ("choose where alerts go, try each channel, write the configuration", "epochwatchd setup"),
    "serve": ("run the daemon in the foreground", "epochwatchd serve -c /etc/epochwatch/config.yaml"),
    "check": ("check the configuration, or say what is wrong in it", "epochwatchd check -c config.yaml"),
    "test-alert": ("send a real test message and say what each channel answered", "epochwatchd test-alert team"),
    "routes": ("say who would be told of something, and why", "epochwatchd routes test --job resnet50 --kind crashed"),
    "retry": ("try dead letters again: messages that no channel took", "epochwatchd retry"),
    "login": ("log in to a channel that wants it: KakaoTalk", "epochwatchd login kakao"),
    "messages": ("print an example of every message there is", "epochwatchd messages --language ko --style short"),
    "status": (
        "show the runs that go on or ended in the last day, their verdicts and progress",
        "epochwatchd status --json",
    ),
    "service": (
        "install the daemon as a systemd service, take it away, or say how it does",
        "sudo epochwatchd service install",
    ),
    "last-resort": (
        "for systemd, after the daemon's end: tell of a bad one, once in ten minutes",
        "ExecStopPost=epochwatchd last-resort -c config.yaml",
    ),
    "demo": ("watch real trainings be killed, frozen and finished, in under a minute", "epochwatchd demo"),
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line; gives the exit status: 0 success, 1 failure, 2 a mistake of the user's."""
    if sys.version_info < (3, 10):
        print("epochwatchd: the watchdog needs Python 3.10 or newer (the agent runs on 3.8)", file=sys.stderr)
        return 1
    arguments = _parser().parse_args(argv)
    try:
        run = _command(arguments.command)
    except ModuleNotFoundError as e:
        print(EXTRA_MISSING.format(name=e.name), file=sys.stderr)
        return 1
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal of another language still gets a table
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as e:
        print(f"epochwatchd: {e}", file=sys.stderr)
        return 1
    return status


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """What does a command: imported only now, after the check of Python's version, and no more than it needs."""
    if name == "status":
        from epochwatchd import status  # noqa: PLC0415

        return status.run
    from epochwatchd import commands  # noqa: PLC0415

    return commands.run


class _Version(argparse.Action):
    """``--version``: to look for it in the distribution's metadata takes others too long."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"epochwatchd {version('epochwatch')}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("epochwatchd", description=DESCRIPTION, epilog="example: epochwatchd demo")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and leave")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (what, example) in COMMANDS.items():
        command = commands.add_parser(
            name, help=what, description=f"{what[0].upper()}{what[1:]}.", epilog=f"example: {example}"
        )
        if name == "messages":
            command.add_argument("--language", choices=("en", "ko"), default="en")
            command.add_argument("--style", choices=("full", "short"), default="full")
        if name == "service":
            command.add_argument("action", choices=("install", "uninstall", "status"))
            command.add_argument("--user", action="store_true", help="your own, without root: watches your trainings")
            command.add_argument("--dry-run", action="store_true", help="print what would be done")
            command.add_argument("--purge", action="store_true", help="uninstall: also configuration and history")
        if name not in ("demo", "messages", "service", "retry"):
            command.add_argument(
                "-c", "--config", metavar="FILE", help="the configuration (see README for the default)"
            )
        if name == "check":
            command.add_argument(
                "--explain", metavar="JOB", help="print what holds for this job, and where it comes from"
            )
        if name == "serve":
            command.add_argument("-v", "--verbose", action="store_true", help="log every step")
        _add_alerting(command, name)
        if name == "status":
            command.add_argument("--json", action="store_true", help="one JSON list, for programs")
            command.add_argument("--all", action="store_true", help="every run, also those that ended long ago")
    return parser


def _add_alerting(command: argparse.ArgumentParser, name: str) -> None:
    if name == "test-alert":
        command.add_argument("channels", nargs="*", metavar="CHANNEL", help="the channels to test (default: all)")
        command.add_argument("--kind", metavar="KIND", help="send an example of this verdict, crashed for one")
        command.add_argument("--render", action="store_true", help="print what each would get, send nothing")
    if name == "login":
        command.add_argument("channel", nargs="?", metavar="CHANNEL", help="its name in the configuration")
    if name == "routes":
        _add_routes(command)


def _add_routes(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", choices=("test",))
    command.add_argument("--kind", default="crashed", metavar="KIND", help="the verdict (default: crashed)")
    command.add_argument("--resolved", action="store_true", help="its end, not its begin")
    command.add_argument("--unverified", action="store_true", help="who sends the beats is not known, as by UDP")
    for name, what in (
        ("job", "the job's name"),
        ("user", "whose run it is"),
        ("host", "the machine"),
        ("severity", "info, warning or critical"),
        ("cause", "why, as oom_kill"),
        ("failure", "the class of a failure, as cuda_oom"),
    ):
        command.add_argument(f"--{name}", metavar="X", help=what)
    command.add_argument("--at", type=_time, metavar="TIME", help="as if it were then: 03:00, 2026-11-29T03:00")
    command.add_argument("--tag", type=_pair, action="append", default=[], metavar="K=V", help="a tag; repeatable")


def _time(text: str) -> datetime:
    """A time of this machine's clock: of today, or with its day."""
    now = datetime.now().astimezone()
    try:
        if len(text) <= len("23:59:59"):
            return datetime.combine(now.date(), time.fromisoformat(text)).astimezone()
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be written 03:00 or 2026-11-29T03:00, not {text!r:.40}") from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"must be written NAME=VALUE, not {text!r:.80}")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
