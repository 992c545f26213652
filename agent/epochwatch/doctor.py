"""``epochwatch doctor``: whether what trains here is seen, from the training's side. It needs no daemon."""

import contextlib
import os
import socket
import stat
from typing import Iterator, List, Mapping, NamedTuple, Optional

from epochwatch import identity, transport

SERVICE_SOCKET = "/run/epochwatchd/beats"
INSTALL = "`sudo epochwatchd service install` for the machine, `epochwatchd service install --user` for yourself"


class Word(NamedTuple):
    """What was looked at: whether it is well, what it is, and what to do about it."""

    is_well: bool
    text: str
    todo: str = ""

    def __str__(self) -> str:
        todo = f": {self.todo}" if self.todo else ""
        return f"{'ok    ' if self.is_well else 'WRONG '}  {self.text}{todo}"


def examine(env: Mapping[str, str]) -> List[Word]:
    """All there is to say of a training that begins now with this environment."""
    if env.get("EPOCHWATCH_OFF") == "1":
        return [Word(False, "EPOCHWATCH_OFF=1: no beats are sent", "unset it")]
    return [*(_datagrams(env) if env.get("EPOCHWATCH_UDP") else _files(env)), *_wishes(env)]


def _wishes(env: Mapping[str, str]) -> Iterator[Word]:
    path = identity.jobs_file(env)
    if path is None:
        return
    from epochwatch import wishes  # noqa: PLC0415 - few have such a file

    try:
        patterns = [entry.pattern for entry in wishes.read(path)]
    except (OSError, ValueError) as error:
        yield Word(False, str(error), "until then nothing of that file holds")
    else:
        yield Word(True, f"{path} holds for jobs {', '.join(patterns) or '(none)'}")


def _datagrams(env: Mapping[str, str]) -> Iterator[Word]:
    key = env.get("EPOCHWATCH_KEY_FILE")
    sealed = ", sealed with a key" if key else ", without a key"
    yield Word(True, "beats go to {}{}, by datagram: nobody answers there".format(env["EPOCHWATCH_UDP"], sealed))
    if key and not os.access(key, os.R_OK):
        yield Word(False, f"EPOCHWATCH_KEY_FILE={key} cannot be read by you", "nothing is sent without it")


def _files(env: Mapping[str, str]) -> Iterator[Word]:
    places = transport.directories(env)
    chosen = next((place for place in places if _takes_files(place)), None)
    for place in places[: places.index(chosen) if chosen else None]:
        if os.path.isdir(place):
            yield Word(False, f"{place} is there, and you may not write to it", _who(place))
    if chosen is None:
        yield Word(False, "no folder takes a heartbeat: {}".format(", ".join(places)), "set EPOCHWATCH_DIR")
        return
    yield Word(True, f"beats go to {chosen}")
    if chosen == transport.RUN_DIRECTORY and not os.stat(chosen).st_mode & stat.S_ISGID:
        told = f"{chosen} gives its files to no group: the watchdog may not read them"
        yield Word(False, told, "`sudo epochwatchd service install` mends it")
    yield _watched(chosen, env)


def _watched(chosen: str, env: Mapping[str, str]) -> Word:
    """Whether a daemon looks at the folder."""
    service, own = _listens(SERVICE_SOCKET), _listens(_own_socket(env))
    if chosen == transport.RUN_DIRECTORY and service:
        return Word(True, "the machine's watchdog looks there")
    if own:
        return Word(True, "your own watchdog looks there")
    if service:
        todo = f"unset EPOCHWATCH_DIR, or see that you may write to {transport.RUN_DIRECTORY}"
        return Word(False, "the machine's watchdog runs, and does not look there", todo)
    return Word(False, "no watchdog runs that looks there", INSTALL)


def _own_socket(env: Mapping[str, str]) -> str:
    return os.path.join(env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}", "epochwatchd", "beats")


def _listens(path: str) -> bool:
    """Whether a daemon has the socket."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        try:
            sock.connect(path)
        except OSError:
            return False
    return True


def _takes_files(place: str) -> bool:
    """Whether we can make a file there, as a heartbeat is made; the folder of our own may still have to be made."""
    if not os.path.isdir(place):
        parent = os.path.dirname(place)
        return place != transport.RUN_DIRECTORY and os.access(parent, os.W_OK)
    path = os.path.join(place, f".doctor.{os.getpid()}")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(path)
    except OSError:
        return False
    return True


def _who(place: str) -> str:
    owner: Optional[str] = None
    with contextlib.suppress(ImportError, KeyError, OSError):
        import pwd  # noqa: PLC0415 - not on Windows

        owner = pwd.getpwuid(os.stat(place).st_uid).pw_name
    return f"ask its owner, {owner}" if owner else ""
