"""The heartbeat files of this machine, and whether the processes they speak of are alive."""

import os
import stat
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from epochwatch import identity, wire
from epochwatch.processes import is_alive

_FILE_MAX = wire.HEAD_SIZE + 2 * wire.BODY_MAX
_TRIES = 5
"""Reads of one file before it counts as torn: a writer is at it for microseconds."""
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_ENDED = {wire.FINISHED: "finished", wire.FAILED: "failed"}


class Entry(NamedTuple):
    """One heartbeat file. ``state``: running, exiting, exited, gone, finished, failed; unknown where we cannot see."""

    path: str
    beat: wire.Beat
    owner: str
    state: str


def entries(directories: Iterable[str]) -> Tuple[List[Entry], Dict[str, str]]:
    """The heartbeat files in ``directories``, newest beat first, and why which files or folders cannot be read."""
    here = identity.describe()
    found: List[Entry] = []
    faults: Dict[str, str] = {}
    for path in _paths(dict.fromkeys(map(os.path.realpath, directories)), faults):
        try:
            found.append(_entry(path, here))
        except FileNotFoundError:
            continue  # removed since the folder was listed
        except OSError as error:
            faults[path] = error.strerror or str(error)
        except wire.WireError as error:
            faults[path] = str(error)
    return sorted(found, key=lambda entry: entry.beat.head.time_ns, reverse=True), faults


def _paths(directories: Iterable[str], faults: Dict[str, str]) -> Iterator[str]:
    for directory in directories:
        try:
            with os.scandir(directory) as files:
                paths = [file.path for file in files if file.name.endswith(".beat") and file.name[0] != "."]
        except FileNotFoundError:
            continue
        except OSError as error:
            faults[directory] = error.strerror or str(error)
            continue
        yield from paths


def _entry(path: str, here: wire.Body) -> Entry:
    beat, owner = read_beat(path)
    return Entry(path, beat, owner, state_of(beat.head.state, is_alive(beat.body, here)))


def read_beat(path: str) -> Tuple[wire.Beat, str]:
    """The beat in a file and the file owner's name. Raises OSError, or WireError for what is not a heartbeat."""
    descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise wire.WireError("kind", "not a regular file")
        return _whole_beat(descriptor), _user_name(status.st_uid)
    finally:
        os.close(descriptor)


def _whole_beat(descriptor: int) -> wire.Beat:
    for _ in range(_TRIES - 1):
        try:
            return _decode(descriptor)
        except wire.WireError as error:
            if error.code != "torn":
                raise
    return _decode(descriptor)


def _decode(descriptor: int) -> wire.Beat:
    os.lseek(descriptor, 0, os.SEEK_SET)
    data = os.read(descriptor, _FILE_MAX)
    head = wire.decode_head(data)
    return wire.Beat(head, wire.decode_body(data[head.body_at : head.body_at + head.body_len], head.body_crc))


def _user_name(uid: int) -> str:
    try:
        import pwd  # noqa: PLC0415 - not on Windows

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return str(uid)


def state_of(state: int, alive: Optional[bool]) -> str:  # noqa: FBT001 - alive is a fact, not an option
    """The word for a run in ``state`` whose process is alive or not, or None where that cannot be seen."""
    if state in _ENDED:
        return _ENDED[state]
    if alive is None:
        return "unknown"
    if state == wire.EXITING:
        return "exiting" if alive else "exited"
    return "running" if alive else "gone"
