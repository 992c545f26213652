"""Writes what bash, zsh and fish complete for ``epochwatch`` and ``epochwatchd``, from their command lines as they are.

python completions/generate.py. The files lie beside this one, and go into the wheel; a test says when they are stale.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from epochwatch import cli
from epochwatchd import cli as daemon_cli

HERE = Path(__file__).parent


class Option(NamedTuple):
    """An option of a command: its names, what it does, what it takes (None: nothing; else what of it can be chosen)."""

    names: list[str]
    help: str
    takes: list[str] | None


class Command(NamedTuple):
    """A command: its options, the words that may stand in it, whether another command line follows behind ``--``."""

    name: str
    help: str
    options: list[Option]
    words: list[str]
    runs_another: bool


def commands_of(parser: argparse.ArgumentParser) -> list[Command]:
    """The commands of a program, as its parser knows them."""
    [subparsers] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    helps = {choice.dest: choice.help or "" for choice in subparsers._choices_actions}
    return [_command(name, helps[name], it) for name, it in subparsers.choices.items()]


def _command(name: str, help_: str, parser: argparse.ArgumentParser) -> Command:
    options = [_option(action) for action in parser._actions if action.option_strings]
    places = [action for action in parser._actions if not action.option_strings]
    words = [str(word) for action in places for word in action.choices or ()]
    return Command(name, help_, options, words, any(action.nargs == argparse.REMAINDER for action in places))


def _option(action: argparse.Action) -> Option:
    takes = None if action.nargs == 0 else [str(choice) for choice in action.choices or ()]
    return Option(list(action.option_strings), (action.help or "").replace("%%", "%"), takes)


def bash(program: str, commands: list[Command]) -> str:
    """For ``bash-completion``'s folder, by the program's name."""
    cases = "\n".join(f"        {c.name}:*) words='{' '.join(_words(c))}' ;;" for c in commands)
    chosen = [(c.name, name, option) for c in commands for option in c.options for name in option.names if option.takes]
    values = "\n".join(f"        {name}:{flag}) words='{' '.join(it.takes or ())}' ;;" for name, flag, it in chosen)
    another = "|".join(c.name for c in commands if c.runs_another) or "-"
    return f"""# bash completion of {program}; written by completions/generate.py
_{program}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} words='' at
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W '{" ".join(c.name for c in commands)} --help --version' -- "$current"))
        return
    fi
    for ((at = 2; at < COMP_CWORD; at++)); do
        if [[ ${{COMP_WORDS[at]}} == -- && ${{COMP_WORDS[1]}} == @({another}) ]]; then
            COMPREPLY=($(compgen -c -- "$current"))
            ! declare -F _command_offset >/dev/null || _command_offset $((at + 1))
            return
        fi
    done
    case ${{COMP_WORDS[1]}}:${{COMP_WORDS[COMP_CWORD - 1]}} in
{values}
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _{program} {program}
"""


def _words(command: Command) -> list[str]:
    return [*command.words, *(name for option in command.options for name in option.names)]


def zsh(program: str, commands: list[Command]) -> str:
    """For a folder of ``fpath``, as ``_PROGRAM``."""
    lines = [f"        {_quoted(f'{c.name}:{c.help}')}" for c in commands]
    cases = []
    for c in commands:
        specs = [_zsh_option(name, option) for option in c.options for name in option.names]
        specs += [f"':word:({' '.join(c.words)})'"] if c.words else []
        specs += ["'*::command:_normal'"] if c.runs_another else ["'*:file:_files'"]
        cases.append(f"        {c.name}) _arguments {' '.join(specs)} ;;")
    known, cases_ = "\n".join(lines), "\n".join(cases)
    return f"""#compdef {program}
# written by completions/generate.py
local -a commands=(
{known}
)
if (( CURRENT == 2 )); then
    _describe command commands
else
    local chosen=$words[2]
    shift words
    (( CURRENT-- ))
    case $chosen in
{cases_}
    esac
fi
"""


def _zsh_option(name: str, option: Option) -> str:
    words = option.help.replace("[", "(").replace("]", ")").replace(":", " -")
    takes = "" if option.takes is None else f":value:({' '.join(option.takes)})" if option.takes else ":value:_files"
    return _quoted(f"{name}[{words}]{takes}")


def fish(program: str, commands: list[Command]) -> str:
    """For a folder of ``vendor_completions.d``."""
    lines = [f"# fish completion of {program}; written by completions/generate.py"]
    begin = f"complete -c {program} -n __fish_use_subcommand -f -a"
    lines += [f"{begin} {c.name} -d {_quoted(c.help)}" for c in commands]
    for c in commands:
        inside = f"-n '__fish_seen_subcommand_from {c.name}'"
        for option in c.options:
            names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in option.names)
            takes = "" if option.takes is None else f" -x -a '{' '.join(option.takes)}'" if option.takes else " -r"
            lines.append(f"complete -c {program} {inside} {names}{takes} -d {_quoted(option.help)}")
        if c.words:
            lines.append(f"complete -c {program} {inside} -f -a '{' '.join(c.words)}'")
        if c.runs_another:
            lines.append(f"complete -c {program} {inside} -a '(__fish_complete_subcommand --fcs-skip=2)'")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}") + "'"


def files() -> dict[str, str]:
    """What lies beside this file, by its name."""
    made: dict[str, str] = {}
    parsers: dict[str, Any] = {"epochwatch": cli._parser(), "epochwatchd": daemon_cli._parser()}
    for program, parser in parsers.items():
        commands = commands_of(parser)
        made[f"{program}.bash"] = bash(program, commands)
        made[f"_{program}"] = zsh(program, commands)
        made[f"{program}.fish"] = fish(program, commands)
    return made


if __name__ == "__main__":
    for name, text in files().items():
        (HERE / name).write_text(text)
