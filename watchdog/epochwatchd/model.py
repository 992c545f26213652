"""The words of the watchdog, as data. No input or output, no clock.

Times named ``at`` or ``since`` are seconds of the receiver's monotonic clock; ``wall`` in a name means Unix time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, Protocol, TypeAlias

from epochwatch.wire import Body, Head

Kind = Literal[
    "running",
    "finished",
    "crashed",
    "interrupted",
    "silent",
    "stalled",
    "diverged",
    "lost",
    "overdue",
    "missing",
    "started",
    "watchdog",
    "digest",
]
"""The verdicts on a run; and ``started``, and ``watchdog``, a fault of the watchdog itself."""
CauseCode = Literal[
    # how it ended
    "exception", "exit_code", "signal", "terminated", "oom_kill", "reboot", "unknown", "reported", "stopped_early",
    "too_fast", "unseen_status", "exec", "retried", "error_in_output", "still_there",
    # by whose hands it was interrupted
    "keyboard_interrupt", "preempted", "time_limit", "shutdown", "hangup",
    # why it is silent, or does nothing
    "deadlock", "busy", "io_wait", "stopped", "gpu_spin", "network_wait", "polling",
    "peer_wait", "step_frozen", "unreachable",
    # GPUs
    "gpu_idle", "gpu_lost", "gpu_error", "gpu_driver",
    # numbers and times
    "loss_nan", "loss_inf", "loss_exploded", "overdue", "past_estimate", "not_begun",
    # the watchdog itself
    "run_set_aside", "too_many_runs", "store_unwritable", "store_replaced", "config_refused", "channel_parked",
    "login_ends", "daemon_ended", "test", "summary",
]  # fmt: skip
"""Every cause has words in every language: ``alerting.phrases``."""
Severity = Literal["info", "warning", "critical"]
Status = Literal["firing", "resolved", "notice"]
Reason = Literal["first", "reminder", "worse", "amended", "unacked", "resolved"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
GROUP_MAX = 300
FLAPS, FLAPS_WITHIN_S = 3, 1800.0
"""What comes so often in this time comes and goes."""
ACK_ID = 4
"""By so many characters of its id an incident is acknowledged."""
SHELL_SIGNAL = 128
"""A shell returns this and the number of the signal for a program that a signal ended."""


At: TypeAlias = Annotated[float, "monotonic"]
"""A time of the monotonic clock, in seconds; a reboot moves it: see ``store.codec``."""


class EpochwatchError(Exception):
    """Any fault the watchdog knows the meaning of."""


Refusal = Literal["later", "message", "channel", "until"]
"""What a channel does not take, and whether it may: ``later`` this message, never this ``message``, nothing as long as
the ``channel`` is as it is, nothing ``until`` a time, a quota's."""


