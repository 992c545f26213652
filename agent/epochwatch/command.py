"""``epochwatch run``: a command under the agent's eye, which must not notice it. Linux and macOS.

The command stays in our process group and keeps our standard input, so that keys, job control and /dev/tty work as
without us. Signals are blocked and awaited: none can end us before the command has ended.
"""

import _thread
import contextlib
import errno
import os
import signal
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, NamedTuple, NoReturn, Optional, Tuple

from epochwatch import identity, output, wire
from epochwatch.guard import guarded
from epochwatch.masking import masked
from epochwatch.run import Run
from epochwatch.tail import Tail

if TYPE_CHECKING:
    from epochwatch.follow import Follower
    from epochwatch.progress import Reading

NOT_EXECUTABLE, NOT_FOUND = 126, 127
"""What shells return for a command that they cannot start."""

_PASSED_ON = {
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGTERM,
    signal.SIGCONT, signal.SIGTSTP, signal.SIGWINCH, signal.SIGXCPU,
}  # fmt: skip
_AWAITED = _PASSED_ON | {signal.SIGCHLD}
_OF_TERMINALS = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP}
_ASK_TO_END = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_IMPATIENT = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_SI_KERNEL = 0x80
_JOIN_S = 0.1


class Plan(NamedTuple):
    """What the command line of ``epochwatch run`` says."""

    command: List[str]
    job: Optional[str] = None
    epochs: Optional[int] = None
    steps: Optional[int] = None
    tags: Optional[Dict[str, str]] = None
    auto: bool = False


def run(plan: Plan) -> NoReturn:
    """Run the command to its end, and end as it did."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # inherited as ignored, it would hide the command's end
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    tail = Tail()
    if plan.auto:
        from epochwatch import auto  # noqa: PLC0415 - few want it

        auto.ask_for_it()
    record = _register(plan)
    reader = _Reader(record, plan) if record else None
    exit_status, asked_by = _execute(plan.command, record, _keeper(reader, tail), mask)
    if record and reader:
        with _harmless("the end is not recorded"):
            reader.end(tail.lines(), is_well=exit_status == 0)
            state = wire.FAILED if exit_status else wire.FINISHED
            record.end(state, exit_status=exit_status, tail=tail.lines(), signal=asked_by)
            record.leave()
    _end_alike(exit_status)


@contextlib.contextmanager
def _harmless(consequence: str) -> Iterator[None]:
    """Say what went wrong on our side, and go on: the command's fate does not depend on us."""
    try:
        yield
    except Exception as error:
        output.say(f"{consequence}: {error}")


def _register(plan: Plan) -> Optional[Run]:
    """A run in which this process speaks for the command; the command's environment then names it too."""
    os.environ.pop("EPOCHWATCH_RUN", None)  # of a `epochwatch run` around us: this is a run of its own
    with _harmless("the run is not recorded"):
        job = plan.job or os.environ.get("EPOCHWATCH_JOB") or job_of(plan.command)
        (job,) = masked([job[: wire.JOB_MAX]])
        planned = {"epochs": plan.epochs, "steps": plan.steps, "tags": plan.tags}
        body = identity.describe(job, **identity.with_wishes(job, planned))
        body = body._replace(argv=masked(plan.command), command_pid=0, names_run=plan.job is not None)
        record = Run(body=body).open()
        os.environ.update(EPOCHWATCH_RUN=body.run or "", EPOCHWATCH_JOB=body.job)
        return record
    return None


def job_of(command: List[str]) -> str:
    """What a command is called if nobody names it: its script or module, else its program."""
    names = [word.rpartition("/")[2] for word in command]
    for index, name in enumerate(names):
        if name.endswith((".py", ".sh")):
            return name[:-3]
        if name == "-m" and names[index + 1 :]:
            return names[index + 1]
    return names[0]


def _execute(
    command: List[str], record: Optional[Run], keep: output.Keep, mask: Iterable[int]
) -> Tuple[int, Optional[int]]:
    """Start the command, pass on signals and output until it has ended.

    Gives its exit status, and the last signal that asked it to end.
    """
    channels, pumps, ending = _connect(keep)
    try:
        pid = _spawn(command, channels, mask)
    except OSError as error:
        return _not_started(command[0], error), None
    if record:
        with _harmless("the command's process is not recorded"):
            record.update(command_pid=pid)
    status, asked_by = _attend(pid, channels)
    if ending is not None:
        os.close(ending)
    _await_pumps(pumps)
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), asked_by


class _Reader:
    """Makes beats of output: each chunk is one, and what its lines say of progress is told with it."""

    def __init__(self, record: Run, plan: Plan) -> None:
        self._record = record
        self._given = {"epochs": plan.epochs, "steps": plan.steps}
        self._told = dict(self._given)
        self._follower: Optional[Follower] = None
        self._turn = _thread.allocate_lock()

    def take(self, stream: int, chunk: bytes) -> None:
        """A chunk of output; each stream has a thread of its own."""
        with guarded(), self._turn:
            self._tell(self._followed().feed(stream, chunk))
        self._record.beat()

    def end(self, tail: Iterable[str], *, is_well: bool) -> None:
        """The command has ended."""
        with guarded(), self._turn:
            self._tell(self._followed().end(tail, is_well=is_well))

    def _followed(self) -> "Follower":
        if self._follower is None:
            from epochwatch.follow import Follower  # noqa: PLC0415 - dear to load: the command is not to wait for it

            self._follower = Follower(self._given["steps"])
        return self._follower

    def _tell(self, readings: "Iterable[Reading]") -> None:
        for reading in readings:
            plan = {name: value for name in self._given if (value := getattr(reading, name)) is not None}
            new = {name: value or None for name, value in plan.items() if self._given[name] is None}
            if new.items() - self._told.items():
                self._told.update(new)
                self._record.update(**new)
            self._record.beat(reading.epoch, reading.loss, step=reading.step, **(reading.metrics or {}))


