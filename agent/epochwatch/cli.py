"""The ``epochwatch`` command: what it takes, and what each of its commands does; each is loaded when called."""

import argparse
import contextlib
import io
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, List, Mapping, Optional, Sequence, Tuple

from epochwatch.checks import COUNT_MAX, EPOCH_MAX, NAME_MAX, TAG_MAX, clean

if TYPE_CHECKING:
    from epochwatch.listing import Entry


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Do what the command line says and give the exit status: 0, 1 for a failure, 2 for a mistake in the line."""
    line, command = _split(list(sys.argv[1:] if arguments is None else arguments))
    options, surplus = _parser().parse_known_args(line)
    if options.call is _run:
        options.command += command
    else:
        surplus += command
    if surplus:
        options.refuse(f"unrecognized arguments: {' '.join(surplus)}")
    return int(options.call(options))


def _split(line: List[str]) -> Tuple[List[str], List[str]]:
    """Our own part of a command line and what stands behind ``--``, which argparse would not leave as it is."""
    at = line.index("--") if "--" in line else len(line)
    return line[:at], line[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="epochwatch",
        description="Put training under the eye of epochwatch's watchdog, or look at what is there.",
        epilog="example: epochwatch run --job resnet50 -- python train.py",
        formatter_class=_Formatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show which version this is")
    commands = parser.add_subparsers(prog="epochwatch", metavar="COMMAND", dest="command_name", required=True)
    for add in (
        _add_run,
        _add_beat,
        _add_attach,
        _add_status,
        _add_doctor,
        _add_ack,
        _add_mute,
        _add_mutes,
        _add_unmute,
    ):
        add(commands)
    return parser


class _Formatter(argparse.HelpFormatter):
    """Asks for the terminal's width itself: argparse would load shutil, zip formats and all, at every start."""

    def __init__(self, prog: str) -> None:
        try:
            width = int(os.environ.get("COLUMNS") or os.get_terminal_size().columns)
        except (ValueError, OSError):
            width = 80
        super().__init__(prog, width=width - 2)


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: the look-up takes longer than all the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version  # noqa: PLC0415 - see above

        print(f"epochwatch {version('epochwatch')}")
        parser.exit()


def _command(commands: Any, name: str, call: Callable[[argparse.Namespace], int], help_: str, example: str) -> Any:
    parser = commands.add_parser(
        name, help=help_, description=f"{help_}.", epilog=f"example: {example}", formatter_class=_Formatter
    )
    parser.set_defaults(call=call, refuse=parser.error)
    return parser


def _add_run(commands: Any) -> None:
    add = _command(
        commands,
        "run",
        _run,
        "Run a command, and let the watchdog know how it ended and what it wrote last",
        "epochwatch run --job resnet50 --epochs 90 -- torchrun --nproc-per-node 4 train.py",
    ).add_argument
    add("--job", help="the job's name; else $EPOCHWATCH_JOB, else the name of the script that is run")
    add("--epochs", type=_count, metavar="N", help="how many epochs are planned")
    add("--steps", type=_count, metavar="N", help="how many steps are planned")
    add("--tag", type=_pair, action="append", default=[], metavar="K=V", help="a word to find the run by; repeatable")
    add("--auto", action="store_true", help="attach to torch, Lightning, Hugging Face, fastai and Ultralytics inside")
    add("command", nargs=argparse.REMAINDER, metavar="-- CMD ...", help="the command and its arguments")


def _add_beat(commands: Any) -> None:
    add = _command(
        commands,
        "beat",
        _beat,
        "Send one heartbeat of the shell script that calls this",
        "epochwatch beat --job backup --epoch 3 --loss 0.21",
    ).add_argument
    add("--job", required=True, help="the job's name")
    add("--epoch", type=_epoch, metavar="N", help="the epoch that the script is in")
    add("--epochs", type=_count, metavar="N", help="how many epochs are planned")
    add("--step", type=_whole, metavar="N", help="the step that the script is at")
    add("--loss", type=_number, metavar="X", help="the loss; nan and inf are told as what they are")
    add("--metric", type=_metric, action="append", default=[], metavar="K=V", help="any other number; repeatable")
    add("--phase", metavar="NAME", help="a stretch without beats begins, until the next beat")
    add("--within", type=_duration, metavar="TIME", help="how long the phase may take: 90s, 10m, 1h30m, 2d")
    add("--event", choices=("beat", "finished", "failed"), default="beat", help="the run's end (default: beat)")
    add("--reason", metavar="TEXT", help="a word about the end")


def _add_attach(commands: Any) -> None:
    add = _command(
        commands,
        "attach",
        _attach,
        "Watch programs of yours that run already: how they end, their GPUs, and what they wait for",
        "epochwatch attach 12345 --job resnet50",
    ).add_argument
    add("pids", nargs="*", type=_count, metavar="PID", help="the process to watch")
    add("--gpu", action="store_true", help="all processes of yours that have a GPU open")
    add("--job", help="the job's name; else the name of the script that is run")


