"""The beat as bytes: what the agent writes and the watchdog reads.

Pure functions over bytes: no clock, no file, no socket. ``docs/wire.md`` describes the same formats for
other languages. All numbers are little-endian.
"""

import json
import struct
import zlib
from itertools import islice
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from epochwatch import checks

WireError = checks.WireError
clean = checks.clean

VERSION = 1
MAGIC = b"EPWT"
SEALED = b"EPWK"

RUNNING, FINISHED, FAILED, EXITING = 0, 1, 2, 3
"""States of a run. EXITING: the interpreter shuts down in order, and its exit status will tell how it ended."""

HEAD_SIZE = 128
BODY_MAX = 32 * 1024
BODY_SLOTS = (HEAD_SIZE, HEAD_SIZE + BODY_MAX)
"""A body is written into the slot not in use, then the head points to it: a kill between the two loses nothing."""
DATAGRAM_MAX = 1200
JSON_DATAGRAM_MAX = 8 * 1024
PHASE_MAX = 48
STACKS_NAME = ".epochwatch-stacks-"
"""How the file behind ``stack_fd`` was called."""
JOB_MAX = 512
UNKNOWN_MAX, UNKNOWN_NAME_MAX = 8, 80
"""So many names of keys that are not known here are kept, and so many characters of each."""

# magic, version, state | flags, seq, time_ns, step, epoch, loss
# phase_time_ns, within_s, phase | body at, length, crc | head crc
PREFIX = struct.Struct("<4sBB")
NUMBERS = struct.Struct("<HQqqdd")
PHASE = struct.Struct(f"<qd{PHASE_MAX}s")
BODY_REF = struct.Struct("<III")
CRC = struct.Struct("<I")
NUMBERS_AT = PREFIX.size
PHASE_AT = NUMBERS_AT + NUMBERS.size
BODY_REF_AT = PHASE_AT + PHASE.size
CRC_AT = HEAD_SIZE - CRC.size
_HEAD = struct.Struct(f"<4sBBHQqqddqd{PHASE_MAX}sIII")
_HEAD_AND_CRC = struct.Struct(f"{_HEAD.format}{CRC_AT - _HEAD.size}xI")

HAS_EPOCH, HAS_STEP, HAS_LOSS, HAS_WITHIN = 1, 2, 4, 8

_SEAL = struct.Struct("<4sq16s")
_EPOCH_MIN, _EPOCH_MAX, _BUDGET_MAX_S = -checks.EPOCH_MAX, checks.EPOCH_MAX, checks.BUDGET_MAX_S


class Head(NamedTuple):
    """The part of a beat that changes. Times are wall-clock nanoseconds of the sender: evidence for people."""

    state: int = RUNNING
    seq: int = 0
    time_ns: int = 0
    epoch: Optional[float] = None
    step: Optional[int] = None
    loss: Optional[float] = None
    phase: Optional[str] = None
    phase_time_ns: int = 0
    within_s: Optional[float] = None
    body_at: int = 0
    body_len: int = 0
    body_crc: int = 0


class Body(NamedTuple):
    """The part of a beat that rarely changes: who sends it, what it plans, how it ended.

    ``start`` is the process's start time in clock ticks since boot (field 22 of ``/proc/PID/stat``), ``boot``
    the kernel's boot id, ``pidns`` the inode of the sender's pid namespace. ``command_pid`` marks the beat of
    ``epochwatch run`` and is the process it wraps, 0 before that runs. ``announces_end`` says that the sender has a
    hook on the interpreter's exit, so that leaving with status 0 and without a word is itself a fault.
    ``began_ns`` is when the run began, by the wall clock. ``exit_status`` is a return code as ``subprocess`` gives
    it: negative for a signal. Upon ``stack_signal``, a real-time signal, the process writes its Python stacks to
    its descriptor ``stack_fd``; upon the next higher one it does so even out of C code (see ``epochwatch.stacks``).
    ``cwd`` is the folder it was started in. ``signal``: one that it handled before it left.
    ``names_run``: it wraps a command, and its job is the run's name, whatever those inside call theirs.
    ``checkpoint``: the last that was saved, and when, by the wall clock (``checkpoint_ns``).
    ``silent_after_s``, ``first_beat_within_s``: what its user wishes instead of what is configured for the job.
    ``watched``: it is a function under ``@agent.watched``, of which no beat was promised.
    ``interactive``: somebody types at a prompt of Python.
    ``attached``: somebody else told of it, from outside: it promises no beat.
    ``unknown`` is never written: names of keys that a newer agent sent, and that were skipped.
    """

    job: str
    run: Optional[str] = None
    pid: Optional[int] = None
    start: Optional[int] = None
    boot: Optional[str] = None
    pidns: Optional[int] = None
    host: Optional[str] = None
    user: Optional[str] = None
    rank: Optional[int] = None
    world_size: Optional[int] = None
    argv: Tuple[str, ...] = ()
    epochs: Optional[int] = None
    steps: Optional[int] = None
    tags: Optional[Dict[str, str]] = None
    python: Optional[str] = None
    gpus: Optional[str] = None
    command_pid: Optional[int] = None
    announces_end: bool = False
    metrics: Optional[Dict[str, float]] = None
    reason: Optional[str] = None
    exception: Optional[str] = None
    traceback: Optional[str] = None
    exit_status: Optional[int] = None
    tail: Tuple[str, ...] = ()
    began_ns: Optional[int] = None
    stack_signal: Optional[int] = None
    stack_fd: Optional[int] = None
    cwd: Optional[str] = None
    signal: Optional[int] = None
    watched: bool = False
    names_run: bool = False
    checkpoint: Optional[str] = None
    checkpoint_ns: Optional[int] = None
    silent_after_s: Optional[float] = None
    first_beat_within_s: Optional[float] = None
    interactive: bool = False
    attached: bool = False
    unknown: Tuple[str, ...] = ()