def _keeper(reader: Optional[_Reader], tail: Tail) -> output.Keep:
    """What is done with each chunk of output, before it is passed on."""
    if reader is None:
        return tail.feed
    take = reader.take

    def keep(stream: int, chunk: bytes) -> None:
        tail.feed(stream, chunk)
        take(stream, chunk)

    return keep


def _connect(keep: output.Keep) -> Tuple[List[output.Channel], List[_thread.LockType], Optional[int]]:
    """Channels for the command, pumps that empty them, and a descriptor to close when it has ended.

    Where that fails, no channels: the command then writes to our own output.
    """
    with _harmless("the output is not kept"):
        channels = output.open_channels()
        ended, ending = os.pipe()
        return channels, output.start_pumps(channels, keep, ended), ending
    return [], [], None


def _spawn(command: List[str], channels: List[output.Channel], mask: Iterable[int]) -> int:
    """The pid of the started command, with the signal mask and handlers that we were started with."""
    places = [(os.POSIX_SPAWN_DUP2, c.inlet, descriptor) for c in channels for descriptor in c.descriptors]
    options: Dict[str, Any] = {"file_actions": places, "setsigmask": mask, "setsigdef": _IGNORED_BY_PYTHON}
    try:
        return _posix_spawn(command, options)
    finally:
        for channel in channels:
            os.close(channel.inlet)


def _posix_spawn(command: List[str], options: Dict[str, Any]) -> int:
    try:
        return os.posix_spawnp(command[0], command, os.environ, **options)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    import shutil  # noqa: PLC0415 - only a script that does not name its interpreter needs it

    script = shutil.which(command[0]) or command[0]
    return os.posix_spawn("/bin/sh", ["sh", script, *command[1:]], os.environ, **options)


def _not_started(program: str, error: OSError) -> int:
    missing = isinstance(error, FileNotFoundError)
    output.say(f"{program}: {'command not found' if missing else error.strerror}")
    return NOT_FOUND if missing else NOT_EXECUTABLE


def _attend(pid: int, channels: List[output.Channel]) -> Tuple[int, Optional[int]]:
    """The wait status with which the command ended, and the last signal that asked it to.

    Until then, signals that reach us are passed on to it.
    """
    stop_asked = stopped = False
    asked_by = None
    while True:
        number, by_terminal = _next_signal()
        if number == signal.SIGCHLD:
            changed, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if changed and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
                return status, asked_by
            stopped = os.WIFSTOPPED(status) if changed else stopped
        elif number == signal.SIGWINCH:
            output.follow_window_size(channels)
        if number in _ASK_TO_END and not _ignores(pid, number):
            asked_by = number
        if number != signal.SIGCHLD and not by_terminal:
            _pass_on(number, pid)
        if number in (signal.SIGTSTP, signal.SIGCONT):
            stop_asked = number == signal.SIGTSTP
        if stop_asked and stopped:  # the command has obeyed, so that our shell may have its prompt
            stop_asked = False
            os.kill(os.getpid(), signal.SIGSTOP)


def _next_signal() -> Tuple[int, bool]:
    """The next signal, and whether a key of our terminal sent it: the command has then had it as well."""
    if hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(_AWAITED)
        return info.si_signo, info.si_signo in _OF_TERMINALS and info.si_code == _SI_KERNEL
    number = signal.sigwait(_AWAITED)  # macOS does not say who sent it
    return number, number in _OF_TERMINALS and os.isatty(0)


def _ignores(pid: int, number: int) -> bool:
    """Whether a process is deaf to a signal, as under ``nohup``."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            masks = dict(line.split(b":", 1) for line in file)
        return bool(int(masks[b"SigIgn"], 16) >> (number - 1) & 1)
    except (OSError, KeyError):  # it is gone; no Linux
        return False


def _pass_on(number: int, pid: int) -> None:
    with contextlib.suppress(PermissionError):  # the command is sudo or the like: nobody else may signal it either
        os.kill(pid, number)


def _await_pumps(busy: List[_thread.LockType]) -> None:
    """Let the last output out, unless a slow reader tries the patience of whoever sends us a signal."""
    for pump in busy:
        while not (pump.acquire(timeout=_JOIN_S) or signal.sigpending() & _IMPATIENT):
            pass


def _end_alike(exit_status: int) -> NoReturn:
    """Leave with the command's exit status, or die of the signal it died of: whoever waits for us sees the same.

    At once: all is told, and for an interpreter to leave in order takes a tenth of what we cost.
    """
    if exit_status >= 0:
        os._exit(exit_status)
    number = -exit_status
    _forbid_core_dump()
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # process 1 of a container does not die of its own signals


def _forbid_core_dump() -> None:
    """The dump of interest is the command's. One byte, not none: Linux ignores 0 where dumps go to a pipe."""
    import resource  # noqa: PLC0415 - only needed after a signal

    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0 if hard == 0 else 1, hard))