def _add_status(commands: Any) -> None:
    add = _command(
        commands,
        "status",
        _status,
        "Show the heartbeat files of this machine; needs no daemon",
        "epochwatch status --json",
    ).add_argument
    add("--json", action="store_true", help="a list of objects for programs")


def _add_doctor(commands: Any) -> None:
    _command(
        commands,
        "doctor",
        _doctor,
        "Say where the beats of a training go that begins here, and whether a watchdog looks there",
        "epochwatch doctor",
    )


def _add_ack(commands: Any) -> None:
    add = _command(
        commands,
        "ack",
        _ack,
        "Say that you have seen what is wrong: nobody is reminded of it any more, and nobody else is told",
        "epochwatch ack 6f1c",
    ).add_argument
    add(
        "ids", nargs="+", metavar="ID", help="as it stands in the message; those told in one message are meant together"
    )
    add("--for", dest="for_s", type=_duration, metavar="TIME", help="only for so long; else as long as it lasts")
    add("--note", default="", metavar="TEXT", help="a word for the others")


def _add_mute(commands: Any) -> None:
    add = _command(
        commands,
        "mute",
        _mute,
        "Hear nothing of what matches, for a while; what is still wrong then is told then",
        "epochwatch mute 'job=resnet*' kind=stalled --for 2h --why 'moving the data'",
    ).add_argument
    add("match", nargs="*", metavar="NAME=PATTERN", help="job, user, host, kind, cause, failure, severity, tag.NAME")
    add("--for", dest="for_s", type=_duration, required=True, metavar="TIME", help="for how long: 90s, 10m, 2h, 3d")
    add("--why", required=True, metavar="TEXT", help="the reason: others will ask")
    add("--all", action="store_true", help="everything that you may mute")


def _add_mutes(commands: Any) -> None:
    add = _command(commands, "mutes", _mutes, "List what is muted, until when, by whom and why", "epochwatch mutes")
    add.add_argument("--json", action="store_true", help="a list of objects for programs")


def _add_unmute(commands: Any) -> None:
    add = _command(commands, "unmute", _unmute, "Take mutes back", "epochwatch unmute 3f2a")
    add.add_argument("ids", nargs="+", metavar="ID", help="as `epochwatch mutes` lists it")


def _whole(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None
    if not -(2**63) <= number < 2**63:
        raise argparse.ArgumentTypeError(f"must be a number of 64 bits, not {text}")
    return number


def _count(text: str) -> int:
    number = _whole(text)
    if not 0 < number <= COUNT_MAX:
        raise argparse.ArgumentTypeError(f"must be from 1 to {COUNT_MAX}, not {text}")
    return number


def _pair(text: str) -> Tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals) or len(name) > NAME_MAX or len(value) > TAG_MAX:
        raise argparse.ArgumentTypeError(f"must be written NAME=VALUE, not {text!r:.80}")
    return name, value


