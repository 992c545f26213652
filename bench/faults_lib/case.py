"""What a row of the matrix says, and what became of one attempt at it."""

import random
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from faults_lib.watching import Message, Watchdog


class UnavailableError(Exception):
    """What a row needs cannot be had on this machine; the text says what."""


class Told(NamedTuple):
    """A message that has to come. ``codes``: any of these causes is right; None: whatever it is."""

    kind: str
    codes: frozenset[str] | None = None
    status: str = "firing"

    def __str__(self) -> str:
        codes = "" if self.codes is None else " " + " or ".join(sorted(self.codes))
        return f"{self.kind} {self.status}{codes}"


@dataclass
class Trial:
    """A training at work. ``pid`` is that of the process that beats, ``prepared`` what it finds as PLACE."""

    pid: int
    process: "subprocess.Popen[bytes]"
    place: Path
    prepared: Path
    watchdog: Watchdog
    chance: random.Random
    stack: ExitStack
    """Closed when the trial is over."""


Act: TypeAlias = Callable[[Trial], None]


def tell(trial: Trial) -> None:
    """Tell the training to go on with what comes next in its code."""
    assert trial.process.stdin is not None
    trial.process.stdin.write(b"\n")
    trial.process.stdin.flush()


@dataclass(frozen=True)
class Case:
    """One row: a training, what is done to it, and what has to be said.

    The training runs ``before``, then the imports, then ``begins``, then ``code``. When the daemon knows it, ``act`` is
    done to it, and ``relief`` once the first message has come. ``says``: words that the first message has to contain.
    It may train for ``warm_up_s`` before, and the daemon has ``patience_s`` for all it has to say.
    ``within`` prepares what the training finds as PLACE. ``impatient``: silent after 5 s instead of by its own rhythm.
    ``not_yet``: no detector was promised so far, and a miss is reported without being held against anybody.
    """

    name: str
    expected: tuple[Told, ...]
    code: str = ""
    act: Act = tell
    relief: Act | None = None
    before: str = ""
    begins: str = "train_until_told()"
    within: Callable[[Path], AbstractContextManager[Path]] = nullcontext
    says: str = ""
    impatient: bool = False
    own_watchdog: bool = False
    not_yet: bool = False
    warm_up_s: float = 0.2
    patience_s: float = 20.0

    def __str__(self) -> str:
        words = f", saying {self.says!r}" if self.says else ""
        return ", ".join(map(str, self.expected)) + words


class Outcome(NamedTuple):
    """What was said of one attempt, after ``begun`` (Unix seconds), and what of it was right."""

    case: Case
    seed: int
    begun: float
    messages: tuple[Message, ...]
    missed: tuple[Told, ...]
    misnamed: tuple[Message, ...]
    false: tuple[Message, ...]
    double: tuple[Message, ...]

    @property
    def delay_s(self) -> float | None:
        """Seconds until the first message that had to come; None if it never came.

        At least 0: the message of an end may be faster than our own wait for it.
        """
        first = (self.case.expected[0].kind, self.case.expected[0].status)
        came = (m.came for m in self.messages if (m.said["kind"], m.said["status"]) == first)
        return next((max(0.0, at - self.begun) for at in came), None)

    @property
    def is_right(self) -> bool:
        """Whether all that had to be said was said, and nothing else."""
        return not (self.missed or self.misnamed or self.false or self.double)


def judge(case: Case, seed: int, begun: float, messages: list[Message]) -> Outcome:
    """Hold what was said against what had to be said."""
    wanted = list(case.expected)
    misnamed: list[Message] = []
    false: list[Message] = []
    double: list[Message] = []
    for message in messages:
        kind = message.said["kind"], message.said["status"]
        match = next((told for told in wanted if (told.kind, told.status) == kind), None)
        if match is not None:
            wanted.remove(match)
            if not _names(match, message) or (match is case.expected[0] and not _says(case.says, message)):
                misnamed.append(message)
        elif any((told.kind, told.status) == kind for told in case.expected):
            double.append(message)
        else:
            false.append(message)
    return Outcome(case, seed, begun, tuple(messages), tuple(wanted), tuple(misnamed), tuple(false), tuple(double))


def _names(told: Told, message: Message) -> bool:
    cause = message.said["cause"]
    return told.codes is None or (cause["code"] if cause else "") in told.codes


def _says(words: str, message: Message) -> bool:
    cause = message.said["cause"] or {"text": "", "evidence": []}
    return words in "\n".join([cause["text"], *cause["evidence"]])
