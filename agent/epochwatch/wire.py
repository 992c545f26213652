"""The beat as bytes: what the agent writes and the watchdog reads.

Pure functions over bytes: no clock, no file, no socket. ``docs/wire.md`` describes the same formats for
other languages. All numbers are little-endian.
"""

import json
import math
import struct
import zlib
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

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
METRICS_MAX = 256
JOB_MAX = 512

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


class WireError(Exception):
    """A heartbeat that cannot be read. ``code`` is a short stable word to count by, the text is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


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
    """The head at the beginning of ``data``.

    Raises WireError: ``short``, ``magic``, ``version`` (from a newer epochwatch) or ``torn`` (checksum).
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
    if epoch - epoch != 0.0 or within_s - within_s != 0.0:  # NaN or infinite; cheaper than to ask math twice
        raise WireError("number", "the epoch or the budget of the phase is no finite number")
    return Head(
        state,
        seq,
        time_ns,
        epoch if flags & HAS_EPOCH else None,
        step if flags & HAS_STEP else None,
        loss if flags & HAS_LOSS else None,
        phase.rstrip(b"\0").decode("utf-8", "replace") or None if phase[0] else None,
        phase_time_ns,
        within_s if flags & HAS_WITHIN else None,
        at,
        length,
        crc,
    )


def encode_body(body: Body, limit: int = BODY_MAX) -> bytes:
    """The JSON of a body in at most ``limit`` bytes: what is long (tail, traceback, argv, …) is shortened first."""
    fields = {k: v for k, v in body._asdict().items() if not (v is None or v is False or v == ())}
    data = _dump(fields)
    for name in ("tail", "traceback", "argv", "tags", "metrics", "reason", "exception", "gpus", "job"):
        if len(data) <= limit:
            break
        if name in fields:
            _shorten(fields, name, len(data) - limit)
            data = _dump(fields)
    return data


def _dump(fields: Dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


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


_TEXT: Dict[str, int] = {
    "run": 64, "boot": 64, "host": 256, "user": 256, "python": 64, "gpus": 1024,
    "reason": BODY_MAX, "exception": BODY_MAX, "traceback": BODY_MAX,
}  # fmt: skip
_NATURAL = (
    "pid", "start", "pidns", "command_pid", "rank", "world_size", "epochs", "steps", "began_ns",
    "stack_signal", "stack_fd",
)  # fmt: skip
_FLAGS = ("announces_end",)
_LISTS = ("argv", "tail")
_INT_MAX = 2**63


def decode_body(data: bytes, crc: Optional[int] = None) -> Body:
    """The body in ``data``; with ``crc`` it is checked first.

    Raises WireError: ``torn``, ``json``, ``key`` (unknown), ``type`` (wrong type or out of range), ``job`` (missing).
    """
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
    """A checked Body from decoded JSON. Raises WireError ``key``, ``type`` or ``job``."""
    if not fields.keys() <= _CHECKS.keys():
        raise WireError("key", f"unknown key {min(fields.keys() - _CHECKS.keys())!r:.80}")
    if not fields.get("job"):
        raise WireError("job", "no job is named")
    return Body(**{name: _CHECKS[name](name, value) for name, value in fields.items() if value is not None})


def text(name: str, value: Any, limit: int) -> str:
    """``value`` if it is a text of at most ``limit`` characters, without control characters but tab and newline."""
    if not isinstance(value, str) or len(value) > limit:
        raise WireError("type", f"{name} must be a text of at most {limit} characters")
    return clean(value, lines=True)


def clean(value: str, *, lines: bool = False) -> str:
    """Text from outside, made fit for a log, a terminal and a message: what does not print becomes U+FFFD.

    That is control characters, among them those that turn the direction of writing, and broken UTF-8. Line ends and
    tabs become spaces, unless ``lines`` are wanted. The one function of both halves for this.
    """
    if value.isprintable():
        return value
    return "".join(c if c.isprintable() else _kept(c, lines=lines) for c in value)


def _kept(char: str, *, lines: bool) -> str:
    if char in "\n\t":
        return char if lines else " "
    return " " if char.isspace() else "\ufffd"


def whole(name: str, value: Any) -> int:
    """``value`` if it is a whole number of 64 bits."""
    if type(value) is not int or not -_INT_MAX <= value < _INT_MAX:
        raise WireError("type", f"{name} must be a whole number")
    return value


def natural(name: str, value: Any) -> int:
    """``value`` if it is a whole number of 63 bits, 0 or more."""
    if whole(name, value) < 0:
        raise WireError("type", f"{name} must not be negative")
    return int(value)


def number(name: str, value: Any, *, finite: bool = True) -> float:
    """``value`` as a float. With ``finite=False`` NaN and infinity pass, also as the texts JSON has no number for."""
    if not finite and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if type(value) not in (int, float):
        raise WireError("type", f"{name} must be a number")
    try:
        result = float(value)
    except OverflowError:
        raise WireError("type", f"{name} is too large") from None
    if finite and not math.isfinite(result):
        raise WireError("type", f"{name} must be finite")
    return result


def numbers(name: str, value: Any) -> Dict[str, float]:
    """``value`` if it is an object of numbers."""
    if not isinstance(value, dict) or len(value) > METRICS_MAX:
        raise WireError("type", f"{name} must be an object of at most {METRICS_MAX} numbers")
    return {text(name, k, 256): number(f"{name}.{k[:40]}", v, finite=False) for k, v in value.items()}


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise WireError("type", f"{name} must be true or false")
    return value


def _texts(name: str, value: Any) -> Tuple[str, ...]:
    if not isinstance(value, list):
        raise WireError("type", f"{name} must be a list of texts")
    return tuple(text(name, v, BODY_MAX) for v in value)


def _tags(name: str, value: Any) -> Dict[str, str]:
    if not isinstance(value, dict):
        raise WireError("type", f"{name} must be an object of texts")
    return {text(name, k, 256): text(name, v, 4096) for k, v in value.items()}


def _text_up_to(limit: int) -> Callable[[str, Any], str]:
    return lambda name, value: text(name, value, limit)


_CHECKS: Dict[str, Callable[[str, Any], Any]] = {
    "job": _text_up_to(JOB_MAX),
    **{name: _text_up_to(limit) for name, limit in _TEXT.items()},
    **dict.fromkeys(_NATURAL, natural),
    "exit_status": whole,
    **dict.fromkeys(_FLAGS, _flag),
    **dict.fromkeys(_LISTS, _texts),
    "tags": _tags,
    "metrics": numbers,
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

    Raises WireError as ``decode_body`` does.
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
        raise WireError("type", f"event must be beat, finished or failed, not {event!r:.40}")
    head = Head(
        RUNNING if event is None else _EVENTS[event],
        0,
        0,
        None if epoch is None else number("epoch", epoch),
        None if step is None else whole("step", step),
        None if loss is None else number("loss", loss, finite=False),
        None if phase is None else text("phase", phase, 256) or None,
        0,
        None if within_s is None else number("within", within_s),
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