class Beat(NamedTuple):
    """One heartbeat, whole."""

    head: Head
    body: Body


def encode_head(head: Head) -> bytes:
    """The 128 bytes of a head, checksum included."""
    flags = (
        (HAS_EPOCH if head.epoch is not None else 0)
        | (HAS_STEP if head.step is not None else 0)
        | (HAS_LOSS if head.loss is not None else 0)
        | (HAS_WITHIN if head.within_s is not None else 0)
    )
    data = _HEAD.pack(
        MAGIC, VERSION, head.state, flags, head.seq, head.time_ns, head.step or 0, head.epoch or 0.0,
        head.loss if head.loss is not None else 0.0, head.phase_time_ns, head.within_s or 0.0,
        encode_phase(head.phase), head.body_at, head.body_len, head.body_crc,
    )  # fmt: skip
    return data.ljust(CRC_AT, b"\0") + CRC.pack(zlib.crc32(data.ljust(CRC_AT, b"\0")))


def encode_phase(name: Optional[str]) -> bytes:
    """A phase's name cut to what the head can hold, never in the middle of a character."""
    return (name or "").encode("utf-8", "replace")[:PHASE_MAX].decode("utf-8", "ignore").encode()


def decode_head(data: bytes) -> Head:
    """The head at the beginning of ``data``; flags that are not known here mean nothing.

    Raises WireError: ``short``, ``magic``, ``version`` (from a newer epochwatch), ``torn`` (checksum), ``state`` or
    ``type`` (a number out of range).
    """
    if len(data) < HEAD_SIZE:
        raise WireError("short", f"{len(data)} bytes, a heartbeat has at least {HEAD_SIZE}")
    (
        magic, version, state, flags, seq, time_ns, step, epoch, loss,
        phase_time_ns, within_s, phase, at, length, crc, head_crc,
    ) = _HEAD_AND_CRC.unpack_from(data)  # fmt: skip
    if magic != MAGIC:
        raise WireError("magic", "not a heartbeat (it does not begin with EPWT)")
    if version != VERSION:
        raise WireError("version", f"heartbeat format {version}, known here is {VERSION}: upgrade the older side")
    if head_crc != zlib.crc32(data[:CRC_AT]):
        raise WireError("torn", "the checksum of the head is wrong")
    if state > EXITING:
        raise WireError("state", f"unknown state {state}")
    if not (_EPOCH_MIN <= epoch <= _EPOCH_MAX and 0.0 <= within_s <= _BUDGET_MAX_S) or (time_ns | phase_time_ns) >> 62:
        # All at once before it comes here: it is done for every beat. A negative time, shifted, is not 0 either.
        _check_numbers(epoch, within_s, time_ns, phase_time_ns)
    return Head(
        state,
        seq,
        time_ns,
        epoch if flags & HAS_EPOCH else None,
        step if flags & HAS_STEP else None,
        loss if flags & HAS_LOSS else None,
        clean(phase.rstrip(b"\0").decode("utf-8", "replace")) if phase[0] else None,
        phase_time_ns,
        within_s if flags & HAS_WITHIN else None,
        at,
        length,
        crc,
    )