class ChannelError(EpochwatchError):
    """A channel did not take a message.

    wait_s: so many seconds it wants to be left alone.
    done: the recipients of this message that need not be asked again.
    """

    def __init__(
        self, message: str, refusal: Refusal = "later", *, wait_s: float | None = None, done: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.wait_s = wait_s
        self.done = tuple(done)


class Moment(NamedTuple):
    """One reading of both clocks: decide with ``mono``, show ``wall``."""

    mono: float
    wall: float

    def wall_of(self, at: float) -> float:
        """The Unix time of a monotonic time."""
        return self.wall - (self.mono - at)


class Fallen(NamedTuple):
    """A process of the same launch that sends no beats, and ended badly: its status as ``Exit`` has it, and when."""

    pid: int
    status: int
    at: At


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended.

    status: as ``subprocess`` gives it (negative: a signal); None: not known.
    oom: the cause, where the kernel killed it for want of memory.
    unreaped_by: its parent, which has not asked yet how it ended.
    evidence: what was seen of its surroundings.
    went_on: it has become a program (``exec``) with a run of its own, which tells the end.
    program: the command line of what it had become, as far as that was seen.
    parent: the name of the program that started it.
    goes_down: the machine was about to be shut down.
    fell_first: who of the same launch fell before it.
    peak_mib, limit_mib: the most memory that it was seen to hold, and what its group may use, if that is limited.
    left: processes below it that are still there without it.
    """

    at: float
    status: int | None = None
    core_dumped: bool = False
    rebooted: bool = False
    oom: Cause | None = None
    unreaped_by: int | None = None
    evidence: tuple[str, ...] = ()
    went_on: bool = False
    program: str | None = None
    parent: str | None = None
    goes_down: bool = False
    fell_first: Fallen | None = None
    left: tuple[int, ...] = ()
    peak_mib: float | None = None
    limit_mib: float | None = None


class Rhythm(NamedTuple):
    """What a run's beats taught so far: the longest gap between two of them, in seconds."""

    longest_s: float = 0.0


class Spread(NamedTuple):
    """How a run's loss usually varies: a running mean and variance of the last dozens.

    above, above_at: how often in a row it was far above, and since when.
    """

    seen: int = 0
    mean: float = 0.0
    variance: float = 0.0
    above: int = 0
    above_at: At = 0.0


class Windows(NamedTuple):
    """What steps took of late, in seconds a step, over stretches of time.

    from_place, from_at: where and when the present stretch began.
    usual: the latest stretches at the usual pace.
    slow, slow_at: those since then that were much slower, one after the other, and since when.
    """

    from_place: int = 0
    from_at: At = 0.0
    usual: tuple[float, ...] = ()
    slow: tuple[float, ...] = ()
    slow_at: At = 0.0


class Pace(NamedTuple):
    """How a run's work goes on, besides its beats.

    stood_at: when the present step was first told; None if only one beat has told it so far.
    news_at: when another number last changed since then.
    calm_s: the longest time before that in which none did.
    advances: its step was seen to advance.
    """

    stood_at: At | None = None
    news_at: At = 0.0
    calm_s: float = 0.0
    advances: bool = False
    windows: Windows = Windows()


class Counting(NamedTuple):
    """How a run counts its epochs and steps.

    from_one, steps_from_one: its first is 1; else it is 0, or not known.
    is_fraction: epochs are told with a fraction, which is work done.
    began_seq: the count of beats when the present epoch was first seen.
    beats: how many beats an epoch has; 0: not known yet.
    stride: by how much a beat moves the step; 0: not known yet.
    resets: each epoch counts its steps anew.
    """

    from_one: bool = False
    steps_from_one: bool = False
    is_fraction: bool = False
    began_seq: int = 0
    beats: float = 0.0
    stride: float = 0.0
    resets: bool = False


class Best(NamedTuple):
    """The lowest loss so far, and where it was."""

    loss: float
    epoch: float | None = None
    step: int | None = None


class Worker(NamedTuple):
    """One process of a run as its beats show it; a tuple, because one is made at every beat and a tuple is cheap.

    local: its process can be looked at on this machine.
    beat_at, heard_at, phase_at, met_at: when it last made progress, anything came, its phase began, it was first seen.
    keeps_alive: its datagrams arrive even when it makes no progress.
    beats: how many changes were seen, not how many beats were sent.
    pace_from: the first progress seen, and when.
    not_finite_at: since when its loss is NaN or infinite.
    history: what its job's silences have taught; ``detection.silence`` alone knows what is in it.
    estimate_s: how long the plan was to take from ``pace_from`` on, by the pace of its first fifth.
    counting: how it counts its epochs and steps.
    best: its lowest loss.
    uid: who wrote the beats; None where that is not known, and ``user`` is only what they say.
    """

    key: str
    head: Head
    body: Body
    user: str
    local: bool
    started_at: At
    beat_at: At
    heard_at: At
    phase_at: At
    keeps_alive: bool = False
    beats: int = 0
    rhythm: Rhythm = Rhythm()
    pace_from: tuple[float, At] | None = None
    not_finite_at: At | None = None
    exit: Exit | None = None
    spread: Spread = Spread()
    met_at: At = 0.0
    history: Any = None
    estimate_s: float | None = None
    pace: Pace = Pace()
    uid: int | None = None
    counting: Counting = Counting()
    best: Best | None = None


class Child(NamedTuple):
    """A process below a watched one, of note: dead (state ``Z``), stopped, in the kernel (``D``) or computing (``R``).

    status: how it ended, as ``Exit`` has it.
    is_worker: it bears the name of the watched process, of Python, or of PyTorch's workers; others may be mere helpers.
    """

    pid: int
    name: str
    state: str
    status: int | None = None
    is_worker: bool = False


WaitKind = Literal["closed", "still", "network", "polls", "peers"]


class Wait(NamedTuple):
    """What a process that stands still waits for, with all below it, and since when.

    closed: for one another: nobody is left who could end it.
    still: nobody was woken; for what is not shown to us.
    network, polls: for another machine, or for what it looks for from time to time.
    peers: as closed, but another process of the run does not wait so.
    """

    kind: WaitKind
    since: At


class Stack(NamedTuple):
    """Where Python code stands; empty if not known.

    lines: evidence.
    at: in short, where the main thread stands.
    is_prompt: it waits for a person, at a prompt or in a debugger.
    is_idle: it is a pool's worker, and waits for its next task.
    """

    lines: tuple[str, ...] = ()
    at: str = ""
    is_prompt: bool = False
    is_idle: bool = False


UNKNOWN_STACK = Stack()


@dataclass(frozen=True, slots=True)
class Process:
    """A look at a live process and its children.

    state: the kernel's letter.
    active_at, moved_at, gpu_at: when they last used the CPU, read or wrote in earnest, had a GPU work for them.
    wchan: the kernel function it waits in, where that may be read.
    stack: where its Python code stands; None while the answer is awaited.
    gpu_works: a GPU works as hard as it did while beats came.
    below: those of note among its children and theirs.
    program: the name of what it has become by ``exec``.
    went_on: it beats, but in the name of a later run.
    reads_input: it is in a read of its standard input.
    wait: what it waits for, if it stands still.
    workers: those below it that are as it is, such as the workers of a loader, and wait.
    is_killed: SIGKILL was sent to it, and waits with it in the kernel.
    """

    state: str
    active_at: float
    wchan: str | None = None
    stack: Stack | None = UNKNOWN_STACK
    moved_at: float = -math.inf
    gpu_at: float = -math.inf
    gpu_works: bool = False
    below: tuple[Child, ...] = ()
    program: str | None = None
    went_on: bool = False
    reads_input: bool = False
    wait: Wait | None = None
    workers: tuple[int, ...] = ()
    is_killed: bool = False

    @property
    def worked_at(self) -> float:
        """When anything of it last worked."""
        return max(self.active_at, self.moved_at, self.gpu_at)


class GpuLoad(NamedTuple):
    """How hard a GPU worked: the mean of so many looks."""

    looks: int
    utilization_pct: float
    memory_pct: float
    power_w: float


class GpuFault(NamedTuple):
    """What the driver told of a GPU: an Xid and its number, or that its memory failed so many times.

    ours: whoever held memory on the GPU then is of the worker, and is still there: nobody else's fault explains it.
    """

    at: float
    what: Literal["xid", "ecc", "remap"]
    number: int
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Gpu:
    """A look at one GPU that a worker holds memory on; what the driver does not tell is None.

    busy_at: when it was last seen working for that worker.
    lost: it has fallen off the bus.
    instance: the MIG instance of it.
    longest_idle_s: how long it did not work, at most, before it worked again.
    usual, lately: its load in stretches that ended with a beat, and in the last half minute; None where others use it.
    notes: what is out of order, in words.
    unanswered_since: the driver has not answered since, and all else is of before.
    """

    index: int
    name: str
    memory_mib: float | None
    busy_at: float
    held_since: float
    utilization_pct: float | None = None
    power_w: float | None = None
    lost: bool = False
    instance: int | None = None
    longest_idle_s: float = 0.0
    usual: GpuLoad | None = None
    lately: GpuLoad | None = None
    faults: tuple[GpuFault, ...] = ()
    notes: tuple[str, ...] = ()
    unanswered_since: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a worker besides its beats; empty where nothing was looked at.

    hangs_with: another of its run has been silent for too long, and it is silent as well.
    excused_until: another of its run, for which it waits, has announced that it takes so long.
    """

    process: Process | None = None
    gpus: tuple[Gpu, ...] = ()
    hangs_with: bool = False
    excused_until: At = -math.inf


@dataclass(frozen=True, slots=True)
class Policy:
    """What one job asks for. None for ``silent_after_s``: learned from its own rhythm."""

    silent_after_s: float | None = None
    first_beat_within_s: float = 1800.0
    max_runtime_s: float | None = None
    gpu_stalled_after_s: float = 600.0
    min_runtime_s: float | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why, as a code of the contract; ``details`` fill rendering's sentence for it, ``evidence`` is verbatim."""

    code: CauseCode
    details: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector says of a worker: a verdict other than ``running``, since when, and why."""

    kind: Kind
    severity: Severity
    since: float
    cause: Cause | None = None


class Pending(NamedTuple):
    """What may become a fault of a run that is still called running: shown, never alerted. ``text``: one line."""

    code: Literal["silent", "stalled", "slow"]
    since: float
    text: str


@dataclass(frozen=True, slots=True)
class Incident:
    """One fault of one run, from the message that opens it to the one that resolves it.

    gone_at: since when it is no longer found, while it is not yet called over.
    notified_wall: when each channel was last told of it.
    times: how often the run had such a one in the last while, with this one.
    """

    id: str
    run_key: str
    finding: Finding
    opened_wall: float
    gone_at: float | None = None
    notified_wall: Mapping[str, float] = field(default_factory=dict)
    times: int = 1


@dataclass(frozen=True, slots=True)
class Notification:
    """The message of the contract, exactly as the webhook posts it.

    job, run, user: None where no run is meant.
    differs: what tells the run from others of its job.
    checkpoint: the last one's ``path`` and when it was saved (``at``), where the run tells of them.
    times: how often it came in the last half hour; of one that comes and goes the end is told when it has stayed away.
    memory: of one that has ended, the most it was seen to hold (``peak_mib``), and what it might (``limit_mib``).
    verified: who sent the beats is known.
    stored: it was in the store before it was sent; one that was not may be told again after a restart.
    text: its rendering, headline first.
    """

    id: str
    kind: Kind
    status: Status
    reason: Reason
    severity: Severity
    job: str | None
    run: str | None
    host: str
    user: str | None
    pid: int | None
    rank: int | None
    since: str
    detected_at: str
    cause: Mapping[str, Any] | None
    progress: Mapping[str, Any]
    elapsed_s: float
    argv: Sequence[str] = ()
    cwd: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    differs: str | None = None
    verified: bool = True
    stored: bool = True
    checkpoint: Mapping[str, Any] | None = None
    memory: Mapping[str, Any] | None = None
    times: int = 1
    text: str = ""
    version: int = 1

    @property
    def group(self) -> str:
        """What is alike, of one user on one machine: the user first, whose name nobody else can be given.

        Good news is a group of its own, so that it never delays bad; so is what is said once more.
        """
        cause = (self.cause or {}).get("code", "")
        again = "again" if self.reason in ("reminder", "unacked") else self.status
        return f"{self.turn}/{self.kind}/{cause}/{again}/{self.host}"[:GROUP_MAX]

    @property
    def ack(self) -> str:
        """By which it is acknowledged."""
        return self.id[:ACK_ID]

    @property
    def turn(self) -> str:
        """Whose turn it takes on a channel: its user's. All senders that are not known take one together."""
        return (self.user or "") if self.verified else "?"


class Notice(NamedTuple):
    """A message, and the channels it goes to. after_s: only where nobody acknowledges within this time."""

    notification: Notification
    channels: Sequence[str]
    after_s: float | None = None


class Delivery(NamedTuple):
    """A notification on its way to one channel: of which incident, for whom, and how often it was tried.

    done: its recipients that need not be asked again.
    group: what is alike, of one user, is told together.
    due_wall: not before this time.
    held: why it has waited until then; None if it has not.
    lead: the delivery with which it was put into one message; None before it was first sent.
    after_s: of one that is only sent where nobody acknowledged: how long after the first message was delivered.
    """

    id: int
    channel: str
    incident: str
    user: str
    critical: bool
    attempts: int = 0
    done: tuple[str, ...] = ()
    group: str = ""
    due_wall: float = 0.0
    held: str | None = None
    lead: int | None = None
    after_s: float | None = None


class Told(NamedTuple):
    """How it stands with an incident, for one channel, when a message on it is about to go.

    is_open: it is not over. A run's bad end is never over.
    is_told, kept_back: the channel has taken a message of it; one was dropped.
    first_wall: when any channel took the first.
    acked: somebody has acknowledged it.
    inhibited_by: the incident, open and told to this channel, that explains it.
    """

    is_open: bool = True
    is_told: bool = True
    kept_back: bool = False
    first_wall: float | None = None
    acked: bool = False
    inhibited_by: str | None = None


@dataclass(frozen=True)
class Mute:
    """Who wants to hear nothing of what matches, until when, and why.

    match: conditions of a route's match, as they were written.
    owner: only of this user's runs; None: an administrator's, of all.
    """

    id: str
    match: Mapping[str, Any]
    from_wall: float
    until_wall: float
    who: str
    why: str
    owner: str | None = None


class Memory(Protocol):
    """What a channel must not forget: tokens that were renewed, a chat that has moved."""

    def load(self) -> dict[str, Any]:
        """What was saved last; nothing at first. Raises ChannelError where it cannot be read."""

    def save(self, known: Mapping[str, Any]) -> None:
        """Keep this from now on; it outlives a power cut when this returns. Raises ChannelError."""


@dataclass(frozen=True)
class Message:
    """A notification in words, for one channel.

    memory: the channel's own.
    before: the handle that the channel gave for the first message of this incident.
    done: recipients that need not be asked again.
    """

    notification: Notification
    memory: Memory
    before: str | None = None
    done: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it, the headline first."""
        return self.notification.text

    @property
    def headline(self) -> str:
        """Its first line."""
        return self.text.partition("\n")[0]

    @property
    def rest(self) -> str:
        """What follows the first line; nothing where only that can be sent, and plainly."""
        return self.text.partition("\n")[2].strip("\n")

    @property
    def is_correction(self) -> bool:
        """Whether it says anew what was told already, now that more is known."""
        return self.notification.reason == "amended"

    @property
    def key(self) -> str:
        """A name for this one message, the same whenever it is sent again: an incident has several."""
        told = self.notification
        return f"{told.id}.{told.status}.{told.reason}.{told.detected_at}"


class Pressed(NamedTuple):
    """A button under a message was pressed. what: which; ``ticket``: by which the press is answered."""

    what: str
    incident: str
    who: str
    ticket: str


class Taken(NamedTuple):
    """A channel has the message: what its peer said, and a handle by which it can be changed or answered later."""

    said: str
    handle: str | None = None


@dataclass(frozen=True)
class Limits:
    """What a channel can carry.

    text: units of text in one message; None: it speaks to machines, which get everything as it is.
    unit: what is counted.
    every_s: how far apart messages go once the peer has complained.
    rings: whether it makes a phone or a screen ring.
    people: whether people read or hear it: machines want everything at once, and alone.
    """

    text: int | None = None
    unit: Literal["characters", "utf16", "bytes"] = "characters"
    every_s: float = 1.0
    rings: bool = True
    people: bool = True
