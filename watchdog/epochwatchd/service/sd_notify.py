"""What systemd wants to hear from a service of Type=notify; nothing where there is no systemd. See sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)


def notify(state: str, env: Mapping[str, str] = os.environ, fds: Sequence[int] = ()) -> bool:
    """Tell systemd lines such as ``READY=1``; whether it was told. A systemd that does not listen is not waited for.

    ``fds``: descriptors that go with it.
    """
    address = env.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.connect(address)
            socket.send_fds(sock, [state.encode()], fds)
    except OSError as e:
        log.debug("systemd was not told %r: %s", state, e)
        return False
    return True