def _check_numbers(epoch: float, within_s: float, time_ns: int, phase_time_ns: int) -> None:
    """Raise WireError with the name of the number that is out of range."""
    checks.number("epoch", epoch, -checks.EPOCH_MAX, checks.EPOCH_MAX)
    checks.number("within", within_s, 0.0, checks.BUDGET_MAX_S)
    checks.whole("time_ns", time_ns, 0, checks.TIME_MAX_NS)
    checks.whole("phase_time_ns", phase_time_ns, 0, checks.TIME_MAX_NS)


def encode_body(body: Body, limit: int = BODY_MAX) -> bytes:
    """The JSON of a body in at most ``limit`` bytes: what is long (tail, traceback, argv, …) is shortened first."""
    fields = {k: v for k, v in body._asdict().items() if not (v is None or v is False or v == () or k == "unknown")}
    if body.metrics:
        fields["metrics"] = {name: checks.json_number(value) for name, value in body.metrics.items()}
    data = _dump(fields)
    for name in ("tail", "traceback", "argv", "tags", "metrics", "reason", "exception", "gpus", "cwd", "job"):
        if len(data) <= limit:
            break
        if name in fields:
            _shorten(fields, name, len(data) - limit)
            data = _dump(fields)
    return data


def _dump(fields: Dict[str, Any]) -> bytes:
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def _shorten(fields: Dict[str, Any], name: str, excess: int) -> None:
    """Take at least ``excess`` bytes of JSON off a field: text and ``tail`` keep their end, lists their beginning."""
    value = fields[name]
    if isinstance(value, str) and len(_dump({"": value})) > excess + 16:
        while excess > 0 and value:
            cut = value[max(1, excess // 4) :]
            excess -= len(_dump({"": value})) - len(_dump({"": cut}))
            value = cut
        fields[name] = value
    elif isinstance(value, tuple):
        items = list(value)
        while items and excess > 0:
            excess -= len(_dump({"": items.pop(0 if name == "tail" else -1)})) - 4
        fields[name] = items
    else:
        del fields[name]


def decode_body(data: bytes, crc: Optional[int] = None) -> Body:
    """The body in ``data``; with ``crc`` it is checked first.

    Raises WireError: ``size``, ``torn``, ``json``, ``type`` (wrong type or out of range), ``job`` (missing).
    """
    if len(data) > BODY_MAX:
        raise WireError("size", f"a body of {len(data)} bytes, at most {BODY_MAX} are read")
    if crc is not None and zlib.crc32(data) != crc:
        raise WireError("torn", "the checksum of the body is wrong")
    return body_from(load_json(data))


def load_json(data: bytes) -> Dict[str, Any]:
    """The JSON object in ``data``, or WireError ``json``."""
    try:
        fields = json.loads(data.decode())
    except (ValueError, RecursionError) as e:
        raise WireError("json", f"not JSON: {str(e)[:120]}") from None
    if not isinstance(fields, dict):
        raise WireError("json", f"a JSON {type(fields).__name__} instead of an object")
    return fields


def body_from(fields: Dict[str, Any]) -> Body:
    """A checked Body from decoded JSON; keys of a newer agent are skipped. Raises WireError ``type`` or ``job``."""
    if not fields.get("job"):
        raise WireError("job", "no job is named")
    known = {name: check(name, fields[name]) for name, check in _CHECKS.items() if fields.get(name) is not None}
    if len(known) < len(fields):
        unknown = islice((name for name in fields if name not in _CHECKS), UNKNOWN_MAX)
        known["unknown"] = tuple(clean(name[:UNKNOWN_NAME_MAX]) for name in unknown)
    return Body(**known)


def _text(limit: int, *, lines: bool = False) -> Callable[[str, Any], str]:
    return lambda name, value: checks.text(name, value, limit, lines=lines)


def _whole(least: int, most: int) -> Callable[[str, Any], int]:
    return lambda name, value: checks.whole(name, value, least, most)


def _texts(name: str, value: Any) -> Tuple[str, ...]:
    return checks.texts(name, value, BODY_MAX)


def _span(name: str, value: Any) -> float:
    return checks.number(name, value, 1e-3, checks.BUDGET_MAX_S)


_CHECKS: Dict[str, Callable[[str, Any], Any]] = {
    "job": _text(JOB_MAX),
    "run": _text(64),
    "pid": _whole(1, checks.PID_MAX),
    "start": _whole(0, checks.INT_MAX),
    "boot": _text(64),
    "pidns": _whole(0, checks.INT_MAX),
    "host": _text(256),
    "user": _text(256),
    "rank": _whole(0, checks.RANK_MAX),
    "world_size": _whole(0, checks.RANK_MAX),
    "argv": _texts,
    "epochs": _whole(0, checks.COUNT_MAX),
    "steps": _whole(0, checks.COUNT_MAX),
    "tags": checks.tags,
    "python": _text(64),
    "gpus": _text(1024),
    "command_pid": _whole(0, checks.PID_MAX),
    "announces_end": checks.flag,
    "metrics": checks.metrics,
    "reason": _text(BODY_MAX, lines=True),
    "exception": _text(BODY_MAX, lines=True),
    "traceback": _text(BODY_MAX, lines=True),
    "exit_status": _whole(-(2**31), 2**32 - 1),
    "tail": _texts,
    "began_ns": _whole(0, checks.INT_MAX),
    "stack_signal": _whole(1, 64),
    "stack_fd": _whole(0, 2**31 - 1),
    "cwd": _text(1024),
    "signal": _whole(1, 64),
    "watched": checks.flag,
    "interactive": checks.flag,
    "attached": checks.flag,
    "names_run": checks.flag,
    "checkpoint": _text(1024),
    "checkpoint_ns": _whole(0, checks.INT_MAX),
    "silent_after_s": _span,
    "first_beat_within_s": _span,
}


def encode_datagram(head: Head, body: Body) -> bytes:
    """Head and body in one datagram of at most 1,200 bytes, with room for a seal."""
    data = encode_body(body, DATAGRAM_MAX - HEAD_SIZE - _SEAL.size)
    return encode_head(head._replace(body_at=HEAD_SIZE, body_len=len(data), body_crc=zlib.crc32(data))) + data


_EVENTS = {"beat": RUNNING, "finished": FINISHED, "failed": FAILED}
_JSON_BODY = ("job", "run", "pid", "host", "epochs", "metrics", "reason")
_JSON_KEYS = frozenset({*_JSON_BODY, "epoch", "step", "loss", "phase", "within", "event"})


def decode_json_datagram(data: bytes) -> Beat:
    """The beat in a plain JSON datagram, as other languages send it; its ``seq`` and times are 0, the receiver counts.

    ``body_len`` is the length of the whole datagram.

    Raises WireError as ``decode_body`` does, and ``key`` for a key that is not known: who writes by hand mistypes.
    """
    if len(data) > JSON_DATAGRAM_MAX:
        raise WireError("size", f"a JSON datagram of {len(data)} bytes, at most {JSON_DATAGRAM_MAX} are read")
    fields = load_json(data)
    if not fields.keys() <= _JSON_KEYS:
        raise WireError("key", f"unknown key {min(fields.keys() - _JSON_KEYS)!r:.80}")
    get = fields.get
    event, epoch, step, loss, phase, within_s = (
        get("event"), get("epoch"), get("step"), get("loss"), get("phase"), get("within")
    )  # fmt: skip
    if event not in (None, *_EVENTS):
        raise WireError("type", "event must be beat, finished or failed")
    head = Head(
        RUNNING if event is None else _EVENTS[event],
        0,
        0,
        None if epoch is None else checks.number("epoch", epoch, -checks.EPOCH_MAX, checks.EPOCH_MAX),
        None if step is None else checks.whole("step", step),
        None if loss is None else checks.measured("loss", loss),
        None if phase is None else checks.text("phase", phase, 256) or None,
        0,
        None if within_s is None else checks.number("within", within_s, 0.0, checks.BUDGET_MAX_S),
        body_len=len(data),
    )
    return Beat(head, body_from({name: fields[name] for name in _JSON_BODY if name in fields}))


def seal(payload: bytes, key: bytes, time_ns: int) -> bytes:
    """``payload`` behind a keyed BLAKE2b tag over the sender's wall clock and the payload."""
    return _SEAL.pack(SEALED, time_ns, _tag(payload, key, time_ns)) + payload


def unseal(data: bytes, key: bytes) -> Tuple[bytes, int]:
    """The payload and time of a sealed datagram. Raises WireError ``unsealed`` or ``forged``."""
    if len(data) < _SEAL.size or data[:4] != SEALED:
        raise WireError("unsealed", "a datagram without a seal, but this daemon has a key (set EPOCHWATCH_KEY_FILE)")
    import hmac  # noqa: PLC0415 - few use a key, and it would cost every start 15 ms

    _, time_ns, tag = _SEAL.unpack_from(data)
    payload = data[_SEAL.size :]
    if not hmac.compare_digest(tag, _tag(payload, key, time_ns)):
        raise WireError("forged", "a datagram sealed with another key")
    return payload, time_ns


def _tag(payload: bytes, key: bytes, time_ns: int) -> bytes:
    import hashlib  # noqa: PLC0415 - as above

    return hashlib.blake2b(struct.pack("<q", time_ns) + payload, key=key[:64], digest_size=16).digest()