def _metric(text: str) -> Tuple[str, float]:
    name, value = _pair(text)
    return name, _number(value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None


def _epoch(text: str) -> float:
    number = _number(text)
    if not abs(number) <= EPOCH_MAX:  # also if it is NaN
        raise argparse.ArgumentTypeError(f"must be a number up to {EPOCH_MAX:.16g}, not {text}")
    return number


def _duration(text: str) -> float:
    from epochwatch.scalars import seconds  # noqa: PLC0415 - only for beats

    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run(options: argparse.Namespace) -> int:
    if not options.command:
        options.refuse("no command; write it behind --")
    from epochwatch import command  # noqa: PLC0415 - not on Windows, and not for the other commands

    is_auto = options.auto or os.environ.get("EPOCHWATCH_AUTO") == "1"
    tags = dict(options.tag) or None
    plan = command.Plan(options.command, options.job, options.epochs, options.steps, tags, auto=is_auto)
    command.run(plan)


def _beat(options: argparse.Namespace) -> int:
    if options.within is not None and not options.phase:
        options.refuse("--within needs --phase")
    from epochwatch import script  # noqa: PLC0415 - only here

    fields = {name: getattr(options, name) for name in script.Said._fields if name not in ("metrics", "within_s")}
    try:
        script.beat(script.Said(metrics=dict(options.metric), within_s=options.within, **fields))
    except (OSError, ValueError) as error:  # the calling script goes on, even under `set -e`
        print(f"epochwatch: no beat was sent: {error}", file=sys.stderr)
    return 0


def _attach(options: argparse.Namespace) -> int:
    if not (options.pids or options.gpu):
        options.refuse("which process? give its PID, or --gpu")
    from epochwatch import attach, doctor  # noqa: PLC0415 - not on Windows, and only here

    pids = dict.fromkeys([*options.pids, *(attach.with_gpu() if options.gpu else ())])
    if not pids:
        print("no process of yours has a GPU open")
    status = 0
    for pid in pids:
        try:
            told = attach.attach(pid, options.job)
        except (attach.AttachError, OSError, ValueError) as error:
            print(clean(f"epochwatch: {error}"), file=sys.stderr)
            status = 1
        else:
            since = "from now on" if told.is_new else "already"
            print(clean(f"{pid} is watched {since}: {told.job} (run {told.run}): {told.command:.100}"))
    for word in doctor.examine(os.environ):
        if not word.is_well:
            print(clean(f"epochwatch: {word.text}: {word.todo}"), file=sys.stderr)
    return status


def _doctor(_: argparse.Namespace) -> int:
    from epochwatch import doctor  # noqa: PLC0415 - only here

    words = doctor.examine(os.environ)
    for word in words:
        print(clean(str(word)))
    return 0 if all(word.is_well for word in words) else 1


def _status(options: argparse.Namespace) -> int:
    from epochwatch import listing, transport  # noqa: PLC0415 - the other commands are quicker without

    directories = transport.directories(os.environ)
    entries, faults = listing.entries(directories)
    for path, reason in faults.items():
        print(clean(f"epochwatch: {path}: {reason}"), file=sys.stderr)
    if not (entries or options.json):
        print(clean(f"no heartbeats in {', '.join(directories)}"), file=sys.stderr)
        return 0
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the terminal may have no such letters
    with contextlib.suppress(BrokenPipeError):  # `epochwatch status | head`
        print(_shown(entries, as_json=options.json), flush=True)
    return 0


def _asking(ask: Callable[[], List[str]]) -> int:
    """Print what a watchdog answered, or why it did not."""
    from epochwatch.control import ControlError  # noqa: PLC0415 - only here

    try:
        lines = ask()
    except ControlError as error:
        print(clean(f"epochwatch: {error}"), file=sys.stderr)
        return 1
    for line in lines:
        print(clean(line))
    return 0


def _ack(options: argparse.Namespace) -> int:
    from epochwatch import control  # noqa: PLC0415 - only here

    def ask() -> List[str]:
        seen = control.ask("POST", "/v1/ack", {"ids": options.ids, "for_s": options.for_s, "note": options.note})
        named = [f"seen: {one['job'] or 'epochwatchd'} ({one['kind']}, {one['host']})" for one in seen if "job" in one]
        others = len(seen) - len(named)
        return [*named, *([f"and {others} more that were told in the same message"] if others else [])]

    return _asking(ask)


def _mute(options: argparse.Namespace) -> int:
    from epochwatch import control  # noqa: PLC0415 - only here

    try:
        match = control.matcher(options.match)
    except ValueError as error:
        options.refuse(str(error))

    def ask() -> List[str]:
        said = {"match": match, "for_s": options.for_s, "why": options.why, "all": options.all}
        made = control.ask("POST", "/v1/mutes", said)
        of_whom = f", only of runs of {made['owner']}" if made["owner"] else ""
        lines = [f"muted until {_local(made['until'])}{of_whom}; take it back: epochwatch unmute {made['id']}"]
        none = "; is that what you meant?" if not made["runs"] else ""
        return [*lines, f"{made['runs']} of the {made['of']} runs that are watched now match{none}"]

    return _asking(ask)


def _mutes(options: argparse.Namespace) -> int:
    from epochwatch import control  # noqa: PLC0415 - only here

    def ask() -> List[str]:
        found = control.ask("GET", "/v1/mutes")
        if options.json:
            import json  # noqa: PLC0415 - only here

            return [json.dumps(found, ensure_ascii=False)]
        return [_muted(mute) for mute in found] or ["nothing is muted"]

    return _asking(ask)


def _muted(mute: Mapping[str, Any]) -> str:
    words = " ".join(f"{name}={_word(value)}" for name, value in mute["match"].items()) or "everything"
    owner = f" of {mute['owner']}" if mute["owner"] else ""
    return f"{mute['id']}  until {_local(mute['until'])}  {words}{owner}  {mute['who']}: {mute['why']}"


def _word(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _unmute(options: argparse.Namespace) -> int:
    from epochwatch import control  # noqa: PLC0415 - only here

    def ask() -> List[str]:
        for mute_id in options.ids:
            control.ask("DELETE", f"/v1/mutes/{mute_id}")
        return [f"{mute_id} is heard of again" for mute_id in options.ids]

    return _asking(ask)


def _local(stamp: str) -> str:
    """A time of the watchdog's by this machine's clock."""
    from datetime import datetime  # noqa: PLC0415 - only here

    return f"{datetime.fromisoformat(stamp.replace('Z', '+00:00')).astimezone():%F %R}"


def _shown(entries: "Sequence[Entry]", *, as_json: bool) -> str:
    from epochwatch import table  # noqa: PLC0415 - only here

    now_ns = time.time_ns()
    if not as_json:
        return table.render(entries, now_ns, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    import json  # noqa: PLC0415 - only here

    found = [table.as_json(entry, now_ns) for entry in entries]
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
