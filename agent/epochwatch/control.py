"""Asks a running watchdog: HTTP over its Unix socket, which knows by the kernel who asks. Standard library only."""

import http.client
import json
import os
import socket
import struct
from typing import Any, Dict, List, Mapping, Optional, Tuple

SERVICE = "/run/epochwatchd/control"
SERVICE_USER = "epochwatch"
ANSWER_S = 10.0


class ControlError(Exception):
    """The watchdog was not asked, or said no; the text says why and what to do."""


class _Connection(http.client.HTTPConnection):
    """A connection to a Unix socket. Its peer must be root, the service's user, or ourselves: nobody else answers."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_S)
        self._path = path

    def connect(self) -> None:
        """Raises OSError, ControlError."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_S)
        self.sock.connect(self._path)
        raw = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        uid = struct.unpack("3i", raw)[1]
        if uid not in _trusted():
            raise ControlError(f"{self._path} is of user {uid}, who is not the watchdog: it is not asked")


def _trusted() -> List[int]:
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        return [0, os.geteuid(), pwd.getpwnam(SERVICE_USER).pw_uid]
    except KeyError:
        return [0, os.geteuid()]


def paths(env: Mapping[str, str]) -> List[str]:
    """Where a watchdog may listen: as the environment says, else the service's and the user's own."""
    if env.get("EPOCHWATCH_CONTROL"):
        return [env["EPOCHWATCH_CONTROL"]]
    own = env.get("XDG_RUNTIME_DIR")
    return [SERVICE, *([os.path.join(own, "epochwatchd", "control")] if own else [])]


def ask(method: str, path: str, body: Optional[Dict[str, Any]] = None, *, among: Optional[List[str]] = None) -> Any:
    """What the first watchdog answers that knows of it. Raises ControlError.

    among: the sockets to try, in this order; else those where a watchdog may listen.
    """
    if not hasattr(socket, "SO_PEERCRED"):  # only Linux says who is at the other end
        raise ControlError("this system has no watchdog")
    places, refusal = among or paths(os.environ), ""
    for place in places:
        try:
            status, said = _asked(place, method, path, body)
        except (FileNotFoundError, ConnectionRefusedError):
            continue
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ControlError(f"{place}: {error}") from None
        if status == http.client.OK and isinstance(said, (dict, list)):
            return said
        refusal = str(said.get("error")) if isinstance(said, dict) else f"{place}: answered {status}"
        if status != http.client.NOT_FOUND:
            break
    raise ControlError(refusal or f"no watchdog listens at {' or '.join(places)}; `epochwatch doctor` says more")


def _asked(place: str, method: str, path: str, body: Optional[Dict[str, Any]]) -> Tuple[int, Any]:
    connection = _Connection(place)
    try:
        connection.request(method, path, json.dumps(body or {}), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def matcher(words: List[str]) -> Dict[str, Any]:
    """Conditions as a route's match has them: ``job=resnet* kind=silent,stalled tag.team=nlp``. Raises ValueError."""
    match: Dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise ValueError(f"must be written NAME=PATTERN, as job=resnet*, not {word!r:.80}")
        patterns = [part for part in value.split(",") if part]
        if name.startswith("tag."):
            match.setdefault("tag", {})[name[len("tag.") :]] = patterns
        else:
            match[name] = patterns
    return match
